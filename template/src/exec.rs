//! Trees and data to text: statements, pipelines, variables. What operands and functions are is in `exec::operand` and
//! `exec::call`. Error texts are Go's: they name the operand at which it went wrong.

mod call;
mod operand;

use crate::Host;
use crate::escape::{self, Page};
use crate::node::{Action, Branch, BranchKind, Call, Command, Expr, Node, Pipe, Tree, Trees};
use crate::print;
use crate::value::{ANY, Value};
use model::quote::Quoted;
use std::fmt::{self, Display};

/// Lists of statements and pipelines inside one another.
const MAX_DEPTH: usize = 300;

/// What is said beyond that, in the words of Go, which goes deeper.
const TOO_DEEP: &str = "exceeded maximum template depth (100000)";

/// After how many steps the host is asked whether to go on.
const STEPS: u32 = 256;

/// Why a template does not expand: the whole text.
pub(crate) type Done<T> = Result<T, Box<str>>;

/// What to do after a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// Where an error is.
#[derive(Clone, Copy)]
enum At<'t> {
    Nowhere,
    Action(&'t Action),
    Call(&'t Call),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Expr(&'t Expr),
}

impl At<'_> {
    fn pos(self) -> usize {
        match self {
            Self::Nowhere => 0,
            Self::Action(action) => action.pos,
            Self::Call(call) => call.pos,
            Self::Pipe(pipe) => pipe.pos,
            Self::Command(command) => command.pos,
            Self::Expr(expr) => expr.pos,
        }
    }
}

impl Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => Ok(()),
            Self::Action(action) => action.fmt(f),
            Self::Call(call) => call.fmt(f),
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Expr(expr) => expr.fmt(f),
        }
    }
}

/// What an expansion works with.
pub(crate) struct World<'t> {
    pub(crate) trees: &'t Trees,
    pub(crate) host: &'t dyn Host,
    /// What is known of a page; `None` for plain text.
    pub(crate) page: Option<&'t Page>,
}

/// What an expansion has done.
#[derive(Default)]
struct Work {
    out: String,
    steps: u32,
    depth: usize,
}

/// Expands a template with `data` as its dot.
pub(crate) fn expand(world: &World<'_>, tree: &Tree, data: Value) -> Done<String> {
    let mut work = Work::default();
    State::new(world, tree, data).run(&mut work)?;
    Ok(work.out)
}

/// A template that is being expanded.
struct State<'t> {
    world: &'t World<'t>,
    tree: &'t Tree,
    /// Names with their `$`; the last one of a name counts.
    variables: Vec<(&'t str, Value)>,
    at: At<'t>,
}

impl<'t> State<'t> {
    fn new(world: &'t World<'t>, tree: &'t Tree, data: Value) -> Self {
        Self { world, tree, variables: vec![("$", data)], at: At::Nowhere }
    }

    fn run(&mut self, work: &mut Work) -> Done<()> {
        let (dot, tree) = (self.variables[0].1.clone(), self.tree);
        self.list(&dot, &tree.root, work).map(drop)
    }

    fn fail<T>(&self, what: impl Display) -> Done<T> {
        Err(self.failure(what))
    }

    fn failure(&self, what: impl Display) -> Box<str> {
        let name = Quoted(&self.tree.name);
        if matches!(self.at, At::Nowhere) {
            return format!("template: {}: {what}", self.tree.name).into();
        }
        let place = self.tree.source.place(self.at.pos());
        format!("template: {place}: executing {name} at <{}>: {what}", self.at).into()
    }

    /// Goes one level down.
    fn descend(&self, work: &mut Work) -> Done<()> {
        if work.depth == MAX_DEPTH {
            return self.fail(TOO_DEEP);
        }
        work.depth += 1;
        Ok(())
    }

    fn step(&self, work: &mut Work) -> Done<()> {
        work.steps += 1;
        if !work.steps.is_multiple_of(STEPS) {
            return Ok(());
        }
        self.world.host.go_on().or_else(|why| self.fail(why))
    }

    fn list(&mut self, dot: &Value, nodes: &'t [Node], work: &mut Work) -> Done<Flow> {
        self.descend(work)?;
        for node in nodes {
            let flow = self.node(dot, node, work)?;
            if flow != Flow::Next {
                work.depth -= 1;
                return Ok(flow);
            }
        }
        work.depth -= 1;
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Value, node: &'t Node, work: &mut Work) -> Done<Flow> {
        self.step(work)?;
        match node {
            Node::Text(_, text) => self.write(text, work)?,
            Node::Action(action) => self.action(dot, action, work)?,
            Node::Branch(branch) if branch.kind == BranchKind::Range => {
                return self.range(dot, branch, work);
            }
            Node::Branch(branch) => return self.choose(dot, branch, work),
            Node::Call(call) => self.call_template(dot, call, work)?,
            Node::Break(_) => return Ok(Flow::Break),
            Node::Continue(_) => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn write(&self, text: &str, work: &mut Work) -> Done<()> {
        if work.out.len() + text.len() > print::MAX_BYTES {
            return self.fail(print::TOO_LARGE);
        }
        work.out.push_str(text);
        Ok(())
    }

    fn action(&mut self, dot: &Value, action: &'t Action, work: &mut Work) -> Done<()> {
        self.at = At::Action(action);
        let value = self.pipe(dot, &action.pipe, work)?;
        if !action.pipe.variables.is_empty() {
            return Ok(());
        }
        self.at = At::Action(action);
        let escapers = &action.pipe.escapers;
        let text = if escapers.is_empty() {
            print::shown(&value)
        } else {
            escape::apply(escapers, &value)
        };
        match text {
            Ok(text) => self.write(&text, work),
            Err(why) => self.fail(why),
        }
    }

    fn choose(&mut self, dot: &Value, branch: &'t Branch, work: &mut Work) -> Done<Flow> {
        let mark = self.variables.len();
        let value = self.pipe(dot, &branch.pipe, work)?;
        let flow = match (value.is_true(), &branch.otherwise) {
            (true, _) if branch.kind == BranchKind::With => {
                self.list(&value, &branch.list, work)?
            }
            (true, _) => self.list(dot, &branch.list, work)?,
            (false, Some(otherwise)) => self.list(dot, otherwise, work)?,
            (false, None) => Flow::Next,
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch, work: &mut Work) -> Done<Flow> {
        let outer = self.variables.len();
        let over = self.pipe(dot, &branch.pipe, work)?;
        let mark = self.variables.len();
        let rows = self.rows(&over, branch)?;
        if rows == 0 {
            let flow = match &branch.otherwise {
                Some(otherwise) => self.list(dot, otherwise, work)?,
                None => Flow::Next,
            };
            self.variables.truncate(outer);
            return Ok(flow);
        }
        for row in 0..rows {
            self.step(work)?;
            let (key, value) = over.row(row);
            self.bind(&branch.pipe, (key, &value))?;
            let flow = self.list(&value, &branch.list, work)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        self.variables.truncate(outer);
        Ok(Flow::Next)
    }

    /// How often a range runs.
    fn rows(&self, over: &Value, branch: &Branch) -> Done<usize> {
        Ok(match over {
            Value::Nil => 0,
            Value::Int(_) if branch.pipe.variables.len() > 1 => {
                let over = print::cited(over);
                let what = format_args!("can't use {over} to iterate over more than one variable");
                return self.fail(what);
            }
            Value::Int(count) => usize::try_from(*count).unwrap_or(0),
            other => match other.rows() {
                Some(rows) => rows,
                None => {
                    let other = print::cited(other);
                    return self.fail(format_args!("range can't iterate over {other}"));
                }
            },
        })
    }

    /// Gives the variables of a range their values.
    fn bind(&mut self, pipe: &'t Pipe, (key, value): (Value, &Value)) -> Done<()> {
        let Some(first) = pipe.variables.first() else { return Ok(()) };
        if pipe.assigns {
            if let Some(second) = pipe.variables.get(1) {
                self.assign(first, key)?;
                return self.assign(second, value.clone());
            }
            return self.assign(first, value.clone());
        }
        let len = self.variables.len();
        self.variables[len - 1].1 = value.clone();
        if pipe.variables.len() > 1 {
            self.variables[len - 2].1 = key;
        }
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Value) -> Done<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => self.fail(format_args!("undefined variable: {name}")),
        }
    }

    fn call_template(&mut self, dot: &Value, call: &'t Call, work: &mut Work) -> Done<()> {
        self.at = At::Call(call);
        let Some(tree) = self.world.trees.get(&call.name) else {
            return self.fail(format_args!("template {} not defined", Quoted(&call.name)));
        };
        if work.depth == MAX_DEPTH {
            return self.fail(TOO_DEEP);
        }
        let data = match &call.pipe {
            Some(pipe) => self.pipe(dot, pipe, work)?,
            None => Value::Nil,
        };
        State::new(self.world, tree, data).run(work)
    }

    /// The value of a pipeline, which its variables get, too.
    fn pipe(&mut self, dot: &Value, pipe: &'t Pipe, work: &mut Work) -> Done<Value> {
        self.at = At::Pipe(pipe);
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(dot, command, last, work)?);
        }
        let value = last.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }
}

/// The type of what stands in a field or an entry that holds anything.
fn type_in(value: &Value, in_any: bool) -> String {
    if in_any { ANY.to_owned() } else { value.type_name() }
}

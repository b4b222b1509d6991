//! Calls of functions: how many arguments there are, what they are, and what the function makes of them.

use super::{At, Done, State, Work};
use crate::escape::Escaped;
use crate::functions::{self, Function, Param, Run};
use crate::node::Expr;
use crate::value::Value;
use model::quote::Quoted;

impl<'t> State<'t> {
    /// Calls a function; what it says is wrong is reported at `whole`.
    pub(super) fn function(
        &mut self,
        name: &str,
        (dot, args, last): (&Value, &'t [Expr], Option<Value>),
        whole: At<'t>,
        work: &mut Work,
    ) -> Done<Value> {
        let Some(function) = functions::find(name, self.world.page.is_some()) else {
            return self.fail(format_args!("{} is not a defined function", Quoted(name)));
        };
        if let Run::Until(decides) = function.run {
            return self.until(function, decides, (dot, args, last), work);
        }
        let called = Self::named(args, last.as_ref());
        let takes = (function.params, function.is_open);
        let values = self.arguments(dot, name, takes, (args, last), work)?;
        let host = self.world.host;
        let answer = match function.run {
            Run::Plain(run) => run(&values),
            Run::Call => Err(self.no_function(&called, &values[0])),
            Run::Now => Ok(Value::Float(host.now_ms() as f64 / 1000.0)),
            Run::ExternalUrl => Ok(Value::text(host.external_url())),
            Run::PathPrefix => Ok(Value::text(path(host.external_url()))),
            Run::Query => host.query(text(&values[0])).map(|samples| {
                Value::Samples(samples.into_iter().map(std::sync::Arc::new).collect())
            }),
            Run::Page => self.page(text(&values[0]), values[1].clone(), work),
            Run::Until(_) => unreachable!("answered above"),
        };
        answer.map_err(|why| {
            self.at = whole;
            self.failure(format_args!("error calling {name}: {why}"))
        })
    }

    /// `and` and `or`: the first value that decides, else the last one.
    fn until(
        &mut self,
        function: &Function,
        decides: bool,
        (dot, args, last): (&Value, &'t [Expr], Option<Value>),
        work: &mut Work,
    ) -> Done<Value> {
        self.count(function.name, (1, true), (args.len(), last.is_some()))?;
        let mut value = Value::Nil;
        for arg in args {
            value = self.argument(dot, Param::Any, arg, work)?;
            if value.is_true() == decides {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn count(
        &self,
        name: &str,
        (params, is_open): (usize, bool),
        (args, has_last): (usize, bool),
    ) -> Done<()> {
        let given = args + usize::from(has_last);
        if is_open && given < params {
            let what =
                format_args!("wrong number of args for {name}: want at least {params} got {args}");
            return self.fail(what);
        }
        if !is_open && given != params {
            let what = format_args!("wrong number of args for {name}: want {params} got {given}");
            return self.fail(what);
        }
        Ok(())
    }

    /// The arguments of a call, the value of the command before it as the last one.
    pub(super) fn arguments(
        &mut self,
        dot: &Value,
        name: &str,
        (params, is_open): (&[Param], bool),
        (args, last): (&'t [Expr], Option<Value>),
        work: &mut Work,
    ) -> Done<Vec<Value>> {
        self.count(name, (params.len(), is_open), (args.len(), last.is_some()))?;
        let param = |index: usize| params.get(index).copied().unwrap_or(Param::Any);
        let mut values = Vec::with_capacity(args.len() + 1);
        for (index, arg) in args.iter().enumerate() {
            values.push(self.argument(dot, param(index), arg, work)?);
        }
        if let Some(last) = last {
            values.push(self.checked(last, param(args.len()))?);
        }
        Ok(values)
    }

    /// `tmpl`: a template by a name that is made while the page is, as HTML.
    fn page(&self, name: &str, data: Value, work: &mut Work) -> Result<Value, String> {
        let undefined = || format!("html/template: {} is undefined", Quoted(name));
        let page = self.world.page.ok_or_else(undefined)?;
        let tree = match page.get(name).ok_or_else(undefined)? {
            Escaped::Tree(tree) => tree,
            Escaped::Refused(why) => return Err(why.to_string()),
        };
        // What is written goes into a text of its own.
        let outer = std::mem::take(&mut work.out);
        let done = self.descend(work).and_then(|()| State::new(self.world, tree, data).run(work));
        let made = std::mem::replace(&mut work.out, outer);
        done.map_err(String::from)?;
        work.depth -= 1;
        Ok(Value::Html(made.into()))
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => unreachable!("the parameter takes texts only"),
    }
}

/// The path of an address.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    path.split(['?', '#']).next().unwrap_or_default()
}

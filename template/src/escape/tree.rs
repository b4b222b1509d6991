//! Templates of a page: each action gets its escapers, text loses its comments, and templates that are called inside
//! of tags, scripts and styles are copied for the context they are called in.

use super::context::{Context, Delim, Slash, State, UrlPart};
use super::transition::after_text;
use super::{Escaped, Escaper, Page};
use crate::node::{Action, Branch, BranchKind, Call, Expr, ExprKind, Node, Source, Tree, Trees};
use model::hash::{HashMap, HashSet};
use model::quote::Quoted;
use std::sync::Arc;

/// Templates that call one another may go as deep.
const MAX_CALLS: usize = 100;

/// How many statements are looked at; ranges inside one another are looked at twice each.
const MAX_VISITS: usize = 1_000_000;

/// Why a template is no page: what is wrong, and where, if that is one place.
#[derive(Debug)]
struct Refusal {
    place: Option<String>,
    what: String,
}

type Moved<T> = Result<T, Box<Refusal>>;

/// A list behind escaping: where it ends, and what it is.
type List = (Context, Vec<Node>);

/// Escapes every template as a page of its own.
pub(super) fn escape(trees: &Trees) -> (Trees, Page) {
    let mut run = Run::new(trees);
    let mut page = Page::default();
    for name in trees.keys() {
        let refused = |refusal: Refusal| {
            let place = refusal.place.unwrap_or_else(|| name.clone());
            Escaped::Refused(format!("html/template:{place}: {}", refusal.what).into())
        };
        let escaped = match run.call(&Context::default(), name, None) {
            Err(refusal) => refused(*refusal),
            Ok((end, _)) if end.state != State::Text => {
                let what = format!("ends in a non-text context: {end}");
                refused(Refusal { place: None, what })
            }
            Ok(_) => Escaped::Tree(Arc::clone(&run.made[name])),
        };
        page.insert(name.clone(), escaped);
    }
    (run.made, page)
}

/// Where `break` and `continue` leave a range.
#[derive(Debug, Default)]
struct Exits {
    breaks: Vec<(Context, usize)>,
    continues: Vec<(Context, usize)>,
}

struct Run<'t> {
    trees: &'t Trees,
    /// Escaped templates by the names of their copies.
    made: Trees,
    /// Where those end; while one is escaped, where it is assumed to end.
    ends: HashMap<String, Context>,
    /// What the template under way has called.
    called: HashSet<String>,
    exits: Vec<Exits>,
    depth: usize,
    visits: usize,
}

impl<'t> Run<'t> {
    fn new(trees: &'t Trees) -> Self {
        Self {
            trees,
            made: Trees::default(),
            ends: HashMap::default(),
            called: HashSet::default(),
            exits: Vec::new(),
            depth: 0,
            visits: 0,
        }
    }

    /// A call of a template in a context: where that ends, and the name of the copy.
    fn call(
        &mut self,
        context: &Context,
        name: &str,
        place: Option<(&Source, usize)>,
    ) -> Moved<(Context, String)> {
        let copy = context.mangled(name);
        self.called.insert(copy.clone());
        if let Some(end) = self.ends.get(&copy) {
            return Ok((end.clone(), copy));
        }
        let refuse = |what: String| {
            let place = place.map(|(source, pos)| source.place(pos));
            Err(Box::new(Refusal { place, what }))
        };
        let Some(tree) = self.trees.get(name) else {
            return refuse(format!("no such template {}", Quoted(&copy)));
        };
        if self.depth == MAX_CALLS {
            return refuse(format!("templates call one another more than {MAX_CALLS} deep"));
        }
        self.depth += 1;
        let end = self.fixed_point(context, tree, &copy);
        self.depth -= 1;
        Ok((end?, copy))
    }

    /// Where a template ends that may call itself: first it is assumed to end where it begins.
    fn fixed_point(&mut self, context: &Context, tree: &Tree, copy: &str) -> Moved<Context> {
        let first = self.body(context, tree, (copy, context));
        let assumed = match first {
            Ok((end, true)) => return Ok(end),
            Ok((end, false)) => end,
            Err(refusal) => {
                self.ends.remove(copy);
                return Err(refusal);
            }
        };
        if let Ok((end, true)) = self.body(context, tree, (copy, &assumed)) {
            return Ok(end);
        }
        self.ends.remove(copy);
        let what = format!("cannot compute output context for template {copy}");
        Err(Box::new(Refusal { place: Some(tree.source.place(tree.pos)), what }))
    }

    /// Escapes a template; the second value tells whether the assumption about its end was right or not needed.
    fn body(
        &mut self,
        context: &Context,
        tree: &Tree,
        (copy, assumed): (&str, &Context),
    ) -> Moved<(Context, bool)> {
        let outer = std::mem::take(&mut self.called);
        let exits = std::mem::take(&mut self.exits);
        let before = self.ends.clone();
        self.ends.insert(copy.to_owned(), assumed.clone());
        let list = self.list(context, &tree.root, &tree.source);
        let is_recursive = self.called.contains(copy);
        self.called.extend(outer);
        self.exits = exits;
        let (end, root) = list?;
        let is_right = !is_recursive || end == *assumed;
        if is_right {
            self.ends.insert(copy.to_owned(), end.clone());
            let source = Arc::clone(&tree.source);
            let tree = Tree { name: copy.to_owned(), source, pos: tree.pos, root };
            self.made.insert(copy.to_owned(), Arc::new(tree));
        } else {
            // What was found under the wrong assumption does not hold.
            self.ends = before;
        }
        Ok((end, is_right))
    }

    fn list(&mut self, context: &Context, nodes: &[Node], source: &Source) -> Moved<List> {
        let mut context = context.clone();
        let mut out = Vec::with_capacity(nodes.len());
        for node in nodes {
            let (after, node) = self.node(&context, node, source)?;
            out.push(node);
            context = after;
            if context.state == State::Dead {
                break;
            }
        }
        Ok((context, out))
    }

    fn node(&mut self, context: &Context, node: &Node, source: &Source) -> Moved<(Context, Node)> {
        self.visits += 1;
        if self.visits > MAX_VISITS {
            let what = format!("more than {MAX_VISITS} statements to escape");
            return Err(Box::new(Refusal { place: None, what }));
        }
        match node {
            Node::Text(pos, text) => {
                let (after, text) = escape_text(context, text)
                    .map_err(|what| Box::new(Refusal { place: None, what }))?;
                Ok((after, Node::Text(*pos, text)))
            }
            Node::Action(action) => {
                let (after, action) = escape_action(context, action).map_err(|what| {
                    Box::new(Refusal { place: Some(source.place(action.pos)), what })
                })?;
                Ok((after, Node::Action(action)))
            }
            Node::Branch(branch) => self.branch(context, branch, source),
            Node::Call(call) => {
                let (after, name) = self.call(context, &call.name, Some((source, call.pos)))?;
                Ok((after, Node::Call(Call { name, ..call.clone() })))
            }
            Node::Break(pos) | Node::Continue(pos) => {
                if let Some(exits) = self.exits.last_mut() {
                    let is_break = matches!(node, Node::Break(_));
                    let left = if is_break { &mut exits.breaks } else { &mut exits.continues };
                    left.push((context.clone(), *pos));
                }
                Ok((Context::at(State::Dead), node.clone()))
            }
        }
    }

    fn branch(
        &mut self,
        context: &Context,
        branch: &Branch,
        source: &Source,
    ) -> Moved<(Context, Node)> {
        let kind = branch.kind;
        let place = (source, branch.pipe.pos);
        let join = |begin: &str, a: &Context, b: &Context| joined(kind, (begin, place), a, b);
        let (mut end, list) = if branch.kind == BranchKind::Range {
            let (end, list) = self.row(context, branch, source)?;
            // A second row begins where the first one ends.
            let (again, _) = self.row(&end, branch, source)?;
            (join("on range loop re-entry: ", &end, &again)?, list)
        } else {
            self.list(context, &branch.list, source)?
        };
        let otherwise = match &branch.otherwise {
            Some(otherwise) => {
                let (other, otherwise) = self.list(context, otherwise, source)?;
                end = join("", &end, &other)?;
                Some(otherwise)
            }
            None => {
                end = join("", &end, context)?;
                None
            }
        };
        let pipe = branch.pipe.clone();
        Ok((end, Node::Branch(Branch { kind, pipe, list, otherwise })))
    }

    /// One row of a range, with the places where it is left early.
    fn row(&mut self, context: &Context, branch: &Branch, source: &Source) -> Moved<List> {
        self.exits.push(Exits::default());
        let done = self.list(context, &branch.list, source);
        let exits = self.exits.pop().unwrap_or_default();
        let (mut end, list) = done?;
        for (left, pos) in &exits.breaks {
            let begin = ("at range loop break: ", (source, *pos));
            end = joined(branch.kind, begin, &end, left)?;
        }
        for (left, pos) in &exits.continues {
            let begin = ("at range loop continue: ", (source, *pos));
            end = joined(branch.kind, begin, &end, left)?;
        }
        Ok((end, list))
    }
}

/// Where two branches meet; the error is that of a statement at `pos`.
fn joined(
    kind: BranchKind,
    (begin, (source, pos)): (&str, (&Source, usize)),
    a: &Context,
    b: &Context,
) -> Moved<Context> {
    a.joined(b).ok_or_else(|| {
        let word = kind.word();
        let what = format!("{begin}{{{{{word}}}}} branches end in different contexts: {a}, {b}");
        Box::new(Refusal { place: Some(source.place(pos)), what })
    })
}

/// Text without comments, its stray `<` written as entities.
fn escape_text(context: &Context, text: &str) -> Result<(Context, String), String> {
    let (mut context, mut out) = (context.clone(), String::with_capacity(text.len()));
    let (mut at, mut written) = (0, 0);
    while at < text.len() {
        let (after, len) = after_text(&context, &text[at..])?;
        let end = at + len;
        if matches!(context.state, State::Text | State::TextOnly) {
            let changes = after.state != context.state;
            let tag = if changes { text[at..end].rfind('<').map(|tag| at + tag) } else { None };
            for (open, _) in text[at..tag.unwrap_or(end)].match_indices('<') {
                let open = at + open;
                let is_doctype = text[open..]
                    .get(..9)
                    .is_some_and(|begin| begin.eq_ignore_ascii_case("<!doctype"));
                if !is_doctype {
                    out.push_str(&text[written..open]);
                    out.push_str("&lt;");
                    written = open + 1;
                }
            }
        } else if context.state.is_comment() && context.delim == Delim::None {
            match context.state {
                State::JsBlockComment => {
                    // A comment of several lines separates statements.
                    let has_line =
                        text[written..end].contains(['\n', '\r', '\u{2028}', '\u{2029}']);
                    out.push(if has_line { '\n' } else { ' ' });
                }
                State::CssBlockComment => out.push(' '),
                _ => {}
            }
            written = end;
        }
        if context.state != after.state && after.state.is_comment() && after.delim == Delim::None {
            let sign = match after.state {
                State::HtmlComment | State::JsOpenComment => 4,
                State::JsCloseComment => 3,
                _ => 2,
            };
            out.push_str(&text[written..end - sign]);
            written = end;
        }
        if context.state.is_script_literal() {
            out.push_str(&text[written.min(at)..at]);
            out.push_str(&hidden_tags(&text[written.max(at)..end]));
            written = end;
        }
        if len == 0 && after == context {
            return Err(format!("cannot read {}", Quoted(&text[at..])));
        }
        (context, at) = (after, end);
    }
    if !context.state.is_comment() || context.delim != Delim::None {
        out.push_str(&text[written..]);
    }
    Ok((context, out))
}

/// A piece of a literal of a script, in which nothing looks like the begin or end of one.
fn hidden_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let begins = |tag: &str| {
            text[at..].get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag))
        };
        if c == '<' && ["<script", "</script", "<!--"].into_iter().any(begins) {
            out.push_str("\\x3C");
        } else {
            out.push(c);
        }
    }
    out
}

/// The function that ends a pipeline, if that is one that escapes.
fn predefined(action: &Action) -> Option<(Escaper, &'static [Escaper])> {
    let last = action.pipe.commands.last()?;
    let ExprKind::Function(name) = &last.args[0].kind else { return None };
    match &**name {
        "html" => {
            Some((Escaper::HtmlFunction, &[Escaper::Html, Escaper::Attribute, Escaper::TextOnly]))
        }
        "urlquery" => Some((Escaper::QueryFunction, &[Escaper::UrlPart, Escaper::UrlWhole])),
        _ => None,
    }
}

fn escape_action(context: &Context, action: &Action) -> Result<(Context, Action), String> {
    let mut action = action.clone();
    if !action.pipe.variables.is_empty() {
        return Ok((context.clone(), action));
    }
    let mut context = context.nudged();
    let last = action.pipe.commands.len() - 1;
    for (index, command) in action.pipe.commands.iter().enumerate() {
        let ExprKind::Function(name) = &command.args[0].kind else { continue };
        let without_quotes = context.state == State::Attr && context.delim == Delim::Space;
        let is_odd = match &**name {
            "html" => index < last || without_quotes,
            "urlquery" => index < last,
            _ => false,
        };
        if is_odd {
            return Err(format!("predefined escaper {} disallowed in template", Quoted(name)));
        }
    }
    let mut escapers = of_state(&mut context, &action)?;
    match context.delim {
        Delim::None => {}
        Delim::Space => escapers.push(Escaper::Unquoted),
        Delim::Double | Delim::Single => escapers.push(Escaper::Attribute),
    }
    replace_predefined(&mut action, &mut escapers);
    action.pipe.escapers = escapers;
    Ok((context, action))
}

/// A function that escapes at the end of a pipeline takes the place of the escaper that does the same.
fn replace_predefined(action: &mut Action, escapers: &mut [Escaper]) {
    let Some((function, same)) = predefined(action) else { return };
    let mut is_replaced = false;
    for escaper in escapers.iter_mut().filter(|escaper| same.contains(escaper)) {
        (*escaper, is_replaced) = (function, true);
    }
    let commands = &mut action.pipe.commands;
    let Some(command) = commands.last_mut().filter(|_| is_replaced) else { return };
    if command.args.len() == 1 {
        if commands.len() > 1 {
            commands.pop();
        }
        return;
    }
    // What the function would have joined is joined all the same.
    let pos = command.args[0].pos;
    command.args[0] = Expr { pos, kind: ExprKind::Function("print".to_owned()) };
}

/// What a value goes through by the language it is in.
fn of_state(context: &mut Context, action: &Action) -> Result<Vec<Escaper>, String> {
    Ok(match context.state {
        State::AttrName | State::Tag => {
            context.state = State::AttrName;
            vec![Escaper::AttributeName]
        }
        State::Url
        | State::CssDouble
        | State::CssSingle
        | State::CssDoubleUrl
        | State::CssSingleUrl
        | State::CssUrl => {
            let whole = match context.state {
                State::CssDouble | State::CssSingle => Escaper::Css,
                _ => Escaper::UrlWhole,
            };
            match context.url_part {
                UrlPart::None => vec![Escaper::UrlScheme, whole],
                UrlPart::BeforeQuery => vec![whole],
                UrlPart::Query => vec![Escaper::UrlPart],
                UrlPart::Unknown => {
                    return Err(format!("{action} appears in an ambiguous context within a URL"));
                }
            }
        }
        State::Js => {
            // A slash behind a value divides.
            context.slash = Slash::Division;
            vec![Escaper::JsValue]
        }
        State::JsDouble | State::JsSingle => vec![Escaper::JsText],
        State::JsTemplate => vec![Escaper::JsTemplate],
        State::JsRegexp => vec![Escaper::JsRegexp],
        State::Css => vec![Escaper::CssValue],
        State::Text => vec![Escaper::Html],
        State::TextOnly => vec![Escaper::TextOnly],
        State::Srcset => vec![Escaper::Srcset],
        state if state.is_comment() => vec![Escaper::Comment],
        _ => Vec::new(),
    })
}

//! Tokens to trees. Error texts are Go's: they name template and line. How deep a text nests is bounded.

mod pipeline;

use crate::lex::{Kind, Token, lex};
use crate::node::{Action, Branch, BranchKind, Call, Node, Source, Tree, Trees};
use crate::number::unquote;
use model::quote::Quoted;
use std::sync::Arc;

/// Blocks and parentheses inside one another.
const MAX_NESTED: usize = 100;

/// Why a text is no template.
type Parsed<T> = Result<T, Box<str>>;

/// Adds the templates of a text to `trees`: itself under `name`, and what it defines. `is_page` knows the functions of
/// pages.
pub(crate) fn parse(name: &str, text: &str, is_page: bool, trees: &mut Trees) -> Parsed<()> {
    let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
    let tokens = lex(text);
    let mut parser = Parser {
        source,
        tokens,
        next: 0,
        seen: 0,
        is_page,
        nested: 0,
        scope: Scope::new(),
        found: Trees::default(),
    };
    let root = parser.top()?;
    let found = parser.define(name.to_owned(), (0, root)).map(|()| parser.found)?;
    for (name, tree) in found {
        // An empty template does not hide one that was read before.
        if !tree.is_empty() || !trees.contains_key(&name) {
            trees.insert(name, tree);
        }
    }
    Ok(())
}

/// What a template may refer to.
struct Scope {
    variables: Vec<String>,
    ranges: usize,
}

impl Scope {
    fn new() -> Self {
        Self { variables: vec!["$".to_owned()], ranges: 0 }
    }
}

/// Where a list of statements ended.
enum End {
    End,
    Else,
}

impl End {
    fn text(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

/// A statement, or the end of a list of them.
enum Item {
    Node(Node),
    End(End),
}

struct Parser {
    source: Arc<Source>,
    tokens: Vec<Token>,
    next: usize,
    /// How many tokens were looked at: the last of them gives the line of an error.
    seen: usize,
    is_page: bool,
    nested: usize,
    scope: Scope,
    found: Trees,
}

impl Parser {
    /// The token `ahead` of the next one; behind the last one there is the last one.
    fn look(&mut self, ahead: usize) -> &Token {
        let at = (self.next + ahead).min(self.tokens.len() - 1);
        self.seen = self.seen.max(at + 1);
        &self.tokens[at]
    }

    fn peek(&mut self) -> Kind {
        self.look(0).kind
    }

    /// The next token that is no space, which stays.
    fn peek_solid(&mut self) -> Kind {
        while self.peek() == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    fn take(&mut self) -> Token {
        let token = self.look(0).clone();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    fn take_solid(&mut self) -> Token {
        self.peek_solid();
        self.take()
    }

    fn fail<T>(&self, what: impl std::fmt::Display) -> Parsed<T> {
        let line = self.tokens[self.seen.max(1) - 1].line;
        Err(format!("template: {}:{line}: {what}", self.source.name).into())
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        match token.kind {
            Kind::Error => self.fail(token),
            _ => self.fail(format_args!("unexpected {token} in {context}")),
        }
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.take_solid();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    fn nest(&mut self) -> Parsed<()> {
        self.nested += 1;
        if self.nested > MAX_NESTED {
            return self.fail(format_args!("nested deeper than {MAX_NESTED}"));
        }
        Ok(())
    }

    /// The statements outside of all definitions.
    fn top(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            match self.peek() {
                Kind::Eof => return Ok(nodes),
                Kind::LeftDelim => {
                    let back = self.next;
                    self.next += 1;
                    if self.take_solid().kind == Kind::Define {
                        self.definition()?;
                        continue;
                    }
                    self.next = back;
                }
                _ => {}
            }
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end) => return self.fail(format_args!("unexpected {}", end.text())),
            }
        }
    }

    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let token = self.take_solid();
        let name = self.name(&token, context)?;
        self.expect(Kind::RightDelim, context)?;
        let root = self.body(context)?;
        self.define(name, root)
    }

    /// The statements of a definition up to its end, which see no variables of others.
    fn body(&mut self, context: &str) -> Parsed<(usize, Vec<Node>)> {
        self.peek_solid();
        let pos = self.look(0).pos;
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let (nodes, end) = self.items()?;
        self.scope = outer;
        match end {
            End::End => Ok((pos, nodes)),
            End::Else => self.fail(format_args!("unexpected {} in {context}", end.text())),
        }
    }

    fn define(&mut self, name: String, (pos, root): (usize, Vec<Node>)) -> Parsed<()> {
        let tree = Tree { name: name.clone(), source: Arc::clone(&self.source), pos, root };
        match self.found.get(&name) {
            Some(known) if !known.is_empty() => {
                if tree.is_empty() {
                    return Ok(());
                }
                let name = Quoted(&name);
                self.fail(format_args!("template: multiple definition of template {name}"))
            }
            _ => {
                self.found.insert(name, Arc::new(tree));
                Ok(())
            }
        }
    }

    fn name(&mut self, token: &Token, context: &str) -> Parsed<String> {
        match token.kind {
            Kind::Quoted | Kind::RawQuoted => match unquote(&token.text) {
                Some(name) => Ok(name),
                None => self.fail("invalid syntax"),
            },
            _ => self.unexpected(token, context),
        }
    }

    /// Statements up to `end` or `else`.
    fn items(&mut self) -> Parsed<(Vec<Node>, End)> {
        self.nest()?;
        let mut nodes = Vec::new();
        while self.peek_solid() != Kind::Eof {
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end) => {
                    self.nested -= 1;
                    return Ok((nodes, end));
                }
            }
        }
        self.fail("unexpected EOF")
    }

    fn item(&mut self) -> Parsed<Item> {
        let token = self.take_solid();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.pos, token.text))),
            Kind::LeftDelim => self.action(),
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let kind = self.peek_solid();
        let (pos, back) = (self.look(0).pos, self.next);
        self.next += 1;
        let node = match kind {
            Kind::Block => self.block()?,
            Kind::Break => self.jump("{{break}}", Node::Break(pos))?,
            Kind::Continue => self.jump("{{continue}}", Node::Continue(pos))?,
            Kind::Else => {
                // `else if` and `else with` go on in the same action.
                if !matches!(self.peek_solid(), Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Item::End(End::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::End(End::End));
            }
            Kind::If => self.branch(BranchKind::If)?,
            Kind::Range => self.branch(BranchKind::Range)?,
            Kind::With => self.branch(BranchKind::With)?,
            Kind::Template => self.call()?,
            _ => {
                self.next = back;
                let pipe = self.pipe("command", Kind::RightDelim)?;
                Node::Action(Action { pos, pipe })
            }
        };
        Ok(Item::Node(node))
    }

    fn jump(&mut self, word: &str, node: Node) -> Parsed<Node> {
        self.expect(Kind::RightDelim, word)?;
        if self.scope.ranges == 0 {
            return self.fail(format_args!("{word} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn call(&mut self) -> Parsed<Node> {
        let context = "template clause";
        let token = self.take_solid();
        let name = self.name(&token, context)?;
        let pipe = match self.peek_solid() {
            Kind::RightDelim => {
                self.next += 1;
                None
            }
            _ => Some(self.pipe(context, Kind::RightDelim)?),
        };
        Ok(Node::Call(Call { pos: token.pos, name, pipe }))
    }

    fn block(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let token = self.take_solid();
        let name = self.name(&token, context)?;
        let pipe = Some(self.pipe(context, Kind::RightDelim)?);
        let root = self.body(context)?;
        self.define(name.clone(), root)?;
        Ok(Node::Call(Call { pos: token.pos, name, pipe }))
    }

    fn branch(&mut self, kind: BranchKind) -> Parsed<Node> {
        let variables = self.scope.variables.len();
        let pipe = self.pipe(kind.word(), Kind::RightDelim)?;
        let depth = usize::from(kind == BranchKind::Range);
        self.scope.ranges += depth;
        let (list, end) = self.items()?;
        self.scope.ranges -= depth;
        let otherwise = match end {
            End::End => None,
            End::Else => Some(self.otherwise(kind)?),
        };
        self.scope.variables.truncate(variables);
        Ok(Node::Branch(Branch { kind, pipe, list, otherwise }))
    }

    fn otherwise(&mut self, kind: BranchKind) -> Parsed<Vec<Node>> {
        let again = matches!(
            (kind, self.peek()),
            (BranchKind::If, Kind::If) | (BranchKind::With, Kind::With)
        );
        if again {
            self.next += 1;
            self.nest()?;
            let branch = self.branch(kind)?;
            self.nested -= 1;
            return Ok(vec![branch]);
        }
        match self.items()? {
            (nodes, End::End) => Ok(nodes),
            (_, end) => self.fail(format_args!("expected end; found {}", end.text())),
        }
    }
}

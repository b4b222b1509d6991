//! A document as a tree with positions. Aliases are copied in, merge keys are applied, repeated keys refused.
//! The text of scalars stays as written: what it means depends on the field, see `scalar`.

#[cfg(test)]
mod tests;

use crate::scalar::{self, Scalar};
use crate::{Error, Problem};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A place in a file: line and column from 1, length in characters. Line 0 is the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// How many characters, at least 1 where something stands there.
    pub length: u32,
}

impl Mark {
    /// No place: the whole file, or a value that nobody wrote.
    pub const NONE: Self = Self { line: 0, column: 0, length: 0 };

    fn of(span: &Span) -> Self {
        let length = if span.start.line() == span.end.line() {
            span.end.col().saturating_sub(span.start.col())
        } else {
            1
        };
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            line: narrow(span.start.line()),
            column: narrow(span.start.col() + 1),
            length: narrow(length.max(1)),
        }
    }
}

/// A value in a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    /// What it is.
    pub content: Content,
}

/// The kinds of values.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text; `plain` where it stands without quotes and may mean a number or nothing.
    Scalar {
        /// The text after unescaping.
        text: String,
        /// Whether it may be anything but a text.
        plain: bool,
    },
    /// Bytes that are not a text.
    Bytes,
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// A value that is not there.
    #[must_use]
    pub fn null(mark: Mark) -> Self {
        Self { mark, content: Content::Scalar { text: String::new(), plain: true } }
    }

    /// Whether this is `null`, `~` or nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What this means where no field says what it should be; `None` for lists and sections.
    #[must_use]
    pub fn meaning(&self) -> Option<Scalar> {
        match &self.content {
            Content::Scalar { text, plain: true } => Some(scalar::resolve(text)),
            Content::Scalar { plain: false, .. } => Some(Scalar::Text),
            Content::Bytes => Some(Scalar::Null),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The value of a key of a section; `None` where there is no such key, or nothing.
    #[must_use]
    pub fn at(&self, key: &str) -> Option<&Self> {
        let Content::Map(entries) = &self.content else { return None };
        let is_key =
            |node: &Self| matches!(&node.content, Content::Scalar { text, .. } if text == key);
        let found = entries.iter().find(|(name, _)| is_key(name)).map(|(_, value)| value);
        found.filter(|value| !value.is_null())
    }

    /// The text of a key of a section.
    #[must_use]
    pub fn text_at(&self, key: &str) -> Option<&str> {
        match &self.at(key)?.content {
            Content::Scalar { text, .. } => Some(text),
            Content::Bytes | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The entries of the list of a key of a section; none where there is no list.
    pub fn items_at(&self, key: &str) -> impl Iterator<Item = &Self> {
        let list = match self.at(key).map(|node| &node.content) {
            Some(Content::List(list)) => list.as_slice(),
            _ => &[],
        };
        list.iter()
    }

    /// What this is, for error texts.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.content {
            Content::Scalar { .. } if self.is_null() => String::from("nothing"),
            Content::Scalar { text, .. } => format!("{text:?}"),
            Content::Bytes => String::from("bytes that are not UTF-8 text"),
            Content::List(_) => String::from("a list"),
            Content::Map(_) => String::from("a section"),
        }
    }
}

/// The first document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file as named by the caller.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Its value; null if there is none.
    pub root: Node,
    /// There is nothing in the document, not even `null`.
    pub is_empty: bool,
}

/// Aliases may blow a document up to this many values and no further.
const MAX_NODES: usize = 4_000_000;
/// Deeper nesting is refused: no section needs it, and what reads the tree calls itself.
const MAX_DEPTH: usize = 100;

impl Document {
    /// Parses the first document of `bytes`.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = &bytes[..error.valid_up_to()];
                let line = good.iter().filter(|&&b| b == b'\n').count() + 1;
                let column = good.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
                let mark = Mark { line: line as u32, column: column as u32, length: 1 };
                let problem = Problem::new(mark, "not UTF-8: save the file in that encoding");
                return Err(Error::new(file, "", vec![problem]));
            }
        };
        let mut builder = Builder::default();
        match builder.run(text) {
            Ok(root) => {
                let is_empty = root.is_none();
                let root =
                    root.unwrap_or_else(|| Node::null(Mark { line: 1, column: 1, length: 1 }));
                Ok(Self { file: file.to_owned(), text: text.to_owned(), root, is_empty })
            }
            Err(problem) => Err(Error::new(file, text, vec![problem])),
        }
    }

    /// The problems of this document as one error.
    #[must_use]
    pub fn error(&self, problems: Vec<Problem>) -> Error {
        Error::new(&self.file, &self.text, problems)
    }
}

/// A list or map whose end was not seen yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder {
    fn run(&mut self, text: &str) -> Result<Option<Node>, Problem> {
        let mut options = Options::default();
        options.emit_comments = false;
        options.flow_nesting_limit = MAX_DEPTH;
        options.block_nesting_limit = MAX_DEPTH;
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let mark = Mark::of(&Span::empty(*error.marker()));
                let what = error.to_string();
                let what = what.split(" at ").next().unwrap_or_default().to_owned();
                Problem::new(mark, format!("not YAML: {what}"))
            })?;
            let mark = Mark::of(&span);
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let node = scalar(mark, text, style, tag.as_deref())?;
                    self.finish(node, anchor)?;
                }
                Event::SequenceStart(_, anchor, _) => {
                    self.open(mark, Content::List(Vec::new()), anchor);
                }
                Event::MappingStart(_, anchor, _) => {
                    self.open(mark, Content::Map(Vec::new()), anchor);
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let open = self.stack.pop().expect("ends follow starts");
                    self.finish(open.node, open.anchor)?;
                }
                Event::Alias(anchor) => {
                    let Some((node, size)) = self.anchors.get(&anchor) else {
                        return Err(Problem::new(mark, "this alias stands inside its own anchor"));
                    };
                    let (node, size) = (node.clone(), *size);
                    self.nodes += size;
                    self.finish(node, 0)?;
                }
                // What follows the first document is not ours.
                Event::DocumentEnd => break,
                _ => {}
            }
            if self.nodes > MAX_NODES {
                return Err(Problem::new(mark, format!("more than {MAX_NODES} values")));
            }
        }
        Ok(self.root.take())
    }

    fn open(&mut self, mark: Mark, content: Content, anchor: usize) {
        // The number of values so far tells the size of an anchored value when it ends.
        self.stack.push(Open { node: Node { mark, content }, anchor, key: None });
        if anchor != 0 {
            self.anchors.remove(&anchor);
        }
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if anchor != 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut open.node.content {
            Content::List(list) => list.push(node),
            Content::Map(map) => match open.key.take() {
                None => open.key = Some(node),
                Some(key) => insert(map, key, node)?,
            },
            Content::Scalar { .. } | Content::Bytes => unreachable!("only lists and maps are open"),
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.content {
        Content::Scalar { .. } | Content::Bytes => 0,
        Content::List(list) => list.iter().map(size).sum(),
        Content::Map(map) => map.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}

fn scalar(
    mark: Mark,
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<Node, Problem> {
    let mut plain = style == ScalarStyle::Plain;
    let mut text = text.into_owned();
    match tag.map(Tag::suffix) {
        Some("binary") => {
            use base64::Engine as _;
            let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(packed)
                .map_err(|_| Problem::new(mark, "!!binary wants base64"))?;
            match String::from_utf8(bytes) {
                Ok(decoded) => text = decoded,
                Err(_) => return Ok(Node { mark, content: Content::Bytes }),
            }
            plain = false;
        }
        Some("str") => plain = false,
        Some(_) => plain = true,
        None => {}
    }
    Ok(Node { mark, content: Content::Scalar { text, plain } })
}

fn key_text(key: &Node) -> Option<&str> {
    match &key.content {
        Content::Scalar { text, .. } => Some(text),
        Content::Bytes | Content::List(_) | Content::Map(_) => None,
    }
}

fn is_merge(key: &Node) -> bool {
    matches!(&key.content, Content::Scalar { text, plain: true } if text == "<<")
}

/// Adds a pair; a merge key adds the pairs of its value that are not there already.
fn insert(map: &mut Vec<(Node, Node)>, key: Node, value: Node) -> Result<(), Problem> {
    if is_merge(&key) {
        return merge(map, value);
    }
    // Values that came by a merge carry the merge mark below and give way.
    if let Some(text) = key_text(&key)
        && let Some(index) = map.iter().position(|(other, _)| key_text(other) == Some(text))
    {
        if map[index].0.mark == MERGED {
            map[index] = (key, value);
            return Ok(());
        }
        let first = map[index].0.mark.line;
        return Err(Problem::new(key.mark, format!("{text:?} was given already in line {first}")));
    }
    map.push((key, value));
    Ok(())
}

/// The mark of keys that came by `<<`.
const MERGED: Mark = Mark { line: 0, column: 1, length: 0 };

fn merge(map: &mut Vec<(Node, Node)>, value: Node) -> Result<(), Problem> {
    let mark = value.mark;
    match value.content {
        Content::Map(pairs) => {
            for (mut key, value) in pairs {
                let text = key_text(&key);
                if !map.iter().any(|(other, _)| key_text(other) == text) {
                    key.mark = MERGED;
                    map.push((key, value));
                }
            }
            Ok(())
        }
        Content::List(list) => list.into_iter().try_for_each(|value| merge(map, value)),
        Content::Scalar { .. } | Content::Bytes => {
            Err(Problem::new(mark, "\"<<\" takes a section or a list of sections"))
        }
    }
}

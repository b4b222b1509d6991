//! XML as interfaces answer it: elements, attributes and text. No namespaces, no document types; entities are the five
//! of XML and numbers.

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Self>,
    text: String,
}

/// How deep elements may nest.
const MAX_DEPTH: usize = 200;

static NOTHING: Element = Element {
    name: String::new(),
    attributes: Vec::new(),
    children: Vec::new(),
    text: String::new(),
};

impl Element {
    /// The first child of a name; an empty element if there is none.
    pub(crate) fn at(&self, name: &str) -> &Self {
        self.find(name).unwrap_or(&NOTHING)
    }

    /// The first child of a name.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of a name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the element itself, without spaces around it.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// An attribute; empty if there is none.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }
}

/// The outermost element of a document; an error says where it is broken.
pub(crate) fn parse(document: &str) -> Result<Element, String> {
    let mut parser = Parser { document, at: 0 };
    parser.between()?;
    let root = parser.element(0)?;
    parser.between()?;
    if parser.at < document.len() {
        return Err(parser.wrong("something stands behind the end"));
    }
    Ok(root)
}

struct Parser<'a> {
    document: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.document[self.at..]
    }

    fn wrong(&self, what: &str) -> String {
        format!("not XML: {what} at byte {}", self.at)
    }

    /// Goes behind the next `end`, and gives what stands before it.
    fn until(&mut self, end: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        let length = rest.find(end).ok_or_else(|| self.wrong(&format!("{end} is missing")))?;
        self.at += length + end.len();
        Ok(&rest[..length])
    }

    /// Skips spaces, comments, declarations.
    fn between(&mut self) -> Result<(), String> {
        loop {
            let rest = self.rest();
            self.at +=
                rest.len() - rest.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).len();
            let end = match self.rest() {
                rest if rest.starts_with("<?") => "?>",
                rest if rest.starts_with("<!--") => "-->",
                rest if rest.starts_with("<!DOCTYPE") => ">",
                _ => return Ok(()),
            };
            self.until(end)?;
        }
    }

    fn element(&mut self, depth: usize) -> Result<Element, String> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("elements nest too deeply"));
        }
        if !self.rest().starts_with('<') {
            return Err(self.wrong("an element is missing"));
        }
        self.at += 1;
        let (mut element, is_empty) = self.tag()?;
        if is_empty {
            return Ok(element);
        }
        loop {
            let rest = self.rest();
            let length = rest.find('<').ok_or_else(|| self.wrong("an element does not end"))?;
            unescape(&rest[..length], &mut element.text).map_err(|what| self.wrong(&what))?;
            self.at += length;
            let rest = self.rest();
            if rest.starts_with("<!--") {
                self.until("-->")?;
            } else if rest.starts_with("<![CDATA[") {
                self.at += "<![CDATA[".len();
                let text = self.until("]]>")?;
                element.text.push_str(text);
            } else if rest.starts_with("</") {
                self.at += 2;
                let name = self.until(">")?;
                if name.trim_end() != element.name {
                    return Err(self.wrong(&format!("{} ends as {name}", element.name)));
                }
                return Ok(element);
            } else {
                element.children.push(self.element(depth + 1)?);
            }
        }
    }

    /// The rest of an opening tag; whether it closes itself.
    fn tag(&mut self) -> Result<(Element, bool), String> {
        let mut element = Element { name: self.word().to_owned(), ..Element::default() };
        if element.name.is_empty() {
            return Err(self.wrong("the name of an element is missing"));
        }
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            let rest = self.rest();
            if rest.starts_with("/>") {
                self.at += 2;
                return Ok((element, true));
            }
            if rest.starts_with('>') {
                self.at += 1;
                return Ok((element, false));
            }
            let name = self.word().to_owned();
            let quote = self.until("=")?.trim().is_empty().then(|| self.rest().trim_start());
            let quote = quote.and_then(|rest| rest.chars().next());
            let quote = match quote.filter(|c| matches!(c, '"' | '\'')) {
                Some(quote) if !name.is_empty() => quote.to_string(),
                _ => return Err(self.wrong("an attribute is broken")),
            };
            self.until(&quote)?;
            let mut value = String::new();
            let raw = self.until(&quote)?;
            unescape(raw, &mut value).map_err(|what| self.wrong(&what))?;
            element.attributes.push((name, value));
        }
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/' | '=' | '<');
        let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }
}

fn unescape(text: &str, out: &mut String) -> Result<(), String> {
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = escaped.split_once(';').ok_or("an entity does not end")?;
        let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
        let c = match (name, number) {
            ("amp", _) => '&',
            ("lt", _) => '<',
            ("gt", _) => '>',
            ("quot", _) => '"',
            ("apos", _) => '\'',
            (_, Some(number)) => char::from_u32(number).ok_or("an entity is no character")?,
            _ => return Err(format!("there is no entity {name}")),
        };
        out.push(c);
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}

/// `text` with what has a meaning in XML escaped.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;

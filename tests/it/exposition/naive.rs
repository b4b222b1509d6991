//! A second reader of the text format, to compare with: slow, simple, written from the grammar of the format, one
//! character after the other. Bodies are random: good lines, and fragments of lines in any order.

use super::{bits, one_nan, parse};
use expfmt::Format;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The characters that are not read yet.
struct Reader {
    rest: Vec<char>,
}

/// The entry of a line, or nothing for an empty one; an error is only an error here.
type Line = Result<Option<Value>, ()>;

impl Reader {
    fn new(body: &str) -> Self {
        Self { rest: body.chars().rev().collect() }
    }

    fn peek(&self) -> Option<char> {
        self.rest.last().copied()
    }

    fn take_if(&mut self, wanted: char) -> bool {
        self.peek() == Some(wanted) && self.rest.pop().is_some()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek().filter(|c| wanted(*c)) {
            taken.push(c);
            self.rest.pop();
        }
        taken
    }

    fn blanks(&mut self) -> String {
        self.take_while(|c| c == ' ' || c == '\t')
    }

    fn line(&mut self) -> String {
        self.take_while(|c| c != '\n')
    }

    /// A name that begins with a letter or one of `further`; empty if there is none.
    fn name(&mut self, further: &str) -> String {
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() || further.contains(c) => {
                self.take_while(|c| c.is_ascii_alphanumeric() || further.contains(c))
            }
            _ => String::new(),
        }
    }

    /// What stands between quotes, as it stands there.
    fn quoted(&mut self) -> Result<String, ()> {
        let mut text = String::new();
        if !self.take_if('"') {
            return Err(());
        }
        loop {
            match self.rest.pop().ok_or(())? {
                '"' => return Ok(text),
                '\\' => {
                    text.push('\\');
                    text.push(self.rest.pop().filter(|c| *c != '\n').ok_or(())?);
                }
                c => text.push(c),
            }
        }
    }

    fn entry(&mut self) -> Line {
        let before = self.blanks();
        match self.peek() {
            None => Ok(None),
            Some('\n') => {
                self.rest.pop();
                Ok(None)
            }
            Some('#') => self.comment().map(Some),
            _ => self.sample(&before).map(Some),
        }
    }

    fn comment(&mut self) -> Result<Value, ()> {
        let mut text = String::from(self.rest.pop().ok_or(())?);
        let blanks = self.blanks();
        let line = self.line();
        text.push_str(&blanks);
        text.push_str(&line);
        self.take_if('\n');
        let words = line.split_once([' ', '\t']).filter(|_| !blanks.is_empty());
        let Some((keyword @ ("HELP" | "TYPE"), _)) = words else {
            return Ok(json!({"e": "comment", "text": text}));
        };
        // A quoted name may hold the end of the line: the rest is read again as one.
        let rest: Vec<char> = format!("{}\n", &line[keyword.len()..]).chars().rev().collect();
        self.rest.extend(rest);
        self.blanks();
        let metric = match self.peek() {
            Some('"') => self.quoted()?,
            _ => Some(self.name("_:")).filter(|name| !name.is_empty()).ok_or(())?,
        };
        let line = self.line();
        self.take_if('\n');
        // One byte separates, whatever it is: half a character is no text. Blanks alone are none either.
        let text = match line.chars().next() {
            Some(c) if c.len_utf8() > 1 => return Err(()),
            Some(_) if line.chars().any(|c| c != ' ' && c != '\t') => line[1..].to_owned(),
            _ => String::new(),
        };
        if keyword == "HELP" {
            return Ok(json!({"e": "help", "metric": metric, "help": unescaped(&text, false)}));
        }
        let kind = match text.as_str() {
            "untyped" => "unknown",
            "counter" | "gauge" | "histogram" | "summary" => &text,
            _ => return Err(()),
        };
        Ok(json!({"e": "type", "metric": metric, "type": kind}))
    }

    /// Blanks before a name belong to it, odd as that is.
    fn sample(&mut self, blanks: &str) -> Result<Value, ()> {
        let mut names = Vec::new();
        let mut labels = Vec::new();
        let name = self.name("_:");
        if !name.is_empty() {
            names.push(format!("{blanks}{name}"));
        }
        let before = self.blanks();
        if self.take_if('{') {
            self.labels(&mut names, &mut labels)?;
        } else if names.is_empty() {
            return Err(());
        } else {
            self.rest.extend(before.chars().rev());
        }
        let [name] = names.as_slice() else { return Err(()) };
        labels.insert(0, ("__name__".to_owned(), name.clone()));
        self.blanks();
        let value = number(&self.take_while(|c| !" \t\n{".contains(c)))?;
        self.blanks();
        let digits = self.take_while(|c| c.is_ascii_digit());
        let timestamp: Option<i64> = match digits.as_str() {
            "" => None,
            digits => Some(digits.parse().map_err(drop)?),
        };
        self.blanks();
        if !self.take_if('\n') && self.peek().is_some() {
            return Err(());
        }
        labels.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        Ok(json!({"e": "series", "labels": labels, "ts": timestamp, "st": 0,
            "bits": bits(value), "exemplars": []}))
    }

    fn labels(
        &mut self,
        names: &mut Vec<String>,
        labels: &mut Vec<(String, String)>,
    ) -> Result<(), ()> {
        loop {
            self.blanks();
            if self.take_if('}') {
                return Ok(());
            }
            let is_quoted = self.peek() == Some('"');
            let name = if is_quoted { self.quoted()? } else { self.name("_") };
            if name.is_empty() && !is_quoted {
                return Err(());
            }
            self.blanks();
            if is_quoted && matches!(self.peek(), Some(',' | '}')) {
                names.push(unescaped(&name, true));
            } else if self.take_if('=') {
                self.blanks();
                labels.push((unescaped(&name, true), unescaped(&self.quoted()?, true)));
                self.blanks();
            } else {
                return Err(());
            }
            // A comma is welcome and not needed.
            self.take_if(',');
        }
    }
}

/// Replaces what stands behind backslashes, as far as it means something.
fn unescaped(text: &str, has_quotes: bool) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let meant = match (c, chars.peek()) {
            ('\\', Some('\\')) => '\\',
            ('\\', Some('n')) => '\n',
            ('\\', Some('"')) if has_quotes => '"',
            _ => {
                out.push(c);
                continue;
            }
        };
        out.push(meant);
        chars.next();
    }
    out
}

/// A number in Go's syntax without hexadecimal digits and underscores.
fn number(text: &str) -> Result<f64, ()> {
    let value: f64 = text.parse().map_err(drop)?;
    let is_word = text.contains(['n', 'N']);
    let is_signed = text.starts_with(['+', '-']);
    let is_refused = (value.is_infinite() && !is_word) || (value.is_nan() && is_signed);
    if is_refused { Err(()) } else { Ok(value) }
}

/// The entries of a body, and whether an error ended it.
fn read(body: &str) -> (Vec<Value>, bool) {
    let mut reader = Reader::new(body);
    let mut entries = Vec::new();
    loop {
        if reader.peek().is_none() {
            return (entries, false);
        }
        match reader.entry() {
            Ok(entry) => entries.extend(entry),
            Err(()) => return (entries, true),
        }
    }
}

const LINES: [&str; 12] = [
    "a{l=\"v\",m=\"w\"} 1 123\n",
    "a_b:c 2.5e-3\n",
    "{\"q.r\",l=\"v\"} NaN\n",
    "{l=\"v\",\"q r\"} +Inf 5\n",
    "a { l = \"v\" , } 1\n",
    "a{l=\"\\\\ \\n \\\" \\x é\"}3\n",
    "a{l=\"1\"m=\"2\"} 4\n",
    "# HELP a Some \\n text \\\\.\n",
    "# TYPE a histogram\n",
    "# TYPE \"q r\" untyped\n",
    "#nothing\n",
    "\n",
];
const FRAGMENTS: [&str; 34] = [
    "a",
    "b:c",
    "_",
    "{",
    "}",
    "\"q\"",
    "\"",
    "\\",
    "l=\"v\"",
    "l",
    "=",
    "\"v\\n\"",
    "\"é\"",
    ",",
    " ",
    "\t",
    "1",
    "-1.5e3",
    "NaN",
    "+nan",
    "Inf",
    "0x1",
    "1_0",
    "1e999",
    ".",
    "7",
    "\n",
    "# ",
    "#",
    "HELP ",
    "TYPE ",
    "counter",
    "ü",
    "9223372036854775808",
];

fn body() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => proptest::sample::select(&LINES[..]),
        2 => proptest::sample::select(&FRAGMENTS[..]),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn two_readers_agree(body in body()) {
        let (ours, error) = parse(Format::Text, body.as_bytes(), "default");
        let (theirs, is_wrong) = read(&body);
        prop_assert_eq!(json!(one_nan(ours)), json!(one_nan(theirs)), "{:?}", body);
        prop_assert_eq!(error.is_some(), is_wrong, "{:?}: {:?}", body, error);
    }
}

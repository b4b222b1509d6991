//! Go's templates as alerts and consoles use them: text, and pages of HTML whose values are escaped by where they
//! stand. The functions are those of Prometheus. What a template asks of its surroundings goes through [`Host`]; there
//! is no clock, no disk and no database here.
//! Reading order: [`Template`], `lex`, `parse` and `node` (text to tree), `value`, `exec` (tree to text), `functions`,
//! `print` (values as text), `escape` (pages).
#![forbid(unsafe_code)]

mod clock;
mod escape;
mod exec;
mod functions;
mod lex;
mod node;
mod number;
mod parse;
mod print;
mod value;

pub use clock::Clock;
pub use functions::functions;
pub use value::{Args, Record, Sample, Text, TextMap, Value, text_map};

use escape::{Escaped, Page};
use exec::World;
use node::Trees;

/// Why a template has no text. The texts are those of Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The template breaks the syntax: its name, and what is wrong.
    #[error("error parsing template {0}: {1}")]
    Parse(Box<str>, Box<str>),
    /// A library breaks the syntax: the name of the page, and what is wrong.
    #[error("error parsing template files for {0}: {1}")]
    Libraries(Box<str>, Box<str>),
    /// The template cannot be expanded with these data: its name, and what is wrong.
    #[error("error executing template {0}: {1}")]
    Execute(Box<str>, Box<str>),
}

/// What the functions of a template ask of their surroundings.
pub trait Host {
    /// The answer of an instant query, or what is wrong.
    fn query(&self, text: &str) -> Result<Vec<Sample>, String>;
    /// The time of evaluation in milliseconds.
    fn now_ms(&self) -> i64;
    /// The address under which the server is known, as configured.
    fn external_url(&self) -> &str;
    /// Asked every few hundred steps; an error ends the expansion with this text.
    fn go_on(&self) -> Result<(), String>;
}

/// What stands in front of the text of an alert.
const ALERT: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
    {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// What stands in front of the text of a console.
const CONSOLE: &str = "{{$rawParams := .RawParams }}{{$params := .Params}}{{$path := .Path}}\
    {{$externalLabels := .ExternalLabels}}";

/// A template that was read, with those it may call.
#[derive(Debug)]
pub struct Template {
    name: String,
    trees: Trees,
    /// How the templates are shown on a page; `None` for plain text.
    page: Option<Page>,
}

impl Template {
    /// A label or annotation of the alert `alert`: plain text, to be expanded with [`Record::alert`].
    pub fn alert(alert: &str, text: &str) -> Result<Self, Error> {
        let name = format!("__alert_{alert}");
        let mut trees = Trees::default();
        parse::parse(&name, &format!("{ALERT}{text}"), false, &mut trees)
            .map_err(|what| Error::Parse(name.as_str().into(), what))?;
        Ok(Self { name, trees, page: None })
    }

    /// The console at `path`: a page, to be expanded with [`Record::console`]. Libraries are the names of files
    /// without their folders, and their texts.
    pub fn console(path: &str, text: &str, libraries: &[(String, String)]) -> Result<Self, Error> {
        let name = format!("__console_{path}");
        let mut trees = Trees::default();
        parse::parse(&name, &format!("{CONSOLE}{text}"), true, &mut trees)
            .map_err(|what| Error::Parse(name.as_str().into(), what))?;
        for (library, text) in libraries {
            parse::parse(library, text, true, &mut trees)
                .map_err(|what| Error::Libraries(name.as_str().into(), what))?;
        }
        let (trees, page) = escape::escape(&trees);
        Ok(Self { name, trees, page: Some(page) })
    }

    /// The text of the template with these data.
    pub fn expand(&self, data: Value, host: &dyn Host) -> Result<String, Error> {
        let failed = |what| Error::Execute(self.name.as_str().into(), what);
        let tree = match self.page.as_ref().and_then(|page| page.get(&self.name)) {
            Some(Escaped::Refused(why)) => return Err(failed(why.clone())),
            Some(Escaped::Tree(tree)) => tree,
            None => &self.trees[&self.name],
        };
        let world = World { trees: &self.trees, host, page: self.page.as_ref() };
        exec::expand(&world, tree, data).map_err(failed)
    }
}

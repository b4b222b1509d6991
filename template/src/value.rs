//! What templates compute with: values with the types that Go's reflection would show, because error texts and `%T`
//! name them.

use crate::clock::Clock;
use model::histogram::FloatHistogram;
use std::sync::Arc;

/// A text that is shared, not copied.
pub type Text = Arc<str>;

/// Names and values, sorted by name: labels, or the first values of parameters.
pub type TextMap = Arc<[(Text, Text)]>;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A number with a real and an imaginary part.
    Complex(f64, f64),
    /// A text.
    Text(Text),
    /// A text that is HTML already.
    Html(Text),
    /// Texts by name.
    Map(TextMap),
    /// Texts.
    Texts(Arc<[Text]>),
    /// The parameters of a request, sorted by name.
    Params(Arc<[(Text, Arc<[Text]>)]>),
    /// What `args` made.
    Args(Arc<Args>),
    /// The answer of a query.
    Samples(Arc<[Arc<Sample>]>),
    /// One sample of an answer.
    Sample(Arc<Sample>),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
    /// A time, a duration, a month or a day of the week.
    Clock(Clock),
    /// What a template is expanded with.
    Record(Arc<Record>),
}

/// A series of an answer with its value.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The labels, sorted by name.
    pub labels: TextMap,
    /// A float or a histogram.
    pub value: Value,
}

impl Sample {
    /// Names and values of the fields.
    pub(crate) fn named(&self) -> [(&'static str, Value); 2] {
        [("Labels", Value::Map(Arc::clone(&self.labels))), ("Value", self.value.clone())]
    }
}

/// Values by `arg0`, `arg1`, ...: the map that `args` makes.
#[derive(Clone, Debug)]
pub struct Args {
    /// Sorted by name.
    pub(crate) entries: Vec<(Text, Value)>,
    /// How many maps lie inside one another here.
    pub(crate) depth: usize,
}

/// Fields with names, each with the type that Go declares for it.
#[derive(Clone, Debug)]
pub struct Record {
    pub(crate) fields: Vec<(&'static str, &'static str, Value)>,
}

/// The name of the type that holds anything.
pub(crate) const ANY: &str = "interface {}";

/// Texts by name from pairs in any order.
#[must_use]
pub fn text_map<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> TextMap {
    let mut all: Vec<(Text, Text)> = pairs
        .into_iter()
        .map(|(name, value)| (Text::from(name.as_ref()), Text::from(value.as_ref())))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into()
}

/// The entry of this name in a sorted list.
pub(crate) fn entry<'m, V>(entries: &'m [(Text, V)], name: &str) -> Option<&'m V> {
    let at = entries.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
    Some(&entries[at].1)
}

impl Value {
    /// A text as a value.
    #[must_use]
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// The name of the type.
    pub(crate) fn type_name(&self) -> String {
        let name = match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Complex(..) => "complex128",
            Self::Text(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::Map(_) => "map[string]string",
            Self::Texts(_) => "[]string",
            Self::Params(_) => "url.Values",
            Self::Args(_) => "map[string]interface {}",
            Self::Samples(_) => "template.queryResult",
            Self::Sample(_) => "*template.sample",
            Self::Histogram(_) => "*histogram.FloatHistogram",
            Self::Clock(clock) => clock.type_name(),
            Self::Record(record) => return record.type_name(),
        };
        name.to_owned()
    }

    /// Whether a condition takes it as true: not zero, not empty.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::Text(text) | Self::Html(text) => !text.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::Texts(texts) => !texts.is_empty(),
            Self::Params(entries) => !entries.is_empty(),
            Self::Args(args) => !args.entries.is_empty(),
            Self::Samples(samples) => !samples.is_empty(),
            Self::Clock(clock) => clock.is_true(),
            Self::Sample(_) | Self::Histogram(_) | Self::Record(_) => true,
        }
    }

    /// How many entries or elements there are, where there may be several.
    pub(crate) fn rows(&self) -> Option<usize> {
        Some(match self {
            Self::Map(entries) => entries.len(),
            Self::Texts(texts) => texts.len(),
            Self::Params(params) => params.len(),
            Self::Args(args) => args.entries.len(),
            Self::Samples(samples) => samples.len(),
            _ => return None,
        })
    }

    /// An entry or an element with its key or its number; the numbers up to an integer are its elements.
    pub(crate) fn row(&self, row: usize) -> (Self, Self) {
        let number = Self::Int(row as i64);
        let named = |name: &Text, value| (Self::Text(Arc::clone(name)), value);
        match self {
            Self::Map(entries) => {
                let (name, text) = &entries[row];
                named(name, Self::Text(Arc::clone(text)))
            }
            Self::Params(params) => {
                let (name, texts) = &params[row];
                named(name, Self::Texts(Arc::clone(texts)))
            }
            Self::Args(args) => {
                let (name, value) = &args.entries[row];
                named(name, value.clone())
            }
            Self::Texts(texts) => (number, Self::Text(Arc::clone(&texts[row]))),
            Self::Samples(samples) => (number, Self::Sample(Arc::clone(&samples[row]))),
            _ => (Self::Nil, number),
        }
    }

    /// How many maps lie inside one another here.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Args(args) => args.depth,
            _ => 0,
        }
    }
}

impl Record {
    /// What alerts are expanded with; `value` is a float or a histogram.
    #[must_use]
    pub fn alert(
        labels: TextMap,
        external_labels: TextMap,
        external_url: &str,
        value: Value,
    ) -> Value {
        let fields = vec![
            ("Labels", "map[string]string", Value::Map(labels)),
            ("ExternalLabels", "map[string]string", Value::Map(external_labels)),
            ("ExternalURL", "string", Value::text(external_url)),
            ("Value", ANY, value),
        ];
        Value::Record(Arc::new(Self { fields }))
    }

    /// What consoles are expanded with: the parameters of the request in their order, the path of the page without a
    /// slash in front.
    #[must_use]
    pub fn console(params: &[(String, String)], path: &str, external_labels: TextMap) -> Value {
        let mut names: Vec<&str> = params.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.dedup();
        let all_of = |name: &str| -> Arc<[Text]> {
            let named = params.iter().filter(|(known, _)| known == name);
            named.map(|(_, value)| Text::from(&**value)).collect()
        };
        let raw: Vec<(Text, Arc<[Text]>)> =
            names.into_iter().map(|name| (Text::from(name), all_of(name))).collect();
        let first = text_map(raw.iter().map(|(name, values)| (name, &values[0])));
        let fields = vec![
            ("RawParams", "url.Values", Value::Params(raw.into())),
            ("Params", "map[string]string", Value::Map(first)),
            ("Path", "string", Value::text(path)),
            ("ExternalLabels", "map[string]string", Value::Map(external_labels)),
        ];
        Value::Record(Arc::new(Self { fields }))
    }

    /// Names and values.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.fields.iter().map(|(name, _, value)| (*name, value))
    }

    fn type_name(&self) -> String {
        let fields: Vec<String> =
            self.fields.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
        format!("struct {{ {} }}", fields.join("; "))
    }
}

//! Profiles of the process in pprof's format (`profile.proto`, packed with gzip): what makes them, and their bytes.
//! How stacks are taken is the affair of whoever implements [`Profiler`].

#[cfg(test)]
mod tests;

use flate2::Compression;
use flate2::write::GzEncoder;
use model::hash::HashMap;
use std::io::Write;
use std::time::Duration;
use storage::Cancel;

/// Makes profiles.
pub trait Profiler: Send + Sync {
    /// Where the processors spend their time, watched for `length` from now on; fails with words if that cannot be.
    fn processors(&self, length: Duration, cancel: &Cancel) -> Result<Profile, String>;
    /// What memory is used for.
    fn memory(&self) -> Result<Profile, String>;
    /// The words the process was started with.
    fn command_line(&self) -> Vec<String>;
}

/// Where a program was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The function, as it is named in the source.
    pub function: String,
    /// Its file; empty if that is not known.
    pub file: String,
    /// The line; zero if that is not known.
    pub line: u32,
}

/// What was seen at one stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The stack, innermost first.
    pub stack: Vec<Place>,
    /// A number for each of the kinds.
    pub values: Vec<i64>,
    /// Names and texts.
    pub labels: Vec<(&'static str, String)>,
}

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What is counted, in which unit.
    pub kinds: Vec<(&'static str, &'static str)>,
    /// What was seen.
    pub samples: Vec<Sample>,
    /// What passes between two samples: what is counted, its unit, how much.
    pub period: Option<(&'static str, &'static str, i64)>,
    /// When it began, in milliseconds.
    pub begin_ms: i64,
    /// How long it took.
    pub length: Duration,
    /// What whoever reads it should know.
    pub comments: Vec<String>,
}

impl Profile {
    /// Its bytes, packed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer
            .write_all(&self.encode_plain())
            .and_then(|()| packer.finish())
            .expect("writing to memory cannot fail")
    }

    fn encode_plain(&self) -> Vec<u8> {
        let mut tables = Tables::default();
        // The text without letters has the number zero.
        tables.text("");
        let mut out = Vec::new();
        for (kind, unit) in &self.kinds {
            message(&mut out, 1, &tables.value_type(kind, unit));
        }
        for sample in &self.samples {
            let mut inner = Vec::new();
            let places: Vec<u64> =
                sample.stack.iter().map(|place| tables.location(place)).collect();
            packed(&mut inner, 1, &places);
            let values: Vec<u64> = sample.values.iter().map(|value| *value as u64).collect();
            packed(&mut inner, 2, &values);
            for (name, text) in &sample.labels {
                let mut label = Vec::new();
                number(&mut label, 1, tables.text(name));
                number(&mut label, 2, tables.text(text));
                message(&mut inner, 3, &label);
            }
            message(&mut out, 2, &inner);
        }
        if let Some((kind, unit, amount)) = self.period {
            message(&mut out, 11, &tables.value_type(kind, unit));
            number(&mut out, 12, amount as u64);
        }
        number(&mut out, 9, (self.begin_ms as u64).wrapping_mul(1_000_000));
        number(&mut out, 10, u64::try_from(self.length.as_nanos()).unwrap_or(u64::MAX));
        let comments: Vec<u64> = self.comments.iter().map(|text| tables.text(text)).collect();
        packed(&mut out, 13, &comments);
        out.extend_from_slice(&tables.locations);
        out.extend_from_slice(&tables.functions);
        for text in &tables.texts {
            message(&mut out, 6, text.as_bytes());
        }
        out
    }
}

/// Texts, functions and locations, each once.
#[derive(Default)]
struct Tables {
    texts: Vec<String>,
    text_numbers: HashMap<String, u64>,
    functions: Vec<u8>,
    function_numbers: HashMap<(String, String), u64>,
    locations: Vec<u8>,
    location_numbers: HashMap<Place, u64>,
}

impl Tables {
    fn text(&mut self, text: &str) -> u64 {
        if let Some(known) = self.text_numbers.get(text) {
            return *known;
        }
        let next = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.text_numbers.insert(text.to_owned(), next);
        next
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, 1, self.text(kind));
        number(&mut out, 2, self.text(unit));
        out
    }

    fn function(&mut self, place: &Place) -> u64 {
        let key = (place.function.clone(), place.file.clone());
        if let Some(known) = self.function_numbers.get(&key) {
            return *known;
        }
        let next = self.function_numbers.len() as u64 + 1;
        self.function_numbers.insert(key, next);
        let mut inner = Vec::new();
        number(&mut inner, 1, next);
        let name = self.text(&place.function);
        number(&mut inner, 2, name);
        number(&mut inner, 3, name);
        number(&mut inner, 4, self.text(&place.file));
        message(&mut self.functions, 5, &inner);
        next
    }

    fn location(&mut self, place: &Place) -> u64 {
        if let Some(known) = self.location_numbers.get(place) {
            return *known;
        }
        let next = self.location_numbers.len() as u64 + 1;
        self.location_numbers.insert(place.clone(), next);
        let mut line = Vec::new();
        number(&mut line, 1, self.function(place));
        number(&mut line, 2, u64::from(place.line));
        let mut inner = Vec::new();
        number(&mut inner, 1, next);
        message(&mut inner, 4, &line);
        message(&mut self.locations, 4, &inner);
        next
    }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number(out: &mut Vec<u8>, field: u64, number: u64) {
    if number != 0 {
        varint(out, field << 3);
        varint(out, number);
    }
}

fn message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn packed(out: &mut Vec<u8>, field: u64, numbers: &[u64]) {
    if !numbers.is_empty() {
        let mut inner = Vec::new();
        numbers.iter().for_each(|&number| varint(&mut inner, number));
        message(out, field, &inner);
    }
}

//! Label sets that own their text: sorted, packed into one allocation, cheap to clone. For targets, rules, errors.
//! Not for the hot paths: samples are read with ids (`symbols`) and written with borrowed pairs.

use crate::quote::Quoted;
use crate::validate::is_legacy_label_name;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A sorted set of label pairs without repeated names or empty values. Cloning costs one reference count.
///
/// Layout: for each pair, name and value, each after its length (`u32`, little-endian).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[u8]>);

impl Labels {
    /// The set without labels.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// The set of these pairs: sorted, later ones win over earlier ones of the same name, empty values left out.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelsBuilder::new();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.labels()
    }

    /// The pairs in the order of their names.
    #[must_use]
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter { rest: &self.0 }
    }

    /// The same as bytes, without looking whether they are text: they are, and whoever only copies them need not know.
    pub fn iter_bytes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut pairs = self.iter();
        std::iter::from_fn(move || (!pairs.rest.is_empty()).then(|| (pairs.bytes(), pairs.bytes())))
    }

    /// The value of label `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash that decides scrape offsets and `limit_ratio`: xxhash64 of names and values, each after its length
    /// (one byte, from 255 on the byte 255 and three bytes little-endian).
    #[must_use]
    pub fn stable_hash(&self) -> u64 {
        stable_hash(self.iter())
    }
}

/// [`Labels::stable_hash`] of pairs that are already sorted by name.
#[must_use]
pub fn stable_hash<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut bytes = Vec::with_capacity(256);
    for (name, value) in pairs {
        for text in [name, value] {
            if text.len() < 255 {
                bytes.push(text.len() as u8);
            } else {
                bytes.push(255);
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes()[..3]);
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    xxhash_rust::xxh64::xxh64(&bytes, 0)
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Display for Labels {
    /// `{a="b", "c d"="e"}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            if is_legacy_label_name(name) {
                write!(f, "{separator}{name}={}", Quoted(value))?;
            } else {
                write!(f, "{separator}{}={}", Quoted(name), Quoted(value))?;
            }
        }
        f.write_str("}")
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;
    fn into_iter(self) -> LabelsIter<'a> {
        self.iter()
    }
}

/// Iterates a [`Labels`] in the order of its names.
#[derive(Clone, Debug)]
pub struct LabelsIter<'a> {
    rest: &'a [u8],
}

impl<'a> LabelsIter<'a> {
    fn bytes(&mut self) -> &'a [u8] {
        let (length, rest) = self.rest.split_first_chunk::<4>().expect("packed by LabelsBuilder");
        let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        self.rest = rest;
        text
    }

    fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.bytes()).expect("packed from a str")
    }
}

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() { None } else { Some((self.text(), self.text())) }
    }
}

/// Edits a label set; reusable scratch. Setting an empty value removes the label, as everywhere in Prometheus.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// A builder without labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts over from `labels`.
    pub fn reset(&mut self, labels: &Labels) {
        self.pairs.clear();
        self.pairs.extend(labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    /// Forgets all labels.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Sets label `name`; an empty `value` removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
            Ok(index) if value.is_empty() => {
                self.pairs.remove(index);
            }
            Ok(index) => {
                self.pairs[index].1.clear();
                self.pairs[index].1.push_str(value);
            }
            Err(_) if value.is_empty() => {}
            Err(index) => self.pairs.insert(index, (name.to_owned(), value.to_owned())),
        }
    }

    /// Removes label `name`.
    pub fn remove(&mut self, name: &str) {
        self.set(name, "");
    }

    /// The value of label `name`, empty if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.pairs
            .binary_search_by(|(n, _)| n.as_str().cmp(name))
            .map_or("", |index| self.pairs[index].1.as_str())
    }

    /// The pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Keeps the labels for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.pairs.retain(|(n, v)| keep(n, v));
    }

    /// The finished set.
    #[must_use]
    pub fn labels(&self) -> Labels {
        let size = self.pairs.iter().map(|(n, v)| n.len() + v.len() + 8).sum();
        let mut bytes = Vec::with_capacity(size);
        for (name, value) in &self.pairs {
            for text in [name, value] {
                let length = u32::try_from(text.len()).expect("labels are shorter than 4 GiB");
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        Labels(Arc::from(bytes))
    }
}

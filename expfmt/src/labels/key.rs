//! Keys of series in formats without a text for them: metric name, labels and perhaps a bucket or quantile, in bytes that
//! no text begins with. Written by parsers for each sample, read on cache misses.

use super::{Declared, LabelBuffer};
use model::METRIC_NAME;
use model::float::write_openmetrics;

/// No series text begins with it, as it is neither a blank nor part of a name.
const MARK: u8 = 0xff;

/// The label that distinguishes the series of a classic histogram or summary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// None.
    No,
    /// `le`.
    Le(f64),
    /// `quantile`.
    Quantile(f64),
}

/// A key, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) bound: Bound,
    pub(crate) name: &'a [u8],
    /// Pairs as [`write_pair`] writes them.
    pub(crate) labels: &'a [u8],
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(text.len()).expect("a body is shorter than 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text);
}

fn read_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(text)
}

/// Appends a label to the labels of a key.
pub(crate) fn write_pair(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    write_text(name, out);
    write_text(value, out);
}

impl<'a> Key<'a> {
    /// Replaces `out` by the key of `name` with `suffix` behind it.
    #[inline]
    pub(crate) fn write(name: &[u8], suffix: &str, bound: Bound, labels: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let (tag, value) = match bound {
            Bound::No => (0, 0.0),
            Bound::Le(value) => (1, value),
            Bound::Quantile(value) => (2, value),
        };
        out.extend_from_slice(&[MARK, tag]);
        out.extend_from_slice(&f64::to_le_bytes(value));
        let length =
            u32::try_from(name.len() + suffix.len()).expect("a body is shorter than 4 GiB");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(suffix.as_bytes());
        out.extend_from_slice(labels);
    }

    /// Takes `series` apart if it is a key.
    pub(crate) fn read(series: &'a [u8]) -> Option<Self> {
        let [MARK, tag, rest @ ..] = series else { return None };
        let (value, mut rest) = rest.split_first_chunk::<8>()?;
        let value = f64::from_le_bytes(*value);
        let bound = match tag {
            1 => Bound::Le(value),
            2 => Bound::Quantile(value),
            _ => Bound::No,
        };
        let name = read_text(&mut rest)?;
        Some(Self { bound, name, labels: rest })
    }

    /// The labels, the metric name not among them.
    fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.labels;
        std::iter::from_fn(move || Some((read_text(&mut rest)?, read_text(&mut rest)?)))
    }

    pub(super) fn split(&self, declared: &Declared<'_>, out: &mut LabelBuffer) {
        out.push(METRIC_NAME.as_bytes(), self.name);
        for (name, value) in self.pairs().filter(|(name, _)| !declared.hides(name)) {
            out.push(name, value);
        }
        let (name, bound) = match self.bound {
            Bound::No => return,
            Bound::Le(bound) => ("le", bound),
            Bound::Quantile(bound) => ("quantile", bound),
        };
        let mut text = Vec::new();
        write_openmetrics(bound, &mut text);
        out.push(name.as_bytes(), &text);
    }
}

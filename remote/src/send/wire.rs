//! Labels as they stand in a message of 1.0, in one piece: two sets of them are compared, and copied, as bytes.

use crate::proto::{Fields, write};
use model::Labels;
use std::fmt;
use std::sync::Arc;

/// See the module. Cloning costs one reference count.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wire(Arc<[u8]>);

impl Wire {
    pub(super) fn new(labels: &Labels) -> Self {
        let mut out = Vec::with_capacity(256);
        for (name, value) in labels {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            write::prefix(&mut out, 1, write::bytes_len(name) + write::bytes_len(value));
            write::bytes(&mut out, 1, name);
            write::bytes(&mut out, 2, value);
        }
        Self(out.into())
    }

    /// The fields of all labels.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Names and values, in the order of names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        texts(&self.0).map(|label| {
            let mut parts = texts(label);
            let mut text = || std::str::from_utf8(parts.next().expect("two")).expect("text");
            (text(), text())
        })
    }
}

/// The contents of the fields of what [`Wire::new`] wrote.
fn texts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut fields = Fields(bytes);
    std::iter::from_fn(move || {
        let (field, value) = fields.next().expect("our own bytes")?;
        Some(value.bytes(field).expect("our own bytes"))
    })
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_out_as_they_went_in() {
        let long = "x".repeat(300);
        let labels = Labels::from_pairs([("__name__", "up"), ("a", &long), ("b", "\u{e9}")]);
        let wire = Wire::new(&labels);
        assert!(wire.iter().eq(labels.iter()), "{wire:?}");
        assert!(Wire::new(&Labels::empty()).bytes().is_empty());
    }
}

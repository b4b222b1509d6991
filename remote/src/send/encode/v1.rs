//! Messages of 1.0, packed while they are written: a series mostly has the labels of the one before it but for a few
//! letters, so what repeats is found by comparing the two, and nobody has to search for it in all that was written.

use crate::proto::{histogram, write};
use crate::send::block::{Block, MAX_OFFSET};
use crate::send::item::{Item, Payload};
use model::metadata::Metadata;

/// Bytes that are compared at a time.
const WORD_BYTES: usize = 8;

/// What stands before a series: a tag and a length.
const MAX_HEAD_BYTES: usize = 11;

/// Buffers for one message after the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    block: Block,
    /// What follows the labels of the series at hand, and what followed those of the one before.
    rest: Vec<u8>,
    rest_before: Vec<u8>,
    scratch: Vec<u8>,
}

/// The series before, and where its parts lie in the message.
#[derive(Debug)]
pub(super) struct Before<'i> {
    labels: &'i [u8],
    len: usize,
    begin: usize,
    labels_at: usize,
    rest_at: usize,
}

impl Writer {
    /// Begins a message.
    pub(super) fn begin(&mut self) {
        self.block.clear();
    }

    /// The whole message.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.block.finish()
    }

    /// Adds what metric families are.
    pub(super) fn families(&mut self, families: &[(String, Metadata)]) {
        for (family, metadata) in families {
            self.scratch.clear();
            write::message(&mut self.scratch, 3, |out| {
                write::uint(out, 1, super::metric_type(metadata.metric_type));
                write::bytes(out, 2, family.as_bytes());
                write::bytes(out, 4, metadata.help.as_bytes());
                write::bytes(out, 5, metadata.unit.as_bytes());
            });
            self.block.push(&self.scratch);
        }
    }

    /// Adds a series, by its items, behind the series `before`.
    pub(super) fn series<'i>(
        &mut self,
        items: impl Iterator<Item = &'i Item> + Clone,
        before: Option<&Before<'i>>,
    ) -> Option<Before<'i>> {
        let labels = items.clone().next()?.labels.bytes();
        std::mem::swap(&mut self.rest, &mut self.rest_before);
        self.rest.clear();
        items.for_each(|item| push_samples(&mut self.rest, item));
        let (block, len) = (&mut self.block, labels.len() + self.rest.len());
        let begin = block.len();
        let reach = begin + MAX_HEAD_BYTES + len;
        let before = before.filter(|before| reach - before.begin <= MAX_OFFSET);
        self.scratch.clear();
        write::prefix(&mut self.scratch, 1, len);
        let labels_at = begin + self.scratch.len();
        let rest_at = labels_at + labels.len();
        if let Some(before) = before {
            if before.len == len {
                block.repeat(begin - before.begin, &self.scratch);
            } else {
                block.push(&self.scratch);
            }
            push_labels(block, (before.labels_at, before.labels), labels);
            push_ends(block, (before.rest_at, &self.rest_before), &self.rest);
        } else {
            [&self.scratch, labels, &self.rest].into_iter().for_each(|new| block.push(new));
        }
        Some(Before { labels, len, begin, labels_at, rest_at })
    }
}

fn push_samples(out: &mut Vec<u8>, item: &Item) {
    match &item.payload {
        Payload::Float(value) => {
            let time = item.timestamp_ms.cast_unsigned();
            write::prefix(out, 2, 10 + write::varint_len(time));
            write::always_double(out, 1, *value);
            write::always_uint(out, 2, time);
        }
        Payload::Histogram(value) => write::message(out, 4, |out| {
            histogram::push(out, value, item.timestamp_ms, 0);
        }),
        Payload::Absent => {}
    }
    for exemplar in &item.exemplars {
        write::message(out, 3, |out| {
            out.extend_from_slice(exemplar.labels.bytes());
            write::double(out, 2, exemplar.value);
            write::int(out, 3, exemplar.timestamp_ms);
        });
    }
}

/// Adds `bytes`. Where they are as long as `known`, which lies at `at`, only what differs is new.
fn push_labels(block: &mut Block, (at, known): (usize, &[u8]), bytes: &[u8]) {
    if bytes.len() != known.len() {
        return push_ends(block, (at, known), bytes);
    }
    let offset = block.len() - at;
    let mut begin = 0;
    while begin < bytes.len() {
        let end = begin + common_prefix(&known[begin..], &bytes[begin..]);
        block.repeat(offset, &bytes[begin..end]);
        let windows = known[end..].windows(WORD_BYTES).zip(bytes[end..].windows(WORD_BYTES));
        let mut differing = windows.map(|(a, b)| a != b).enumerate();
        let again = differing.find(|(_, differs)| !differs).map(|(place, _)| end + place);
        begin = again.unwrap_or(bytes.len());
        block.push(&bytes[end..begin]);
    }
}

/// Adds `bytes`, which mostly begin and end as `known` does, and that lies at `at`.
fn push_ends(block: &mut Block, (at, known): (usize, &[u8]), bytes: &[u8]) {
    let same = common_prefix(known, bytes);
    block.repeat(block.len() - at, &bytes[..same]);
    let pairs = known[same..].iter().rev().zip(bytes[same..].iter().rev());
    let last = pairs.take_while(|(a, b)| a == b).count();
    let (new, end) = bytes[same..].split_at(bytes.len() - same - last);
    block.push(new);
    block.repeat(block.len() - (at + known.len() - last), end);
}

/// How many bytes both begin with.
#[inline]
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<WORD_BYTES>().0.iter().zip(b.as_chunks::<WORD_BYTES>().0);
    let whole = words.take_while(|(a, b)| a == b).count() * WORD_BYTES;
    whole + a[whole..].iter().zip(&b[whole..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;

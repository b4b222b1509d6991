//! Bodies of remote write 2.0: labels are numbers in a table of texts that leads the request.

use super::{Scratch, Series};
use crate::load::proto::{double, field, number, varint};
use model::hash::HashMap;

/// What the bodies of the same series have in common: the table and the numbers of their labels.
#[derive(Debug)]
pub struct Tables {
    /// The encoded texts.
    symbols: Vec<u8>,
    /// The encoded numbers of each series.
    refs: Vec<Vec<u8>>,
}

impl Tables {
    /// The tables of these series.
    #[must_use]
    pub fn new(series: &[Series]) -> Self {
        let mut symbols = Vec::new();
        field(4, b"", &mut symbols);
        let mut known: HashMap<&str, u64> = HashMap::default();
        let mut refs = Vec::with_capacity(series.len());
        for one in series {
            let mut packed = Vec::new();
            for text in one.pairs().into_iter().flat_map(|(name, value)| [name, value]) {
                let next = known.len() as u64 + 1;
                let at = *known.entry(text).or_insert_with(|| {
                    field(4, text.as_bytes(), &mut symbols);
                    next
                });
                varint(at, &mut packed);
            }
            let mut encoded = Vec::new();
            field(1, &packed, &mut encoded);
            refs.push(encoded);
        }
        Self { symbols, refs }
    }

    /// One body: one sample of each of the series these tables are of, compressed.
    pub fn body(
        &self,
        series: &[Series],
        step: u64,
        timestamp_ms: i64,
        scratch: &mut Scratch,
    ) -> Vec<u8> {
        scratch.plain.clear();
        scratch.plain.extend_from_slice(&self.symbols);
        let mut message = Vec::new();
        for (one, refs) in series.iter().zip(&self.refs) {
            scratch.sample.clear();
            double(1, one.value(step), &mut scratch.sample);
            number(2, timestamp_ms as u64, &mut scratch.sample);
            message.clear();
            message.extend_from_slice(refs);
            field(2, &scratch.sample, &mut message);
            field(5, &message, &mut scratch.plain);
        }
        scratch.encoder.compress_vec(&scratch.plain).expect("bodies are far below 4 GiB")
    }
}

//! Samples in order and out of order as one run: chunks that overlap are merged as Prometheus chains them, by their
//! begin, those in order first and then by age.

use super::{Ooo, encode};
use crate::head::read::corrupt;
use chunk::append::Encodings;
use chunk::exact::{ExactSample, ExactValue};
use chunk::{ChunkMeta, Encoding, SampleColumns, exact};
use model::histogram::CounterResetHint;
use storage::{ChunkRef, Result, SeriesBatch, chain_exact, chain_samples};

/// Adds the open chunk to the series at hand of `out`.
pub(in crate::head) fn push_open(ooo: &Ooo, out: &mut SeriesBatch) {
    encode(&ooo.open, Encodings::PLAIN, &mut |meta, bytes| {
        out.push_copied(meta, bytes);
    });
}

/// Moves the chunks of the only series of `from` to the series at hand of `out`. What overlaps becomes one chunk.
pub(in crate::head) fn push_merged(from: &SeriesBatch, out: &mut SeriesBatch) -> Result<()> {
    let mut chunks: Vec<_> = from.chunks(0).collect();
    chunks.sort_by_key(|chunk| chunk.meta.min_ms);
    let mut rest = &chunks[..];
    while let Some(first) = rest.first() {
        let mut end_ms = first.meta.max_ms;
        let mut len = 1;
        while let Some(next) = rest.get(len).filter(|next| next.meta.min_ms <= end_ms) {
            end_ms = end_ms.max(next.meta.max_ms);
            len += 1;
        }
        let (group, later) = rest.split_at(len);
        rest = later;
        if let [single] = group {
            out.push_copied(single.meta, single.data);
            continue;
        }
        if group.iter().any(|chunk| !chunk.meta.encoding.is_float()) {
            push_exact(group, out)?;
            continue;
        }
        let mut sources = Vec::with_capacity(len);
        for chunk in group {
            let mut columns = SampleColumns::default();
            chunk::decode(chunk.meta, chunk.data, &mut columns).map_err(|error| corrupt(&error))?;
            sources.push(columns);
        }
        let mut merged = SampleColumns::default();
        chain_samples(&sources, &mut merged);
        push_raw(&merged, out);
    }
    Ok(())
}

/// Chunks that overlap, some of them of histograms, as chunks that do not.
fn push_exact(group: &[ChunkRef<'_>], out: &mut SeriesBatch) -> Result<()> {
    let mut sources = Vec::with_capacity(group.len());
    for chunk in group {
        let mut samples = Vec::new();
        exact::decode(chunk.meta, chunk.data, &mut samples).map_err(|error| corrupt(&error))?;
        sources.push(samples);
    }
    let mut merged = Vec::new();
    chain_exact(&sources, &mut merged);
    // The first sample of a chunk reads as one of which nothing is known: so chunks begin where that is the case.
    let goes_on = |_: &ExactSample, next: &ExactSample| match &next.value {
        ExactValue::Histogram(histogram) => histogram.hint() != CounterResetHint::Unknown,
        ExactValue::Float(_) => true,
    };
    for run in merged.chunk_by(goes_on) {
        exact::encode(run, usize::from(u16::MAX), Encodings::PLAIN, &mut |meta, bytes| {
            out.push_copied(meta, bytes);
        });
    }
    Ok(())
}

fn push_raw(columns: &SampleColumns, out: &mut SeriesBatch) {
    let times = &columns.timestamps_ms;
    let (Some(&min_ms), Some(&max_ms)) = (times.first(), times.last()) else { return };
    let mut bytes = Vec::with_capacity(times.len() * 16);
    for (time, value) in times.iter().zip(&columns.values) {
        bytes.extend_from_slice(&time.to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    if !columns.start_timestamps_ms.is_empty() {
        chunk::raw::push_starts(&mut bytes, (0..times.len()).map(|row| columns.start_ms(row)));
    }
    let num_samples = times.len() as u32;
    out.push_copied(ChunkMeta { min_ms, max_ms, num_samples, encoding: Encoding::Raw }, &bytes);
}

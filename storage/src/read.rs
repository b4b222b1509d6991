//! One series of a batch to columns: decode, merge what overlaps, cut to the range, leave out what is deleted.

use crate::{Error, Result, SeriesBatch};
use chunk::{ChunkMeta, SampleColumns};
use model::TimeRange;

fn corrupt(meta: &ChunkMeta, error: chunk::DecodeError) -> Error {
    Error::Corrupt {
        place: format!("chunk {}..={} ms", meta.min_ms, meta.max_ms).into(),
        what: error.to_string().into(),
    }
}

/// See [`SeriesBatch::read`].
pub(crate) fn read(
    batch: &SeriesBatch,
    series: usize,
    range: TimeRange,
    out: &mut SampleColumns,
) -> Result<()> {
    out.clear();
    let mut last_ms = None;
    let mut later = SampleColumns::default();
    for chunk in batch.chunks(series) {
        let span = TimeRange::new(chunk.meta.min_ms, chunk.meta.max_ms);
        if !span.overlaps(range) {
            continue;
        }
        if last_ms.is_some_and(|last| span.min_ms <= last) {
            later.clear();
            chunk::decode(chunk.meta, chunk.data, &mut later)
                .map_err(|error| corrupt(&chunk.meta, error))?;
            chunk::merge(out, &later);
        } else {
            chunk::decode(chunk.meta, chunk.data, out)
                .map_err(|error| corrupt(&chunk.meta, error))?;
        }
        last_ms = last_ms.max(Some(span.max_ms));
    }
    chunk::trim(out, range);
    for deleted in batch.deleted(series) {
        chunk::delete(out, deleted);
    }
    Ok(())
}

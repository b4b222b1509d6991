//! One series of a batch to columns: decode, merge what overlaps, cut to the range, leave out what is deleted.

use crate::{ChunkRef, Error, Result, SeriesBatch, chain_exact, chain_samples};
use chunk::exact::ExactSample;
use chunk::{ChunkMeta, Encoding, HistogramColumns, ResetHeader, SampleColumns};
use model::TimeRange;
use model::histogram::{CounterResetHint, HistogramView};

fn corrupt(meta: &ChunkMeta, error: &chunk::DecodeError) -> Error {
    Error::Corrupt {
        place: format!("chunk {}..={} ms", meta.min_ms, meta.max_ms).into(),
        what: error.to_string().into(),
    }
}

fn decode(chunk: ChunkRef<'_>, out: &mut SampleColumns) -> Result<()> {
    chunk::decode(chunk.meta, chunk.data, out).map_err(|error| corrupt(&chunk.meta, &error))
}

/// The chunks of a series that may have samples in `range`.
fn within(
    batch: &SeriesBatch,
    series: usize,
    range: TimeRange,
) -> impl Iterator<Item = ChunkRef<'_>> {
    batch
        .chunks(series)
        .filter(move |chunk| TimeRange::new(chunk.meta.min_ms, chunk.meta.max_ms).overlaps(range))
}

/// See [`SeriesBatch::read`].
pub(crate) fn read(
    batch: &SeriesBatch,
    series: usize,
    range: TimeRange,
    out: &mut SampleColumns,
) -> Result<()> {
    out.clear();
    if batch.deleted(series).next().is_some() {
        read_by_source(batch, series, range, out)?;
        chunk::trim(out, range);
        return Ok(());
    }
    let mut last_ms = None;
    for chunk in within(batch, series, range) {
        if last_ms.is_some_and(|last| chunk.meta.min_ms <= last) {
            out.clear();
            read_by_source(batch, series, range, out)?;
            break;
        }
        decode(chunk, out)?;
        if last_ms.is_none() && chunk.meta.min_ms < range.min_ms {
            // While there is little to move.
            chunk::trim(out, TimeRange::new(range.min_ms, i64::MAX));
        }
        last_ms = Some(chunk.meta.max_ms);
    }
    chunk::trim(out, range);
    Ok(())
}

/// See [`SeriesBatch::read_totals`].
pub(crate) fn read_totals(
    batch: &SeriesBatch,
    series: usize,
    range: TimeRange,
    out: &mut SampleColumns,
) -> Result<bool> {
    out.clear();
    if batch.deleted(series).next().is_some() {
        return Ok(false);
    }
    let mut last_ms = None;
    for chunk in within(batch, series, range) {
        let follows = last_ms.is_none_or(|last| last < chunk.meta.min_ms);
        last_ms = Some(chunk.meta.max_ms);
        if !follows || !decode_totals(chunk, &mut out.histograms)? {
            out.clear();
            return Ok(false);
        }
    }
    chunk::trim(out, range);
    Ok(true)
}

/// Appends count and sum of the histograms of a chunk, if it is known whether there was a reset before it: the chunk
/// says that there was none, and nothing that was read tells otherwise. A reset that it claims may have come from
/// outside, and what follows a staleness marker was compared with nothing.
fn decode_totals(chunk: ChunkRef<'_>, out: &mut HistogramColumns) -> Result<bool> {
    let ChunkMeta { encoding, num_samples, .. } = chunk.meta;
    let header = match encoding {
        Encoding::Histogram
        | Encoding::FloatHistogram
        | Encoding::StartedHistogram
        | Encoding::StartedFloatHistogram => chunk::histogram::reset_header(encoding, chunk.data),
        Encoding::Raw | Encoding::Xor | Encoding::Xor2 | Encoding::RawHistogram => {
            return Ok(false);
        }
    };
    let before = out.len().checked_sub(1).map(|last| out.get(last));
    let count_before = before.map_or(0.0, |view| view.count);
    let hint = match (before, header) {
        (None, _) | (_, ResetHeader::Gauge) => CounterResetHint::Unknown,
        (Some(before), ResetHeader::NotReset)
            if !before.is_stale() && before.hint != CounterResetHint::Gauge =>
        {
            CounterResetHint::NotCounterReset
        }
        _ => return Ok(false),
    };
    let first = out.len();
    chunk::histogram::decode_totals(encoding, (num_samples as usize, hint), chunk.data, out)
        .map_err(|error| corrupt(&chunk.meta, &error))?;
    let has_fallen = |view: HistogramView<'_>| !view.is_stale() && view.count < count_before;
    Ok(hint == CounterResetHint::Unknown || out.len() == first || !has_fallen(out.get(first)))
}

/// See [`SeriesBatch::read_exact`].
pub(crate) fn read_exact(
    batch: &SeriesBatch,
    series: usize,
    range: TimeRange,
    out: &mut Vec<ExactSample>,
) -> Result<()> {
    let mut sources: Vec<Vec<ExactSample>> = Vec::new();
    let mut previous: Option<(u32, i64)> = None;
    for chunk in within(batch, series, range) {
        let goes_on = previous
            .is_some_and(|(source, last)| source == chunk.source && last < chunk.meta.min_ms);
        if !goes_on {
            sources.push(Vec::new());
        }
        let samples = sources.last_mut().expect("the first chunk begins a source");
        let begin = samples.len();
        chunk::exact::decode(chunk.meta, chunk.data, samples)
            .map_err(|error| corrupt(&chunk.meta, &error))?;
        let fresh = samples.split_off(begin);
        let deleted = batch.deleted_in(series, chunk.source);
        samples.extend(fresh.into_iter().filter(|sample| {
            let time = sample.timestamp_ms;
            range.contains(time) && !deleted.clone().any(|gone| gone.contains(time))
        }));
        previous = Some((chunk.source, chunk.meta.max_ms));
    }
    match &mut sources[..] {
        [only] => out.append(only),
        _ => chain_exact(&sources, out),
    }
    Ok(())
}

/// Columns per source, what is deleted in it left out; a chunk that overlaps an earlier one of its own source counts as
/// a source too.
fn read_by_source(
    batch: &SeriesBatch,
    series: usize,
    range: TimeRange,
    out: &mut SampleColumns,
) -> Result<()> {
    let mut sources: Vec<SampleColumns> = Vec::new();
    let mut previous: Option<(u32, i64)> = None;
    for chunk in within(batch, series, range) {
        let goes_on = previous
            .is_some_and(|(source, last)| source == chunk.source && last < chunk.meta.min_ms);
        if !goes_on {
            delete(batch, series, previous, &mut sources);
            sources.push(SampleColumns::default());
        }
        let columns = sources.last_mut().expect("the first chunk begins a source");
        decode(chunk, columns)?;
        previous = Some((chunk.source, chunk.meta.max_ms));
    }
    delete(batch, series, previous, &mut sources);
    chain_samples(&sources, out);
    Ok(())
}

/// Takes what is deleted out of the columns read last, those of the source in `previous`.
fn delete(
    batch: &SeriesBatch,
    series: usize,
    previous: Option<(u32, i64)>,
    sources: &mut [SampleColumns],
) {
    if let (Some((source, _)), Some(columns)) = (previous, sources.last_mut()) {
        for deleted in batch.deleted_in(series, source) {
            chunk::delete(columns, deleted);
        }
    }
}

#[cfg(test)]
mod tests;

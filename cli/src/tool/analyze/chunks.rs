//! The extended analysis: samples, bytes and buckets per chunk, as bars.

use super::Failure;
use chunk::{ChunkMeta, Encoding, SampleColumns};
use model::Matcher;
use std::io::{self, Write};
use tsdb::Block;
use tsdb::block::StoredChunk;
use tsdb::index::ChunkEntry;

#[derive(Default)]
struct Sizes {
    samples: Vec<u64>,
    bytes: Vec<u64>,
    buckets: Vec<u64>,
}

pub(super) fn analyze(
    block: &Block,
    matchers: &[Matcher],
    output: &mut dyn Write,
) -> Result<(), Failure> {
    let (mut floats, mut histograms) = (Sizes::default(), Sizes::default());
    let (mut columns, mut num_chunks) = (SampleColumns::default(), 0);
    super::each_series(block, matchers, &mut |_, entries| {
        for entry in entries {
            let chunk = block.chunks().chunk(entry.reference)?;
            num_chunks += 1;
            let sizes = match chunk.encoding {
                Encoding::Histogram | Encoding::FloatHistogram => {
                    histograms.buckets.push(num_buckets(block, entry, &chunk, &mut columns)?);
                    &mut histograms
                }
                _ => &mut floats,
            };
            sizes.samples.push(u64::from(chunk.num_samples));
            sizes.bytes.push(chunk.data.len() as u64);
        }
        Ok(())
    })?;
    writeln!(output, "\nCompaction analysis:\n")?;
    write_bars("samples per float chunk", floats.samples, num_chunks, output)?;
    write_bars("bytes per float chunk", floats.bytes, num_chunks, output)?;
    write_bars("samples per histogram chunk", histograms.samples, num_chunks, output)?;
    write_bars("bytes per histogram chunk", histograms.bytes, num_chunks, output)?;
    write_bars("buckets per histogram chunk", histograms.buckets, num_chunks, output)?;
    Ok(())
}

/// The buckets of all histograms of a chunk.
fn num_buckets(
    block: &Block,
    entry: &ChunkEntry,
    chunk: &StoredChunk<'_>,
    columns: &mut SampleColumns,
) -> Result<u64, Failure> {
    let (min_ms, max_ms) = (entry.min_ms, entry.max_ms);
    let meta =
        ChunkMeta { min_ms, max_ms, num_samples: chunk.num_samples, encoding: chunk.encoding };
    columns.clear();
    chunk::decode(meta, chunk.data, columns).map_err(|error| {
        let ulid = block.meta().ulid;
        Failure::Input(format!("block {ulid}: chunk of {min_ms}..={max_ms} ms: {error}"))
    })?;
    let found = &columns.histograms;
    let buckets = (0..found.len()).map(|row| {
        let histogram = found.get(row);
        (histogram.positive.len() + histogram.negative.len()) as u64
    });
    Ok(buckets.sum())
}

/// Where the bars begin and end, and how wide they are: powers of ten, about ten bars.
fn bars(min: u64, max: u64) -> (u64, u64, u64) {
    let tenth = (max - min) / 10;
    let mut step = 10;
    while step < tenth && step <= 10_000 {
        step *= 10;
    }
    (min - min % step, max - max % step + step, step)
}

/// `total` is what all bars of all chunks are a share of.
fn write_bars(
    what: &str,
    mut data: Vec<u64>,
    total: u64,
    output: &mut dyn Write,
) -> io::Result<()> {
    data.sort_unstable();
    let (Some(&min), Some(&max)) = (data.first(), data.last()) else {
        return writeln!(output, "{what}: N/A\n");
    };
    let (begin, end, step) = bars(min, max);
    let mut counts = vec![0_u64; usize::try_from((end - begin) / step + 1).unwrap_or(0)];
    for size in &data {
        counts[((size - begin) / step) as usize] += 1;
    }
    let average = data.iter().sum::<u64>() / data.len() as u64;
    writeln!(output, "{what} (min/avg/max): {min}/{average}/{max}")?;
    let digits = |number: u64| number.to_string().len();
    let most = counts.iter().max().copied().unwrap_or(0);
    let (left, right, width) = (digits(end), digits(end + step), digits(most));
    for (bar, &count) in (0..).zip(&counts) {
        let (from, to) = (begin + bar * step + 1, begin + (bar + 1) * step);
        let share = "#".repeat((100 * count / total) as usize);
        writeln!(output, "[{from:left$}, {to:right$}]: {count:width$} {share}")?;
    }
    writeln!(output)
}

//! How promtool prints: tables, times, sizes.

use jiff::Timestamp;
use std::io;
use tsdb::Block;

/// Least width of a column but the last.
const MIN_WIDTH: usize = 13;
/// Spaces between columns.
const PADDING: usize = 2;

const BLOCK_COLUMNS: [&str; 8] = [
    "BLOCK ULID",
    "MIN TIME",
    "MAX TIME",
    "DURATION",
    "NUM SAMPLES",
    "NUM CHUNKS",
    "NUM SERIES",
    "SIZE",
];

/// Writes rows in columns that line up.
fn write_table(rows: &[[String; 8]], output: &mut dyn io::Write) -> io::Result<()> {
    let mut widths = [MIN_WIDTH; 8];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count() + PADDING);
        }
    }
    for row in rows {
        let (last, cells) = row.split_last().expect("eight columns");
        for (cell, width) in cells.iter().zip(widths) {
            write!(output, "{cell:width$}")?;
        }
        writeln!(output, "{last}")?;
    }
    Ok(())
}

/// Writes a line for each block, below their names if `with_header`.
pub(super) fn write_blocks<'b>(
    blocks: impl IntoIterator<Item = &'b Block>,
    with_header: bool,
    is_human: bool,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    let mut rows = Vec::new();
    if with_header {
        rows.push(BLOCK_COLUMNS.map(str::to_owned));
    }
    for block in blocks {
        let meta = block.meta();
        let bytes = i64::try_from(block.size_bytes()).unwrap_or(i64::MAX);
        rows.push([
            meta.ulid.to_string(),
            time(meta.min_time, is_human),
            time(meta.max_time, is_human),
            model::duration::format_as_go(meta.max_time.wrapping_sub(meta.min_time)),
            meta.stats.num_samples.to_string(),
            meta.stats.num_chunks.to_string(),
            meta.stats.num_series.to_string(),
            if is_human { model::size::format(bytes) } else { bytes.to_string() },
        ]);
    }
    write_table(&rows, output)
}

fn time(ms: i64, is_human: bool) -> String {
    match Timestamp::from_second(ms / 1000) {
        Ok(time) if is_human => time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        _ => ms.to_string(),
    }
}

#[cfg(test)]
mod tests;

//! Bytes to columns: the one place that dispatches on the encoding. Reads foreign bytes.

use crate::{ChunkMeta, DecodeError, Encoding, SampleColumns};

/// Appends the first `meta.num_samples` samples of a chunk to `out`; on error `out` keeps what was readable.
pub fn decode(meta: ChunkMeta, data: &[u8], out: &mut SampleColumns) -> Result<(), DecodeError> {
    match meta.encoding {
        Encoding::Raw => decode_raw(meta.num_samples as usize, data, out),
        Encoding::Xor => crate::xor::decode(meta.num_samples as usize, data, out),
        Encoding::Histogram | Encoding::FloatHistogram => {
            Err(DecodeError::Unsupported(meta.encoding as u8))
        }
    }
}

fn decode_raw(count: usize, data: &[u8], out: &mut SampleColumns) -> Result<(), DecodeError> {
    let (rows, _) = data.as_chunks::<16>();
    for row in rows.iter().take(count) {
        let (time, value) = row.split_at(8);
        out.push(
            i64::from_le_bytes(time.try_into().expect("eight bytes")),
            f64::from_le_bytes(value.try_into().expect("eight bytes")),
        );
    }
    if rows.len() < count { Err(DecodeError::Truncated) } else { Ok(()) }
}

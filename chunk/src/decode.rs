//! Bytes to columns: the one place that dispatches on the encoding. Reads foreign bytes.

use crate::{ChunkMeta, DecodeError, Encoding, SampleColumns, raw};

/// Appends the first `meta.num_samples` samples of a chunk to `out`; on error `out` keeps what was readable.
pub fn decode(meta: ChunkMeta, data: &[u8], out: &mut SampleColumns) -> Result<(), DecodeError> {
    let count = meta.num_samples as usize;
    match meta.encoding {
        Encoding::Raw => raw::decode_floats(count, data, out),
        Encoding::RawHistogram => raw::decode_histograms(count, data, &mut out.histograms),
        Encoding::Xor => crate::xor::decode(count, data, out),
        Encoding::Xor2 => crate::xor2::decode(count, data, out),
        Encoding::Histogram
        | Encoding::FloatHistogram
        | Encoding::StartedHistogram
        | Encoding::StartedFloatHistogram => {
            crate::histogram::decode(meta.encoding, count, data, &mut out.histograms)
        }
    }
}

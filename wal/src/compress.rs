//! Compression of single records: snappy blocks both ways. Records in zstd are named, not read.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// How new records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// Snappy blocks, where that makes them shorter.
    #[default]
    Snappy,
}

/// A block of this many bytes can unpack to at most this many times as much: three bytes copy 64.
const MAX_RATIO: usize = 32;

/// Compresses records; keeps its buffers.
pub(crate) struct Compressor {
    encoder: Encoder,
    packed: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new() -> Self {
        Self { encoder: Encoder::new(), packed: Vec::new() }
    }

    /// The snappy block of `record`, or `None` if it is not shorter.
    pub(crate) fn compress(&mut self, record: &[u8]) -> Option<&[u8]> {
        let bound = max_compress_len(record.len());
        if bound == 0 {
            // Beyond 4 GiB snappy has no form.
            return None;
        }
        if self.packed.len() < bound {
            self.packed.resize(bound, 0);
        }
        let length = self.encoder.compress(record, &mut self.packed).ok()?;
        (length < record.len()).then(|| &self.packed[..length])
    }
}

/// Replaces `out` with the content of a snappy block. Foreign bytes: lengths are checked before memory is taken.
pub(crate) fn decompress(block: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    const CORRUPT: &str = "snappy: corrupt input";
    let length = decompress_len(block).map_err(|_| CORRUPT)?;
    if length > block.len().saturating_mul(MAX_RATIO) {
        return Err(CORRUPT);
    }
    out.resize(length, 0);
    Decoder::new().decompress(block, out).map_err(|_| CORRUPT)?;
    Ok(())
}

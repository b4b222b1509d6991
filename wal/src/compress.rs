//! Compression of single records, both ways: snappy blocks and zstd frames.

use crate::page::{SNAPPY_FLAG, ZSTD_FLAG};
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};
use std::io::Read;

/// How new records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// Snappy blocks, where that makes them shorter.
    #[default]
    Snappy,
    /// Zstd frames of the default level, where that makes them shorter: smaller than snappy and slower.
    Zstd,
}

/// A block of this many bytes can unpack to at most this many times as much: three bytes copy 64.
const MAX_SNAPPY_RATIO: usize = 32;

/// No record is longer. A zstd frame can announce anything, so memory is taken as bytes come, up to here.
const MAX_RECORD_BYTES: u64 = 1 << 30;

/// What packs records, by the compression asked for.
enum Packer {
    None,
    Snappy(Box<Encoder>),
    Zstd(zstd::bulk::Compressor<'static>),
}

/// Compresses records; keeps its buffers.
pub(crate) struct Compressor {
    packer: Packer,
    packed: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new(compression: Compression) -> std::io::Result<Self> {
        let packer = match compression {
            Compression::None => Packer::None,
            Compression::Snappy => Packer::Snappy(Box::new(Encoder::new())),
            Compression::Zstd => {
                Packer::Zstd(zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?)
            }
        };
        Ok(Self { packer, packed: Vec::new() })
    }

    /// The body that stands for `record` in the log and the flags of its fragments: packed where that is shorter.
    pub(crate) fn compress<'a>(&'a mut self, record: &'a [u8]) -> (&'a [u8], u8) {
        let (bound, flag) = match &self.packer {
            Packer::None => return (record, 0),
            // Beyond 4 GiB snappy has no form and answers 0.
            Packer::Snappy(_) => (max_compress_len(record.len()), SNAPPY_FLAG),
            Packer::Zstd(_) => (zstd::zstd_safe::compress_bound(record.len()), ZSTD_FLAG),
        };
        if bound == 0 {
            return (record, 0);
        }
        if self.packed.len() < bound {
            self.packed.resize(bound, 0);
        }
        let length = match &mut self.packer {
            Packer::None => None,
            Packer::Snappy(encoder) => encoder.compress(record, &mut self.packed).ok(),
            Packer::Zstd(compressor) => {
                compressor.compress_to_buffer(record, &mut self.packed[..]).ok()
            }
        };
        match length {
            Some(length) if length < record.len() => (&self.packed[..length], flag),
            _ => (record, 0),
        }
    }
}

/// Unpacks records; keeps what a frame needs.
#[derive(Default)]
pub(crate) struct Decompressor {
    zstd: Option<zstd::zstd_safe::DCtx<'static>>,
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

impl Decompressor {
    /// Whether a record with these flags, `body` in the log, is packed at all.
    pub(crate) fn is_packed(body: &[u8], flags: u8) -> bool {
        !body.is_empty() && flags & (SNAPPY_FLAG | ZSTD_FLAG) != 0
    }

    /// Replaces `out` with the content of a packed body; snappy wins if both flags are set. Foreign bytes: lengths are
    /// checked before memory is taken.
    pub(crate) fn decompress(
        &mut self,
        body: &[u8],
        flags: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        out.clear();
        if flags & SNAPPY_FLAG != 0 {
            unpack_snappy(body, out)
        } else {
            self.unpack_zstd(body, out)
        }
    }

    fn unpack_zstd(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
        const SKIPPABLE: [u8; 3] = [0x2A, 0x4D, 0x18];
        let is_skippable = body.len() >= 4 && body[0] & 0xF0 == 0x50 && body[1..4] == SKIPPABLE;
        if !body.starts_with(&MAGIC) && !is_skippable {
            return Err("invalid input: magic number mismatch");
        }
        let context = self.zstd.get_or_insert_default();
        // An earlier frame may have ended in damage.
        let fresh = context.reset(zstd::zstd_safe::ResetDirective::SessionOnly);
        fresh.map_err(|_| "zstd: the decoder does not start over")?;
        let mut frames =
            zstd::stream::read::Decoder::with_context(body, context).take(MAX_RECORD_BYTES);
        frames.read_to_end(out).map_err(|_| "zstd: corrupt input")?;
        if out.len() as u64 == MAX_RECORD_BYTES {
            return Err("zstd: a record of more than 1 GiB");
        }
        Ok(())
    }
}

fn unpack_snappy(block: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    const CORRUPT: &str = "snappy: corrupt input";
    let length = decompress_len(block).map_err(|_| CORRUPT)?;
    if length > block.len().saturating_mul(MAX_SNAPPY_RATIO) {
        return Err(CORRUPT);
    }
    out.resize(length, 0);
    Decoder::new().decompress(block, out).map_err(|_| CORRUPT)?;
    Ok(())
}

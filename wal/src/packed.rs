//! Records as they lie in the log, still packed: one thread cuts the log, others unpack and decode. Whoever does that
//! reports damage as if the record had been read in one go.

use crate::compress::Decompressor;
use crate::{Corruption, Error, Result};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

/// Where a record lies, for what is reported of it.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) path: Arc<Path>,
    pub(crate) segment: u32,
    /// Where the record ends.
    pub(crate) offset: u64,
    /// Where the record before it ends.
    pub(crate) good_bytes: u64,
}

impl Spot {
    pub(crate) fn corruption(&self, what: &str) -> Error {
        Error::Corrupt(Box::new(Corruption {
            path: self.path.to_path_buf(),
            segment: self.segment,
            offset: self.offset,
            good_bytes: self.good_bytes,
            what: what.into(),
        }))
    }
}

/// A record whose frame is good and whose content nobody has looked at yet.
#[derive(Clone, Debug)]
pub struct PackedRecord {
    pub(crate) body: Bytes,
    pub(crate) flags: u8,
    pub(crate) spot: Spot,
}

impl PackedRecord {
    /// Its length in the log in bytes, without frames.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.body.len()
    }

    /// The error that this record is corrupt.
    #[must_use]
    pub fn corruption(&self, what: &str) -> Error {
        self.spot.corruption(what)
    }
}

/// Unpacks records; keeps its buffers.
#[derive(Debug, Default)]
pub struct Unpacker {
    decompressor: Decompressor,
    unpacked: Vec<u8>,
}

impl Unpacker {
    /// The content of a record. Fails if it does not unpack.
    pub fn unpack<'a>(&'a mut self, record: &'a PackedRecord) -> Result<&'a [u8]> {
        if !Decompressor::is_packed(&record.body, record.flags) {
            return Ok(&record.body);
        }
        self.decompressor
            .decompress(&record.body, record.flags, &mut self.unpacked)
            .map_err(|what| record.corruption(what))?;
        Ok(&self.unpacked)
    }
}

//! One series of the head: the hot state of one cache line that every sample touches, the cold rest, and chunks that
//! are full. What happens to them is in `shard`.

use super::label_sets::SetId;
use super::slab::{Buffer, Vacant};
use chunk::xor::{XorAppender, XorPiece};
use chunk::xor2::Xor2Appender;
use chunk::{ChunkMeta, DecodeError, Encoding, Starts};
use model::is_stale_nan;
use storage::RejectReason;

/// When a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct When {
    /// Its time.
    pub(super) timestamp_ms: i64,
    /// Since when it counts; zero if that is not known.
    pub(super) start_ms: i64,
}

/// What every appended sample reads and writes.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Hot {
    /// The open chunk and the newest sample.
    pub(super) open: XorAppender,
    /// Predicted end of the open chunk.
    pub(super) next_at_ms: i64,
    /// The epoch of the newest sample; see `isolation`.
    pub(super) epoch: u64,
    /// How many of the newest samples belong to that epoch.
    pub(super) tail: u32,
    /// The bytes of the open chunk of floats, or which one of the open chunks of histograms it is.
    pub(super) buffer: Buffer,
    /// The last byte of the open chunk of floats, which the next sample may begin in: that way a sample is only written
    /// to the buffer, which nobody waits for, and nothing is read from it. A word of its own: a byte is read together with those
    /// beside it, and would wait for `num_pending`, which is written just before, behind all that is still on its way to
    /// the buffers.
    pub(super) last_byte: u32,
    /// How the open chunk is encoded.
    pub(super) encoding: Encoding,
    /// How many samples open transactions have for this series, as far as this counts: it must not be collected before
    /// they end.
    pub(super) num_pending: u8,
    /// The newest sample is a staleness marker although `open` has another value: in XOR2.
    pub(super) is_marked_stale: bool,
}

impl Hot {
    /// A series without samples.
    pub(super) const EMPTY: Self = Self {
        open: XorAppender::new(),
        next_at_ms: 0,
        epoch: 0,
        tail: 0,
        buffer: Buffer::NONE,
        last_byte: 0,
        encoding: Encoding::Xor,
        num_pending: 0,
        is_marked_stale: false,
    };

    /// Whether a transaction has samples for this series.
    pub(super) fn is_pending(&self) -> bool {
        self.num_pending > 0
    }

    /// A transaction has a sample.
    #[inline]
    pub(super) fn stage(&mut self) {
        self.num_pending = self.num_pending.saturating_add(1);
    }

    /// The sample of a transaction is stored, or will not be. Nothing of a replay was staged.
    #[inline]
    pub(super) fn unstage(&mut self) {
        self.num_pending = self.num_pending.saturating_sub(1);
    }

    /// Whether there is an open chunk.
    #[inline]
    pub(super) fn has_open(&self) -> bool {
        self.open.num_samples() > 0
    }

    /// Whether the newest sample is a staleness marker.
    #[inline]
    pub(super) fn is_stale(&self) -> bool {
        self.has_open() && is_stale_nan(self.last_value())
    }

    /// Value of the newest sample; zero if there is none.
    #[inline]
    pub(super) fn last_value(&self) -> f64 {
        if self.is_marked_stale { model::STALE_NAN } else { self.open.last_value() }
    }

    /// Begins a chunk of floats.
    pub(super) fn begin(&mut self, encoding: Encoding, next_at_ms: i64) {
        self.open = match encoding {
            Encoding::Xor2 => Xor2Appender::new().into_parts().0,
            _ => XorAppender::new(),
        };
        self.encoding = encoding;
        self.is_marked_stale = false;
        self.buffer = Buffer::NONE;
        self.next_at_ms = next_at_ms;
    }

    /// Encodes a sample in XOR2; see [`Xor2Appender::encode`].
    pub(super) fn encode_xor2(&mut self, starts: &mut Starts, when: When, value: f64) -> XorPiece {
        let mut appender = Xor2Appender::from_parts(self.open, self.is_marked_stale, *starts);
        let piece = appender.encode(when.timestamp_ms, value, when.start_ms, self.last_byte as u8);
        (self.open, self.is_marked_stale, *starts) = appender.into_parts();
        piece
    }

    /// Whether a sample may be taken; one that repeats the newest sample bit by bit may.
    #[inline]
    pub(super) fn check(
        &self,
        timestamp_ms: i64,
        value: f64,
        min_valid_ms: i64,
    ) -> Result<(), RejectReason> {
        if timestamp_ms < min_valid_ms {
            return Err(RejectReason::OutOfBounds);
        }
        if !self.has_open() || timestamp_ms > self.open.last_ms() {
            return Ok(());
        }
        if timestamp_ms < self.open.last_ms() {
            return Err(RejectReason::OutOfOrder);
        }
        if value.to_bits() == self.last_value().to_bits() {
            return Ok(());
        }
        Err(RejectReason::DuplicateTimestamp)
    }
}

/// An open chunk of floats that was read back, as it can be continued.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFloats {
    pub(super) open: XorAppender,
    pub(super) is_marked_stale: bool,
    pub(super) starts: Starts,
    pub(super) encoding: Encoding,
}

impl OpenFloats {
    /// Takes up a chunk where its bytes end.
    pub(super) fn resume(encoding: Encoding, data: &[u8]) -> Result<Self, DecodeError> {
        if encoding == Encoding::Xor2 {
            let (open, is_marked_stale, starts) = Xor2Appender::resume(data)?.into_parts();
            return Ok(Self { open, is_marked_stale, starts, encoding });
        }
        let open = XorAppender::resume(data)?;
        Ok(Self { open, is_marked_stale: false, starts: Starts::new(), encoding: Encoding::Xor })
    }

    /// What is known of the chunk with these bytes; `None` if they have no first sample.
    pub(super) fn meta(&self, data: &[u8]) -> Option<ChunkMeta> {
        Some(ChunkMeta {
            min_ms: self.encoding.first_ms(data).ok()?,
            max_ms: self.open.last_ms(),
            num_samples: u32::from(self.open.num_samples()),
            encoding: self.encoding,
        })
    }
}

impl Vacant for Hot {
    const VACANT: &'static Self = &Self::EMPTY;
}

impl Vacant for Cold {
    const VACANT: &'static Self = &Self::FREE;
}

/// From when on samples are taken that are not in order; `None` if they are not taken at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct OooFloor(pub(super) Option<i64>);

impl OooFloor {
    /// [`Self::judge`] of a sample that its writer may not want to be taken late.
    pub(super) fn judge_of(
        self,
        in_order_only: bool,
        timestamp_ms: i64,
        reason: RejectReason,
    ) -> Result<(), RejectReason> {
        match self.judge(timestamp_ms, reason) {
            Ok(()) if in_order_only => Err(RejectReason::OutOfOrder),
            verdict => verdict,
        }
    }

    /// Whether a sample that [`Hot::check`] refused is taken out of order, or why not.
    pub(super) fn judge(self, timestamp_ms: i64, reason: RejectReason) -> Result<(), RejectReason> {
        match (self.0, reason) {
            (Some(floor_ms), RejectReason::OutOfBounds | RejectReason::OutOfOrder) => {
                if timestamp_ms >= floor_ms {
                    Ok(())
                } else {
                    Err(RejectReason::TooOld)
                }
            }
            (_, reason) => Err(reason),
        }
    }
}

/// What is looked at when a series is found, selected, cut or collected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cold {
    /// The reference; zero if the slot is free.
    pub(super) number: u64,
    /// Key of the hash table.
    pub(super) hash: u64,
    /// The upper half of the second hash of the labels; with `hash` it stands for their text.
    pub(super) print: u32,
    /// The labels.
    pub(super) labels: SetId,
    /// Index of the list of full chunks; zero if there are none.
    pub(super) full: u32,
}

impl Cold {
    /// A slot without series.
    pub(super) const FREE: Self =
        Self { number: 0, hash: 0, print: 0, labels: SetId::EMPTY, full: 0 };
}

const IN_MEMORY: u64 = 1 << 63;

/// Where the bytes of a full chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Still in a buffer of the shard, with its length.
    Memory(Buffer, usize),
    /// In `chunks_head/`: file number above 32 bits of offset.
    Disk(u64),
}

/// A chunk that takes no more samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct FullChunk {
    /// Timestamp of the first sample.
    pub(super) min_ms: i64,
    /// Timestamp of the last sample.
    pub(super) max_ms: i64,
    place: u64,
    /// Number of samples.
    pub(super) num_samples: u16,
    /// How it is encoded.
    pub(super) encoding: Encoding,
}

impl FullChunk {
    /// A full chunk of these samples at `place`.
    pub(super) fn new(meta: ChunkMeta, place: Place) -> Self {
        let place = match place {
            Place::Memory(buffer, len) => IN_MEMORY | (len as u64) << 32 | u64::from(buffer.0),
            Place::Disk(at) => at,
        };
        let num_samples = u16::try_from(meta.num_samples).expect("a chunk counts in 16 bits");
        Self {
            min_ms: meta.min_ms,
            max_ms: meta.max_ms,
            place,
            num_samples,
            encoding: meta.encoding,
        }
    }

    /// Where its bytes are.
    pub(super) fn place(self) -> Place {
        if self.place & IN_MEMORY == 0 {
            Place::Disk(self.place)
        } else {
            let len = (self.place & !IN_MEMORY) >> 32;
            Place::Memory(Buffer(self.place as u32), len as usize)
        }
    }

    /// Whether it is on disk, no later than at `place`.
    pub(super) fn is_upto(self, place: u64) -> bool {
        matches!(self.place(), Place::Disk(at) if at <= place)
    }

    /// What a reader has to know.
    pub(super) fn meta(self) -> ChunkMeta {
        ChunkMeta {
            min_ms: self.min_ms,
            max_ms: self.max_ms,
            num_samples: u32::from(self.num_samples),
            encoding: self.encoding,
        }
    }
}

#[cfg(test)]
mod tests;

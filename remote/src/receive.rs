//! Remote write in: a body to one transaction. Of 1.0 all samples of a request are stored or none, of 2.0 those that
//! are good.
//!
//! The hot path never looks at a label: the bytes of a series' labels, hashed to 128 bits, lead to its reference
//! (`cache`). Only what is not known is parsed, checked, sorted and resolved, all of it in one batch.
//! Reading order: `columns`, `v1` and `v2` (bodies to columns), `transaction` (columns to the storage).

mod admission;
mod cache;
mod columns;
mod labels;
pub mod negotiate;
mod refusals;
mod transaction;
mod v1;
mod v2;
mod zeros;

pub use admission::Admission;
pub use negotiate::Message;

pub(crate) use cache::{Joint, Key, SeriesCache};
pub(crate) use columns::{Rows, TOO_FAR_AHEAD};
pub(crate) use transaction::explain;
pub(crate) use zeros::{settle_origins, with_zeros, zero};

use crate::proto::Malformed;
use admission::Gate;
use columns::{Columns, Fault};
use metrics::{Counter, Registry};
use parking_lot::Mutex;
use refusals::Refusals;
use std::sync::Arc;
use storage::{Appendable, Rejected};
use transaction::Attempt;

/// The most bytes of a body, packed and unpacked.
pub const MAX_BODY_BYTES: usize = 32 << 20;

/// How far ahead of the wall clock a sample may be.
pub(crate) const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// How many sets of buffers are kept for the next requests.
const MAX_IDLE_BUFFERS: usize = 8;

/// Why a request was not stored, by what its sender can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is wrong or its samples are refused: sending it again will not help.
    #[error("{0}")]
    Refused(Box<str>),
    /// The body is in a form this server does not take.
    #[error("{0}")]
    Unsupported(Box<str>),
    /// The body is larger than [`MAX_BODY_BYTES`].
    #[error("request body exceeds the {MAX_BODY_BYTES} bytes limit")]
    TooLarge,
    /// All series of the request would be new, and there is no room for them at the moment: later there may be.
    #[error("{0}")]
    NoRoom(&'static str),
    /// The storage failed: sending it again may help.
    #[error("{0}")]
    Storage(#[from] storage::Error),
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        refused(malformed.to_string())
    }
}

fn refused(text: impl Into<Box<str>>) -> Error {
    Error::Refused(text.into())
}

/// What of a request of 2.0 was written, as its answer tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Float samples.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
}

/// What flags and features say about receiving.
#[derive(Clone, Debug)]
pub struct Options {
    /// The messages that are taken.
    pub accepted: Vec<Message>,
    /// Type and unit of 2.0 become labels.
    pub type_and_unit_labels: bool,
    /// A start timestamp becomes a sample of zero.
    pub zero_samples: bool,
    /// Start timestamps are stored.
    pub start_timestamps: bool,
    /// Metadata of 2.0 is stored.
    pub metadata: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accepted: vec![Message::V1, Message::V2],
            type_and_unit_labels: false,
            zero_samples: false,
            start_timestamps: false,
            metadata: false,
        }
    }
}

/// Buffers of one request, kept for the next one.
#[derive(Debug, Default)]
struct Buffers {
    body: Vec<u8>,
    columns: Columns,
    rejected: Vec<Rejected>,
    faults: Vec<Fault>,
}

/// Takes remote-write bodies and appends them to a storage.
pub struct Receiver {
    appendable: Arc<dyn Appendable>,
    options: Options,
    cache: SeriesCache,
    gate: Gate,
    idle: Mutex<Vec<Buffers>>,
    invalid_labels: Counter,
    refusals: Refusals,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("cached_series", &self.cache.len()).finish_non_exhaustive()
    }
}

impl Receiver {
    /// A receiver that writes to `appendable` and counts in `registry`.
    #[must_use]
    pub fn new(appendable: Arc<dyn Appendable>, options: Options, registry: &Registry) -> Self {
        // Nothing is ever counted here: metadata that the storage refuses fails the request.
        registry.counter(
            "prometheus_api_remote_write_without_metadata_appended_samples_total",
            "The total number of received remote write samples (and histogram samples) which were \
             ingested without corresponding metadata.",
        );
        Self {
            appendable,
            options,
            cache: SeriesCache::new(),
            gate: Gate::new(registry),
            idle: Mutex::default(),
            invalid_labels: registry.counter(
                "prometheus_api_remote_write_invalid_labels_samples_total",
                "The total number of received remote write samples and histogram samples which were \
                 rejected due to invalid labels.",
            ),
            refusals: Refusals::new(registry),
        }
    }

    /// Which message a request holds, by its headers; absent ones are empty texts.
    pub fn negotiate(&self, content_type: &str, content_encoding: &str) -> Result<Message, Error> {
        negotiate::check(content_type, content_encoding, &self.options.accepted)
    }

    /// What is wrong with a request whose headers were refused by [`Self::negotiate`]: a body that is not packed is told
    /// before a type that is not taken, as Prometheus does.
    #[must_use]
    pub fn refusal(&self, content_encoding: &str, packed: &[u8], refused: Error) -> Error {
        let is_taken = matches!(content_encoding, "" | "snappy");
        match unpack(packed, &mut Vec::new()) {
            Err(error) if is_taken => error,
            _ => refused,
        }
    }

    /// Room for a body of this length, `None` for one whose length is not told; nothing if those in flight take it
    /// all, and the sender has to come again later.
    #[must_use]
    pub fn admit(&self, body_bytes: Option<u64>) -> Option<Admission> {
        self.gate.admit(body_bytes)
    }

    /// Stores the samples of a snappy-packed message. `now_ms` is the wall clock. What was written is told for 2.0,
    /// once the message was unpacked.
    pub fn write(
        &self,
        message: Message,
        packed: &[u8],
        now_ms: i64,
    ) -> (Option<Written>, Result<(), Error>) {
        let mut buffers = self.idle.lock().pop().unwrap_or_default();
        let unpacked = unpack(packed, &mut buffers.body);
        let outcome = match unpacked {
            Ok(()) => {
                let mut written = Written::default();
                let result = self.write_unpacked(message, now_ms, &mut buffers, &mut written);
                ((message == Message::V2).then_some(written), result)
            }
            Err(error) => (None, Err(error)),
        };
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE_BUFFERS {
            idle.push(buffers);
        }
        outcome
    }

    fn write_unpacked(
        &self,
        message: Message,
        now_ms: i64,
        buffers: &mut Buffers,
        written: &mut Written,
    ) -> Result<(), Error> {
        self.cache.sweep(now_ms);
        let mut attempt = self.attempt(message, now_ms, true, buffers, written);
        if matches!(attempt, Ok(Attempt::Stale)) {
            // A series was dropped since its reference was cached. The transaction never happened: once more, with
            // every label set resolved.
            attempt = self.attempt(message, now_ms, false, buffers, written);
        }
        if let Err(Error::NoRoom(_)) = attempt {
            self.refusals.note(&buffers.faults, now_ms);
        }
        attempt.inspect_err(|_| *written = Written::default())?;
        self.invalid_labels.inc_by(buffers.columns.num_invalid);
        self.refusals.note(&buffers.faults, now_ms);
        let mut texts = buffers.faults.iter().filter(|fault| !fault.is_quiet()).map(|f| &*f.text);
        match (message, texts.next()) {
            (_, None) => Ok(()),
            (Message::V1, Some(first)) => Err(refused(first)),
            (Message::V2, Some(first)) => {
                let all: Vec<&str> = std::iter::once(first).chain(texts).collect();
                Err(refused(all.join("\n")))
            }
        }
    }
}

/// Unpacks a snappy block into `out`, within the bound.
fn unpack(packed: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let corrupt = || refused("s2: corrupt input");
    if packed.len() > MAX_BODY_BYTES {
        return Err(Error::TooLarge);
    }
    let len = snap::raw::decompress_len(packed).map_err(|_| corrupt())?;
    if len > MAX_BODY_BYTES {
        return Err(refused(format!("decoded size exceeds the {MAX_BODY_BYTES} bytes limit")));
    }
    // Snappy cannot pack below about 1 to 21: a claim beyond is a lie, told before memory is spent on it.
    if len / 64 > packed.len() {
        return Err(corrupt());
    }
    out.resize(len, 0);
    let len = snap::raw::Decoder::new().decompress(packed, out).map_err(|_| corrupt())?;
    out.truncate(len);
    Ok(())
}

#[cfg(test)]
mod tests;

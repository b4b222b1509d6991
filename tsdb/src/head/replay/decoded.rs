//! A record of the log as columns. Decoding needs no head, so any thread does it; taking in what was decoded is for the
//! replay, in the order of the log.

use wal::record::{
    DecodeError, Histograms, Kind, Samples, decode_histograms, decode_samples, kind,
};

/// A record that was decoded, as far as that takes time: samples are columns, any other is its bytes. Keeps its buffers
/// for the next record.
#[derive(Debug)]
pub struct Decoded {
    pub(super) kind: Kind,
    pub(super) samples: Samples,
    pub(super) histograms: Histograms,
    pub(super) bytes: Vec<u8>,
}

impl Default for Decoded {
    fn default() -> Self {
        Self {
            kind: Kind::Unknown,
            samples: Samples::default(),
            histograms: Histograms::default(),
            bytes: Vec::new(),
        }
    }
}

impl Decoded {
    /// Replaces what is here with a record. Fails if it is of samples and damaged; damage of others is found when they
    /// are taken in.
    pub fn read(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        self.kind = kind(record);
        match self.kind {
            Kind::Samples => {
                self.samples.clear();
                decode_samples(record, &mut self.samples)
            }
            Kind::Histograms => decode_histograms(record, &mut self.histograms),
            _ => {
                self.bytes.clear();
                self.bytes.extend_from_slice(record);
                Ok(())
            }
        }
    }

    /// What the record is about, in the words that damage is reported in.
    #[must_use]
    pub fn subject(&self) -> &'static str {
        match self.kind {
            Kind::Series => "series",
            Kind::Tombstones => "tombstones",
            _ => "samples",
        }
    }
}

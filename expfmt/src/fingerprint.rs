//! What stands for the text of a series in caches, so that they need not hold it: its length and a wide hash. Not what is
//! done with it.

use xxhash_rust::xxh3::xxh3_128;

/// Length and 128-bit hash of a series as a parser gives it out. That two texts of one target share it by chance is less
/// likely than a flipped bit in memory, and a target that finds two on purpose confuses its own series alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Two halves: a whole would have the memory of caches aligned to 16 bytes.
    hash: [u64; 2],
    length: u32,
}

impl Fingerprint {
    /// The fingerprint of `series`, which is shorter than 4 GiB.
    #[inline]
    #[must_use]
    pub fn of(series: &[u8]) -> Self {
        let length = u32::try_from(series.len()).expect("a body is shorter than 4 GiB");
        Self { hash: halves(series), length }
    }

    /// The series itself if `bytes` begins with it.
    #[inline]
    pub(crate) fn find<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let series = bytes.get(..self.length as usize)?;
        (halves(series) == self.hash).then_some(series)
    }

    /// Whether it is that of `series`.
    #[inline]
    pub(crate) fn is_of(&self, series: &[u8]) -> bool {
        self.length as usize == series.len() && halves(series) == self.hash
    }
}

#[inline]
fn halves(series: &[u8]) -> [u64; 2] {
    let hash = xxh3_128(series);
    [hash as u64, (hash >> 64) as u64]
}

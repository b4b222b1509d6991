//! A postings list as it lies in the mapped file: sorted series ids, big-endian, read in place.

/// The ids of one list. Nothing is decoded until asked for.
#[derive(Clone, Copy, Debug)]
pub struct PostingsList<'a>(&'a [[u8; 4]]);

impl<'a> PostingsList<'a> {
    /// The list whose ids are these bytes; left-over bytes at the end are ignored.
    #[must_use]
    pub fn from_bytes(ids: &'a [u8]) -> Self {
        Self(ids.as_chunks().0)
    }

    /// A list without ids.
    #[must_use]
    pub fn empty() -> Self {
        Self(&[])
    }

    /// Number of ids.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are no ids.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The id at `index`.
    #[inline]
    #[must_use]
    pub fn get(self, index: usize) -> Option<u32> {
        self.0.get(index).map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// All ids in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.0.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The index of the first id at or after `from` that is not below `id`, found in steps that double.
    #[inline]
    #[must_use]
    pub fn seek(self, from: usize, id: u32) -> usize {
        let rest = self.0.get(from..).unwrap_or_default();
        let below = |index: usize| {
            rest.get(index).is_some_and(|bytes: &[u8; 4]| u32::from_be_bytes(*bytes) < id)
        };
        if !below(0) {
            return from;
        }
        let mut step = 1;
        while below(step) {
            step *= 2;
        }
        let begin = step / 2;
        let end = step.min(rest.len());
        let window = rest.get(begin..end).unwrap_or_default();
        from + begin + window.partition_point(|bytes| u32::from_be_bytes(*bytes) < id)
    }
}

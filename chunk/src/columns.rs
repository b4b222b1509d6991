//! Decoded samples, one vector per field. Native histograms get columns of their own beside the floats.

/// The samples of one series in time order; float columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleColumns {
    /// Timestamps of the float samples.
    pub timestamps_ms: Vec<i64>,
    /// Values of the float samples; a staleness marker is a NaN with its own bit pattern.
    pub values: Vec<f64>,
}

impl SampleColumns {
    /// Forgets the samples and keeps the memory.
    pub fn clear(&mut self) {
        self.timestamps_ms.clear();
        self.values.clear();
    }

    /// Number of float samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamps_ms.len()
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps_ms.is_empty()
    }

    /// Adds one float sample.
    #[inline]
    pub fn push(&mut self, timestamp_ms: i64, value: f64) {
        self.timestamps_ms.push(timestamp_ms);
        self.values.push(value);
    }
}

//! Bounds on native histograms: fewer buckets by a lower resolution, where that is possible. Not how they are counted.

use crate::config::ScrapeConfig;
use model::histogram::Histogram;

/// The resolutions that exist.
const MIN_SCHEMA: i32 = -4;
const MAX_SCHEMA: i32 = 8;

/// What a job asks of native histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistogramLimits {
    /// Most buckets; 0 is no bound.
    pub(crate) bucket_limit: u64,
    /// The highest resolution.
    pub(crate) max_schema: i32,
}

impl Default for HistogramLimits {
    fn default() -> Self {
        Self { bucket_limit: 0, max_schema: MAX_SCHEMA }
    }
}

impl HistogramLimits {
    pub(crate) fn new(config: &ScrapeConfig) -> Self {
        let bucket_limit = config.native_histogram_bucket_limit;
        Self { bucket_limit, max_schema: max_schema(config.native_histogram_min_bucket_factor) }
    }

    /// Lowers the resolution of `histogram` as far as asked. `false` if it has too many buckets even so.
    pub(crate) fn apply(self, histogram: &mut Histogram) -> bool {
        let layout = histogram.layout();
        let custom = layout.is_custom();
        // A resolution that does not exist is left to the storage to refuse.
        if !custom && self.max_schema < MAX_SCHEMA && layout.schema > self.max_schema {
            histogram.reduce_resolution(self.max_schema);
        }
        if self.bucket_limit == 0 {
            return true;
        }
        while num_buckets(histogram) > self.bucket_limit {
            let schema = histogram.layout().schema;
            if custom || schema <= MIN_SCHEMA {
                return false;
            }
            histogram.reduce_resolution(schema - 1);
        }
        true
    }
}

/// The highest resolution whose buckets grow by `factor` or more each.
fn max_schema(factor: f64) -> i32 {
    if factor <= 1.0 {
        return MAX_SCHEMA;
    }
    // Bucket bounds grow by 2^(2^-schema).
    let schema = -factor.log2().log2();
    (schema.floor() as i32).clamp(MIN_SCHEMA, MAX_SCHEMA)
}

fn num_buckets(histogram: &Histogram) -> u64 {
    let layout = histogram.layout();
    let spans = layout.positive_spans.iter().chain(&layout.negative_spans);
    spans.map(|span| u64::from(span.length)).sum()
}

#[cfg(test)]
mod tests;

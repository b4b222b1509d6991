//! What `/api/v1/status/tsdb` shows of the head: totals and the heaviest metric names, labels and pairs.

use super::Head;
use super::dictionary::PairId;
use model::METRIC_NAME;
use model::hash::HashMap;
use std::hash::BuildHasher as _;

/// A name with a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelStat {
    /// A label name, a metric name or `name=value`.
    pub name: Box<str>,
    /// How many, or how many bytes.
    pub value: u64,
}

/// Totals and top lists; the lists are sorted by figure, greatest first, then by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadStats {
    /// Number of series.
    pub num_series: usize,
    /// Number of chunks, open and full.
    pub num_chunks: usize,
    /// Number of distinct label pairs.
    pub num_label_pairs: usize,
    /// Time of the earliest sample; `i64::MAX` while there is none.
    pub min_time_ms: i64,
    /// Time of the latest sample; `i64::MIN` while there is none.
    pub max_time_ms: i64,
    /// Metric names by number of series.
    pub series_count_by_metric_name: Vec<LabelStat>,
    /// Label names by number of values.
    pub label_value_count_by_label_name: Vec<LabelStat>,
    /// Label names by the bytes that their labels take in all series, each with two lengths, as Prometheus stores them.
    pub memory_in_bytes_by_label_name: Vec<LabelStat>,
    /// Label pairs by number of series.
    pub series_count_by_label_value_pair: Vec<LabelStat>,
}

/// One distinct pair over all shards, with one place where its text is.
#[derive(Clone, Copy, Debug)]
struct PairCount {
    num_series: u64,
    shard: u32,
    pair: PairId,
}

/// Keeps the `limit` greatest; names are made only for those that stay.
fn top<T>(mut rows: Vec<(u64, T)>, limit: usize, name: impl Fn(T) -> Box<str>) -> Vec<LabelStat> {
    if rows.len() > limit && limit > 0 {
        rows.select_nth_unstable_by(limit - 1, |a, b| b.0.cmp(&a.0));
    }
    rows.truncate(limit);
    let mut stats: Vec<LabelStat> =
        rows.into_iter().map(|(value, of)| LabelStat { name: name(of), value }).collect();
    stats.sort_unstable_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
    stats
}

/// Bytes that Prometheus counts for a string of a label: its length takes one byte below 255, else four.
fn stored_len(text: &str) -> u64 {
    let prefix = if text.len() < 255 { 1 } else { 4 };
    prefix + text.len() as u64
}

impl Head {
    /// Number of chunks, open and full.
    #[must_use]
    pub fn num_chunks(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.0.read().num_chunks).sum()
    }

    /// Totals, and top lists of at most `limit` entries.
    #[must_use]
    pub fn stats(&self, limit: usize) -> HeadStats {
        // Without collections pairs keep their ids.
        let _alone = self.0.maintenance.lock();
        let mut pairs: HashMap<u64, PairCount> = HashMap::default();
        let mut names: HashMap<Box<str>, (u64, u64)> = HashMap::default();
        let mut metrics = Vec::new();
        let hasher = model::hash::BuildHasher::default();
        for (index, shard) in self.0.shards.iter().enumerate() {
            let shard = shard.0.read();
            for (name, of_name) in shard.labels.names() {
                let name = shard.labels.text(name);
                let (num_values, bytes) = names.entry(name.into()).or_default();
                for &pair in of_name {
                    let value = shard.labels.value(pair);
                    let num_series = shard.labels.postings(pair).len() as u64;
                    *bytes += num_series * (stored_len(name) + stored_len(value));
                    let new = PairCount { num_series: 0, shard: index as u32, pair };
                    let count = pairs.entry(hasher.hash_one((name, value))).or_insert(new);
                    *num_values += u64::from(count.num_series == 0);
                    count.num_series += num_series;
                }
            }
        }
        let label = |count: PairCount, show: fn(&str, &str) -> Box<str>| {
            let shard = self.0.shards[count.shard as usize].0.read();
            let (name, value) = shard.labels.label(count.pair);
            show(name, value)
        };
        for count in pairs.values() {
            let shard = self.0.shards[count.shard as usize].0.read();
            if shard.labels.label(count.pair).0 == METRIC_NAME {
                metrics.push((count.num_series, *count));
            }
        }
        let all = pairs.values().map(|count| (count.num_series, *count)).collect();
        let by = |figure: fn(&(u64, u64)) -> u64| {
            names.iter().map(|(name, figures)| (figure(figures), name.clone())).collect()
        };
        HeadStats {
            num_series: self.num_series(),
            num_chunks: self.num_chunks(),
            num_label_pairs: pairs.len(),
            min_time_ms: self.min_time(),
            max_time_ms: self.max_time(),
            series_count_by_metric_name: top(metrics, limit, |count| {
                label(count, |_, value| value.into())
            }),
            label_value_count_by_label_name: top(by(|figures| figures.0), limit, |name| name),
            memory_in_bytes_by_label_name: top(by(|figures| figures.1), limit, |name| name),
            series_count_by_label_value_pair: top(all, limit, |count| {
                label(count, |name, value| format!("{name}={value}").into())
            }),
        }
    }
}

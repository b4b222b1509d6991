//! Merging of series sets against a map of the standard library; names; which sample of several stays.

use super::{chain_samples, merge, merge_names};
use crate::{Result, SeriesBatch, SeriesSet};
use chunk::{ChunkMeta, Encoding, SampleColumns};
use model::{Labels, Symbols, TimeRange};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Series in memory, one raw chunk each, handed out a few at a time.
struct Source<'q> {
    series: Vec<(Labels, Vec<(i64, f64)>)>,
    symbols: &'q Symbols,
    step: usize,
}

impl SeriesSet for Source<'_> {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> Result<bool> {
        out.clear();
        let count = self.step.min(self.series.len());
        for (labels, samples) in self.series.drain(..count) {
            let data: Vec<u8> = samples
                .iter()
                .flat_map(|(t, v)| t.to_le_bytes().into_iter().chain(v.to_le_bytes()))
                .collect();
            let meta = ChunkMeta {
                min_ms: samples[0].0,
                max_ms: samples[samples.len() - 1].0,
                num_samples: samples.len() as u32,
                encoding: Encoding::Raw,
            };
            out.push_copied(meta, &data);
            let mut pairs = Vec::new();
            self.symbols.intern_labels(&labels, &mut pairs);
            out.finish_series(&pairs);
        }
        Ok(!out.is_empty())
    }
}

fn columns(samples: &[(i64, f64)]) -> SampleColumns {
    let mut columns = SampleColumns::default();
    for &(time, value) in samples {
        columns.push(time, value);
    }
    columns
}

proptest! {
    #[test]
    fn all_series_and_times_once_and_in_order(
        sources in prop::collection::vec(
            (
                prop::collection::btree_map(
                    "[a-f]{1,2}",
                    prop::collection::btree_map(0i64..40, -5.0f64..5.0, 1..12),
                    0..20,
                ),
                1usize..5,
            ),
            1..6,
        ),
    ) {
        let symbols = Symbols::new();
        let mut expected: BTreeMap<Labels, BTreeMap<i64, Vec<f64>>> = BTreeMap::new();
        let mut sets: Vec<Box<dyn SeriesSet + '_>> = Vec::new();
        for (series, step) in &sources {
            let mut list = Vec::new();
            for (name, samples) in series {
                let labels = Labels::from_pairs([("__name__", name)]);
                let times = expected.entry(labels.clone()).or_default();
                for (&time, &value) in samples {
                    times.entry(time).or_default().push(value);
                }
                list.push((labels, samples.iter().map(|(&t, &v)| (t, v)).collect()));
            }
            sets.push(Box::new(Source { series: list, symbols: &symbols, step: *step }));
        }
        let mut merged = merge(sets, &symbols);
        let mut batch = SeriesBatch::default();
        let mut out = SampleColumns::default();
        let mut left = expected.into_iter();
        while merged.next_batch(&mut batch).expect("merge") {
            for series in 0..batch.len() {
                let (labels, times) = left.next().expect("no series too many");
                prop_assert_eq!(symbols.labels(batch.labels().get(series)), labels);
                batch.read(series, TimeRange::ALL, &mut out).expect("read");
                let all: Vec<i64> = times.keys().copied().collect();
                prop_assert_eq!(&out.timestamps_ms, &all);
                for (time, value) in out.timestamps_ms.iter().zip(&out.values) {
                    prop_assert!(times[time].contains(value));
                }
            }
        }
        prop_assert!(left.next().is_none());
    }
}

#[test]
fn of_two_sources_the_second_wins_a_run_of_equal_times() {
    let first = columns(&[(1, 1.0), (2, 1.0), (3, 1.0), (9, 1.0)]);
    let second = columns(&[(1, 2.0), (2, 2.0), (3, 2.0), (4, 2.0)]);
    let mut out = SampleColumns::default();
    chain_samples(&[first, second], &mut out);
    assert_eq!(out, columns(&[(1, 2.0), (2, 2.0), (3, 2.0), (4, 2.0), (9, 1.0)]));
    out.clear();
    chain_samples(&[], &mut out);
    chain_samples(&[SampleColumns::default(), columns(&[(7, 1.0)])], &mut out);
    assert_eq!(out, columns(&[(7, 1.0)]));
}

#[test]
fn names_are_merged_sorted_and_limited() {
    let list = |names: &[&str]| names.iter().map(|&name| name.into()).collect::<Vec<Box<str>>>();
    let lists = || vec![list(&["a", "c"]), list(&["b", "c"]), list(&[])];
    assert_eq!(merge_names(lists(), 0), list(&["a", "b", "c"]));
    assert_eq!(merge_names(lists(), 2), list(&["a", "b"]));
    assert_eq!(merge_names(vec![], 0), list(&[]));
}

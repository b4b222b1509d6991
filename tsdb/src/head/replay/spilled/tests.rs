//! A log that is replayed with series going to blocks on the way holds what it holds without.

use crate::block::Block;
use crate::compact::{BlockSpec, write_block};
use crate::head::tests::{Series, head, read};
use crate::head::{Head, LateSeries, Replay};
use disk::{Disk, SimDisk};
use model::histogram::{Histogram, IntHistogram};
use model::metadata::Metadata;
use model::{STALE_NAN, Symbols, TimeRange};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Querier, Queryable, SelectHints};
use wal::record;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const NUM_SERIES: u64 = 6;

/// What a log says next.
#[derive(Clone, Debug)]
enum Op {
    /// Samples of the series of this mask, so long after or before those of the last.
    Samples {
        after: i64,
        mask: u8,
        value: f64,
        has_starts: bool,
    },
    Histograms {
        after: i64,
        mask: u8,
    },
    Delete {
        number: u64,
        from: i64,
        len: i64,
    },
    /// The series is in blocks, says the server that wrote the log.
    End {
        number: u64,
    },
    /// Named once more, or anew if it had ended.
    Series {
        number: u64,
    },
    Metadata {
        number: u64,
    },
    /// Not of the log: memory is short.
    Spill {
        idle: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let after = prop_oneof![8 => 0..20 * MINUTE, 1 => -20 * MINUTE..0];
    let value = prop_oneof![1 => Just(STALE_NAN), 5 => 0.0..9.0];
    let number = 1..=NUM_SERIES;
    prop_oneof![
        10 => (after.clone(), any::<u8>(), value, any::<bool>()).prop_map(
            |(after, mask, value, has_starts)| Op::Samples { after, mask, value, has_starts }
        ),
        2 => (after, any::<u8>()).prop_map(|(after, mask)| Op::Histograms { after, mask }),
        1 => (number.clone(), 0..5 * HOUR, 0..HOUR)
            .prop_map(|(number, from, len)| Op::Delete { number, from, len }),
        1 => number.clone().prop_map(|number| Op::End { number }),
        2 => number.clone().prop_map(|number| Op::Series { number }),
        1 => number.prop_map(|number| Op::Metadata { number }),
        4 => (0..30 * MINUTE).prop_map(|idle| Op::Spill { idle }),
    ]
}

/// Two numbers of each label set.
fn series_record(number: u64) -> Vec<u8> {
    let name = format!("s{}", (number - 1) % NUM_SERIES);
    let mut out = Vec::new();
    record::begin_series(&mut out);
    record::push_series(&mut out, number, [("__name__", name.as_str())].into_iter());
    out
}

fn metadata() -> Metadata {
    Metadata { help: "helps".into(), ..Metadata::default() }
}

/// The series that a mask names, some by their other number.
fn numbers(mask: u8) -> impl Iterator<Item = u64> + Clone {
    let alias = if mask & 0x80 == 0 { 0 } else { NUM_SERIES };
    (0..NUM_SERIES).filter(move |at| mask >> at & 1 == 1).map(move |at| at + 1 + alias)
}

fn records(op: &Op, now: &mut i64) -> Vec<Vec<u8>> {
    let mut out = vec![Vec::new()];
    match *op {
        Op::Samples { after, mask, value, has_starts } => {
            *now += after;
            let rows = numbers(mask).map(|number| (number, *now, value));
            if has_starts {
                let rows = rows.map(|(number, time, value)| (number, time, time - 5, value));
                record::encode_started_samples(&mut out[0], rows);
            } else {
                record::encode_samples(&mut out[0], rows);
            }
        }
        Op::Histograms { after, mask } => {
            *now += after;
            let value = Histogram::Int(IntHistogram::default());
            let time = *now;
            let rows = numbers(mask).map(|number| (number, time, &value));
            record::encode_histograms(&rows, &mut out);
        }
        Op::Delete { number, from, len } => {
            let range = TimeRange::new(from, from + len);
            record::encode_tombstones(&mut out[0], [(number, range)]);
        }
        Op::End { number } => record::encode_tombstones(&mut out[0], [(number, TimeRange::ALL)]),
        Op::Series { number } => out[0] = series_record(number),
        Op::Metadata { number } => {
            record::encode_metadata(&mut out[0], [(number, &metadata())]);
        }
        Op::Spill { .. } => {}
    }
    out.retain(|record| !record.is_empty());
    out
}

/// Moves what is idle to blocks.
fn spill(
    head: &Head,
    replay: &mut Replay,
    idle_ms: i64,
    disk: &SimDisk,
    count: &mut u128,
) -> usize {
    let late = LateSeries([3].into_iter().collect());
    let Some(idle) = replay.idle_series(idle_ms, &late) else { return 0 };
    let mut blocks = Vec::new();
    let mut begin = idle.range.min_ms.div_euclid(2 * HOUR) * 2 * HOUR;
    while begin <= idle.range.max_ms {
        let range = TimeRange::new(begin, begin + 2 * HOUR - 1);
        begin += 2 * HOUR;
        *count += 1;
        let ulid = crate::block::Ulid::new(0, *count);
        let querier = head.idle_querier(range, &idle);
        let (symbols, cancel) = (Symbols::new(), Cancel::new());
        let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).unwrap();
        let spec = BlockSpec::from_head(range.min_ms, range.max_ms + 1);
        let dir = Path::new("blocks");
        if write_block(&mut *set, &symbols, &spec, ulid, disk, dir).unwrap().is_some() {
            blocks.push(Arc::new(Block::open(disk, &dir.join(ulid.to_string())).unwrap()));
        }
    }
    replay.spill(blocks).unwrap()
}

type Content = BTreeMap<String, Vec<(i64, u64)>>;

/// Without staleness markers: one takes its kind from what it ends.
fn content(all: impl IntoIterator<Item = Series>) -> Content {
    let mut found = Content::new();
    for (labels, samples) in all {
        let told = samples.into_iter().filter(|(_, bits)| *bits != STALE_NAN.to_bits());
        found.entry(labels).or_default().extend(told);
    }
    for samples in found.values_mut() {
        samples.sort_unstable();
        samples.dedup();
    }
    found.retain(|_, samples| !samples.is_empty());
    found
}

fn read_from(querier: &dyn Querier) -> Vec<Series> {
    read(querier, &[], &SelectHints::default())
}

/// What the log holds, with and without series that go to blocks. Answers how many went.
fn check(ops: &[Op]) -> Result<usize, TestCaseError> {
    let disk = SimDisk::new();
    disk.create_dir(Path::new("blocks")).unwrap();
    let (plain, tight) = (head(), head());
    let (mut whole, _) = plain.replay().unwrap();
    let (mut replay, _) = tight.replay().unwrap();
    let (mut now, mut count, mut num_gone) = (HOUR, 0, 0);
    let named = (1..=2 * NUM_SERIES).map(|number| Op::Series { number });
    for op in named.collect::<Vec<_>>().iter().chain(ops) {
        for record in records(op, &mut now) {
            whole.apply(&record).unwrap();
            replay.apply(&record).unwrap();
        }
        if let Op::Spill { idle } = *op {
            num_gone += spill(&tight, &mut replay, idle, &disk, &mut count);
        }
    }
    let (wanted_stats, _, _) = whole.finish_in_order().unwrap();
    let (stats, _, spilled) = replay.finish_in_order().unwrap();
    prop_assert_eq!(stats.num_unknown_refs, wanted_stats.num_unknown_refs);
    prop_assert_eq!(stats.num_samples, wanted_stats.num_samples);
    let wanted = content(read_from(&*plain.querier(TimeRange::ALL).unwrap()));
    let mut found = read_from(&*tight.querier(TimeRange::ALL).unwrap());
    for (block, deleted) in spilled.blocks {
        if deleted.is_all_of(block.meta().stats.num_series) {
            continue;
        }
        let changed = block.delete_series(&disk, &deleted.into_ranges()).unwrap();
        let block = changed.map_or(block, Arc::new);
        found.extend(read_from(&block.querier(TimeRange::ALL)));
    }
    prop_assert_eq!(content(found), wanted);
    for number in 1..=NUM_SERIES {
        let series = model::SeriesRef::new(number).unwrap();
        let is_told = tight.metadata(series) == plain.metadata(series);
        prop_assert!(is_told || spilled.gone.contains(&number), "{number}");
    }
    tight.end_spilled(&spilled.gone).unwrap();
    prop_assert!(spilled.gone.iter().all(|&number| !tight.is_series_alive(number)));
    Ok(num_gone)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn going_to_blocks_on_the_way_changes_nothing(ops in prop::collection::vec(op(), 1..60)) {
        check(&ops)?;
    }
}

#[test]
fn a_series_comes_back_with_its_next_sample_and_no_earlier_one() {
    let sample = |after, mask| Op::Samples { after, mask, value: 1.0, has_starts: false };
    let ops = [
        sample(0, 3),
        sample(20 * MINUTE, 1),
        // The second one goes.
        Op::Spill { idle: 10 * MINUTE },
        Op::Series { number: 2 },
        // Before its newest, and so never stored.
        sample(-25 * MINUTE, 2),
        sample(30 * MINUTE, 2),
        Op::Delete { number: 2, from: 0, len: HOUR },
        Op::Spill { idle: 1 },
    ];
    assert_eq!(check(&ops).unwrap(), 2);
}

/// Its samples under the other reference belong to no series: looking for the place of one that is gone ended the
/// process.
#[test]
fn a_series_that_ended_takes_nothing_under_its_other_reference() {
    let sample = |mask| Op::Samples { after: MINUTE, mask, value: 1.0, has_starts: false };
    let ops = [sample(1), Op::End { number: 1 }, sample(0x81), Op::Spill { idle: 0 }];
    assert_eq!(check(&ops).unwrap(), 0);
}

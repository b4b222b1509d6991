//! What checkpoints keep, and that a crash never loses it.

use super::{create, last, plan, remove_before, remove_unfinished};
use crate::record::{self, Kind, Samples};
use crate::{Reader, Writer, WriterOptions};
use disk::{Disk, FaultDisk, SimDisk};
use model::TimeRange;
use model::histogram::{Histogram, IntHistogram};
use model::metadata::Metadata;
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "wal";

/// Three segments: series 1 to 4, samples at 10, 20, 30 of each, a deletion, an exemplar, metadata, a histogram
/// that counts since 7, and what does not belong there.
fn log(disk: &Arc<dyn Disk>) -> Writer {
    let mut writer =
        Writer::open(Arc::clone(disk), Path::new(DIR), WriterOptions::default()).unwrap();
    let mut series = Vec::new();
    record::begin_series(&mut series);
    for number in 1..=4 {
        record::push_series(&mut series, number, [("__name__", "m")].into_iter());
    }
    writer.log(&[&series]).unwrap();
    for time in [10, 20, 30] {
        let mut samples = Vec::new();
        record::encode_samples(&mut samples, (1..=4).map(|number| (number, time, number as f64)));
        let mut deleted = Vec::new();
        let range = TimeRange::new(0, time);
        record::encode_tombstones(&mut deleted, [(1, range), (4, range)]);
        let mut told = Vec::new();
        let pair = [("trace_id", "x")];
        record::encode_exemplars(&mut told, [(1, time, 0.5, pair.into_iter())]);
        let metadata = [1, 4].map(|number| (number, help(time)));
        let mut kinds = Vec::new();
        record::encode_metadata(&mut kinds, metadata.iter().map(|(number, told)| (*number, told)));
        let histogram = Histogram::Int(IntHistogram::default());
        let mut histograms = Vec::new();
        record::encode_started_histograms(&[(2, time, 7, &histogram)].into_iter(), &mut histograms);
        let histogram = &histograms[0][..];
        let records = [&samples, &deleted, &told, &kinds, histogram, &[5, 9], &[200, 1]];
        writer.log(&records).unwrap();
        writer.cut().unwrap();
    }
    writer
}

fn help(time: i64) -> Metadata {
    Metadata { help: time.to_string().into(), ..Metadata::default() }
}

/// Series; samples by series and time; deletions by series and end; starts of histograms.
type Content = (Vec<u64>, Vec<(u64, i64)>, Vec<(u64, i64)>, Vec<i64>);

/// Times of the exemplars; what is told of series.
fn notes(disk: &Arc<dyn Disk>) -> (Vec<i64>, Vec<(u64, Metadata)>) {
    let checkpoint = last(&**disk, Path::new(DIR)).unwrap().expect("a checkpoint");
    let mut reader = Reader::dir(Arc::clone(disk), &checkpoint.path).unwrap();
    let (mut times, mut told) = (vec![], vec![]);
    while let Some(bytes) = reader.next_record().unwrap() {
        match record::kind(bytes) {
            Kind::Exemplars => {
                times.extend(record::decode_exemplars(bytes).unwrap().timestamps_ms);
            }
            Kind::Metadata => {
                assert!(told.is_empty(), "one record at the end");
                record::decode_metadata(bytes, &mut told).unwrap();
            }
            _ => assert!(told.is_empty(), "the last record"),
        }
    }
    (times, told)
}

fn content(disk: &Arc<dyn Disk>) -> Content {
    let checkpoint = last(&**disk, Path::new(DIR)).unwrap().expect("a checkpoint");
    let mut reader = Reader::dir(Arc::clone(disk), &checkpoint.path).unwrap();
    let (mut series, mut samples, mut deleted, mut starts) = (vec![], vec![], vec![], vec![]);
    while let Some(bytes) = reader.next_record().unwrap() {
        match record::kind(bytes) {
            Kind::Series => series.extend(record::decode_series(bytes).unwrap().refs),
            Kind::Samples => {
                let mut batch = Samples::default();
                record::decode_samples(bytes, &mut batch).unwrap();
                samples.extend(batch.iter().map(|(number, time, _)| (number, time)));
            }
            Kind::Tombstones => {
                let mut batch = Vec::new();
                record::decode_tombstones(bytes, &mut batch).unwrap();
                deleted.extend(batch.iter().map(|(number, range)| (*number, range.max_ms)));
            }
            Kind::Exemplars | Kind::Metadata => {}
            Kind::Histograms => {
                let mut batch = record::Histograms::default();
                record::decode_histograms(bytes, &mut batch).unwrap();
                starts.extend((0..batch.refs.len()).map(|row| batch.start_ms(row)));
            }
            Kind::MmapMarkers | Kind::Unknown => panic!("unknown records are dropped"),
        }
    }
    (series, samples, deleted, starts)
}

#[test]
fn keeps_what_lives() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut writer = log(&disk);
    let options = WriterOptions::default();
    let dir = Path::new(DIR);
    let stats = create(&disk, dir, 0..=1, options, 20, &mut |number| number != 4).unwrap();
    assert_eq!((stats.total_series, stats.dropped_series), (4, 1));
    assert_eq!((stats.total_samples, stats.dropped_samples), (10, 5));
    assert_eq!((stats.total_tombstones, stats.dropped_tombstones), (4, 3));
    let expected =
        (vec![1, 2, 3], vec![(1, 20), (2, 20), (3, 20), (4, 20)], vec![(1, 20)], vec![7]);
    assert_eq!(content(&disk), expected);
    assert_eq!(notes(&disk), (vec![20], vec![(1, help(20))]));
    assert_eq!((stats.total_exemplars, stats.dropped_exemplars), (2, 1));
    assert_eq!((stats.total_metadata, stats.dropped_metadata), (4, 3));
    writer.truncate(2).unwrap();
    // The next one builds on the last one.
    create(&disk, dir, 2..=2, options, 25, &mut |number| number == 2).unwrap();
    remove_before(&*disk, dir, 2).unwrap();
    let expected = (vec![2], vec![(1, 30), (2, 30), (3, 30), (4, 30)], vec![], vec![7]);
    assert_eq!(content(&disk), expected);
    assert_eq!(notes(&disk), (vec![30], vec![]), "series 1 is gone");
    let names = disk.list(dir).unwrap();
    assert_eq!(names, ["00000002", "00000003", "checkpoint.00000002"]);
    let gap = create(&disk, dir, 4..=5, options, 0, &mut |_| true).unwrap_err();
    assert!(gap.to_string().contains("expected:3, requested:4"), "{gap}");
}

#[test]
fn a_crash_leaves_the_log_or_the_checkpoint() {
    for stop in 0.. {
        let sim = SimDisk::new();
        let base: Arc<dyn Disk> = Arc::new(sim.clone());
        log(&base).sync().unwrap();
        sim.sync_dir(Path::new("")).unwrap();
        let disk = FaultDisk::new(Arc::clone(&base));
        disk.fail_from(stop);
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let done = create(&disk, Path::new(DIR), 0..=1, WriterOptions::default(), 0, &mut |_| true);
        assert!(stop < 1000, "never done: {done:?}");
        for seed in 0..8 {
            let after: Arc<dyn Disk> = Arc::new(sim.crash(seed));
            remove_unfinished(&*after, Path::new(DIR)).unwrap();
            if last(&*after, Path::new(DIR)).unwrap().is_some() {
                assert_eq!(content(&after).1.len(), 8, "whole, stop {stop} seed {seed}");
            } else {
                assert!(done.is_err(), "stop {stop} seed {seed}: reported and lost");
            }
        }
        if done.is_ok() {
            return;
        }
    }
}

#[test]
fn two_thirds_of_the_full_segments() {
    assert_eq!(plan(0, 4), Some(0..=2));
    assert_eq!(plan(0, 5), Some(0..=2));
    assert_eq!(plan(0, 0), None);
    assert_eq!(plan(0, 2), None);
    assert_eq!(plan(0, 3), Some(0..=1));
    assert_eq!(plan(7, 8), None);
    assert_eq!(plan(7, 12), Some(7..=9));
}

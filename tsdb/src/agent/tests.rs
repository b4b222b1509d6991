//! Tests of the storage of an agent: what it takes, what its log says, what it forgets, and that it comes back.

use super::*;
use disk::SimDisk;
use model::SeriesRef;
use model::histogram::{Histogram, IntHistogram};
use model::metadata::{Metadata, MetricType};
use storage::{
    ExemplarBatch, ExemplarRow, FloatBatch, HistogramBatch, LabelBatch, RejectReason, Rejected,
};
use wal::record::{self, Kind};

const DIR: &str = "data-agent";

fn open(disk: &Arc<dyn Disk>) -> Agent {
    let options = AgentOptions { keep_metadata: true, ..AgentOptions::default() };
    let sink: LogSink = Arc::new(|_| {});
    Agent::open(Arc::clone(disk), Path::new(DIR), options, &Registry::new(), sink).expect("opened")
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(SimDisk::new())
}

fn resolve(appender: &mut dyn Appender, names: &[&str]) -> Vec<SeriesRef> {
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| ("__name__", *name)).collect();
    let ends: Vec<u32> = (1..=names.len() as u32).collect();
    let mut refs = Vec::new();
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut Vec::new()).expect("resolved");
    refs.into_iter().map(|series| series.expect("a series")).collect()
}

/// Writes a float of each series; what was refused.
fn write(agent: &Agent, rows: &[(&str, i64)]) -> Vec<Rejected> {
    let mut appender = agent.appender(0);
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    let refs = resolve(&mut *appender, &names);
    let times: Vec<i64> = rows.iter().map(|(_, time)| *time).collect();
    let values = vec![1.5; rows.len()];
    let mut rejected = Vec::new();
    appender
        .append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected)
        .expect("appended");
    appender.commit().expect("committed");
    rejected
}

/// The kinds of the records in the log, in order.
fn kinds(disk: &Arc<dyn Disk>) -> Vec<Kind> {
    let mut replay = wal::Replay::open(Arc::clone(disk), Path::new("data-agent/wal")).expect("log");
    let mut kinds = Vec::new();
    while let Some(bytes) = replay.next_record().expect("a record") {
        kinds.push(record::kind(bytes));
    }
    kinds
}

#[test]
fn samples_come_in_order_by_series() {
    let agent = open(&disk());
    assert!(write(&agent, &[("a", 10), ("b", 5)]).is_empty());
    let refused = write(&agent, &[("a", 10), ("b", 6), ("a", 9)]);
    let rows: Vec<u32> = refused.iter().map(|rejected| rejected.row).collect();
    assert_eq!(rows, [0, 2]);
    assert!(refused.iter().all(|rejected| rejected.reason == RejectReason::OutOfOrder));
    agent.set_out_of_order_window(5);
    assert!(write(&agent, &[("a", 6)]).is_empty());
    assert_eq!(write(&agent, &[("a", 5)]).len(), 1);
}

#[test]
fn one_commit_logs_everything_that_came() {
    let disk = disk();
    let agent = open(&disk);
    let mut appender = agent.appender(0);
    let refs = resolve(&mut *appender, &["float", "histogram"]);
    let mut rejected = Vec::new();
    let floats = FloatBatch::new(&refs[..1], &[7], &[1.5]).with_start_timestamps(&[5]);
    appender.append_floats(floats, &mut rejected).expect("appended");
    let histogram = Histogram::Int(IntHistogram::default());
    let broken = Histogram::Int(IntHistogram { count: 3, ..IntHistogram::default() });
    let both = [refs[1], refs[1]];
    let values = [histogram, broken];
    let batch = HistogramBatch::new(&both, &[7, 8], &values);
    appender.append_histograms(batch, &mut rejected).expect("appended");
    assert_eq!(rejected, [Rejected { row: 1, reason: RejectReason::InvalidHistogram }]);
    let labels = [("trace", "abc")];
    let row = ExemplarRow { labels: &labels, timestamp_ms: 6, value: 0.5 };
    let batch = ExemplarBatch::new(&refs[..1], std::slice::from_ref(&row));
    appender.append_exemplars(batch, &mut rejected).expect("appended");
    let told = Metadata { metric_type: MetricType::Counter, ..Metadata::default() };
    appender.append_metadata(&refs[..1], std::slice::from_ref(&told)).expect("taken");
    appender.commit().expect("committed");
    let all = [Kind::Series, Kind::Metadata, Kind::Samples, Kind::Histograms, Kind::Exemplars];
    assert_eq!(kinds(&disk), all);
    // What is known already is not logged again.
    let mut appender = agent.appender(0);
    appender.append_exemplars(batch, &mut rejected).expect("appended");
    appender.append_metadata(&refs[..1], &[told]).expect("taken");
    appender.commit().expect("committed");
    assert_eq!(kinds(&disk).len(), all.len());
}

#[test]
fn nothing_of_a_transaction_that_was_dropped_is_there() {
    let disk = disk();
    let agent = open(&disk);
    let mut appender = agent.appender(0);
    let refs = resolve(&mut *appender, &["a"]);
    appender
        .append_floats(FloatBatch::new(&refs, &[100], &[1.0]), &mut Vec::new())
        .expect("appended");
    drop(appender);
    assert!(kinds(&disk).is_empty());
    assert!(write(&agent, &[("a", 50)]).is_empty(), "the series goes on where it was");
    assert_eq!(kinds(&disk), [Kind::Series, Kind::Samples]);
}

#[test]
fn it_comes_back_after_a_stop_and_after_a_crash() {
    let disk = disk();
    let agent = open(&disk);
    write(&agent, &[("a", 10), ("b", 20)]);
    agent.close().expect("closed");
    assert!(agent.shared.log(&[vec![99]]).is_err(), "nothing is logged after the end");
    let agent = open(&disk);
    assert_eq!(agent.num_series(), 2);
    assert_eq!(write(&agent, &[("a", 10), ("b", 21)]).len(), 1);
    // A crash: the lock is left behind by a process that is gone.
    drop(agent);
    let agent = open(&disk);
    assert_eq!(write(&agent, &[("a", 11), ("b", 21)]).len(), 1);
    assert_eq!(kinds(&disk).iter().filter(|kind| **kind == Kind::Series).count(), 1);
}

#[test]
fn what_is_behind_damage_stays() {
    let disk = disk();
    let agent = open(&disk);
    write(&agent, &[("a", 10)]);
    let good = agent.shared.log.lock().position().offset;
    write(&agent, &[("b", 20)]);
    write(&agent, &[("b", 30), ("a", 30)]);
    agent.shared.log.lock().cut().expect("a segment");
    write(&agent, &[("a", 40)]);
    agent.close().expect("closed");
    let path = wal::segment_path(Path::new("data-agent/wal"), 0);
    let mut bytes = disk.read_at(&path, 0, 1 << 20).expect("read");
    bytes[good as usize + 9] ^= 1;
    disk::write_atomic(&*disk, &path, &bytes).expect("written");
    let agent = open(&disk);
    assert_eq!(agent.num_series(), 1);
    assert_eq!(agent.shared.metrics.log.corruptions.get() as u64, 1);
    assert_eq!(write(&agent, &[("a", 40)]).len(), 1, "what was behind the damage was read");
    // The record of the second series is lost, its samples are not: nobody else gets its number.
    assert!(write(&agent, &[("c", 20)]).is_empty());
    let mut appender = agent.appender(0);
    assert_eq!(resolve(&mut *appender, &["c"])[0].get(), 3);
    let found = crate::quarantine::list(&*disk, Path::new(DIR)).expect("listed");
    assert_eq!(found.len(), 1);
}

#[test]
fn truncation_forgets_series_without_samples_and_keeps_what_it_must() {
    let disk = disk();
    let agent = open(&disk);
    assert!(write(&agent, &[("old", 10), ("busy", 10)]).is_empty());
    let held = {
        let mut appender = agent.appender(0);
        let refs = resolve(&mut *appender, &["held"]);
        appender
            .append_floats(FloatBatch::new(&refs, &[15], &[1.0]), &mut Vec::new())
            .expect("appended");
        appender
    };
    for time in [100, 200, 300, 400] {
        write(&agent, &[("busy", time)]);
        agent.truncate(50).expect("truncated");
    }
    assert_eq!(agent.num_series(), 2, "one is busy, one is in an open transaction");
    held.commit().expect("committed");
    let segments = wal::list_segments(&*disk, Path::new("data-agent/wal")).expect("listed");
    assert!(segments[0] > 0, "{segments:?}");
    // What is forgotten can come again, under another number.
    assert!(write(&agent, &[("old", 500)]).is_empty());
    drop(agent);
    let agent = open(&disk);
    assert_eq!(agent.num_series(), 3);
    assert_eq!(write(&agent, &[("busy", 400), ("held", 15), ("old", 501)]).len(), 2);
}

#[test]
fn age_and_receivers_bound_what_is_kept() {
    let agent = open(&disk());
    let minute = 60_000;
    let now_ms = 100 * 60 * minute;
    // Without receivers, and where they are far behind, age decides.
    assert_eq!(agent.oldest_kept_ms(0, now_ms), now_ms - 4 * 60 * minute);
    assert_eq!(agent.oldest_kept_ms(now_ms - minute, now_ms), now_ms - 6 * minute);
}

#[test]
fn a_second_agent_is_refused() {
    let disk = disk();
    let first = open(&disk);
    let sink: LogSink = Arc::new(|_| {});
    let options = AgentOptions::default();
    let second = Agent::open(Arc::clone(&disk), Path::new(DIR), options, &Registry::new(), sink);
    assert!(matches!(second, Err(Error::Locked { .. })));
    first.close().expect("closed");
    open(&disk);
}

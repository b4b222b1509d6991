//! The image of the head: a start with it knows what a start without it knows, whatever happened to image and log.

use crate::recorded_dirs::{Content, content};
use disk::{Disk, SimDisk};
use model::histogram::{Histogram, IntHistogram};
use model::metadata::{Metadata, MetricType};
use model::{MatchOp, Matcher, SeriesRef, TimeRange};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{
    Appendable, ExemplarBatch, ExemplarQueryable, ExemplarRow, FloatBatch, HistogramBatch,
    LabelBatch,
};
use tsdb::{Db, DbOptions};

const DIR: &str = "/data";
const START: i64 = 1_699_920_000_000;
const IMAGE: &str = "/data/head_image/00000000";

/// Opens the database; whether an image was used is the second answer.
fn open(disk: &SimDisk, has_image: bool) -> (Db, bool) {
    open_with(disk, has_image, false)
}

/// With start timestamps, or without.
fn open_with(disk: &SimDisk, has_image: bool, has_starts: bool) -> (Db, bool) {
    let options = DbOptions {
        retention_ms: 0,
        wal_segment_bytes: 32 * 1024,
        out_of_order_window_ms: 3_600_000,
        max_exemplars: 50,
        keep_metadata: true,
        xor2: has_starts,
        started_histograms: has_starts,
        keep_starts: has_starts,
        head_image_growth_bytes: u64::from(has_image),
        ..DbOptions::default()
    };
    let used = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&used);
    let sink = Arc::new(move |line: &tsdb::LogLine| {
        let image = line.fields.iter().find(|(name, _)| *name == "image");
        if let Some((_, value)) = image {
            *seen.lock() = value == "true";
        }
    });
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let registry = metrics::Registry::new();
    let db = Db::open(disk, Path::new(DIR), options, 7, &registry, sink).expect("opens");
    let used = *used.lock();
    (db, used)
}

/// Ten series of floats, one of histograms, one that changes its kind; exemplars, metadata, late samples.
fn write(db: &Db, rounds: std::ops::Range<i64>) {
    for round in rounds {
        let time = START + round * 30_000;
        let names: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
        let pairs: Vec<(&str, &str)> =
            names.iter().flat_map(|name| [("__name__", name.as_str()), ("job", "x")]).collect();
        let ends: Vec<u32> = (1..=12).map(|n| n * 2).collect();
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let mut appender = db.appender(time);
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected).expect("labels");
        let refs: Vec<SeriesRef> = refs.into_iter().flatten().collect();
        let mut values: Vec<f64> = (0..10).map(|n| (round * n) as f64 / 7.0).collect();
        if round % 10 == 9 {
            values[4] = model::STALE_NAN;
        }
        let times = vec![time; 10];
        // Some have no start, some always the same, some a new one now and then.
        let starts: Vec<i64> =
            (0..10).map(|n| [0, START, START + round / (n + 1) * 1000][n as usize % 3]).collect();
        let batch = FloatBatch::new(&refs[..10], &times, &values).with_start_timestamps(&starts);
        appender.append_floats(batch, &mut rejected).expect("floats");
        let histogram = Histogram::Int(IntHistogram {
            count: round as u64 + 1,
            zero_count: round as u64 + 1,
            sum: round as f64,
            ..IntHistogram::default()
        });
        if round % 9 < 5 {
            let (histograms, times) = ([histogram.clone(), histogram], [time; 2]);
            let batch = HistogramBatch::new(&refs[10..], &times, &histograms)
                .with_start_timestamps(&starts[..2]);
            appender.append_histograms(batch, &mut rejected).expect("histograms");
        } else {
            let batch = FloatBatch::new(&refs[11..], &times[..1], &values[..1]);
            appender.append_floats(batch, &mut rejected).expect("floats");
        }
        if round % 4 == 3 {
            let late = [time - 45_000];
            let batch = FloatBatch::new(&refs[..1], &late, &values[..1])
                .with_start_timestamps(&starts[1..2]);
            appender.append_floats(batch, &mut rejected).expect("late");
        }
        let labels = [("trace_id", "t")];
        let row = ExemplarRow { labels: &labels, timestamp_ms: time, value: round as f64 };
        appender
            .append_exemplars(ExemplarBatch::new(&refs[..1], &[row]), &mut rejected)
            .expect("exemplars");
        let told = Metadata {
            metric_type: MetricType::Counter,
            unit: "".into(),
            help: (round / 50).to_string().into(),
        };
        appender.append_metadata(&refs[..1], &[told]).expect("metadata");
        assert!(rejected.is_empty(), "{rejected:?}");
        appender.commit().expect("commits");
    }
}

#[derive(Debug, PartialEq)]
struct Known {
    content: Content,
    exemplars: Vec<storage::SeriesExemplars>,
    metadata: Option<Metadata>,
    num_series: usize,
    num_stale: u64,
}

fn known(db: &Db) -> Known {
    let metric = Matcher::new("__name__", MatchOp::Equal, "m0").expect("matcher");
    let mut content = content(db);
    // A chunk may end elsewhere after one start than after another; then a hint says a little less.
    for (_, told) in content.values_mut().flatten() {
        *told = told.replace("NotCounterReset", "Unknown");
    }
    Known {
        content,
        exemplars: db.head().select_exemplars(TimeRange::ALL, &[vec![metric]]).expect("exemplars"),
        metadata: db.head().metadata(SeriesRef::new(1).expect("one")),
        num_series: db.head().num_series(),
        num_stale: db.head().num_stale(),
    }
}

fn delete(db: &Db) {
    let metric = Matcher::new("__name__", MatchOp::Equal, "m3").expect("matcher");
    let range = TimeRange::new(START + 300_000, START + 900_000);
    db.delete(range, &[vec![metric]]).expect("deletes");
}

/// A database that was closed in good order, and what it knew.
fn closed() -> (SimDisk, Known) {
    closed_with(false)
}

fn closed_with(has_starts: bool) -> (SimDisk, Known) {
    let disk = SimDisk::new();
    let (db, used) = open_with(&disk, true, has_starts);
    assert!(!used, "there is none yet");
    write(&db, 0..130);
    delete(&db);
    write(&db, 130..140);
    let before = known(&db);
    db.close().expect("closes");
    (disk, before)
}

fn replace(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    disk.remove(path).expect("removed");
    disk.create(path).expect("file").append(bytes).expect("content");
}

#[test]
fn a_clean_stop_leaves_an_image_that_the_next_start_uses() {
    for has_starts in [false, true] {
        let (disk, before) = closed_with(has_starts);
        let (db, used) = open_with(&disk, true, has_starts);
        assert!(used);
        assert_eq!(known(&db), before);
        assert_eq!(before.num_stale, 1);
        let text = format!("{before:?}");
        assert_eq!(text.contains(" since "), has_starts);
        write(&db, 140..300);
        let longer = known(&db);
        drop(db);
        // As after a kill: the image is old, the log has gone on.
        let (db, used) = open_with(&disk.kill(), true, has_starts);
        assert!(used);
        assert_eq!(known(&db), longer);
        drop(db);
        let (db, used) = open_with(&disk.kill(), false, has_starts);
        assert!(!used);
        assert_eq!(known(&db), longer, "the log alone says the same");
    }
}

/// An image may be as old as the first look, where the writer is done before the second. A cut of the head behind it
/// shortens the log: then the next start may have to do without.
#[test]
fn an_image_taken_while_commits_go_on_lacks_nothing() {
    for (num_rounds, is_cut) in [(300, false), (400, true)] {
        let disk = SimDisk::new();
        let (db, _) = open(&disk, true);
        write(&db, 0..100);
        db.maintain(START).expect("maintains");
        assert!(disk.exists(Path::new(IMAGE)), "the log is longer than an image");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| write(&db, 100..num_rounds));
            while !writer.is_finished() {
                db.maintain(START).expect("maintains");
            }
        });
        let before = known(&db);
        drop(db);
        let (db, used) = open(&disk.kill(), true);
        assert!(used || is_cut);
        assert_eq!(known(&db), before);
    }
}

#[test]
fn somebody_else_on_the_directory_is_noticed_or_does_no_harm() {
    let (disk, _) = closed();
    // Another server that knows nothing of images.
    let (db, _) = open(&disk, false);
    write(&db, 140..200);
    let longer = known(&db);
    db.close().expect("closes");
    let (db, _) = open(&disk, true);
    assert_eq!(known(&db), longer);
    drop(db);
    // The log is shortened: what the image has beyond it is not trusted.
    let (disk, before) = closed();
    let names: Vec<PathBuf> = disk
        .list(Path::new("/data/wal"))
        .expect("listing")
        .iter()
        .map(|name| Path::new("/data/wal").join(name))
        .filter(|path| disk.len(path).expect("length") > 0)
        .collect();
    let last = names.last().expect("segments");
    let bytes = disk.read_at(last, 0, usize::MAX >> 1).expect("content");
    replace(&disk, last, &bytes[..bytes.len() / 2]);
    let (db, used) = open(&disk, true);
    assert!(!used);
    assert_ne!(known(&db), before);
}

#[test]
fn a_damaged_image_costs_nothing() {
    let (disk, before) = closed();
    let whole = disk.read_at(Path::new(IMAGE), 0, usize::MAX >> 1).expect("image");
    assert!(whole.len() > 1000, "{}", whole.len());
    let step = whole.len() / 60;
    for at in (0..whole.len()).step_by(step.max(1)) {
        let mut flipped = whole.to_vec();
        flipped[at] ^= 0x10;
        for bytes in [&whole[..at], &flipped[..]] {
            let disk = disk.kill();
            replace(&disk, Path::new(IMAGE), bytes);
            let (db, _) = open(&disk, true);
            assert_eq!(known(&db), before, "at {at} of {}", whole.len());
        }
    }
}

/// What was written as this kind of file.
fn written_bytes(registry: &metrics::Registry, kind: &str) -> f64 {
    let mut text = String::new();
    registry.encode_text(&mut text);
    let begin = format!("firesteel_tsdb_written_bytes_total{{file=\"{kind}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&begin));
    line.expect("counted").parse().expect("a number")
}

/// Chunks of all series end together. Right behind that an image is short: those are the ones to write.
#[test]
fn images_are_written_when_they_are_short() {
    let registry = metrics::Registry::new();
    let options =
        DbOptions { retention_ms: 0, head_image_growth_bytes: 64 * 1024, ..DbOptions::default() };
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let sink = Arc::new(|_: &tsdb::LogLine| {});
    let db = Db::open(disk, Path::new(DIR), options, 7, &registry, sink).expect("opens");
    let names: Vec<String> = (0..300).map(|n| format!("m{n}")).collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| ("__name__", name.as_str())).collect();
    let ends: Vec<u32> = (1..=300).collect();
    let (mut most, mut images) = (0.0_f64, 0);
    for round in 0..480 {
        let time = START + round * 15_000;
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let mut appender = db.appender(time);
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected).expect("labels");
        let refs: Vec<SeriesRef> = refs.into_iter().flatten().collect();
        let values: Vec<f64> = (0..300).map(|n| ((round * 300 + n) as f64).sin()).collect();
        let times = vec![time; 300];
        appender
            .append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected)
            .expect("floats");
        appender.commit().expect("commits");
        if round % 5 == 4 {
            let before = written_bytes(&registry, "head_image");
            db.maintain(time).expect("maintains");
            let image = written_bytes(&registry, "head_image") - before;
            most = most.max(image);
            images += i32::from(image > 0.0);
        }
    }
    let [log, image] = ["log", "head_image"].map(|kind| written_bytes(&registry, kind));
    assert!(images >= 4, "one at least for the chunks of each half hour: {images}");
    assert!(image < 0.6 * log, "{image} bytes of images beside {log} of log");
    let chunks = written_bytes(&registry, "head_chunks");
    assert!(most < chunks / 4.0, "no image had all open chunks at their longest: {most}, {chunks}");
}

//! A log that is decoded ahead of time: damage in a record is told when it is its turn, what is before it counts, and
//! what was decoded behind it is not taken twice.

use disk::{Disk, SimDisk};
use model::TimeRange;
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Queryable, SelectHints, SeriesBatch};
use tsdb::{Db, DbOptions};
use wal::record::{begin_series, encode_samples, push_series};

const START: i64 = 1_700_000_000_000;
/// Several times as many as are read ahead.
const RECORDS: i64 = 2000;
const SERIES: u64 = 40;

/// A log of one series record and then as many records of samples, one of each series; those in `bad` end too early.
fn log(disk: &SimDisk, bad: &[i64]) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    disk.create_dir(Path::new("data")).expect("a directory");
    let options = wal::WriterOptions { segment_bytes: 128 * 1024, ..wal::WriterOptions::default() };
    let mut log = wal::Writer::open(disk, Path::new("data/wal"), options).expect("opens");
    let mut record = Vec::new();
    begin_series(&mut record);
    for number in 1..=SERIES {
        let name = format!("m{number}");
        push_series(&mut record, number, [("__name__", name.as_str())].into_iter());
    }
    log.log(&[&record]).expect("logs");
    for step in 0..RECORDS {
        record.clear();
        let value = |number| (step as f64 * 1.7).sin() * number as f64;
        let rows = (1..=SERIES).map(|number| (number, START + step * 15_000, value(number)));
        encode_samples(&mut record, rows);
        if bad.contains(&step) {
            record.truncate(record.len() - 3);
        }
        log.log(&[&record]).expect("logs");
    }
    log.close().expect("closes");
}

/// How many samples there are, and whether damage was met.
fn open(disk: &SimDisk) -> (usize, bool) {
    let options = DbOptions { retention_ms: 0, ..DbOptions::default() };
    let lines = Arc::new(parking_lot::Mutex::new(false));
    let told = Arc::clone(&lines);
    let sink = Arc::new(move |line: &tsdb::LogLine| {
        if line.message == "Encountered WAL read error, attempting repair" {
            let what = &line.fields[0].1;
            assert!(what.contains("decode samples: decode error after 40 samples"), "{what}");
            *told.lock() = true;
        }
    });
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let registry = metrics::Registry::new();
    let db = Db::open(disk, Path::new("data"), options, 7, &registry, sink).expect("opens");
    let querier = db.querier(TimeRange::ALL).expect("a querier");
    let (symbols, cancel) = (model::Symbols::new(), Cancel::new());
    let mut found =
        querier.select(&[], &SelectHints::default(), &symbols, &cancel).expect("selects");
    let mut num_samples = 0;
    let (mut batch, mut columns) = (SeriesBatch::default(), chunk::SampleColumns::default());
    while found.next_batch(&mut batch).expect("reads") {
        for series in 0..batch.len() {
            batch.read(series, TimeRange::ALL, &mut columns).expect("decodes");
            num_samples += columns.len();
        }
    }
    let is_damaged = *lines.lock();
    (num_samples, is_damaged)
}

#[test]
fn damaged_records_are_left_out_and_nothing_else() {
    for bad in [&[][..], &[0], &[RECORDS - 1], &[700], &[63, 64, 65, 66], &[100, 101, 900, 1990]] {
        let disk = SimDisk::new();
        log(&disk, bad);
        let left = (RECORDS as usize - bad.len()) * SERIES as usize;
        assert_eq!(open(&disk), (left, !bad.is_empty()), "{bad:?}");
        // What was put in the place of the damaged segments is whole.
        assert_eq!(open(&disk.kill()), (left, false), "{bad:?}");
    }
}

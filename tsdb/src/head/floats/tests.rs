//! Chunks of floats in XOR2 with start timestamps: what was written is read, by early readers, after mapping, after a
//! restart, and whatever the encoding was changed to meanwhile.

use crate::head::tests::{options, resolve};
use crate::head::{Head, HeadOptions};
use chunk::SampleColumns;
use chunk::append::Encodings;
use disk::{Disk, SimDisk};
use model::{Symbols, TimeRange};
use parking_lot::Mutex;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, Cancel, FloatBatch, Querier, Queryable, SelectHints, SeriesBatch};

const SERIES: [(&str, &str); 1] = [("a", "1")];

/// Time, bits, start.
type Rows = Vec<(i64, u64, i64)>;

fn open(disk: &SimDisk, keep_starts: bool) -> Head {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = HeadOptions {
        encodings: Encodings { xor2: true, ..Encodings::default() },
        keep_starts,
        ..options(Arc::clone(&shared), 1)
    };
    let head = Head::new(options, 11, &metrics::Registry::new());
    let (mut replay, _) = head.replay().unwrap();
    let dir = Path::new("wal");
    if disk.exists(dir) {
        let mut records = wal::Reader::dir(Arc::clone(&shared), dir).unwrap();
        while let Some(record) = records.next_record().unwrap() {
            replay.apply(record).unwrap();
        }
    }
    replay.finish().unwrap();
    let log = wal::Writer::open(shared, dir, wal::WriterOptions::default()).unwrap();
    head.set_log(Arc::new(Mutex::new(log)));
    head
}

fn commit(head: &Head, rows: &[(i64, u64, i64)]) {
    let mut appender = head.appender(0);
    let refs = vec![resolve(&mut *appender, &SERIES).unwrap(); rows.len()];
    let times: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let values: Vec<f64> = rows.iter().map(|row| f64::from_bits(row.1)).collect();
    let starts: Vec<i64> = rows.iter().map(|row| row.2).collect();
    let mut rejected = Vec::new();
    let batch = FloatBatch::new(&refs, &times, &values).with_start_timestamps(&starts);
    appender.append_floats(batch, &mut rejected).unwrap();
    assert_eq!(rejected, []);
    appender.commit().unwrap();
}

fn read(querier: &dyn Querier, hints: &SelectHints) -> Rows {
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], hints, &symbols, &cancel).unwrap();
    let (mut batch, mut columns) = (SeriesBatch::default(), SampleColumns::default());
    let mut rows = Rows::new();
    while set.next_batch(&mut batch).unwrap() {
        batch.read(0, TimeRange::ALL, &mut columns).unwrap();
        rows.extend((0..columns.len()).map(|row| {
            (columns.timestamps_ms[row], columns.values[row].to_bits(), columns.start_ms(row))
        }));
    }
    rows
}

fn read_all(head: &Head) -> Rows {
    read(&*head.querier(TimeRange::ALL).unwrap(), &SelectHints::default())
}

/// Steps, values and starts, some of them as hard to encode as there are.
fn samples() -> impl Strategy<Value = Rows> {
    let step = prop_oneof![4 => Just(15_000_i64), 1 => 1_i64..1_000_000];
    let value = prop_oneof![
        3 => Just(1.5_f64.to_bits()),
        1 => any::<u64>(),
        1 => Just(model::STALE_NAN.to_bits()),
    ];
    let start = prop_oneof![2 => Just(0_i64), 2 => Just(77), 1 => any::<i64>()];
    let steps = prop::collection::vec((step, value, start), 1..500);
    steps.prop_map(|steps| {
        let mut time = 1_700_000_000_000;
        let next = |(step, value, start): (i64, u64, i64)| {
            time += step;
            (time, value, start)
        };
        steps.into_iter().map(next).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_was_written_is_read(rows in samples(), sizes in prop::collection::vec(1_usize..40, 1..60)) {
        let disk = SimDisk::new();
        let mut head = open(&disk, true);
        let (mut written, mut early) = (0, Vec::new());
        for (round, size) in sizes.iter().cycle().enumerate() {
            let end = rows.len().min(written + size);
            commit(&head, &rows[written..end]);
            written = end;
            prop_assert_eq!(&read_all(&head)[..], &rows[..written]);
            match round % 5 {
                0 => early.push((written, head.querier(TimeRange::ALL).unwrap())),
                1 => head.map_full_chunks().unwrap(),
                2 => {
                    let hints = SelectHints { newest_only: true, ..SelectHints::default() };
                    let newest = read(&*head.querier(TimeRange::ALL).unwrap(), &hints);
                    prop_assert_eq!(newest.last(), rows[..written].last());
                }
                3 if round % 3 == 0 => {
                    early.clear();
                    head = open(&disk, true);
                    prop_assert_eq!(&read_all(&head)[..], &rows[..written]);
                }
                _ => {}
            }
            for (seen, querier) in &early {
                let read = read(&**querier, &SelectHints::default());
                prop_assert_eq!(&read[..], &rows[..*seen]);
            }
            if written == rows.len() {
                break;
            }
        }
    }

    #[test]
    fn the_encoding_may_change(rows in samples(), every in 1_usize..90, keep_starts: bool) {
        let head = open(&SimDisk::new(), keep_starts);
        for (index, rows) in rows.chunks(every).enumerate() {
            head.set_xor2(index % 2 == 0);
            commit(&head, rows);
        }
        let read = read_all(&head);
        prop_assert_eq!(read.len(), rows.len());
        for (index, (read, written)) in read.iter().zip(&rows).enumerate() {
            prop_assert_eq!((read.0, read.1), (written.0, written.1));
            let is_kept = keep_starts && index / every % 2 == 0;
            prop_assert!(read.2 == written.2 || read.2 == 0 && !is_kept);
        }
    }
}

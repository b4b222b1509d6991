//! Rows of any order to blocks, and rows that are refused.

use super::*;
use crate::Block;
use disk::SimDisk;
use storage::{Querier, SeriesBatch};

const HOUR: i64 = 3_600_000;

fn row(series: u32, timestamp_ms: i64, value: f64) -> ImportRow {
    ImportRow { series, timestamp_ms, value: ImportValue::Float(value) }
}

fn spec(ulid: Ulid, seed: u64, block_ms: i64) -> ImportSpec {
    ImportSpec { ulid, seed, block_ms, late_from_ms: i64::MAX }
}

#[test]
fn lengths_of_blocks_are_those_of_compaction() {
    assert_eq!(block_length_ms(0), 2 * HOUR);
    assert_eq!(block_length_ms(2 * HOUR), 2 * HOUR);
    assert_eq!(block_length_ms(5 * HOUR), 2 * HOUR);
    assert_eq!(block_length_ms(6 * HOUR), 6 * HOUR);
    assert_eq!(block_length_ms(24 * HOUR), 18 * HOUR);
    assert_eq!(block_length_ms(i64::MAX), 2 * HOUR * 3_i64.pow(9));
}

#[test]
fn rows_of_any_order_make_a_sorted_block() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let dir = Path::new("data");
    disk.create_dir(dir).unwrap();
    let labels = [Labels::from_pairs([("__name__", "b")]), Labels::from_pairs([("__name__", "a")])];
    let mut rows = vec![
        row(0, 2 * HOUR - 1, 3.0),
        row(1, 5, 1.0),
        row(0, 0, 1.0),
        row(0, 7, 2.0),
        row(0, 7, 9.0),
        row(0, 7, 2.0),
    ];
    let ulid = Ulid::new(1, 1);
    let done = import_block(&disk, dir, &labels, &mut rows, &spec(ulid, 3, 2 * HOUR)).unwrap();
    assert_eq!(
        done.num_refused, 1,
        "of three at one time the first counts, an equal one is no loss"
    );
    let meta = done.meta.unwrap();
    assert_eq!((meta.min_time, meta.max_time), (0, 2 * HOUR));
    assert_eq!((meta.stats.num_series, meta.stats.num_samples), (2, 4));
    let block = Arc::new(Block::open(&*disk, &dir.join(ulid.to_string())).unwrap());
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let querier = block.querier(TimeRange::ALL);
    let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).unwrap();
    let (mut batch, mut columns) = (SeriesBatch::default(), chunk::SampleColumns::default());
    let mut found = Vec::new();
    while set.next_batch(&mut batch).unwrap() {
        for series in 0..batch.len() {
            batch.read(series, TimeRange::ALL, &mut columns).unwrap();
            let labels = symbols.labels(batch.labels().get(series)).to_string();
            found.push((labels, columns.timestamps_ms.clone(), columns.values.clone()));
        }
    }
    let expected = [
        ("{__name__=\"a\"}".to_owned(), vec![5], vec![1.0]),
        ("{__name__=\"b\"}".to_owned(), vec![0, 7, 2 * HOUR - 1], vec![1.0, 2.0, 3.0]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn nothing_good_is_no_block() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let dir = Path::new("data");
    disk.create_dir(dir).unwrap();
    let mut rows = vec![row(0, 1, 1.0)];
    let labels = [Labels::empty()];
    let done =
        import_block(&disk, dir, &labels, &mut rows, &spec(Ulid::new(1, 1), 3, HOUR)).unwrap();
    assert_eq!(done, Imported { meta: None, num_refused: 1 });
    assert_eq!(disk.list(dir).unwrap(), [""; 0]);
}

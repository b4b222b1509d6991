//! Tests of the walk over odd but legal messages, and over bytes that are none.

use super::*;
use proptest::prelude::*;

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

fn label(name: &str, value: &str) -> Vec<u8> {
    field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
}

fn float(timestamp_ms: u8, value: f64) -> Vec<u8> {
    field(2, &[&[0x09][..], &value.to_le_bytes(), &[0x10, timestamp_ms]].concat())
}

const KEY: Key = Key { hash: 1, check: 2 };

fn walk(body: &[u8]) -> (Columns, Misses<'_>) {
    let mut columns = Columns::default();
    let walk = Walk { known: &|_| (KEY, None), max_ms: 100 };
    let misses = walk.run(body, &mut columns).expect("legal");
    (columns, misses)
}

#[test]
fn labels_in_pieces_are_read_and_not_cached() {
    let parts = [label("__name__", "up"), float(7, 1.0), label("a", "1"), float(8, 2.0)].concat();
    let body = field(1, &parts);
    let (columns, misses) = walk(&body);
    assert_eq!(misses.pairs, [("__name__", "up"), ("a", "1")]);
    assert_eq!(columns.series[0].key, None);
    assert_eq!(columns.float_rows(0), 0..2);
    assert_eq!(columns.floats.timestamps_ms, [7, 8]);
}

#[test]
fn sample_fields_in_any_order_and_absent_ones() {
    let reversed = [&[0x10, 9, 0x09][..], &3.5_f64.to_le_bytes()].concat();
    let parts = [label("__name__", "up"), field(2, &reversed), field(2, &[])].concat();
    let body = field(1, &parts);
    let (columns, _) = walk(&body);
    let Columns { floats, .. } = columns;
    assert_eq!((floats.timestamps_ms, floats.values), (vec![9, 0], vec![3.5, 0.0]));
}

#[test]
fn invalid_series_leave_no_rows() {
    let bad = [label("a", "1"), float(1, 1.0), float(101, 1.0), field(4, &[])].concat();
    let good = [label("__name__", "up"), float(2, 2.0), field(3, &[])].concat();
    let body = [field(1, &bad), field(1, &good)].concat();
    let (columns, misses) = walk(&body);
    assert_eq!(columns.floats.timestamps_ms, [2]);
    assert_eq!((columns.num_invalid, columns.histograms.len(), columns.exemplars.len()), (1, 0, 1));
    assert_eq!((columns.faults.len(), &misses.ends[..]), (0, &[1][..]));
}

#[test]
fn known_series_are_not_parsed() {
    let parts = [label("__name__", "up"), float(1, 1.0)].concat();
    let body = field(1, &parts);
    let mut columns = Columns::default();
    let known = SeriesRef::new(7);
    let walk = Walk { known: &|span| (KEY, known.filter(|_| span.ends_with(b"up"))), max_ms: 9 };
    let misses = walk.run(&body, &mut columns);
    assert!(misses.expect("legal").series.is_empty());
    assert_eq!(columns.floats.refs, [known.expect("seven")]);
}

#[test]
fn what_is_too_far_ahead_is_a_fault_before_the_next_row() {
    let parts = [label("__name__", "up"), float(1, 1.0), float(101, 1.0), float(2, 1.0)].concat();
    let body = field(1, &parts);
    let (columns, _) = walk(&body);
    assert_eq!(columns.floats.timestamps_ms, [1, 2]);
    assert_eq!((columns.faults[0].series, columns.faults[0].row), (0, 1));
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut columns = Columns::default();
        let walk = Walk { known: &|_| (KEY, None), max_ms: 100 };
        let _checked = walk.run(&body, &mut columns).is_ok();
        prop_assert_eq!(columns.floats.timestamps_ms.len(), columns.floats.values.len());
    }

    #[test]
    fn cut_messages_never_panic(cut in 0_usize..60, flip in 0_usize..60, bits in any::<u8>()) {
        let parts = [label("__name__", "up"), label("job", "j"), float(1, 1.0)].concat();
        let mut body = field(1, &parts);
        let place = flip % body.len();
        body[place] ^= bits;
        body.truncate(cut);
        let walk = Walk { known: &|_| (KEY, None), max_ms: 100 };
        let _checked = walk.run(&body, &mut Columns::default()).is_ok();
    }
}

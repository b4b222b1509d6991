//! What waits comes out as if the storage had been there.

use super::Backlog;
use crate::{
    Appendable, Appender, Cancel, Error, FloatBatch, LabelBatch, MemoryStorage, Queryable,
    RejectReason, SampleColumns, SelectHints, SeriesBatch,
};
use model::{SeriesRef, Symbols, TimeRange};
use std::sync::Arc;

fn resolve(appender: &mut dyn Appender, name: &str) -> crate::Result<SeriesRef> {
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    appender.resolve(LabelBatch::new(&[("__name__", name)], &[1]), &mut refs, &mut rejected)?;
    Ok(refs[0].unwrap())
}

fn append(appender: &mut dyn Appender, series: SeriesRef, time: i64) -> Option<RejectReason> {
    let mut rejected = Vec::new();
    let (refs, times, values) = ([series], [time], [time as f64]);
    appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected).unwrap();
    rejected.first().map(|rejected| rejected.reason)
}

/// A transaction of one sample.
fn write(backlog: &Backlog, name: &str, time: i64) -> crate::Result<()> {
    let mut appender = backlog.appender(time);
    let series = resolve(&mut *appender, name)?;
    assert_eq!(append(&mut *appender, series, time), None);
    appender.commit()
}

fn times(storage: &MemoryStorage) -> Vec<Vec<i64>> {
    let querier = storage.querier(TimeRange::ALL).unwrap();
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).unwrap();
    let (mut batch, mut columns) = (SeriesBatch::default(), SampleColumns::default());
    let mut found = Vec::new();
    while set.next_batch(&mut batch).unwrap() {
        for row in 0..batch.len() {
            batch.read(row, TimeRange::ALL, &mut columns).unwrap();
            found.push(columns.timestamps_ms.clone());
        }
    }
    found
}

#[test]
fn transactions_are_handed_on_in_order() {
    let backlog = Backlog::new(1 << 20);
    for time in 1..=3 {
        write(&backlog, "a", time).unwrap();
        write(&backlog, "b", time * 10).unwrap();
    }
    drop(backlog.appender(9));
    assert_eq!(backlog.num_waiting(), 6);
    let storage = Arc::new(MemoryStorage::new());
    let done = backlog.open(Arc::clone(&storage) as _);
    assert_eq!((done.num_transactions, done.num_samples, done.num_refused), (6, 6, 0));
    assert!(done.error.is_none());
    write(&backlog, "a", 4).unwrap();
    assert_eq!(times(&storage), [vec![1, 2, 3, 4], vec![10, 20, 30]]);
    assert!(backlog.0.state.lock().labels.is_empty(), "nothing is kept");
}

#[test]
fn what_began_before_ends_in_the_storage() {
    let backlog = Backlog::new(1 << 20);
    let mut appender = backlog.appender(0);
    let series = resolve(&mut *appender, "a").unwrap();
    assert_eq!(append(&mut *appender, series, 5), None);
    let storage = Arc::new(MemoryStorage::new());
    assert_eq!(backlog.open(Arc::clone(&storage) as _).num_transactions, 0);
    appender.commit().unwrap();
    assert_eq!(times(&storage), [vec![5]]);
    assert!(backlog.0.state.lock().labels.is_empty(), "nothing is kept");
    // Who kept the reference is told to ask again.
    let mut appender = backlog.appender(0);
    assert_eq!(append(&mut *appender, series, 6), Some(RejectReason::UnknownRef));
}

#[test]
fn what_the_storage_refuses_is_counted() {
    let backlog = Backlog::new(1 << 20);
    write(&backlog, "a", 5).unwrap();
    write(&backlog, "a", 4).unwrap();
    let storage = Arc::new(MemoryStorage::new());
    let done = backlog.open(Arc::clone(&storage) as _);
    assert_eq!((done.num_transactions, done.num_samples, done.num_refused), (2, 1, 1));
}

#[test]
fn memory_is_bounded() {
    let backlog = Backlog::new(1000);
    let mut num_taken = 0;
    let error = loop {
        match write(&backlog, "a", num_taken) {
            Ok(()) => num_taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::LimitExceeded(_)), "{error}");
    assert!((10..100).contains(&num_taken), "{num_taken}");
    let error = write(&backlog, &"n".repeat(2000), 1).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded(_)), "{error}");
    let storage = Arc::new(MemoryStorage::new());
    assert_eq!(backlog.open(Arc::clone(&storage) as _).num_samples, num_taken as u64);
    assert_eq!(times(&storage)[0].len(), num_taken as usize);
}

//! Tests of the transaction: what a dangling reference, a refusal and a lying length do.

use super::*;
use model::SeriesRef;
use std::sync::atomic::{AtomicU64, Ordering};
use storage::{Appender, FloatBatch, LabelBatch, RejectReason};

/// A storage that hands out a new generation of references whenever `drop_all` was called.
#[derive(Debug, Default)]
struct Fickle {
    generation: AtomicU64,
    /// Metric names of series that there is no room for begin with this letter.
    refused_letter: Mutex<Option<char>>,
    committed: Mutex<Vec<(u64, i64)>>,
}

struct FickleAppender {
    storage: Arc<Fickle>,
    staged: Vec<(u64, i64)>,
}

struct Handle(Arc<Fickle>);

impl Appendable for Handle {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        Box::new(FickleAppender { storage: Arc::clone(&self.0), staged: Vec::new() })
    }
}

impl Appender for FickleAppender {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let base = self.storage.generation.load(Ordering::Relaxed) * 1000 + 1;
        for row in 0..labels.len() {
            let name = labels.get(row)[0].1;
            if self.storage.refused_letter.lock().is_some_and(|letter| name.starts_with(letter)) {
                rejected.push(Rejected { row: row as u32, reason: RejectReason::MemoryBudget });
                refs.push(None);
            } else {
                refs.push(SeriesRef::new(base + row as u64));
            }
        }
        Ok(())
    }

    fn append_floats(
        &mut self,
        batch: FloatBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let generation = self.storage.generation.load(Ordering::Relaxed);
        let (refs, timestamps_ms, values) = batch.columns();
        for (row, series) in refs.iter().enumerate() {
            let reason = if series.get() / 1000 != generation {
                RejectReason::UnknownRef
            } else if values[row] < 0.0 {
                RejectReason::OutOfOrder
            } else {
                self.staged.push((series.get(), timestamps_ms[row]));
                continue;
            };
            rejected.push(Rejected { row: row as u32, reason });
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> storage::Result<()> {
        self.storage.committed.lock().extend(self.staged);
        Ok(())
    }
}

fn body(samples: &[(&str, i64, f64)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, timestamp_ms, value) in samples {
        let mut label = vec![0x0A, 8];
        label.extend(b"__name__");
        label.extend([0x12, name.len() as u8]);
        label.extend(name.as_bytes());
        let mut series = vec![0x0A, label.len() as u8];
        series.extend(label);
        series.extend([0x12, 11, 0x09]);
        series.extend(value.to_le_bytes());
        series.extend([0x10, u8::try_from(*timestamp_ms).expect("small")]);
        body.extend([0x0A, series.len() as u8]);
        body.extend(series);
    }
    snap::raw::Encoder::new().compress_vec(&body).expect("small")
}

fn receiver() -> (Receiver, Arc<Fickle>) {
    let storage = Arc::new(Fickle::default());
    let appendable = Arc::new(Handle(Arc::clone(&storage)));
    (Receiver::new(appendable, Options::default(), &Registry::new()), storage)
}

fn write(receiver: &Receiver, packed: &[u8], now_ms: i64) -> Result<(), Error> {
    receiver.write(Message::V1, packed, now_ms).1
}

#[test]
fn dangling_references_are_resolved_again() {
    let (receiver, storage) = receiver();
    write(&receiver, &body(&[("a", 1, 1.0), ("b", 1, 1.0)]), 0).expect("stored");
    storage.generation.store(7, Ordering::Relaxed);
    write(&receiver, &body(&[("b", 2, 1.0)]), 0).expect("stored");
    write(&receiver, &body(&[("b", 3, 1.0)]), 0).expect("stored");
    assert_eq!(*storage.committed.lock(), [(1, 1), (2, 1), (7001, 2), (7001, 3)]);
}

#[test]
fn one_bad_sample_refuses_all() {
    let (receiver, storage) = receiver();
    let error = write(&receiver, &body(&[("a", 1, 1.0), ("b", 1, -1.0)]), 0).expect_err("refused");
    assert_eq!(error.to_string(), "out of order sample");
    let ahead = write(&receiver, &body(&[("a", 100, 1.0)]), 99 - MAX_AHEAD_MS);
    let text = ahead.expect_err("refused").to_string();
    assert_eq!(text, "out of bounds: timestamp is too far in the future");
    write(&receiver, &body(&[("a", 100, 1.0)]), 100 - MAX_AHEAD_MS).expect("just in time");
    assert_eq!(storage.committed.lock().len(), 1);
}

#[test]
fn lengths_are_checked_before_memory_is_spent() {
    let (receiver, _) = receiver();
    let text = |packed: &[u8]| write(&receiver, packed, 0).expect_err("refused").to_string();
    assert_eq!(text(&[0x80, 0x80, 0x80, 0x10, 0]), "s2: corrupt input");
    assert_eq!(text(&[0x81, 0x80, 0x80, 0x10, 0]), "decoded size exceeds the 33554432 bytes limit");
    assert_eq!(text(&[]), "s2: corrupt input");
    let long = write(&receiver, &vec![0; MAX_BODY_BYTES + 1], 0).expect_err("refused");
    assert!(matches!(long, Error::TooLarge));
}

#[test]
fn what_there_is_no_room_for_does_not_hold_up_the_rest() {
    let (receiver, storage) = receiver();
    *storage.refused_letter.lock() = Some('x');
    let mixed = body(&[("x1", 5, 1.0), ("a", 6, 1.0), ("x2", 7, 1.0), ("b", 8, 1.0)]);
    write(&receiver, &mixed, 0).expect("what is known is stored");
    assert_eq!(*storage.committed.lock(), [(2, 6), (4, 8)]);
    // Nothing but new series: the sender is asked to come again.
    let refused = write(&receiver, &body(&[("x1", 9, 1.0), ("x2", 9, 1.0)]), 0);
    assert!(matches!(refused, Err(Error::NoRoom(_))), "{refused:?}");
    assert_eq!(storage.committed.lock().len(), 2);
    // A sample that is refused still stands in the way of all the others of its request.
    let bad = body(&[("x1", 10, 1.0), ("a", 10, -1.0), ("b", 10, 1.0)]);
    assert!(matches!(write(&receiver, &bad, 0), Err(Error::Refused(_))));
    *storage.refused_letter.lock() = None;
    write(&receiver, &mixed, 0).expect("there is room again");
    assert_eq!(storage.committed.lock().len(), 6);
}

//! What comes back is used again, unless it is too large.

use super::*;

#[test]
fn rows_are_used_again() {
    let spares = Spares::default();
    let mut rows = spares.rows(100, 3);
    rows.push_row(&[], true);
    rows.put(0, 5, 1.5);
    let place = rows.values.as_ptr();
    spares.give_rows(rows);
    let again = spares.rows(50, 2);
    assert_eq!((again.values.as_ptr(), again.len(), again.steps), (place, 0, 50));
    assert!(!again.has_histograms());
}

#[test]
fn what_is_large_or_empty_is_not_kept() {
    let spares = Spares::default();
    spares.give_rows(StepBatch::new(10));
    spares.give_rows(spares.rows(MAX_BYTES / 8 + 1, 1));
    assert!(spares.0.rows.lock().is_empty());
    (0..2 * MAX_KEPT).for_each(|_| {
        spares.give_rows({
            let mut rows = StepBatch::new(1);
            rows.reserve(1);
            rows
        });
    });
    assert_eq!(spares.0.rows.lock().len(), MAX_KEPT);
}

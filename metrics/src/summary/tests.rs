//! Tests of the time window and of the bound on what is kept.

use super::*;

#[test]
fn quantiles_forget_after_ten_minutes_and_totals_do_not() {
    let summary = Summary::new(&[0.5, 1.0]);
    for value in 1..=100 {
        summary.observe_at(f64::from(value), Duration::from_secs(1));
    }
    let view = summary.view_at(Duration::from_secs(2));
    assert_eq!(view.quantiles, [(0.5, 50.0), (1.0, 100.0)]);
    let later = summary.view_at(Duration::from_secs(700));
    assert!(later.quantiles.iter().all(|(_, value)| value.is_nan()));
    assert_eq!((later.sum, later.count), (5050.0, 100));
}

#[test]
fn memory_is_bounded() {
    let summary = Summary::new(&[0.0]);
    for value in 0..3000 {
        summary.observe_at(f64::from(value), Duration::ZERO);
    }
    let view = summary.view_at(Duration::ZERO);
    assert_eq!(view.quantiles, [(0.0, 3000.0 - MAX_RECENT as f64)]);
    assert_eq!(view.count, 3000);
}

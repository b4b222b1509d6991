//! Bounds on new series: what is refused, what is not, how it is told.

use crate::head::tests::{add, head};
use crate::head::{Head, RefusedSeries, SeriesLimits};
use storage::{Appendable, LabelBatch, RejectReason};

/// Resolves `count` series of a job and commits; how many were there or created, and why others were not.
fn grow(head: &Head, job: &str, metric: &str, count: u32) -> (usize, Vec<RejectReason>) {
    let names: Vec<String> = (0..count).map(|i| i.to_string()).collect();
    let sets = names.iter().map(|id| [("__name__", metric), ("id", id), ("job", job)]);
    let pairs: Vec<_> = sets.flatten().collect();
    let ends: Vec<u32> = (1..=count).map(|set| set * 3).collect();
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = head.appender(0);
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected).unwrap();
    for row in &rejected {
        assert_eq!(refs[row.row as usize], None);
    }
    appender.commit().unwrap();
    (refs.iter().flatten().count(), rejected.iter().map(|rejected| rejected.reason).collect())
}

#[test]
fn the_total_is_bounded_and_known_series_are_not_asked() {
    let head = head();
    assert_eq!(grow(&head, "a", "up", 10), (10, vec![]));
    head.set_series_limits(SeriesLimits { total: 12, ..SeriesLimits::default() });
    assert_eq!(grow(&head, "a", "up", 10), (10, vec![]));
    assert_eq!(grow(&head, "a", "up", 14), (12, vec![RejectReason::SeriesLimit; 2]));
    assert_eq!(head.num_series(), 12);
    let mut appender = head.appender(0);
    assert_eq!(
        add(&mut *appender, &[("__name__", "up"), ("id", "11"), ("job", "a")], &[(1, 1.0)]),
        []
    );
    appender.commit().unwrap();
    head.set_series_limits(SeriesLimits::default());
    assert_eq!(grow(&head, "a", "up", 14), (14, vec![]));
}

#[test]
fn jobs_have_bounds_of_their_own() {
    let head = head();
    let jobs = [("large".into(), 20)].into_iter().collect();
    head.set_series_limits(SeriesLimits { total: 0, per_job: 5, jobs });
    assert_eq!(grow(&head, "a", "up", 8), (5, vec![RejectReason::JobSeriesLimit; 3]));
    assert_eq!(grow(&head, "b", "up", 4), (4, vec![]));
    assert_eq!(grow(&head, "b", "down", 4), (1, vec![RejectReason::JobSeriesLimit; 3]));
    assert_eq!(grow(&head, "large", "up", 20), (20, vec![]));
}

#[test]
fn the_room_of_the_budget_is_used_up_and_offenders_are_named() {
    let head = head();
    head.set_series_room(Some(6));
    assert_eq!(grow(&head, "a", "up", 4), (4, vec![]));
    assert_eq!(grow(&head, "b", "flood", 9), (2, vec![RejectReason::MemoryBudget; 7]));
    assert_eq!(grow(&head, "a", "up", 5), (4, vec![RejectReason::MemoryBudget]));
    let refused = |job: &str, metric: &str, count| RefusedSeries {
        job: job.into(),
        metric: metric.into(),
        reason: RejectReason::MemoryBudget,
        count,
    };
    assert_eq!(head.refused_series(), [refused("b", "flood", 7), refused("a", "up", 1)]);
    // A flood of names is counted, not named.
    for metric in 0..300 {
        grow(&head, "c", &format!("m{metric}"), 1);
    }
    let all = head.refused_series();
    assert_eq!(all.len(), 101);
    assert_eq!(all[0], refused("", "", 202));
    head.set_series_room(None);
    assert_eq!(grow(&head, "b", "flood", 9), (9, vec![]));
}

//! Series that leave memory early: which ones, who keeps them, and what the log says of it.

use crate::head::tests::{add, commit, equal, head, open, read, read_all};
use disk::SimDisk;
use model::{STALE_NAN, TimeRange};
use std::sync::Arc;
use storage::{Appendable, Queryable, SelectHints};

const MINUTE: i64 = 60_000;

#[test]
fn stale_and_idle_series_go_and_others_stay() {
    let head = head();
    commit(&head, &[("a", "idle")], &[(0, 1.0), (MINUTE, 2.0)]);
    commit(&head, &[("a", "stale")], &[(30 * MINUTE, 1.0), (31 * MINUTE, STALE_NAN)]);
    commit(&head, &[("a", "live")], &[(0, 1.0), (31 * MINUTE, 2.0)]);
    assert_eq!(head.idle_series(i64::MIN).unwrap().len(), 1);
    let idle = head.idle_series(20 * MINUTE).unwrap();
    assert_eq!((idle.len(), idle.range), (2, TimeRange::new(0, 31 * MINUTE)));
    let querier = head.idle_querier(TimeRange::new(0, 119 * MINUTE), &idle);
    let found = read(&*querier, &[], &SelectHints::default());
    let labels: Vec<&str> = found.iter().map(|(labels, _)| labels.as_str()).collect();
    assert_eq!(labels, ["a=idle", "a=stale"]);
    drop(querier);
    assert_eq!((head.drop_idle(&idle).unwrap(), head.num_series()), (2, 1));
    assert_eq!(head.num_stale(), 0);
    assert!(head.idle_series(20 * MINUTE).is_none());
    assert_eq!(head.querier(TimeRange::ALL).unwrap().label_values("a", &[], 0).unwrap().len(), 1);
    // One that comes back is new.
    commit(&head, &[("a", "idle")], &[(32 * MINUTE, 3.0)]);
    assert_eq!(head.num_series(), 2);
}

#[test]
fn what_came_back_or_is_being_written_stays() {
    let head = head();
    commit(&head, &[("a", "1")], &[(0, 1.0)]);
    commit(&head, &[("a", "2")], &[(0, 1.0)]);
    commit(&head, &[("a", "3")], &[(0, 1.0)]);
    let idle = head.idle_series(MINUTE).unwrap();
    commit(&head, &[("a", "1")], &[(5, 2.0)]);
    let mut appender = head.appender(0);
    assert_eq!(add(&mut *appender, &[("a", "2")], &[(5, 2.0)]), []);
    assert_eq!(head.drop_idle(&idle).unwrap(), 1);
    appender.commit().unwrap();
    let querier = head.querier(TimeRange::ALL).unwrap();
    let samples = |value| read(&*querier, &[equal("a", value)], &SelectHints::default());
    assert_eq!((samples("1")[0].1.len(), samples("2")[0].1.len(), samples("3").len()), (2, 2, 0));
}

/// Of two transactions on one series the other one ends first, and ends the series.
#[test]
fn what_is_still_being_written_stays() {
    let head = head();
    commit(&head, &[("a", "1")], &[(0, 1.0)]);
    let mut appender = head.appender(0);
    assert_eq!(add(&mut *appender, &[("a", "1")], &[(7, 2.0)]), []);
    commit(&head, &[("a", "1")], &[(5, STALE_NAN)]);
    if let Some(idle) = head.idle_series(i64::MIN) {
        assert_eq!(head.drop_idle(&idle).unwrap(), 0);
    }
    appender.commit().unwrap();
    assert_eq!(read_all(&head)[0].1.len(), 3);
    // Nothing holds it any more.
    commit(&head, &[("a", "1")], &[(9, STALE_NAN)]);
    let idle = head.idle_series(i64::MIN).unwrap();
    assert_eq!(head.drop_idle(&idle).unwrap(), 1);
}

#[test]
fn a_restart_does_not_bring_them_back() {
    let disk = SimDisk::new();
    let (head, _) = open(Arc::new(disk.clone()), 2);
    for series in 0..50 {
        let at = if series % 2 == 0 { 0 } else { 30 * MINUTE };
        commit(&head, &[("a", &series.to_string())], &[(at, 1.0)]);
    }
    let idle = head.idle_series(MINUTE).unwrap();
    assert_eq!(head.drop_idle(&idle).unwrap(), 25);
    commit(&head, &[("a", "0")], &[(31 * MINUTE, 9.0)]);
    // A checkpoint keeps their names as long as it may hold samples of theirs.
    assert!(head.keeps_series_record(1, 0));
    assert!(!head.keeps_series_record(1, 1));
    let left = read_all(&head);
    assert_eq!(left.len(), 26);
    drop(head);
    let (head, stats) = open(Arc::new(disk), 4);
    assert_eq!((head.num_series(), stats.num_unknown_refs), (26, 0));
    assert_eq!(read_all(&head), left);
}

//! What goes in comes out in order, and no more than there is room for.

use super::super::item::{Doubt, Payload};
use super::*;
use crate::send::wire::Wire;
use model::Labels;

fn items(times: std::ops::Range<i64>) -> Vec<Item> {
    let item = |timestamp_ms| Item {
        labels: Wire::new(&Labels::empty()),
        metadata: None,
        series: 1,
        timestamp_ms,
        start_timestamp_ms: 0,
        payload: Payload::Float(0.0),
        exemplars: Vec::new(),
        number: 0,
        doubt: Doubt::None,
    };
    times.map(item).collect()
}

fn times(items: &[Item]) -> Vec<i64> {
    items.iter().map(|item| item.timestamp_ms).collect()
}

/// Puts items in; the times of those that entered.
fn put(sender: &Sender, items: &mut Vec<Item>) -> Vec<i64> {
    let mut entered = Vec::new();
    sender.put(items, |handful| entered = times(handful)).expect("open");
    entered
}

#[tokio::test]
async fn takes_no_more_than_there_is_room_for() {
    let (sender, mut receiver) = new(5);
    let mut waiting = items(0..3);
    assert_eq!(put(&sender, &mut waiting), [0, 1, 2]);
    let mut waiting = items(3..8);
    assert_eq!(put(&sender, &mut waiting), [3, 4]);
    assert_eq!(times(&waiting), [5, 6, 7]);
    assert!(put(&sender, &mut waiting).is_empty());
    assert_eq!(times(&receiver.take().await.expect("items")), [0, 1, 2]);
    assert_eq!(put(&sender, &mut waiting), [5, 6, 7]);
    drop(sender);
    assert_eq!(times(&receiver.take().await.expect("items")), [3, 4]);
    assert_eq!(times(&receiver.take().await.expect("items")), [5, 6, 7]);
    assert!(receiver.take().await.is_none());
}

#[test]
fn what_nobody_takes_stays_with_the_sender() {
    let (sender, mut receiver) = new(5);
    let mut waiting = items(0..2);
    assert_eq!(put(&sender, &mut waiting), [0, 1]);
    let mut out = Vec::new();
    receiver.drain(&mut out);
    assert_eq!(times(&out), [0, 1]);
    let mut waiting = items(2..9);
    assert_eq!(sender.put(&mut waiting, |_| panic!("nothing enters")), Err(Closed));
    assert_eq!(times(&waiting), [2, 3, 4, 5, 6, 7, 8]);
}

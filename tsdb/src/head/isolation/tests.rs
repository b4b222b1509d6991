//! Epochs move only when they must; waiting ends.

use super::Isolation;

#[test]
fn readers_share_an_epoch_until_something_is_committed() {
    let isolation = Isolation::default();
    let first = isolation.open_reader(0, 10);
    let second = isolation.open_reader(0, 10);
    assert_eq!(first.watermark, second.watermark);
    let epoch = isolation.apply().epoch;
    assert!(epoch > second.watermark);
    let third = isolation.open_reader(0, 10);
    assert_eq!(third.watermark, epoch);
    assert_eq!(isolation.apply().oldest_reader, first.watermark);
    isolation.close_reader(first);
    isolation.close_reader(second);
    assert_eq!(isolation.apply().oldest_reader, epoch);
    isolation.close_reader(third);
    assert_eq!(isolation.apply().oldest_reader, u64::MAX);
    isolation.wait_for_readers(i64::MIN, i64::MAX);
}

#[test]
fn waiting_for_appenders_ends_with_them() {
    let isolation = Isolation::default();
    let old = isolation.open_appender(5);
    let _new = isolation.open_appender(20);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| isolation.wait_for_appenders(10));
        isolation.close_appender(old);
        waiter.join().unwrap();
    });
}

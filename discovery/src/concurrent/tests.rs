//! What `concurrent` promises, case by case.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn answers_come_in_order_and_the_limit_holds() {
    let (running, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let jobs = (0..20_usize).map(|index| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        async move {
            let now = running.fetch_add(1, Ordering::Relaxed) + 1;
            most.fetch_max(now, Ordering::Relaxed);
            // Those that begin later end earlier.
            for _ in index..20 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::Relaxed);
            Ok(index)
        }
    });
    assert_eq!(all(3, jobs.collect()).await.expect("answers"), (0..20).collect::<Vec<_>>());
    assert_eq!(most.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn one_failure_is_the_failure_of_all() {
    let jobs = (0..5).map(|index| async move {
        if index == 2 { Err(Error::answer("here", "broken")) } else { Ok(index) }
    });
    assert_eq!(all(2, jobs.collect()).await.expect_err("one fails").to_string(), "here: broken");
}

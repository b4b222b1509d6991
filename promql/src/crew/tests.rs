//! What `crew` promises: results in order whatever the threads do, errors end the work, panics come to light.

use super::{Helpers, in_order};
use crate::engine::Error;
use std::sync::atomic::{AtomicBool, Ordering};

fn squares(helpers: usize, jobs: u64, stop_at: Option<u64>) -> Result<Vec<u64>, Error> {
    let mut job = 0;
    let mut next = || {
        job += 1;
        Ok((job <= jobs).then_some(job))
    };
    let mut out = Vec::new();
    // Uneven work, so that later jobs are done before earlier ones.
    let work = |job: u64| (0..(job % 7) * 1000).fold(job * job, |sum, i| sum ^ i ^ i);
    let mut fold = |result: u64| {
        if stop_at == Some(out.len() as u64) {
            return Err(Error::TooManySamples);
        }
        out.push(result);
        Ok(())
    };
    in_order(&mut work.clone(), vec![work; helpers], &mut next, &mut fold)?;
    Ok(out)
}

#[test]
fn results_come_in_order() {
    for helpers in [0, 1, 3] {
        for jobs in [0, 1, 2, 500] {
            let expected: Vec<u64> = (1..=jobs).map(|job| job * job).collect();
            assert_eq!(squares(helpers, jobs, None).unwrap(), expected);
        }
    }
}

#[test]
fn an_error_ends_the_work() {
    assert!(matches!(squares(2, 500, Some(17)), Err(Error::TooManySamples)));
}

#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn a_panic_of_a_helper_comes_to_light() {
    let mut left = 100;
    let mut next = || {
        left -= 1;
        Ok((left > 0).then_some(left))
    };
    let here = std::thread::current().id();
    let started = AtomicBool::new(false);
    let work = |_: i32| {
        if std::thread::current().id() == here {
            // A helper has to get a job.
            while !started.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        } else {
            started.store(true, Ordering::Relaxed);
            panic!("a helper breaks");
        }
    };
    let _ = in_order(&mut work.clone(), vec![work; 2], &mut next, &mut |()| Ok(()));
}

#[test]
fn helpers_are_lent_once() {
    let helpers = Helpers::new(3);
    let borrowed = helpers.borrow();
    assert_eq!((borrowed.num, helpers.borrow().num), (3, 0));
    drop(borrowed);
    assert_eq!(helpers.borrow().num, 3);
}

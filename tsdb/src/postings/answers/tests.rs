//! What is kept, for how long, and how much of it.

use super::{AnswerCache, Answers, MAX_BYTES, MAX_ROWS, MIN_VALUES};
use model::{MatchOp, Matcher};
use std::sync::Arc;

fn matcher(pattern: &str) -> Matcher {
    Matcher::new("a", MatchOp::Regex, pattern).unwrap()
}

fn answers(len: usize, matches: impl Fn(usize) -> bool) -> Arc<Answers> {
    let mut answers = Answers::default();
    (0..len).for_each(|at| answers.push(matches(at)));
    Arc::new(answers)
}

#[test]
fn places_of_what_matches() {
    for len in [0, 1, 63, 64, 65, 200] {
        let found = answers(len, |at| at % 3 == 0);
        assert_eq!(found.len(), len);
        assert!(found.matching().eq((0..len).filter(|at| at % 3 == 0)), "{len}");
    }
}

#[test]
fn skipped_places_do_not_match() {
    let mut answers = Answers::default();
    for place in [3, 64, 65, 300] {
        answers.skip_to(place);
        answers.push(true);
    }
    answers.skip_to(400);
    answers.skip_to(2);
    assert_eq!(answers.len(), 400);
    assert!(answers.matching().eq([3, 64, 65, 300]));
}

#[test]
fn another_version_or_matcher_is_no_answer() {
    let cache = AnswerCache::default();
    let found = answers(MIN_VALUES, |at| at == 7);
    cache.put(&matcher("x.+y"), 1, Arc::clone(&found));
    assert_eq!(cache.get(&matcher("x.+y"), 1), Some(found));
    assert_eq!(cache.get(&matcher("x.+y"), 2), None);
    assert_eq!(cache.get(&matcher("x.+z"), 1), None);
    let negated = Matcher::new("a", MatchOp::NotRegex, "x.+y").unwrap();
    let elsewhere = Matcher::new("b", MatchOp::Regex, "x.+y").unwrap();
    assert_eq!((cache.get(&negated, 1), cache.get(&elsewhere, 1)), (None, None));
    // What follows of a newer version takes the place of the older ones.
    cache.put(&matcher("z"), 2, answers(MIN_VALUES, |_| true));
    assert_eq!(cache.get(&matcher("x.+y"), 1), None);
}

#[test]
fn what_was_asked_for_last_stays_within_the_bounds() {
    let cache = AnswerCache::default();
    let name = |at: usize| matcher(&format!("x{at}.+y"));
    for at in 0..MAX_ROWS {
        cache.put(&name(at), 0, answers(MIN_VALUES, |_| true));
    }
    assert!(cache.get(&name(0), 0).is_some());
    cache.put(&name(MAX_ROWS), 0, answers(MIN_VALUES, |_| true));
    assert!(cache.get(&name(0), 0).is_some());
    assert!(cache.get(&name(1), 0).is_none());
    for at in 0..10 {
        cache.put(&name(at), 0, answers(MAX_BYTES * 2, |_| true));
    }
    let num_kept = (0..10).filter(|&at| cache.get(&name(at), 0).is_some()).count();
    assert_eq!(num_kept, 4);
    cache.put(&name(99), 0, answers(MIN_VALUES - 1, |_| true));
    cache.put(&name(98), 0, answers(MAX_BYTES * 2 + 64, |_| true));
    assert!(cache.get(&name(99), 0).is_none() && cache.get(&name(98), 0).is_none());
}

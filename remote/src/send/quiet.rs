//! Lines of the log that would come with each request while a receiver is away: one a minute, with a count.

use parking_lot::Mutex;

/// How long the same is not said again.
const INTERVAL_MS: i64 = 60_000;

/// One kind of line.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    said_ms: Option<i64>,
    /// How often it happened since.
    count: u64,
}

impl Quiet {
    /// It happened. How often since it was said last, this time included, if it is to be said now.
    pub(super) fn note(&self, now_ms: i64) -> Option<u64> {
        let mut state = self.0.lock();
        state.count += 1;
        let is_due = state.said_ms.is_none_or(|said| now_ms.saturating_sub(said) >= INTERVAL_MS);
        is_due.then(|| {
            state.said_ms = Some(now_ms);
            std::mem::take(&mut state.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_once_a_minute() {
        let quiet = Quiet::default();
        let said: Vec<Option<u64>> =
            [0, 1, 59_999, 60_000, 60_001, 200_000].map(|now_ms| quiet.note(now_ms)).to_vec();
        assert_eq!(said, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}

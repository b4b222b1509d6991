//! The wall clock of the server. The only place that reads it; everything below takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; zero if the clock stands before that.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A number that differs from start to start: seeds hash tables and block names, nothing that must be secret.
#[must_use]
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// A name for a block made now.
#[must_use]
pub(crate) fn ulid() -> tsdb::block::Ulid {
    tsdb::block::Ulid::new(now_ms(), u128::from(seed()) << 64 | u128::from(seed()))
}

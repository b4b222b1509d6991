//! What an administrator may ask for by HTTP, handed on to the database.

use crate::clock;
use crate::late::LateDb;
use jiff::Timestamp;
use model::{Matcher, TimeRange};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use storage::{Error, Result};
use tsdb::Db;

impl LateDb {
    fn open(&self) -> Result<Arc<Db>> {
        self.get().ok_or_else(|| Error::Closed("TSDB not ready".into()))
    }
}

/// The name of a snapshot made now: sorted by time, and never twice the same.
fn snapshot_name(now_ms: i64) -> String {
    let time = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let time = time.strftime("%Y%m%dT%H%M%SZ");
    // A fresh state hashes the same number to a random one.
    format!("{time}-{:016x}", RandomState::new().hash_one(now_ms))
}

impl web::Admin for LateDb {
    fn delete_series(&self, range: TimeRange, selectors: &[Vec<Matcher>]) -> Result<()> {
        Ok(self.open()?.delete(range, selectors)?)
    }

    fn clean_tombstones(&self) -> Result<()> {
        Ok(self.open()?.clean_tombstones(clock::now_ms())?)
    }

    fn snapshot(&self, skip_head: bool) -> Result<String> {
        let (db, now_ms) = (self.open()?, clock::now_ms());
        let snapshots = db.dir().join("snapshots");
        std::fs::create_dir_all(&snapshots)
            .map_err(|source| Error::Io { op: "create snapshot directory".into(), source })?;
        let name = snapshot_name(now_ms);
        db.snapshot(&snapshots.join(&name), !skip_head, now_ms)?;
        Ok(name)
    }
}

//! A storage that is not open yet: the HTTP side listens while the log is read, and gets the database afterwards.

use arc_swap::ArcSwapOption;
use model::{Matcher, SeriesRef, TimeRange};
use std::sync::Arc;
use storage::{
    Appendable, Appender, Error, ExemplarQueryable, FloatBatch, LabelBatch, Querier, Queryable,
    Rejected, Result, SeriesExemplars,
};
use tsdb::Db;

/// The place where the database will be.
#[derive(Debug, Default)]
pub(crate) struct LateDb(ArcSwapOption<Db>);

fn not_yet() -> Error {
    Error::Closed("TSDB not ready".into())
}

impl LateDb {
    /// Puts the database in its place.
    pub(crate) fn set(&self, db: Arc<Db>) {
        self.0.store(Some(db));
    }

    /// The database, once it is open.
    pub(crate) fn get(&self) -> Option<Arc<Db>> {
        self.0.load_full()
    }
}

impl Queryable for LateDb {
    fn querier(&self, range: TimeRange) -> Result<Box<dyn Querier>> {
        self.get().ok_or_else(not_yet)?.querier(range)
    }
}

impl ExemplarQueryable for LateDb {
    fn select_exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<SeriesExemplars>> {
        self.get().ok_or_else(not_yet)?.head().select_exemplars(range, selectors)
    }
}

impl Appendable for LateDb {
    fn appender(&self, now_ms: i64) -> Box<dyn Appender> {
        match self.get() {
            Some(db) => db.appender(now_ms),
            None => Box::new(Refusing),
        }
    }
}

/// Takes nothing.
struct Refusing;

impl Appender for Refusing {
    fn resolve(
        &mut self,
        _: LabelBatch<'_>,
        _: &mut Vec<Option<SeriesRef>>,
        _: &mut Vec<Rejected>,
    ) -> Result<()> {
        Err(not_yet())
    }

    fn append_floats(&mut self, _: FloatBatch<'_>, _: &mut Vec<Rejected>) -> Result<()> {
        Err(not_yet())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        Err(not_yet())
    }
}

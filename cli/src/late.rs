//! A storage that is not open yet: the HTTP side listens while the log is read, and gets the database afterwards.

use arc_swap::ArcSwapOption;
use model::{Matcher, SeriesRef, TimeRange};
use std::sync::Arc;
use storage::{
    Appendable, Appender, Backlog, Error, ExemplarQueryable, FloatBatch, HandedOn, LabelBatch,
    Querier, Queryable, Rejected, Result, SeriesExemplars,
};
use tsdb::{Agent, Db};

/// What scrapes may gather while the log is read: some two million samples.
const SCRAPED_BYTES: usize = 64 << 20;

/// The place where the database will be, or the storage of an agent, which only takes.
#[derive(Debug)]
pub(crate) struct LateDb {
    db: ArcSwapOption<Db>,
    agent: ArcSwapOption<Agent>,
    /// What was scraped before. Others are refused until then: they ask again.
    scraped: Backlog,
    is_agent: bool,
}

fn not_yet() -> Error {
    Error::Closed("TSDB not ready".into())
}

/// What nobody can ask an agent.
fn only_takes() -> Error {
    Error::Unsupported("unsupported operation with WAL-only storage".into())
}

impl LateDb {
    /// A place for a database, or for the storage of an agent.
    pub(crate) fn new(is_agent: bool) -> Self {
        Self {
            db: ArcSwapOption::default(),
            agent: ArcSwapOption::default(),
            scraped: Backlog::new(SCRAPED_BYTES),
            is_agent,
        }
    }

    /// Where scrapes are written to, from the beginning.
    pub(crate) fn scraped(&self) -> Arc<dyn Appendable> {
        Arc::new(self.scraped.clone())
    }

    /// Hands on what was scraped until now; `None` while there is no storage.
    pub(crate) fn hand_on_scraped(&self) -> Option<HandedOn> {
        let storage: Arc<dyn Appendable> = match (self.get(), self.agent.load_full()) {
            (Some(db), _) => db,
            (None, Some(agent)) => agent,
            (None, None) => return None,
        };
        Some(self.scraped.open(storage))
    }

    /// Puts the database in its place.
    pub(crate) fn set(&self, db: Arc<Db>) {
        self.db.store(Some(db));
    }

    /// Puts the storage of an agent in its place.
    pub(crate) fn set_agent(&self, agent: Arc<Agent>) {
        self.agent.store(Some(agent));
    }

    fn readable(&self) -> Result<Arc<Db>> {
        if self.is_agent {
            return Err(only_takes());
        }
        self.get().ok_or_else(not_yet)
    }

    /// The database, once it is open.
    pub(crate) fn get(&self) -> Option<Arc<Db>> {
        self.db.load_full()
    }
}

impl Queryable for LateDb {
    fn querier(&self, range: TimeRange) -> Result<Box<dyn Querier>> {
        self.readable()?.querier(range)
    }
}

impl ExemplarQueryable for LateDb {
    fn select_exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<SeriesExemplars>> {
        self.readable()?.head().select_exemplars(range, selectors)
    }
}

impl Appendable for LateDb {
    fn appender(&self, now_ms: i64) -> Box<dyn Appender> {
        match (self.get(), self.agent.load_full()) {
            (Some(db), _) => db.appender(now_ms),
            (None, Some(agent)) => agent.appender(now_ms),
            (None, None) => Box::new(Refusing),
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

//! What the scripts run on: the in-memory twin, a head, blocks that were compacted from one, and a server over one.

use super::api::Client;
use crate::http::serve::{Running, Setup};
use disk::{Disk, SimDisk};
use promql::Engine;
use promql::script::{Database, Reply, When, ask, engine_options};
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, MemoryStorage, Result};
use tsdb::{Db, DbOptions};

const DIR: &str = "data";
/// Where blocks are.
pub(super) const WHOLE: &str = "whole";

/// Long enough for whatever a script loads; later loads begin at the epoch again.
const CENTURY_MS: i64 = 100 * 365 * 86_400_000;

fn open(disk: &SimDisk, dir: &Path, min_block_ms: i64, max_block_ms: i64) -> Db {
    let options = DbOptions {
        retention_ms: 0,
        min_block_ms,
        max_block_ms,
        xor2: true,
        started_histograms: true,
        keep_starts: true,
        ..DbOptions::default()
    };
    let registry = metrics::Registry::new();
    Db::open(Arc::new(disk.clone()), dir, options, 7, &registry, Arc::new(|_| {})).expect("opens")
}

fn open_head() -> (SimDisk, Db) {
    let disk = SimDisk::new();
    let db = open(&disk, Path::new(DIR), CENTURY_MS, CENTURY_MS);
    (disk, db)
}

fn engine() -> Engine {
    Engine::new(engine_options())
}

/// The in-memory twin.
pub(super) struct Memory(MemoryStorage, Engine);

impl Memory {
    pub(super) fn new() -> Self {
        Self(MemoryStorage::new(), engine())
    }
}

impl Database for Memory {
    fn clear(&mut self) -> Result<()> {
        self.0.clear();
        Ok(())
    }

    fn appendable(&self) -> &dyn Appendable {
        &self.0
    }

    fn ask(&self, query: &str, when: When) -> std::result::Result<Reply, String> {
        ask(&self.1, &self.0, query, when)
    }
}

/// A head; full chunks are mapped.
pub(super) struct Head(Db, Engine);

impl Head {
    pub(super) fn new() -> Self {
        Self(open_head().1, engine())
    }
}

impl Database for Head {
    fn clear(&mut self) -> Result<()> {
        self.0 = open_head().1;
        Ok(())
    }

    fn appendable(&self) -> &dyn Appendable {
        &self.0
    }

    fn settle(&mut self) -> Result<()> {
        self.0.maintain(0).expect("maintains");
        Ok(())
    }

    fn ask(&self, query: &str, when: When) -> std::result::Result<Reply, String> {
        ask(&self.1, &self.0, query, when)
    }
}

/// Blocks of several lengths and nothing else. A head takes what is loaded; after each load its log is replayed into a
/// database of short blocks.
pub(super) struct Blocks {
    disk: SimDisk,
    head: Db,
    /// Holds the blocks, in [`WHOLE`].
    pub(super) short: SimDisk,
    pub(super) blocks: Db,
    engine: Engine,
    /// The most blocks there were.
    pub(super) most: usize,
}

impl Blocks {
    pub(super) fn new() -> Self {
        let ((disk, head), (short, blocks)) = (open_head(), open_head());
        Self { disk, head, short, blocks, engine: engine(), most: 0 }
    }
}

impl Database for Blocks {
    fn clear(&mut self) -> Result<()> {
        *self = Self { most: self.most, ..Self::new() };
        Ok(())
    }

    fn appendable(&self) -> &dyn Appendable {
        &self.head
    }

    fn settle(&mut self) -> Result<()> {
        let short = SimDisk::new();
        let (from, to) = (Path::new(DIR), Path::new(WHOLE));
        copy((&self.disk, from), (&short, from));
        let span_ms = self.head.head().max_time().saturating_sub(self.head.head().min_time());
        let block_ms = (span_ms / 13).max(1000);
        let db = open(&short, from, block_ms, 3 * block_ms);
        db.maintain(0).expect("maintains");
        db.snapshot(to, true, 0).expect("copies");
        self.blocks = open(&short, to, CENTURY_MS, CENTURY_MS);
        self.short = short;
        assert_eq!(self.blocks.head().num_series(), 0, "nothing is left in the head");
        self.most = self.most.max(self.blocks.blocks().len());
        Ok(())
    }

    fn ask(&self, query: &str, when: When) -> std::result::Result<Reply, String> {
        ask(&self.engine, &self.blocks, query, when)
    }
}

/// Copies a directory but its lock file.
pub(super) fn copy((from, from_dir): (&dyn Disk, &Path), (to, to_dir): (&dyn Disk, &Path)) {
    to.create_dir(to_dir).expect("directory");
    for name in from.list(from_dir).expect("listing").iter().filter(|name| *name != "lock") {
        let (source, target) = (from_dir.join(name), to_dir.join(name));
        if from.is_dir(&source) {
            copy((from, &source), (to, &target));
        } else {
            let bytes = from.view(&source).expect("content");
            to.create(&target).expect("file").append(&bytes).expect("content");
        }
    }
}

/// A server over a head, asked in the way of Grafana.
pub(super) struct Http {
    db: Arc<Db>,
    client: Client,
    /// Behind the client, which hangs up first.
    running: Running,
}

impl Http {
    pub(super) fn new() -> Self {
        let db = Arc::new(open_head().1);
        let setup = Setup { engine: engine_options(), ..Setup::default() };
        let running = Running::start(Arc::clone(&db), &setup);
        Self { db, client: Client::new(running.address), running }
    }
}

impl Database for Http {
    fn clear(&mut self) -> Result<()> {
        *self = Self::new();
        Ok(())
    }

    fn appendable(&self) -> &dyn Appendable {
        &*self.db
    }

    fn ask(&self, query: &str, when: When) -> std::result::Result<Reply, String> {
        debug_assert_eq!(self.running.addresses.len(), 1);
        self.client.ask(query, when)
    }
}

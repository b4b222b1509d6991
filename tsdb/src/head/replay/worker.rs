//! The threads of a replay that apply samples: each has the shards whose number it ends in, and gets what belongs to one
//! shard together, in the order of the log.

use crate::head::Shared;
use crate::head::series::When;
use crate::head::shard::Tally;
use crossbeam::channel::{Receiver, Sender, bounded};
use model::histogram::Histogram;
use std::sync::Arc;
use std::thread::JoinHandle;
use storage::{Error, Result};

/// A float on its way into its series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) slot: u32,
    pub(super) number: u64,
    pub(super) timestamp_ms: i64,
    pub(super) value: f64,
}

/// A sample with its start, on its way into its series.
pub(super) type StartedRow<T> = (u32, u64, When, T);

/// What a shard gets.
#[derive(Debug)]
pub(super) enum Work {
    Floats(Vec<Row>),
    /// With starts, which hardly any log has.
    Started(Vec<StartedRow<f64>>),
    Histograms(Vec<StartedRow<Histogram>>),
    /// Nothing: who sent it waits until all before it is applied, and is told what became of that so far.
    Report(Sender<Tally>),
}

/// Floats that a shard gets at a time.
const BATCH: usize = 2048;

#[derive(Debug)]
struct Worker {
    sender: Sender<(usize, Work)>,
    /// Batches that come back for reuse.
    empty: Receiver<Vec<Row>>,
    thread: JoinHandle<Tally>,
}

/// All of them, and what waits until a batch is full.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    /// Floats by shard.
    waiting: Vec<Vec<Row>>,
}

impl Workers {
    /// Starts as many as there are cores.
    pub(super) fn start(head: &Arc<Shared>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = cores.min(head.shards.len()).next_power_of_two();
        let workers = (0..count).map(|_| Worker::start(head)).collect::<Result<_>>()?;
        Ok(Self { workers, waiting: vec![Vec::new(); head.shards.len()] })
    }

    /// Hands a float on.
    #[inline]
    pub(super) fn push(&mut self, shard: usize, row: Row) {
        let waiting = &mut self.waiting[shard];
        waiting.push(row);
        if waiting.len() >= BATCH {
            self.flush(shard);
        }
    }

    /// Hands on what a shard has to take behind all that came before.
    pub(super) fn send(&mut self, shard: usize, work: Work) {
        self.flush(shard);
        self.worker(shard).send(shard, work);
    }

    fn worker(&self, shard: usize) -> &Worker {
        &self.workers[shard & (self.workers.len() - 1)]
    }

    fn flush(&mut self, shard: usize) {
        if self.waiting[shard].is_empty() {
            return;
        }
        let worker = self.worker(shard);
        let next = worker.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH));
        let rows = std::mem::replace(&mut self.waiting[shard], next);
        self.worker(shard).send(shard, Work::Floats(rows));
    }

    /// Waits until everything that was handed on is applied. Answers what became of all of it so far.
    pub(super) fn settle(&mut self) -> Tally {
        (0..self.waiting.len()).for_each(|shard| self.flush(shard));
        let (report, reports) = bounded(self.workers.len());
        self.workers.iter().for_each(|worker| worker.send(0, Work::Report(report.clone())));
        drop(report);
        let mut tally = Tally::default();
        reports.iter().for_each(|part| tally.merge(&part));
        tally
    }

    /// Waits until everything is applied.
    pub(super) fn finish(mut self) -> Tally {
        (0..self.waiting.len()).for_each(|shard| self.flush(shard));
        let mut tally = Tally::default();
        // All channels close before the first thread is waited for.
        let threads: Vec<_> = self.workers.drain(..).map(|worker| worker.thread).collect();
        for thread in threads {
            match thread.join() {
                Ok(part) => tally.merge(&part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        tally
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for Worker { sender, thread, .. } in self.workers.drain(..) {
            drop(sender);
            // A replay that is given up has no use for what its workers say.
            drop(thread.join());
        }
    }
}

impl Worker {
    fn start(head: &Arc<Shared>) -> Result<Self> {
        let (sender, receiver) = bounded::<(usize, Work)>(8);
        let (back, empty) = bounded::<Vec<Row>>(16);
        let head = Arc::clone(head);
        let work = move || {
            let mut tally = Tally::default();
            for (shard, work) in receiver {
                match work {
                    Work::Floats(mut rows) => {
                        head.replay_rows(shard, &rows, &mut tally);
                        rows.clear();
                        // A full channel means that there are buffers enough.
                        drop(back.try_send(rows));
                    }
                    Work::Started(rows) => head.replay_started(shard, &rows, &mut tally),
                    Work::Histograms(rows) => head.replay_histograms(shard, rows, &mut tally),
                    // Nobody waits any more where a replay was given up.
                    Work::Report(to) => drop(to.send(tally)),
                }
            }
            tally
        };
        let thread = std::thread::Builder::new().name("replay".into()).spawn(work);
        let thread =
            thread.map_err(|source| Error::Io { op: "start a replay thread".into(), source })?;
        Ok(Self { sender, empty, thread })
    }

    fn send(&self, shard: usize, work: Work) {
        self.sender.send((shard, work)).expect("workers run until their channel is closed");
    }
}

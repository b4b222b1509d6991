//! The reader of one queue: follows the log and hands what is to be sent to shards. A thread of its own, since it waits
//! for the disk and for full queues. What records mean is in `records`.

use super::item::{Counts, Doubt, Item};
use super::queue;
use super::records::Records;
use super::reshard::{INTERVAL_SECONDS, Reckoner};
use super::shard::{self, Context};
use disk::Disk;
use metrics::Stopwatch;
use model::Labels;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wal::record::{self, Kind};
use wal::{Position, Replay, Tail, checkpoint, list_segments};

/// How long to wait for the log to grow.
const IDLE: Duration = Duration::from_millis(20);

/// How long to wait for room in a queue.
const FULL: Duration = Duration::from_millis(5);

/// How long to wait after the disk failed.
const FAILED: Duration = Duration::from_secs(1);

/// How often series that ended are looked for.
const COLLECT_SECONDS: f64 = 60.0;

/// From how many items on the next record of samples is not waited with for exemplars of those before.
const ENOUGH: usize = 2_000;

/// How a queue is told to end.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Reads no further.
    pub(super) stop: AtomicBool,
    /// Sends no further.
    pub(super) abandon: CancellationToken,
}

/// The shards at work.
struct Shards {
    senders: Vec<queue::Sender>,
    /// What goes to each of them next; empty but while items are handed on.
    sorted: Vec<Vec<Item>>,
    tasks: Vec<JoinHandle<Vec<Item>>>,
    stop: CancellationToken,
}

/// The reader of one queue.
pub(super) struct Follower {
    pub(super) context: Arc<Context>,
    pub(super) control: Arc<Control>,
    pub(super) disk: Arc<dyn Disk>,
    /// A log that keeps what this queue needs.
    pub(super) dir: PathBuf,
    pub(super) runtime: Handle,
    pub(super) external_labels: Labels,
    /// What begins here or later is sent.
    pub(super) resume: Position,
    /// Whether what is there of it may have been sent before a crash.
    pub(super) doubt: Doubt,
    /// How many shards there are to begin with.
    pub(super) num_shards: usize,
}

/// A follower at work.
struct Work {
    follower: Follower,
    records: Records,
    /// Where those end that were read and not handed on.
    read_to: Option<Position>,
    /// The last segment of the checkpoint that the series were compared with.
    collected: Option<u32>,
    shards: Shards,
    reckoner: Reckoner,
    /// Whether what comes may have been sent before a crash: until the end of the log is reached for the first time.
    doubt: Doubt,
    /// Told to stop while the queues were full: what was read since stays open in the ledger.
    is_blocked: bool,
}

impl Follower {
    /// Follows until told to stop, then lets the shards finish.
    pub(super) fn run(self) {
        let shards = self.shards(self.num_shards);
        let context = Arc::clone(&self.context);
        let mut work = Work {
            doubt: self.doubt,
            records: Records::new(context, self.external_labels.clone()),
            read_to: None,
            follower: self,
            collected: None,
            shards,
            reckoner: Reckoner::default(),
            is_blocked: false,
        };
        work.follow();
        // Without senders the shards send what they have and end; whoever stops us bounds how long that may take.
        work.shards.senders.clear();
        let tasks = std::mem::take(&mut work.shards.tasks);
        work.follower.runtime.block_on(async {
            for task in tasks {
                drop(task.await);
            }
        });
    }

    fn shards(&self, count: usize) -> Shards {
        let stop = self.control.abandon.child_token();
        let (senders, sorted, tasks) = (Vec::new(), Vec::new(), Vec::new());
        let mut shards = Shards { senders, sorted, tasks, stop };
        for _ in 0..count {
            let (sender, items) = queue::new(self.context.config.queue.capacity);
            let run = shard::run(Arc::clone(&self.context), items, shards.stop.clone());
            shards.senders.push(sender);
            shards.sorted.push(Vec::new());
            shards.tasks.push(self.runtime.spawn(run));
        }
        self.context.metrics.shards.set(count as f64);
        shards
    }

    fn is_stopped(&self) -> bool {
        self.control.stop.load(Ordering::Relaxed)
    }
}

impl Work {
    fn follow(&mut self) {
        let Some(mut tail) = self.begin() else { return };
        let (mut resharded, mut collected) = (Stopwatch::start(), Stopwatch::start());
        while !self.follower.is_stopped() {
            let begin = tail.position();
            match tail.advance() {
                Ok(true) => {
                    let is_new = begin >= self.follower.resume;
                    self.record(tail.record(), tail.position(), is_new);
                }
                Ok(false) => {
                    self.hand_on();
                    self.end_doubt();
                    std::thread::sleep(IDLE);
                }
                Err(error) => self.failed(&mut tail, &error),
            }
            self.follower.context.metrics.segment.set(f64::from(tail.position().segment));
            if resharded.elapsed_seconds() >= INTERVAL_SECONDS {
                resharded = Stopwatch::start();
                self.reshard();
            }
            if collected.elapsed_seconds() >= COLLECT_SECONDS {
                collected = Stopwatch::start();
                // What is not forgotten now is forgotten later.
                if let Err(error) = self.collect() {
                    tracing::warn!(component = "remote", err = %error, "Reading a checkpoint failed");
                }
            }
        }
        self.finish(&mut tail);
    }

    /// What comes from here on was not there before.
    fn end_doubt(&mut self) {
        self.doubt = Doubt::None;
        self.follower.context.ledger.sort_into(Some(self.shards.senders.len()));
    }

    /// Reads the checkpoint and goes to what is behind it; `None` if told to stop before that worked. A checkpoint may be
    /// replaced by a newer one meanwhile.
    fn begin(&mut self) -> Option<Tail> {
        while !self.follower.is_stopped() {
            let found = self.read_checkpoint().and_then(|covered| {
                let segments = list_segments(&*self.follower.disk, &self.follower.dir)?;
                let first = covered.map_or(0, |covered| covered + 1);
                Ok(segments.into_iter().find(|segment| *segment >= first).unwrap_or(first))
            });
            match found {
                Ok(segment) => {
                    let disk = Arc::clone(&self.follower.disk);
                    return Some(Tail::new(
                        disk,
                        &self.follower.dir,
                        Position { segment, offset: 0 },
                    ));
                }
                Err(error) => self.wait_after(&error),
            }
        }
        None
    }

    /// The log could not be read: waits, or leaves out what is damaged for good and goes on behind it, as the database
    /// does with its copy.
    fn failed(&self, tail: &mut Tail, error: &wal::Error) {
        let next = wal::segment_path(&self.follower.dir, tail.position().segment + 1);
        let is_full = self.follower.disk.exists(&next);
        if matches!(error, wal::Error::Corrupt(_)) && is_full {
            match tail.skip_damage() {
                Ok(lost_bytes) => {
                    self.follower.context.metrics.decode_failures.inc();
                    tracing::error!(component = "remote", err = %error, lost_bytes, "A damaged part of the log is left out");
                }
                Err(error) => self.wait_after(&error),
            }
            return;
        }
        // The end of the newest segment is mended by whoever writes it.
        tail.reread();
        self.wait_after(error);
    }

    fn wait_after(&self, error: &wal::Error) {
        let context = &self.follower.context;
        if let Some(times) = context.readings.note((context.now_ms)()) {
            tracing::error!(component = "remote", err = %error, times, "Reading the log failed, trying again");
        }
        std::thread::sleep(FAILED);
    }

    /// Told to stop: takes along what was written since the last look, as far as the queues have room.
    fn finish(&mut self, tail: &mut Tail) {
        while !self.follower.control.abandon.is_cancelled() {
            let begin = tail.position();
            let is_new = begin >= self.follower.resume;
            if !is_new || !matches!(tail.advance(), Ok(true)) {
                break;
            }
            self.record(tail.record(), tail.position(), is_new);
            if self.is_blocked {
                return;
            }
        }
        self.hand_on();
    }

    /// Reads the series of the checkpoint, without what is damaged of it; the last segment it covers.
    fn read_checkpoint(&mut self) -> wal::Result<Option<u32>> {
        let disk = &self.follower.disk;
        let Some(checkpoint) = checkpoint::last(&**disk, &self.follower.dir)? else {
            return Ok(None);
        };
        let mut replay = Replay::of_checkpoint(Arc::clone(disk), &checkpoint)?;
        loop {
            match replay.next_record() {
                Ok(None) => break,
                Ok(Some(bytes)) => {
                    if matches!(record::kind(bytes), Kind::Series | Kind::Metadata) {
                        self.records.read_series(bytes, checkpoint.segment);
                    }
                }
                Err(wal::Error::Corrupt(found)) => {
                    let lost_bytes = replay.skip_damage(&found)?;
                    self.follower.context.metrics.decode_failures.inc();
                    tracing::error!(component = "remote", err = %found, lost_bytes, "A damaged part of a checkpoint is left out; samples of series in it are not sent");
                }
                Err(error) => return Err(error),
            }
        }
        self.collected = Some(checkpoint.segment);
        Ok(Some(checkpoint.segment))
    }

    /// Forgets series that a new checkpoint no longer names.
    fn collect(&mut self) -> wal::Result<()> {
        let newest = checkpoint::last(&*self.follower.disk, &self.follower.dir)?;
        let newest = newest.map(|newest| newest.segment);
        if newest > self.collected
            && let Some(segment) = self.read_checkpoint()?
        {
            self.records.forget_before(segment);
        }
        Ok(())
    }

    /// A commit logs floats, histograms and exemplars, in this order: what comes before the next floats stays together.
    fn record(&mut self, bytes: &[u8], end: Position, is_new: bool) {
        if !is_new {
            return self.records.read_series(bytes, end.segment);
        }
        let kind = record::kind(bytes);
        if kind == Kind::Samples && self.records.items().len() >= ENOUGH {
            self.hand_on();
        }
        self.records.read(bytes, end.segment, self.doubt);
        self.read_to = Some(end);
        if kind == Kind::Exemplars {
            self.hand_on();
        }
    }

    /// Puts what was read into the shards of its series.
    fn hand_on(&mut self) {
        let Some(end) = self.read_to.take() else { return };
        if self.is_blocked {
            return;
        }
        let mut items = std::mem::take(self.records.items());
        let number = self.follower.context.ledger.begin(end, items.len() as u32);
        items.iter_mut().for_each(|item| item.number = number);
        self.enqueue(items);
    }

    /// Puts items into the shards of their series and waits for room there. What is not enqueued when told to stop stays
    /// open in the ledger.
    fn enqueue(&mut self, items: Vec<Item>) {
        let Shards { senders, sorted, .. } = &mut self.shards;
        if let [only] = &mut sorted[..] {
            *only = items;
        } else {
            for item in items {
                sorted[(item.series % senders.len() as u64) as usize].push(item);
            }
        }
        let metrics = &self.follower.context.metrics;
        loop {
            let mut is_full = false;
            for (sender, items) in senders.iter().zip(sorted.iter_mut()) {
                if items.is_empty() {
                    continue;
                }
                let entering = |items: &[Item]| {
                    metrics.enqueued(Counts::of(items), newest_ms(items));
                };
                self.is_blocked |= sender.put(items, entering).is_err();
                is_full |= !items.is_empty();
            }
            if !is_full {
                return;
            }
            metrics.enqueue_retries.inc();
            self.is_blocked |= self.follower.is_stopped();
            if self.is_blocked {
                sorted.iter_mut().for_each(Vec::clear);
                return;
            }
            std::thread::sleep(FULL);
        }
    }

    /// Runs as many shards as the rates ask for. Items that were not sent move in their order: those of a series were
    /// in one shard and go to one shard.
    fn reshard(&mut self) {
        let context = Arc::clone(&self.follower.context);
        let now = self.shards.senders.len();
        let (count, desired) =
            self.reckoner.update(&context.metrics.flow, now, &context.config.queue);
        context.metrics.shards_desired.set(desired);
        if count == now {
            return;
        }
        tracing::info!(
            component = "remote",
            remote_name = context.config.queue_name(),
            from = now,
            to = count,
            "Resharding queues"
        );
        self.shards.stop.cancel();
        self.shards.senders.clear();
        let tasks = std::mem::take(&mut self.shards.tasks);
        let mut left: Vec<Item> = self.follower.runtime.block_on(async {
            let mut left = Vec::new();
            for task in tasks {
                left.extend(task.await.unwrap_or_default());
            }
            left
        });
        context.metrics.taken_back(Counts::of(left.iter()));
        // Those of several shards come together: the order in which they were sent tells nothing any more.
        let lose_order = |doubt: &mut Doubt| {
            if *doubt == Doubt::InOrder {
                *doubt = Doubt::Any;
            }
        };
        left.iter_mut().for_each(|item| lose_order(&mut item.doubt));
        lose_order(&mut self.doubt);
        context.ledger.sort_into((self.doubt == Doubt::None).then_some(count));
        self.shards = self.follower.shards(count);
        self.enqueue(left);
    }
}

fn newest_ms(items: &[Item]) -> i64 {
    items.iter().map(|item| item.timestamp_ms).max().unwrap_or(i64::MIN)
}

//! The reader of one queue: follows the log, keeps the labels of its series, hands samples to shards. A thread of its
//! own, since it waits for the disk and for full queues.

use super::item::{Counts, Item, Payload};
use super::metrics::Drop;
use super::reshard::{INTERVAL_SECONDS, Reckoner};
use super::shard::{self, Context};
use disk::Disk;
use metrics::Stopwatch;
use model::hash::HashMap;
use model::relabel::{Scratch, process};
use model::{Labels, LabelsBuilder};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wal::record::{self, Kind, Samples};
use wal::{Position, Reader, Tail, checkpoint, list_segments};

/// How long to wait for the log to grow.
const IDLE: Duration = Duration::from_millis(20);

/// How long to wait for room in a queue.
const FULL: Duration = Duration::from_millis(5);

/// How long to wait after the disk failed.
const FAILED: Duration = Duration::from_secs(1);

/// How often series that ended are looked for.
const COLLECT_SECONDS: f64 = 60.0;

/// How a queue is told to end.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Reads no further.
    pub(super) stop: AtomicBool,
    /// Sends no further.
    pub(super) abandon: CancellationToken,
}

/// The labels that a series is sent with, `None` if it is not, and the newest part of the log that names it.
struct Series {
    labels: Option<Labels>,
    segment: u32,
}

/// The shards at work.
struct Shards {
    senders: Vec<mpsc::Sender<Item>>,
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
    /// Where to go on; `None` begins with what is written from now on.
    pub(super) resume: Option<Position>,
    /// Counts for all queues what comes in.
    pub(super) is_first: bool,
}

/// A follower at work.
struct Work {
    follower: Follower,
    series: HashMap<u64, Series>,
    /// The last segment of the checkpoint that the series were compared with.
    collected: Option<u32>,
    shards: Shards,
    reckoner: Reckoner,
    /// The end of the log was not reached since the start: what comes may have been sent before a crash.
    may_repeat: bool,
    samples: Samples,
    items: Vec<Item>,
    builder: LabelsBuilder,
    scratch: Scratch,
}

impl Follower {
    /// Follows until told to stop, then lets the shards finish.
    pub(super) fn run(self) {
        let shards = self.shards(self.context.config.queue.min_shards);
        let mut work = Work {
            may_repeat: self.resume.is_some(),
            follower: self,
            series: HashMap::default(),
            collected: None,
            shards,
            reckoner: Reckoner::default(),
            samples: Samples::default(),
            items: Vec::new(),
            builder: LabelsBuilder::new(),
            scratch: Scratch::default(),
        };
        if let Err(error) = work.follow() {
            tracing::error!(component = "remote", err = %error, "Following the log ended");
        }
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
        let mut shards = Shards { senders: Vec::new(), tasks: Vec::new(), stop };
        for _ in 0..count {
            let (sender, items) = mpsc::channel(self.context.config.queue.capacity);
            let run = shard::run(Arc::clone(&self.context), items, shards.stop.clone());
            shards.senders.push(sender);
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
    fn follow(&mut self) -> wal::Result<()> {
        let covered = self.read_checkpoint()?;
        let disk = Arc::clone(&self.follower.disk);
        let segments = list_segments(&*disk, &self.follower.dir)?;
        let first = covered.map_or(0, |covered| covered + 1);
        let first = segments.into_iter().find(|segment| *segment >= first).unwrap_or(first);
        let mut tail = Tail::new(disk, &self.follower.dir, Position { segment: first, offset: 0 });
        let (mut resharded, mut collected) = (Stopwatch::start(), Stopwatch::start());
        while !self.follower.is_stopped() {
            let begin = tail.position();
            match tail.advance() {
                Ok(true) => {
                    let is_new = self.follower.resume.is_some_and(|resume| begin >= resume);
                    self.record(tail.record(), tail.position(), is_new);
                }
                Ok(false) => {
                    self.caught_up(tail.position());
                    std::thread::sleep(IDLE);
                }
                Err(wal::Error::Corrupt(corruption)) => {
                    self.follower.context.metrics.decode_failures.inc();
                    tracing::error!(component = "remote", err = %corruption, "The rest of a log segment is left out");
                    tail.skip_segment();
                }
                Err(error) => {
                    tracing::error!(component = "remote", err = %error, "Reading the log failed, trying again");
                    std::thread::sleep(FAILED);
                }
            }
            self.follower.context.metrics.segment.set(f64::from(tail.position().segment));
            if resharded.elapsed_seconds() >= INTERVAL_SECONDS {
                resharded = Stopwatch::start();
                self.reshard();
            }
            if collected.elapsed_seconds() >= COLLECT_SECONDS {
                collected = Stopwatch::start();
                self.collect()?;
            }
        }
        Ok(())
    }

    /// Nothing more is written yet.
    fn caught_up(&mut self, end: Position) {
        self.may_repeat = false;
        if self.follower.resume.is_none() {
            self.follower.resume = Some(end);
            self.follower.context.ledger.begin(end, 0);
        }
    }

    /// Reads the series of the checkpoint; the last segment it covers.
    fn read_checkpoint(&mut self) -> wal::Result<Option<u32>> {
        let disk = &self.follower.disk;
        let Some(checkpoint) = checkpoint::last(&**disk, &self.follower.dir)? else {
            return Ok(None);
        };
        let mut reader = Reader::dir(Arc::clone(disk), &checkpoint.path)?;
        while let Some(bytes) = reader.next_record()? {
            if record::kind(bytes) == Kind::Series {
                let bytes = bytes.to_vec();
                self.series(&bytes, checkpoint.segment);
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
            self.series.retain(|_, series| series.segment >= segment);
        }
        Ok(())
    }

    fn record(&mut self, bytes: &[u8], end: Position, is_new: bool) {
        let metrics = &self.follower.context.metrics;
        match record::kind(bytes) {
            Kind::Series => {
                metrics.record("series");
                self.series(bytes, end.segment);
            }
            Kind::Samples if is_new => {
                metrics.record("samples");
                if record::decode_samples(bytes, &mut self.samples).is_err() {
                    metrics.decode_failures.inc();
                }
                self.floats();
            }
            _ => {}
        }
        if is_new {
            self.hand_on(end);
        }
    }

    fn series(&mut self, bytes: &[u8], segment: u32) {
        let context = Arc::clone(&self.follower.context);
        let Ok(rows) = record::decode_series(bytes) else {
            context.metrics.decode_failures.inc();
            return;
        };
        for (number, pairs) in rows.iter() {
            if let Some(known) = self.series.get_mut(&number) {
                known.segment = known.segment.max(segment);
                continue;
            }
            self.builder.clear();
            for (name, value) in pairs {
                self.builder.set(name, value);
            }
            for (name, value) in self.follower.external_labels.iter() {
                if self.builder.get(name).is_empty() {
                    self.builder.set(name, value);
                }
            }
            let is_kept = process(&context.config.rules, &mut self.builder, &mut self.scratch);
            let labels = is_kept.then(|| self.builder.labels()).filter(|labels| !labels.is_empty());
            self.series.insert(number, Series { labels, segment });
        }
    }

    /// Turns the samples at hand into items.
    fn floats(&mut self) {
        let metrics = &self.follower.context.metrics;
        let (mut relabelled, mut unknown) = (0, 0);
        let mut highest_ms = i64::MIN;
        for (number, timestamp_ms, value) in self.samples.iter() {
            highest_ms = highest_ms.max(timestamp_ms);
            let labels = match self.series.get(&number) {
                Some(Series { labels: Some(labels), .. }) => labels.clone(),
                Some(Series { labels: None, .. }) => {
                    relabelled += 1;
                    continue;
                }
                None => {
                    unknown += 1;
                    continue;
                }
            };
            let item = Item {
                labels,
                series: number,
                timestamp_ms,
                start_timestamp_ms: 0,
                payload: Payload::Float(value),
                number: 0,
                may_repeat: self.may_repeat,
            };
            self.items.push(item);
        }
        metrics.read(self.samples.len() as u64, highest_ms, self.follower.is_first);
        for (samples, why) in [(relabelled, Drop::Relabelled), (unknown, Drop::UnknownSeries)] {
            if samples > 0 {
                metrics.dropped(Counts { samples, ..Counts::default() }, why, false);
            }
        }
        self.samples.clear();
    }

    /// Puts the items of a record into the shards of their series.
    fn hand_on(&mut self, end: Position) {
        let mut items = std::mem::take(&mut self.items);
        let ledger = &self.follower.context.ledger;
        let number = ledger.begin(end, items.len() as u32);
        for item in items.drain(..) {
            let shard = (item.series % self.shards.senders.len() as u64) as usize;
            if !self.enqueue(shard, Item { number, ..item }) {
                break;
            }
        }
        items.clear();
        self.items = items;
    }

    /// Waits for room; `false` if told to stop. What is not enqueued then stays open in the ledger.
    fn enqueue(&self, shard: usize, mut item: Item) -> bool {
        let metrics = &self.follower.context.metrics;
        let (counts, timestamp_ms) = (Counts::of([&item]), item.timestamp_ms);
        loop {
            match self.shards.senders[shard].try_send(item) {
                Ok(()) => {
                    metrics.enqueued(counts, timestamp_ms);
                    return true;
                }
                Err(TrySendError::Full(back)) => item = back,
                Err(TrySendError::Closed(_)) => return false,
            }
            metrics.enqueue_retries.inc();
            if self.follower.is_stopped() {
                return false;
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
        let left: Vec<Item> = self.follower.runtime.block_on(async {
            let mut left = Vec::new();
            for task in tasks {
                left.extend(task.await.unwrap_or_default());
            }
            left
        });
        context.metrics.taken_back(Counts::of(left.iter()));
        self.shards = self.follower.shards(count);
        for item in left {
            let shard = (item.series % count as u64) as usize;
            if !self.enqueue(shard, item) {
                return;
            }
        }
    }
}

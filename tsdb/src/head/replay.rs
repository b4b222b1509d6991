//! From the log back to memory: series keep their references, samples that chunks on disk already hold are skipped,
//! what is not in order is dropped. Samples are applied by one thread per part of the shards while the caller reads on.

mod apply;

use super::dictionary::{LabelHash, PairId};
use super::ooo::{Ooo, OooReplay};
use super::refs::{RefMap, Target};
use super::series::{FullChunk, Place, When};
use super::shard::Tally;
use super::{Head, LoadedChunks, Shared};
use crate::block::Tombstones;
use crossbeam::channel::{Receiver, Sender, bounded};
use model::hash::{HashMap, HashSet};
use model::histogram::Histogram;
use model::metadata::Metadata;
use model::{Labels, TimeRange};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use storage::{Error, Exemplar, Result};
use wal::record::{
    DecodeError, Exemplars, Histograms, Kind, Samples, decode_exemplars, decode_histograms,
    decode_metadata, decode_samples, decode_series, decode_tombstones, kind,
};

/// Samples on their way to a worker.
type Rows = Vec<(Target, u64, i64, f64)>;

/// What a worker gets, in the order of the log.
#[derive(Debug)]
enum Work {
    Floats(Rows),
    /// With starts, which hardly any log has.
    Started(Vec<(Target, u64, When, f64)>),
    Histograms(Vec<(Target, u64, When, Histogram)>),
}

/// Samples that a worker gets at a time.
const BATCH: usize = 4096;

/// What a replay met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayStats {
    /// Records read.
    pub num_records: u64,
    /// Series created.
    pub num_series: u64,
    /// Samples stored.
    pub num_samples: u64,
    /// Samples and deletions of series that the log does not name.
    pub num_unknown_refs: u64,
    /// Records of kinds that are not replayed.
    pub num_skipped: u64,
}

/// A replay under way. Feed it the records of the checkpoint and the log in order, then finish it.
#[derive(Debug)]
pub struct Replay {
    pub(super) head: Arc<Shared>,
    /// Chunks on disk by series reference, until their series turns up.
    chunks: HashMap<u64, Vec<FullChunk>>,
    /// The same for chunks of samples that came out of order.
    ooo_chunks: HashMap<u64, Vec<FullChunk>>,
    /// The last chunk on disk.
    last_place: u64,
    /// References of label sets that have another reference, with the time of the last sample that used it.
    duplicates: HashMap<u64, (u64, i64)>,
    pub(super) max_ref: u64,
    workers: Vec<Worker>,
    samples: Samples,
    histograms: Histograms,
    tombstones: Tombstones,
    stones: wal::record::Tombstones,
    hashes: Vec<LabelHash>,
    pairs: Vec<PairId>,
    stats: ReplayStats,
}

#[derive(Debug)]
struct Worker {
    sender: Option<Sender<Work>>,
    /// Batches that come back for reuse.
    empty: Receiver<Rows>,
    rows: Rows,
    thread: Option<JoinHandle<Tally>>,
}

impl Head {
    /// Begins a replay: loads `chunks_head/`. Nothing else may use the head until the replay is finished.
    pub fn replay(&self) -> Result<(Replay, LoadedChunks)> {
        let mut chunks: HashMap<u64, Vec<FullChunk>> = HashMap::default();
        let mut ooo_chunks: HashMap<u64, Vec<FullChunk>> = HashMap::default();
        let mut num_dropped = 0;
        let mut last_place = 0;
        let loaded = self.0.chunks.load(|number, chunk, is_ooo| {
            if let Place::Disk(place) = chunk.place() {
                last_place = last_place.max(place);
            }
            if is_ooo {
                ooo_chunks.entry(number).or_default().push(chunk);
                return;
            }
            let list = chunks.entry(number).or_default();
            if list.last().is_some_and(|last| chunk.min_ms <= last.max_ms) {
                num_dropped += 1;
            } else {
                list.push(chunk);
            }
        });
        let mut loaded =
            loaded.map_err(|source| Error::Io { op: "load head chunks".into(), source })?;
        loaded.num_skipped += num_dropped;
        loaded.num_chunks -= num_dropped;
        if loaded.corruption.is_some() {
            self.0.metrics.chunk_corruptions.inc();
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = cores.min(self.0.shards.len()).next_power_of_two();
        let workers = (0..count).map(|_| Worker::start(&self.0)).collect::<Result<_>>()?;
        let replay = Replay {
            head: Arc::clone(&self.0),
            chunks,
            ooo_chunks,
            last_place,
            duplicates: HashMap::default(),
            max_ref: 0,
            workers,
            samples: Samples::default(),
            histograms: Histograms::default(),
            tombstones: Tombstones::default(),
            stones: Vec::new(),
            hashes: Vec::new(),
            pairs: Vec::new(),
            stats: ReplayStats::default(),
        };
        Ok((replay, loaded))
    }
}

impl Worker {
    fn start(head: &Arc<Shared>) -> Result<Self> {
        let (sender, receiver) = bounded::<Work>(8);
        let (back, empty) = bounded::<Rows>(16);
        let head = Arc::clone(head);
        let work = move || {
            let mut tally = Tally::default();
            for work in receiver {
                match work {
                    Work::Floats(mut rows) => {
                        head.replay_rows(&rows, &mut tally);
                        rows.clear();
                        // A full channel means that there are buffers enough.
                        drop(back.try_send(rows));
                    }
                    Work::Started(rows) => head.replay_started(&rows, &mut tally),
                    Work::Histograms(rows) => head.replay_histograms(&rows, &mut tally),
                }
            }
            tally
        };
        let thread = std::thread::Builder::new().name("replay".into()).spawn(work);
        let thread =
            thread.map_err(|source| Error::Io { op: "start a replay thread".into(), source })?;
        Ok(Self { sender: Some(sender), empty, rows: Vec::new(), thread: Some(thread) })
    }

    fn push(&mut self, row: (Target, u64, i64, f64)) {
        self.rows.push(row);
        if self.rows.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH));
        let rows = std::mem::replace(&mut self.rows, next);
        self.send(Work::Floats(rows));
    }

    fn send(&self, work: Work) {
        if let Some(sender) = &self.sender {
            sender.send(work).expect("workers run until their channel is closed");
        }
    }
}

impl Replay {
    /// Takes in one record. An error means that its body is damaged; nothing of it was taken.
    pub fn apply(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        self.stats.num_records += 1;
        match kind(record) {
            Kind::Series => {
                let rows = decode_series(record)?;
                for (number, labels) in rows.iter() {
                    self.add_series(number, labels);
                }
            }
            Kind::Samples => {
                let mut samples = std::mem::take(&mut self.samples);
                samples.clear();
                let outcome = decode_samples(record, &mut samples);
                if outcome.is_ok() {
                    self.add_samples(&samples);
                }
                self.samples = samples;
                outcome?;
            }
            Kind::Tombstones => {
                decode_tombstones(record, &mut self.stones)?;
                self.add_tombstones();
            }
            Kind::Histograms => {
                let mut histograms = std::mem::take(&mut self.histograms);
                let outcome = decode_histograms(record, &mut histograms);
                if outcome.is_ok() {
                    self.stats.num_skipped +=
                        u64::from(histograms.contradictory + histograms.unknown_schemas > 0);
                    self.add_histograms(&mut histograms);
                }
                self.histograms = histograms;
                outcome?;
            }
            Kind::Exemplars => self.add_exemplars(&decode_exemplars(record)?),
            Kind::Metadata => {
                let mut rows = Vec::new();
                decode_metadata(record, &mut rows)?;
                self.add_metadata(rows);
            }
            Kind::MmapMarkers | Kind::Unknown => self.stats.num_skipped += 1,
        }
        Ok(())
    }

    pub(super) fn add_series(&mut self, number: u64, labels: &[(&str, &str)]) {
        let head = &self.head;
        self.max_ref = self.max_ref.max(number);
        // Zero is no reference, a set that breaks the rules no series: their samples count as unknown.
        let is_sorted = labels.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if number == 0 || labels.is_empty() || !is_sorted {
            return;
        }
        self.hashes.clear();
        let id = head.hasher.labels(labels, &mut self.hashes);
        let index = head.shard_of(id);
        let mut shard = head.shards[index].0.write();
        if let Some(slot) = shard.find(id) {
            let first = shard.cold[slot].number;
            if first != number {
                self.duplicates.entry(number).or_insert((first, i64::MIN));
            }
            return;
        }
        if head.refs.read().get(number) != Target::NONE {
            // Two label sets under one reference: only a damaged log says so, and the first one stays.
            return;
        }
        let slot = shard.create(number, id, labels, &self.hashes, &mut self.pairs);
        for chunk in self.chunks.remove(&number).unwrap_or_default() {
            shard.push_full(slot, chunk);
            shard.num_chunks += 1;
            head.min_ms.fetch_min(chunk.min_ms, Ordering::Relaxed);
            head.max_ms.fetch_max(chunk.max_ms, Ordering::Relaxed);
        }
        if let Some(chunks) = self.ooo_chunks.remove(&number) {
            let ooo = Ooo { chunks, open: Vec::new() };
            ooo.span().into_iter().for_each(|span| head.widen_ooo(span));
            shard.ooo.insert(slot, ooo);
        }
        head.metrics.chunks.add(shard.full_chunks(slot).len() as f64);
        drop(shard);
        head.refs.write().insert(number, head.target(index, slot));
        self.stats.num_series += 1;
    }

    fn add_samples(&mut self, samples: &Samples) {
        if !samples.start_timestamps_ms.is_empty() {
            return self.add_started(samples);
        }
        let refs = self.head.refs.read();
        let mask = self.workers.len() - 1;
        for (number, timestamp_ms, value) in samples.iter() {
            let found = find(&refs, &mut self.duplicates, number, timestamp_ms);
            let Some((target, number)) = found else {
                self.stats.num_unknown_refs += 1;
                self.max_ref = avoid(self.max_ref, number);
                continue;
            };
            // The low bits are those of the shard, so a shard has one worker.
            self.workers[target.0 as usize & mask].push((target, number, timestamp_ms, value));
        }
    }

    fn add_started(&mut self, samples: &Samples) {
        let refs = self.head.refs.read();
        let mask = self.workers.len() - 1;
        let mut parts = vec![Vec::new(); self.workers.len()];
        for (number, timestamp_ms, start_ms, value) in samples.iter_started() {
            let found = find(&refs, &mut self.duplicates, number, timestamp_ms);
            let Some((target, number)) = found else {
                self.stats.num_unknown_refs += 1;
                self.max_ref = avoid(self.max_ref, number);
                continue;
            };
            let when = When { timestamp_ms, start_ms };
            parts[target.0 as usize & mask].push((target, number, when, value));
        }
        for (worker, part) in self.workers.iter_mut().zip(parts) {
            if !part.is_empty() {
                worker.flush();
                worker.send(Work::Started(part));
            }
        }
    }

    fn add_exemplars(&mut self, exemplars: &Exemplars<'_>) {
        for (number, timestamp_ms, value, pairs) in exemplars.iter() {
            let found = find(&self.head.refs.read(), &mut self.duplicates, number, timestamp_ms);
            let Some((target, number)) = found else {
                self.stats.num_unknown_refs += 1;
                self.max_ref = avoid(self.max_ref, number);
                continue;
            };
            let labels = Labels::from_pairs(pairs.iter().copied());
            self.head.add_exemplar(target, number, Exemplar { labels, timestamp_ms, value });
        }
    }

    fn add_metadata(&mut self, mut rows: Vec<(u64, Metadata)>) {
        let refs = self.head.refs.read();
        for (number, _) in &mut rows {
            *number = self.duplicates.get(number).map_or(*number, |&(first, _)| first);
        }
        let read = rows.len();
        rows.retain(|(number, _)| refs.get(*number) != Target::NONE);
        drop(refs);
        self.stats.num_unknown_refs += (read - rows.len()) as u64;
        self.head.replay_metadata(&rows);
    }

    fn add_histograms(&mut self, histograms: &mut Histograms) {
        let refs = self.head.refs.read();
        let mask = self.workers.len() - 1;
        let mut parts = vec![Vec::new(); self.workers.len()];
        let values = std::mem::take(&mut histograms.values);
        for (row, value) in values.into_iter().enumerate() {
            let (number, timestamp_ms) = (histograms.refs[row], histograms.timestamps_ms[row]);
            let found = find(&refs, &mut self.duplicates, number, timestamp_ms);
            let Some((target, number)) = found else {
                self.stats.num_unknown_refs += 1;
                self.max_ref = avoid(self.max_ref, number);
                continue;
            };
            let when = When { timestamp_ms, start_ms: histograms.start_ms(row) };
            parts[target.0 as usize & mask].push((target, number, when, value));
        }
        for (worker, part) in self.workers.iter_mut().zip(parts) {
            if !part.is_empty() {
                worker.flush();
                worker.send(Work::Histograms(part));
            }
        }
    }

    /// Takes in the deletions in `stones`. One of all time says that the series was taken out of memory: it goes at
    /// once, and what workers still have of it finds another series or none in its place.
    fn add_tombstones(&mut self) {
        let min_valid_ms = self.head.min_valid_ms.load(Ordering::Relaxed);
        let mut gone = Vec::new();
        // Those of samples that are in blocks by now stay, too, until the next truncation: their ranges may hold samples
        // that came out of order.
        for &(number, range) in &self.stones {
            let number = self.duplicates.get(&number).map_or(number, |&(first, _)| first);
            if self.head.refs.read().get(number) == Target::NONE {
                let is_expected = range.max_ms >= min_valid_ms;
                self.stats.num_unknown_refs += u64::from(is_expected);
            } else if range == TimeRange::ALL {
                gone.push(number);
            } else {
                self.tombstones.add(number, range);
            }
        }
        if !gone.is_empty() {
            gone.sort_unstable();
            self.stats.num_series -= self.head.remove_whole(&gone);
            self.tombstones.forget(i64::MIN, |number| gone.binary_search(&number).is_ok());
        }
    }

    /// Waits for the workers and opens the head for use.
    pub fn finish(self) -> Result<ReplayStats> {
        let (stats, ooo) = self.finish_in_order()?;
        ooo.finish()?;
        Ok(stats)
    }

    /// Waits for the workers and goes on to what came out of order.
    pub fn finish_in_order(mut self) -> Result<(ReplayStats, OooReplay)> {
        let tally = self.join();
        let head = &self.head;
        head.count(&tally);
        head.last_ref.fetch_max(self.max_ref, Ordering::Relaxed);
        head.metrics.series_created.inc_by(self.stats.num_series);
        head.metrics.series.add(self.stats.num_series as f64);
        let last = self.duplicates.iter().map(|(&number, &(_, last_ms))| (number, last_ms));
        head.expired.lock().extend(last);
        head.tombstones.store(Arc::new(std::mem::take(&mut self.tombstones)));
        self.stats.num_samples = tally.appended + tally.histograms;
        let first = self.duplicates.iter().map(|(&number, &(first, _))| (number, first));
        let ooo = OooReplay {
            head: Arc::clone(&self.head),
            duplicates: first.collect(),
            last_place: self.last_place,
            num_unknown_refs: 0,
            samples: std::mem::take(&mut self.samples),
            outlived: HashSet::default(),
        };
        Ok((self.stats, ooo))
    }

    fn join(&mut self) -> Tally {
        let mut tally = Tally::default();
        for worker in &mut self.workers {
            worker.flush();
            worker.sender = None;
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                match thread.join() {
                    Ok(part) => tally.merge(&part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        }
        // What the log repeats or has out of order was refused once already, or never counted.
        tally.out_of_order = 0;
        tally.out_of_bounds = 0;
        tally
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.sender = None;
            if let Some(thread) = worker.thread.take() {
                // A replay that is given up has no use for what its workers say.
                drop(thread.join());
            }
        }
    }
}

/// Where a series is that the log names by `number`, and the number it goes by.
fn find(
    refs: &RefMap,
    duplicates: &mut HashMap<u64, (u64, i64)>,
    number: u64,
    timestamp_ms: i64,
) -> Option<(Target, u64)> {
    let target = refs.get(number);
    if target != Target::NONE {
        return Some((target, number));
    }
    let (first, last_ms) = duplicates.get_mut(&number)?;
    *last_ms = (*last_ms).max(timestamp_ms);
    Some((refs.get(*first), *first))
}

/// References above this are not those of a log that can be continued: they are left out of account.
const MAX_PLAUSIBLE_REF: u64 = 1 << 40;

/// The greatest reference in use, given one that a log names although the record of its series was lost: a new series
/// of that number would get what belongs to the lost one.
pub(super) fn avoid(max_ref: u64, lost: u64) -> u64 {
    if lost < MAX_PLAUSIBLE_REF { max_ref.max(lost) } else { max_ref }
}

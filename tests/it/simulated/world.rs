//! Who writes to the database and reads from it, and what they know of it: between the jobs of the database, and in the
//! middle of them.

use crate::simulated::model::{Model, Series};
use crate::simulated::{HOUR, MINUTE, NUM_SERIES, RETENTION, START, WINDOW};
use disk::FaultDisk;
use model::{Labels, STALE_NAN, SeriesRef, Symbols, TimeRange};
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use storage::{
    Appendable, Appender, Cancel, FloatBatch, LabelBatch, Querier, Queryable, Rejected,
    SelectHints, SeriesBatch,
};
use tests::random::Random;
use tsdb::Db;

pub(super) fn name(series: usize) -> String {
    format!("s{series}")
}

/// All samples of an open database.
pub(super) fn content(db: &Db) -> Vec<Series> {
    let querier = db.querier(TimeRange::ALL).expect("a querier");
    content_of(&*querier, TimeRange::ALL)
}

/// The samples that a reader finds inside `range`.
fn content_of(querier: &dyn Querier, range: TimeRange) -> Vec<Series> {
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let hints = SelectHints::default();
    let mut set = querier.select(&[], &hints, &symbols, &cancel).expect("a selection");
    let (mut batch, mut columns) = (SeriesBatch::default(), chunk::SampleColumns::default());
    let mut found = vec![Series::new(); NUM_SERIES];
    let mut previous: Option<Labels> = None;
    while set.next_batch(&mut batch).expect("a batch") {
        for row in 0..batch.len() {
            let labels = symbols.labels(batch.labels().get(row));
            assert!(previous.as_ref() < Some(&labels), "series come in label order");
            batch.read(row, range, &mut columns).expect("samples");
            let times = &columns.timestamps_ms;
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{labels:?}: a time twice");
            let series: usize = labels.get("s").expect("s")[1..].parse().expect("a number");
            let values = columns.values.iter().map(|value| value.to_bits());
            found[series].extend(times.iter().copied().zip(values));
            previous = Some(labels);
        }
    }
    found
}

/// Commits a sample of the first series.
pub(super) fn append_one(db: &Db, time: i64) {
    let (mut found, mut rejected) = (Vec::new(), Vec::new());
    let labels = [("__name__", "m"), ("s", "s0")];
    let mut appender = db.appender(time);
    appender.resolve(LabelBatch::new(&labels, &[2]), &mut found, &mut rejected).expect("labels");
    let refs: Vec<SeriesRef> = found.into_iter().flatten().collect();
    appender
        .append_floats(FloatBatch::new(&refs, &[time], &[1.0]), &mut rejected)
        .expect("a sample");
    appender.commit().expect("room");
    assert!(rejected.is_empty(), "{rejected:?}");
}

/// A transaction that is not committed yet.
struct Staged {
    appender: storage::Result<Box<dyn Appender>>,
    samples: Vec<(usize, i64)>,
    values: Vec<f64>,
    rejected: Vec<Rejected>,
    /// Up to where a block may be cut without waiting for it.
    cut: i64,
}

/// A reader that is open for a while, and what it has to see.
struct Reading {
    querier: Box<dyn Querier>,
    range: TimeRange,
    model: Model,
}

/// What may be done while the database is busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Busy {
    /// Reading and writing.
    #[default]
    Maintaining,
    /// The same, and readers may stay open for longer: nobody waits for them.
    Storing,
    /// Reading: nobody could tell what of the samples that come meanwhile is deleted.
    Deleting,
}

/// Which locks are held while a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Those that late samples need, too.
    HeadChunks,
    /// None but that of the job.
    Free,
}

impl Place {
    /// `None` where commits, or readers, have to wait.
    fn of(path: &Path) -> Option<Self> {
        let parts: Vec<&str> = path.iter().filter_map(OsStr::to_str).collect();
        let is_block = |name: &str| name.len() >= 26 && name.starts_with("01");
        match parts[..] {
            ["data", "chunks_head", ..] => Some(Self::HeadChunks),
            ["data", "head_image.tmp", ..] => Some(Self::Free),
            ["data", "wal", name, ..] if name.starts_with("checkpoint.") => Some(Self::Free),
            ["data", name, ..] if is_block(name) => Some(Self::Free),
            [name, ..] if name.starts_with("snapshot-") => Some(Self::Free),
            _ => None,
        }
    }
}

/// The world around the database.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) model: Model,
    pub(super) disk: FaultDisk,
    pub(super) now_ms: i64,
    /// What was done, for who looks for the reason of a failure.
    pub(super) log: Vec<String>,
    /// What the database said since.
    pub(super) said: Arc<Mutex<Vec<String>>>,
    pub(super) busy: Busy,
    /// Whether series pause for hours, so that they leave memory and come back.
    pub(super) has_pauses: bool,
    /// Whether the database is in the middle of something.
    is_visiting: bool,
    staged: Option<Staged>,
    reading: Option<Reading>,
}

impl World {
    pub(super) fn new(seed: u64, disk: FaultDisk, has_pauses: bool) -> Self {
        Self {
            random: Random::new(seed.wrapping_mul(0x5851_F42D_4C95_7F2D)),
            model: Model::new(NUM_SERIES),
            disk,
            now_ms: START,
            log: Vec::new(),
            said: Arc::default(),
            busy: Busy::default(),
            has_pauses,
            is_visiting: false,
            staged: None,
            reading: None,
        }
    }

    pub(super) fn say(&mut self, what: &str) {
        let said = std::mem::take(&mut *self.said.lock());
        self.log.extend(said.into_iter().map(|line| format!("           {line}")));
        self.log.push(format!("{:>5} min: {what}", (self.now_ms - START) / MINUTE));
    }

    /// Opens a transaction with samples of some series, all at times that no sample of theirs had before.
    fn stage(&mut self, db: &Db, samples: &[(usize, i64)]) -> Staged {
        let names: Vec<String> = samples.iter().map(|(series, _)| name(*series)).collect();
        let pairs: Vec<_> =
            names.iter().flat_map(|name| [("__name__", "m"), ("s", name.as_str())]).collect();
        let ends: Vec<u32> = (1..=names.len() as u32).map(|count| count * 2).collect();
        let times: Vec<i64> = samples.iter().map(|(_, time)| *time).collect();
        let values: Vec<f64> = times
            .iter()
            .map(|&time| match self.random.below(12) {
                0 => STALE_NAN,
                1 => 0.1 * time as f64,
                _ => (time / MINUTE) as f64,
            })
            .collect();
        let mut rejected = Vec::new();
        let cut = may_be_cut(db.head().max_time());
        let mut stage = || {
            let mut refs = Vec::new();
            let mut appender = db.appender(self.now_ms);
            appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
            let refs: Vec<SeriesRef> =
                refs.into_iter().map(|found| found.expect("labels")).collect();
            appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected)?;
            Ok(appender)
        };
        let appender = stage();
        for (series, time) in samples {
            self.model.refuse(*series, *time);
        }
        Staged { appender, samples: samples.to_vec(), values, rejected, cut }
    }

    fn commit(&mut self, staged: Staged) {
        let Staged { appender, samples, values, rejected, .. } = staged;
        let result = appender.and_then(|appender| appender.commit());
        for (row, (series, time)) in samples.iter().enumerate() {
            if rejected.iter().all(|rejection| rejection.row as usize != row) {
                self.model.append(*series, (*time, values[row].to_bits()), result.is_ok());
            }
        }
        self.say(&format!("append {samples:?}: {result:?}, refused {}", rejected.len()));
    }

    fn append(&mut self, db: &Db, samples: &[(usize, i64)]) {
        let staged = self.stage(db, samples);
        self.commit(staged);
    }

    /// The series that get a sample now.
    fn wanted(&mut self) -> Vec<usize> {
        let mut wanted = self.random.below(1 << NUM_SERIES) | 1;
        if self.has_pauses {
            let hours = (self.now_ms - START) / (5 * HOUR);
            wanted &= Random::new(hours as u64).below(1 << NUM_SERIES)
                | 1 << (hours as usize % NUM_SERIES);
        }
        (0..NUM_SERIES).filter(|series| wanted >> series & 1 == 1).collect()
    }

    /// Whether the database, with a sample of this time, would wait for the transaction that is open before it cuts a
    /// block.
    fn is_ahead_of_staged(&self, time: i64) -> bool {
        self.staged.as_ref().is_some_and(|staged| staged.cut < may_be_cut(time))
    }

    /// Goes on in time with samples of some series.
    pub(super) fn append_in_order(&mut self, db: &Db) {
        let next_ms = self.now_ms + MINUTE * (1 + self.random.below(15) as i64);
        if self.is_ahead_of_staged(next_ms) {
            if self.is_visiting {
                return;
            }
            self.end_append();
        }
        self.now_ms = next_ms;
        let samples: Vec<_> = self.wanted().into_iter().map(|series| (series, next_ms)).collect();
        self.append(db, &samples);
    }

    pub(super) fn append_late(&mut self, db: &Db) {
        let series = self.random.below(NUM_SERIES as u64) as usize;
        let mut samples = Vec::new();
        for _ in 0..=self.random.below(4) {
            // A little beyond the window, too.
            let back = self.random.below((WINDOW + 10 * MINUTE) as u64 / 1000) as i64 * 1000;
            let time = self.now_ms - back;
            // A transaction that is open went on in time.
            let is_free = self.model.is_free(series, time) && !self.is_ahead_of_staged(time);
            if is_free && !samples.contains(&(series, time)) {
                samples.push((series, time));
            }
        }
        if !samples.is_empty() {
            self.append(db, &samples);
        }
    }

    /// Opens a transaction that others overtake.
    pub(super) fn begin_append(&mut self, db: &Db) {
        self.end_append();
        if db.head().max_time() == i64::MIN {
            return;
        }
        self.now_ms += MINUTE;
        let now_ms = self.now_ms;
        let samples: Vec<_> = self.wanted().into_iter().map(|series| (series, now_ms)).collect();
        self.staged = Some(self.stage(db, &samples));
        self.say("a transaction begins");
    }

    pub(super) fn end_append(&mut self) {
        if let Some(staged) = self.staged.take() {
            self.commit(staged);
        }
    }

    /// Gives up what is open: the process ends.
    pub(super) fn give_up(&mut self) {
        (self.staged, self.reading) = (None, None);
    }

    pub(super) fn check(&mut self, db: &Db) {
        self.model.check(&content(db), &self.log);
    }

    /// What a block of the retention's age holds may go with it; blocks are up to a tenth of the retention long.
    pub(super) fn forget_old(&mut self) {
        self.model.forget_before(self.kept_from_ms());
    }

    /// From when on samples are kept for certain.
    pub(super) fn kept_from_ms(&self) -> i64 {
        self.now_ms - RETENTION + 4 * HOUR
    }

    fn begin_reading(&mut self, db: &Db) {
        let range = TimeRange::new(self.now_ms - 30 * MINUTE, self.now_ms);
        let querier = db.querier(range).expect("a querier");
        self.reading = Some(Reading { querier, range, model: self.model.within(range) });
        self.say("a reader opens");
    }

    pub(super) fn end_reading(&mut self) {
        if let Some(reading) = self.reading.take() {
            self.say("the reader reads");
            reading.model.check(&content_of(&*reading.querier, reading.range), &self.log);
        }
    }

    /// Does something while the database is busy with a file.
    pub(super) fn visit(&mut self, db: &Db, path: &Path) {
        let Some(place) = Place::of(path) else { return };
        let is_free = place == Place::Free;
        self.end_reading();
        if self.random.below(8) > 0 {
            return;
        }
        self.say(&format!("while {} is written", path.display()));
        self.is_visiting = true;
        match self.random.below(9) {
            0..4 if self.busy != Busy::Deleting => self.append_in_order(db),
            4 if self.busy != Busy::Deleting && is_free => self.append_late(db),
            5 if self.busy != Busy::Deleting && is_free => self.end_append(),
            6 if self.busy == Busy::Storing => self.begin_reading(db),
            _ => {
                self.forget_old();
                self.check(db);
            }
        }
        self.is_visiting = false;
    }
}

/// Up to where a block may be cut from the head when this is the newest sample.
fn may_be_cut(newest_ms: i64) -> i64 {
    newest_ms.saturating_sub(HOUR).div_euclid(2 * HOUR)
}

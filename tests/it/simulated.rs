//! The database on a simulated disk under random operations, against a model: appends in and out of order, deletions,
//! compactions, retention, snapshots, images; writes that fail, processes that die, power that goes.
//!
//! A seed is a whole history. `FIRESTEEL_SIM_SEEDS=10000` runs so many, `FIRESTEEL_SIM_SEED=17` that one alone, with
//! a look at all samples after each step.

mod model;

use crate::simulated::model::{Model, Series};
use ::model::{Labels, MatchOp, Matcher, STALE_NAN, SeriesRef, Symbols, TimeRange};
use disk::{Disk, Fault, FaultDisk, SimDisk};
use std::path::Path;
use std::sync::{Arc, Mutex};
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, Queryable, SelectHints, SeriesBatch};
use tsdb::LogLine;
use tsdb::{Db, DbOptions};

const DIR: &str = "data";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const START: i64 = 1_699_920_000_000;
const WINDOW: i64 = 3 * HOUR;
const RETENTION: i64 = 30 * HOUR;
const NUM_SERIES: usize = 5;

/// Numbers that a seed stands for.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % below
    }
}

fn options() -> DbOptions {
    DbOptions {
        retention_ms: RETENTION,
        wal_segment_bytes: 32 * 1024,
        head_image_growth_bytes: 1,
        out_of_order_window_ms: WINDOW,
        ..DbOptions::default()
    }
}

fn name(series: usize) -> String {
    format!("s{series}")
}

/// All samples of an open database.
fn content(db: &Db) -> Vec<Series> {
    let querier = db.querier(TimeRange::ALL).expect("a querier");
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
            batch.read(row, TimeRange::ALL, &mut columns).expect("samples");
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

/// A history under way.
struct History {
    random: Random,
    sim: SimDisk,
    disk: FaultDisk,
    db: Option<Db>,
    model: Model,
    now_ms: i64,
    num_snapshots: usize,
    /// What was done, for who looks for the reason of a failure.
    log: Vec<String>,
    /// What the database said since.
    said: Arc<Mutex<Vec<String>>>,
}

impl History {
    fn new(seed: u64) -> Self {
        let sim = SimDisk::new();
        sim.create_dir(Path::new(DIR)).expect("directory");
        sim.sync_dir(Path::new("")).expect("synced");
        let disk = FaultDisk::new(Arc::new(sim.clone()));
        let mut history = Self {
            random: Random(seed.wrapping_mul(0x5851_F42D_4C95_7F2D)),
            sim,
            disk,
            db: None,
            model: Model::new(NUM_SERIES),
            now_ms: START,
            num_snapshots: 0,
            log: Vec::new(),
            said: Arc::default(),
        };
        history.open();
        history
    }

    fn open(&mut self) {
        let registry = metrics::Registry::new();
        let disk = Arc::new(self.disk.clone());
        let said = Arc::clone(&self.said);
        let sink = Arc::new(move |line: &LogLine| {
            said.lock().expect("held briefly").push(format!("{} {:?}", line.message, line.fields));
        });
        // Another one each time, as from a source of randomness: the names of blocks come from it.
        let seed = self.random.next(u64::MAX);
        let opened = Db::open(disk, Path::new(DIR), options(), seed, &registry, sink);
        self.db = Some(opened.unwrap_or_else(|error| panic!("{error}\n{}", self.log.join("\n"))));
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("open")
    }

    fn say(&mut self, what: &str) {
        let said = std::mem::take(&mut *self.said.lock().expect("held briefly"));
        self.log.extend(said.into_iter().map(|line| format!("           {line}")));
        self.log.push(format!("{:>5} min: {what}", (self.now_ms - START) / MINUTE));
    }

    /// Commits samples of some series, all at times that no sample of theirs had before.
    fn append(&mut self, samples: &[(usize, i64)]) {
        let names: Vec<String> = samples.iter().map(|(series, _)| name(*series)).collect();
        let pairs: Vec<_> =
            names.iter().flat_map(|name| [("__name__", "m"), ("s", name.as_str())]).collect();
        let ends: Vec<u32> = (1..=names.len() as u32).map(|count| count * 2).collect();
        let times: Vec<i64> = samples.iter().map(|(_, time)| *time).collect();
        let values: Vec<f64> = times
            .iter()
            .map(|&time| match self.random.next(12) {
                0 => STALE_NAN,
                1 => 0.1 * time as f64,
                _ => (time / MINUTE) as f64,
            })
            .collect();
        let mut rejected = Vec::new();
        let mut commit = || {
            let mut refs = Vec::new();
            let mut appender = self.db().appender(self.now_ms);
            appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
            let refs: Vec<SeriesRef> =
                refs.into_iter().map(|found| found.expect("labels")).collect();
            appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected)?;
            appender.commit()
        };
        let result = commit();
        for (row, (series, time)) in samples.iter().enumerate() {
            if rejected.iter().any(|rejection| rejection.row as usize == row) {
                self.model.refuse(*series, *time);
            } else {
                self.model.append(*series, (*time, values[row].to_bits()), result.is_ok());
            }
        }
        self.say(&format!("append {samples:?}: {result:?}, refused {}", rejected.len()));
    }

    fn append_in_order(&mut self) {
        self.now_ms += MINUTE * (1 + self.random.next(15) as i64);
        let now_ms = self.now_ms;
        let wanted = self.random.next(1 << NUM_SERIES) | 1;
        let series = (0..NUM_SERIES).filter(|series| wanted >> series & 1 == 1);
        self.append(&series.map(|series| (series, now_ms)).collect::<Vec<_>>());
    }

    fn append_late(&mut self) {
        let series = self.random.next(NUM_SERIES as u64) as usize;
        let mut samples = Vec::new();
        for _ in 0..=self.random.next(4) {
            // A little beyond the window, too.
            let back = self.random.next((WINDOW + 10 * MINUTE) as u64 / 1000) as i64 * 1000;
            let time = self.now_ms - back;
            if self.model.is_free(series, time) && !samples.contains(&(series, time)) {
                samples.push((series, time));
            }
        }
        if !samples.is_empty() {
            self.append(&samples);
        }
    }

    fn delete(&mut self) {
        let begin = self.now_ms - self.random.next(8 * HOUR as u64) as i64;
        let range = TimeRange::new(begin, begin + self.random.next(2 * HOUR as u64) as i64);
        let series = self.random.next(NUM_SERIES as u64) as usize;
        let matcher = Matcher::new("s", MatchOp::Equal, &name(series)).expect("a matcher");
        let result = self.db().delete(range, &[vec![matcher]]);
        self.say(&format!("delete s{series} {range:?}: {result:?}"));
        self.model.delete(series, range, result.is_ok());
    }

    fn maintain(&mut self) {
        let result = self.db().maintain(self.now_ms).map(|done| format!("{done:?}"));
        self.say(&format!("maintain: {result:?}"));
        self.forget_old();
    }

    /// What a block of the retention's age holds may go with it; blocks are up to a tenth of the retention long.
    fn forget_old(&mut self) {
        self.model.forget_before(self.now_ms - RETENTION + 4 * HOUR);
    }

    fn snapshot(&mut self) {
        self.num_snapshots += 1;
        let dir = format!("snapshot-{}", self.num_snapshots);
        let result = self.db().snapshot(Path::new(&dir), true, self.now_ms);
        self.say(&format!("snapshot: {result:?}"));
        if result.is_ok() {
            self.forget_old();
            let registry = metrics::Registry::new();
            let disk = Arc::new(self.sim.clone());
            let copy = Db::open(disk, Path::new(&dir), options(), 7, &registry, Arc::new(|_| {}))
                .expect("a snapshot opens");
            self.model.check(&content(&copy), &self.log);
        }
    }

    fn sync(&mut self) {
        let result = self.db().sync();
        self.say(&format!("sync: {result:?}"));
        if result.is_ok() {
            self.model.sync();
        }
    }

    /// Starts again on the disk as it is: after a clean stop, a kill, or with power lost.
    fn restart(&mut self) {
        self.disk.set_budget(None);
        let kind = self.random.next(3);
        let db = self.db.take().expect("open");
        let mut is_clean = false;
        if kind == 0 {
            let result = db.close();
            is_clean = result.is_ok();
            self.say(&format!("close: {result:?}"));
        }
        drop(db);
        if kind == 2 {
            let seed = self.random.next(u64::MAX);
            self.say(&format!("power cut {seed}"));
            self.sim = self.sim.crash(seed);
        } else {
            self.say(if is_clean { "stopped" } else { "killed" });
            self.sim = self.sim.kill();
        }
        self.disk = FaultDisk::new(Arc::new(self.sim.clone()));
        self.open();
        self.say("opened");
        let found = content(self.db());
        if kind == 2 {
            self.model.check_after_power_cut(&found, &self.log);
        } else {
            self.model.check(&found, &self.log);
        }
        self.model.adopt(&found);
        self.forget_old();
    }

    /// Lets one of the next changes of the disk fail, or room run out for a while.
    fn trouble(&mut self) {
        if self.random.next(3) == 0 {
            let room = self.random.next(3000);
            self.say(&format!("room for {room} bytes"));
            self.disk.set_budget(Some(room));
        } else {
            let number = self.disk.changes() + self.random.next(40);
            let fault = if self.random.next(2) == 0 { Fault::Io } else { Fault::Full };
            self.say(&format!("change {number} will fail"));
            self.disk.fail_once(number, fault);
        }
    }

    fn step(&mut self) {
        match self.random.next(100) {
            0..50 => self.append_in_order(),
            50..70 => self.append_late(),
            70..73 => self.delete(),
            73..83 => self.maintain(),
            83..85 => {
                let result = self.db().clean_tombstones(self.now_ms);
                self.say(&format!("clean tombstones: {result:?}"));
            }
            85..87 => self.db().refresh_image(),
            87 => self.snapshot(),
            88..92 => self.sync(),
            92..95 => self.trouble(),
            95..97 => {
                self.disk.set_budget(None);
                self.model.check(&content(self.db()), &self.log);
            }
            _ => self.restart(),
        }
    }
}

fn run(seed: u64, looks_always: bool) {
    let mut history = History::new(seed);
    history.say(&format!("seed {seed}"));
    let steps = 150 + history.random.next(250);
    for _ in 0..steps {
        history.step();
        if looks_always {
            history.model.check(&content(history.db()), &history.log);
        }
    }
    history.restart();
}

#[test]
fn random_histories_agree_with_the_model() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("FIRESTEEL_SIM_SEED") {
        run(seed, true);
        return;
    }
    let num_seeds = number("FIRESTEEL_SIM_SEEDS").unwrap_or(200);
    for seed in 0..num_seeds {
        if let Err(cause) = std::panic::catch_unwind(|| run(seed, false)) {
            eprintln!("FIRESTEEL_SIM_SEED={seed} shows it");
            std::panic::resume_unwind(cause);
        }
    }
    eprintln!("{num_seeds} histories");
}

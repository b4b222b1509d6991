//! The database on a simulated disk under random operations, against a model: appends in and out of order, deletions,
//! compactions, retention, snapshots, images; writes that fail, processes that die, power that goes. In half of the
//! histories samples come and are read in the middle of each of these, too.
//!
//! A seed is a whole history. `FIRESTEEL_SIM_SEEDS=10000` runs so many, from `FIRESTEEL_SIM_FIRST` on;
//! `FIRESTEEL_SIM_SEED=17` that one alone, with a look at all samples after each step.

mod between;
mod model;
mod world;

use crate::simulated::between::{BetweenDisk, Visits};
use crate::simulated::world::{Busy, World, content, name};
use ::model::{MatchOp, Matcher, TimeRange};
use disk::{Disk, Fault, FaultDisk, SimDisk};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tsdb::LogLine;
use tsdb::{Db, DbOptions, MemoryBudget};

const DIR: &str = "data";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const START: i64 = 1_699_920_000_000;
const WINDOW: i64 = 3 * HOUR;
const RETENTION: i64 = 30 * HOUR;
const NUM_SERIES: usize = 5;

/// When samples come and are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    /// Between the jobs of the database.
    Apart,
    /// While the database writes files, too.
    Between,
}

fn options(traffic: Traffic) -> DbOptions {
    let options = DbOptions {
        retention_ms: RETENTION,
        wal_segment_bytes: 32 * 1024,
        head_image_growth_bytes: 1,
        out_of_order_window_ms: WINDOW,
        ..DbOptions::default()
    };
    match traffic {
        Traffic::Apart => options,
        // Chunks that are soon full fill up while others are written.
        Traffic::Between => DbOptions { samples_per_chunk: 4, ..options },
    }
}

/// A history under way.
struct History {
    traffic: Traffic,
    world: Arc<Mutex<World>>,
    sim: SimDisk,
    visits: Visits,
    db: Option<Arc<Db>>,
    num_snapshots: usize,
}

impl History {
    fn new(seed: u64, traffic: Traffic) -> Self {
        let sim = SimDisk::new();
        sim.create_dir(Path::new(DIR)).expect("directory");
        sim.sync_dir(Path::new("")).expect("synced");
        let disk = FaultDisk::new(Arc::new(sim.clone()));
        let world = World::new(seed, disk, traffic == Traffic::Between);
        let mut history = Self {
            traffic,
            world: Arc::new(Mutex::new(world)),
            sim,
            visits: Visits::default(),
            db: None,
            num_snapshots: 0,
        };
        history.open();
        history
    }

    fn open(&mut self) {
        let mut world = self.world.lock();
        let registry = metrics::Registry::new();
        let (inner, visits) = (Arc::new(world.disk.clone()), self.visits.clone());
        let disk = Arc::new(BetweenDisk { inner, visits });
        let said = Arc::clone(&world.said);
        let sink = Arc::new(move |line: &LogLine| {
            said.lock().push(format!("{} {:?}", line.message, line.fields));
        });
        // Another one each time, as from a source of randomness: the names of blocks come from it.
        let seed = world.random.below(u64::MAX);
        // What is idle, or has been for a while, goes to blocks while the log is read. Later there is memory again.
        let used = Arc::new(AtomicU64::new([0, 80, 95][world.random.below(3) as usize] << 20));
        let told = Arc::clone(&used);
        let budget = MemoryBudget::new(100 << 20, Arc::new(move || told.load(Ordering::Relaxed)));
        let options = DbOptions { memory: Some(budget), ..options(self.traffic) };
        let opened = Db::open(disk, Path::new(DIR), options, seed, &registry, sink);
        let db = opened.unwrap_or_else(|error| panic!("{error}\n{}", world.log.join("\n")));
        used.store(0, Ordering::Relaxed);
        db.watch_memory(world.now_ms).expect("there is memory");
        if self.traffic == Traffic::Between {
            db.set_stale_series_ratio(0.4);
        }
        self.db = Some(Arc::new(db));
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("open")
    }

    fn say(&self, what: &str) {
        self.world.lock().say(what);
    }

    /// Lets the database do something long, and the world what it does meanwhile.
    fn during<T>(&self, busy: Busy, act: impl FnOnce(&Db) -> T) -> T {
        let db = self.db.as_ref().expect("open");
        if self.traffic == Traffic::Between {
            let (world, db) = (Arc::clone(&self.world), Arc::clone(db));
            world.lock().busy = busy;
            self.visits.begin(move |path| world.lock().visit(&db, path));
        }
        let outcome = act(db);
        self.visits.end();
        self.world.lock().end_reading();
        outcome
    }

    fn delete(&self) {
        let (range, series) = {
            let mut world = self.world.lock();
            world.end_append();
            let begin = world.now_ms - world.random.below(8 * HOUR as u64) as i64;
            let range = TimeRange::new(begin, begin + world.random.below(2 * HOUR as u64) as i64);
            let series = world.random.below(NUM_SERIES as u64) as usize;
            if self.traffic == Traffic::Between {
                // Who looks meanwhile may see them or not.
                world.model.delete(series, range, false);
            }
            (range, series)
        };
        let matcher = Matcher::new("s", MatchOp::Equal, &name(series)).expect("a matcher");
        let result = self.during(Busy::Deleting, |db| db.delete(range, &[vec![matcher]]));
        self.say(&format!("delete s{series} {range:?}: {result:?}"));
        self.world.lock().model.delete(series, range, result.is_ok());
    }

    fn maintain(&self) {
        let now_ms = self.world.lock().now_ms;
        let result = self.during(Busy::Maintaining, |db| db.maintain(now_ms));
        self.say(&format!("maintain: {:?}", result.map(|done| format!("{done:?}"))));
        self.world.lock().forget_old();
    }

    fn map(&self) {
        let result = self.during(Busy::Storing, |db| db.head().map_full_chunks());
        self.say(&format!("map: {result:?}"));
    }

    fn clean(&self) {
        let now_ms = self.world.lock().now_ms;
        let result = self.during(Busy::Maintaining, |db| db.clean_tombstones(now_ms));
        self.say(&format!("clean tombstones: {result:?}"));
    }

    fn snapshot(&mut self) {
        self.num_snapshots += 1;
        let dir = format!("snapshot-{}", self.num_snapshots);
        let (now_ms, mut earlier) = {
            let world = self.world.lock();
            (world.now_ms, world.model.within(TimeRange::ALL))
        };
        let result =
            self.during(Busy::Maintaining, |db| db.snapshot(Path::new(&dir), true, now_ms));
        self.say(&format!("snapshot: {result:?}"));
        if result.is_ok() {
            let mut world = self.world.lock();
            world.forget_old();
            earlier.forget_before(world.kept_from_ms());
            let registry = metrics::Registry::new();
            let (disk, options) = (Arc::new(self.sim.clone()), options(self.traffic));
            let copy = Db::open(disk, Path::new(&dir), options, 7, &registry, Arc::new(|_| {}))
                .expect("a snapshot opens");
            world.model.check_copy(&content(&copy), &earlier, &world.log);
        }
    }

    fn sync(&self) {
        let result = self.db().sync();
        self.say(&format!("sync: {result:?}"));
        if result.is_ok() {
            self.world.lock().model.sync();
        }
    }

    /// Starts again on the disk as it is: after a clean stop, a kill, or with power lost.
    fn restart(&mut self) {
        let kind = {
            let mut world = self.world.lock();
            world.disk.set_budget(None);
            world.random.below(3)
        };
        let mut is_clean = false;
        if kind == 0 {
            self.world.lock().end_append();
            let result = self.during(Busy::Maintaining, Db::close);
            is_clean = result.is_ok();
            self.say(&format!("close: {result:?}"));
        }
        self.world.lock().give_up();
        drop(self.db.take());
        if kind == 2 {
            let seed = self.world.lock().random.below(u64::MAX);
            self.say(&format!("power cut {seed}"));
            self.sim = self.sim.crash(seed);
        } else {
            self.say(if is_clean { "stopped" } else { "killed" });
            self.sim = self.sim.kill();
        }
        self.world.lock().disk = FaultDisk::new(Arc::new(self.sim.clone()));
        self.open();
        self.say("opened");
        let found = content(self.db());
        let mut world = self.world.lock();
        if kind == 2 {
            world.model.check_after_power_cut(&found, &world.log);
        } else {
            world.model.check(&found, &world.log);
        }
        world.model.adopt(&found);
        world.forget_old();
    }

    /// Lets one of the next changes of the disk fail, or room run out for a while.
    fn trouble(&self) {
        let mut world = self.world.lock();
        if world.random.below(3) == 0 {
            let room = world.random.below(3000);
            world.say(&format!("room for {room} bytes"));
            world.disk.set_budget(Some(room));
        } else {
            let number = world.disk.changes() + world.random.below(40);
            let fault = if world.random.below(2) == 0 { Fault::Io } else { Fault::Full };
            world.say(&format!("change {number} will fail"));
            world.disk.fail_once(number, fault);
        }
    }

    fn step(&mut self) {
        let kind = self.world.lock().random.below(100);
        if self.traffic == Traffic::Between && self.step_between(kind) {
            return;
        }
        match kind {
            0..50 => self.world.lock().append_in_order(self.db()),
            50..70 => self.world.lock().append_late(self.db()),
            70..73 => self.delete(),
            73..83 => self.maintain(),
            83..85 => self.clean(),
            85..87 => self.during(Busy::Storing, Db::refresh_image),
            87 => self.snapshot(),
            88..92 => self.sync(),
            92..95 => self.trouble(),
            95..97 => {
                let mut world = self.world.lock();
                world.disk.set_budget(None);
                world.check(self.db());
            }
            _ => self.restart(),
        }
    }

    /// Steps of histories with traffic in between; `false` if this is not one.
    fn step_between(&self, kind: u64) -> bool {
        match kind {
            0..3 => self.world.lock().begin_append(self.db()),
            3..6 => self.world.lock().end_append(),
            6..12 => self.map(),
            12..16 => self.during(Busy::Storing, Db::refresh_image),
            _ => return false,
        }
        true
    }
}

fn run(seed: u64, traffic: Traffic, looks_always: bool) {
    let mut history = History::new(seed, traffic);
    history.say(&format!("seed {seed}"));
    let steps = 150 + history.world.lock().random.below(250);
    for _ in 0..steps {
        history.step();
        if looks_always {
            history.world.lock().check(history.db());
        }
    }
    history.restart();
}

#[expect(clippy::print_stderr, reason = "the seed that fails, and how many did not")]
fn run_all(traffic: Traffic, by_default: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("FIRESTEEL_SIM_SEED") {
        run(seed, traffic, true);
        return;
    }
    let first = number("FIRESTEEL_SIM_FIRST").unwrap_or(0);
    let num_seeds = number("FIRESTEEL_SIM_SEEDS").unwrap_or(by_default);
    for seed in first..first + num_seeds {
        if let Err(cause) = std::panic::catch_unwind(|| run(seed, traffic, false)) {
            eprintln!("FIRESTEEL_SIM_SEED={seed} shows it");
            std::panic::resume_unwind(cause);
        }
    }
    eprintln!("{num_seeds} histories");
}

/// A sample that came while an image was written could be in the image and, after a power cut, no more in the log. The
/// image brought it back, it was flushed with the chunk that it came to lie in, and was lost when a later power cut tore
/// the end of that chunk's file: then the log is read instead of the image.
#[test]
fn an_image_has_nothing_that_the_log_may_lose() {
    let sim = SimDisk::new();
    sim.create_dir(Path::new(DIR)).expect("directory");
    sim.sync_dir(Path::new("")).expect("synced");
    let open = |disk: Arc<dyn Disk>| {
        let (registry, options) = (metrics::Registry::new(), options(Traffic::Apart));
        let db = Db::open(disk, Path::new(DIR), options, 7, &registry, Arc::new(|_| {}));
        Arc::new(db.expect("opens"))
    };
    let visits = Visits::default();
    let db = open(Arc::new(BetweenDisk { inner: Arc::new(sim.clone()), visits: visits.clone() }));
    // Enough of a log for an image to pay.
    let mut time = START;
    for _ in 0..100 {
        time += MINUTE;
        world::append_one(&db, time);
    }
    db.sync().expect("synced");
    let writer = Arc::clone(&db);
    visits.begin(move |path| {
        if path.starts_with("data/head_image.tmp") {
            time += MINUTE;
            world::append_one(&writer, time);
        }
    });
    db.refresh_image();
    visits.end();
    let mut num_images = 0;
    for seed in 0..60 {
        let left = sim.crash(seed);
        let image = Path::new("data/head_image");
        if left.exists(image) {
            let without = left.kill();
            without.remove(image).expect("removed");
            let (with, without) = (open(Arc::new(left)), open(Arc::new(without)));
            assert_eq!(content(&with), content(&without), "crash {seed}");
            num_images += 1;
        }
    }
    assert!(num_images > 10, "{num_images} images survived");
}

#[test]
fn random_histories_agree_with_the_model() {
    run_all(Traffic::Apart, 2000);
}

#[test]
fn random_histories_with_traffic_in_between_agree_with_the_model() {
    run_all(Traffic::Between, 150);
}

//! Targets are scraped while the log is read: the database opens late, and has all of them.

use crate::recorded_dirs;
use ::model::{Labels, TimeRange};
use discovery::{TargetGroup, TargetGroups};
use disk::{Disk, SimDisk};
use scrape::{Fetch, FetchRequest, Fetching};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use storage::{Appendable, Backlog, FloatBatch, LabelBatch};
use tokio::sync::watch;
use tokio::time::Instant;
use tsdb::{Db, DbOptions};

const START_MS: i64 = 1_700_000_000_000;
const DIR: &str = "data";

const CONFIG: &str = "
scrape_configs:
- job_name: a
  scrape_interval: 10s
  scrape_timeout: 5s
  static_configs:
  - targets: ['target:1']
";

struct Page;

impl Fetch for Page {
    fn fetch<'a>(&'a self, _: FetchRequest<'a>, body: &'a mut Vec<u8>) -> Fetching<'a> {
        body.clear();
        body.extend_from_slice(b"# TYPE m counter\nm 5\n");
        Box::pin(async { Ok("text/plain; version=0.0.4".into()) })
    }
}

fn open(disk: &SimDisk) -> Arc<Db> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let registry = metrics::Registry::new();
    let sink = Arc::new(|_: &tsdb::LogLine| {});
    let db = Db::open(disk, Path::new(DIR), DbOptions::default(), 7, &registry, sink);
    Arc::new(db.expect("opens"))
}

/// A directory that an earlier server left, with a log to read and other series under the first references.
fn left_behind() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir(Path::new(DIR)).expect("directory");
    let db = open(&disk);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = db.appender(START_MS);
    let pairs = [("__name__", "old"), ("__name__", "older")];
    appender.resolve(LabelBatch::new(&pairs, &[1, 2]), &mut refs, &mut rejected).expect("series");
    let refs: Vec<_> = refs.into_iter().map(|series| series.expect("new")).collect();
    let times = [START_MS - 60_000; 2];
    let batch = FloatBatch::new(&refs, &times, &[1.0, 2.0]);
    appender.append_floats(batch, &mut rejected).expect("samples");
    appender.commit().expect("commits");
    assert!(rejected.is_empty());
    drop(db);
    disk.kill()
}

async fn scrape_early() -> Arc<Db> {
    let disk = left_behind();
    let context = cli::config::Context::new(&|_| None);
    let config =
        cli::config::load(CONFIG.as_bytes(), "prometheus.yml", &context).expect("a configuration");
    let jobs: Vec<_> = config.scrape_configs().expect("jobs").into_iter().map(Arc::new).collect();
    let group = TargetGroup {
        source: "0".into(),
        labels: Labels::empty(),
        targets: vec![Labels::from_pairs([("__address__", "target:1")])],
    };
    let groups: TargetGroups = [("a".to_owned(), vec![group])].into_iter().collect();
    let (_publish, receive) = watch::channel(Arc::new(groups));
    let start = Instant::now();
    let backlog = Backlog::new(1 << 20);
    let options = scrape::ManagerOptions {
        clock: Arc::new(move || START_MS + start.elapsed().as_millis() as i64),
        appendable: Arc::new(backlog.clone()),
        registry: metrics::Registry::new(),
        hostname: "host".into(),
        fetch: Arc::new(|_| Ok(Arc::new(Page) as _)),
        discovery_reload_interval: Duration::ZERO,
        timestamp_tolerance: Duration::from_millis(2),
        features: scrape::Features::default(),
    };
    let manager = scrape::Manager::new(options, receive);
    manager.apply_config(&config.global, &jobs).expect("set up");
    // So long the log is read.
    tokio::time::sleep(Duration::from_secs(65)).await;
    assert!(backlog.num_waiting() >= 6, "{backlog:?}");
    let db = open(&disk);
    manager.apply_config(&config.global, &jobs).expect("set up once more");
    let done = backlog.open(Arc::clone(&db) as _);
    assert!(
        done.num_transactions >= 6 && done.num_failed == 0 && done.num_refused == 0,
        "{done:?}"
    );
    tokio::time::sleep(Duration::from_secs(35)).await;
    manager.stop().await;
    db
}

#[test]
fn a_target_is_scraped_while_the_log_is_read() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let db = runtime.block_on(scrape_early());
    assert_eq!(db.head().min_time(), START_MS - 60_000);
    let all = recorded_dirs::content(&db);
    let mut seen = 0;
    for (labels, samples) in &all {
        let name = labels.get("__name__").expect("a name");
        if !["m", "up"].contains(&name) {
            continue;
        }
        seen += 1;
        let times: Vec<i64> = samples.iter().map(|sample| sample.0).collect();
        assert!(times[0] <= START_MS + 10_000, "{name}: {times:?}");
        let whole = TimeRange::new(times[0], START_MS + 100_000);
        let gaps = times.windows(2).filter(|pair| whole.contains(pair[1]));
        assert!(gaps.map(|pair| pair[1] - pair[0]).all(|gap| gap <= 10_001), "{name}: {times:?}");
        assert!(times.len() >= 9, "{name}: {times:?}");
    }
    assert_eq!(seen, 2, "{:?}", all.keys());
}

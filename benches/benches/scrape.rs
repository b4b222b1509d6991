//! A cached re-scrape of 2000 gauges through the real manager, on a paused clock, into an appender that only counts:
//! prints ns per sample, the loop and the copy of the body included. A plain program, because the loop drives itself.

use scrape::{Clock, Fetch, FetchRequest, Fetching, Manager, ManagerOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use storage::{Appendable, Appender, FloatBatch, LabelBatch, Rejected, Result};
use tokio::time::Instant;

const NUM_SAMPLES: u64 = 2000;
const NUM_SCRAPES: u64 = 2000;

struct Body(Vec<u8>);

impl Fetch for Body {
    fn fetch<'a>(&'a self, _request: FetchRequest<'a>, body: &'a mut Vec<u8>) -> Fetching<'a> {
        Box::pin(async {
            body.clear();
            body.extend_from_slice(&self.0);
            Ok("text/plain; version=0.0.4".into())
        })
    }
}

/// Counts rows.
#[derive(Clone, Default)]
struct Sink {
    series: Arc<AtomicU64>,
    rows: Arc<AtomicU64>,
}

impl Appendable for Sink {
    fn appender(&self, _now_ms: i64) -> Box<dyn Appender> {
        Box::new(self.clone())
    }
}

impl Appender for Sink {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<model::SeriesRef>>,
        _rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        for _ in 0..labels.len() {
            refs.push(model::SeriesRef::new(self.series.fetch_add(1, Ordering::Relaxed) + 1));
        }
        Ok(())
    }

    fn append_floats(
        &mut self,
        batch: FloatBatch<'_>,
        _rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        let (refs, timestamps_ms, values) = batch.columns();
        divan::black_box((refs, timestamps_ms, values));
        self.rows.fetch_add(refs.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn body() -> Vec<u8> {
    let mut text = String::new();
    for family in 0..NUM_SAMPLES / 8 {
        let name = format!("node_network_statistics_{family}");
        text.extend(
            format!("# HELP {name} Packets of kind {family}.\n# TYPE {name} gauge\n").chars(),
        );
        for device in 0..8 {
            let value = (family * 7919 + device * 104_729) as f64 * 1.25;
            text.extend(
                format!("{name}{{device=\"eth{device}\",direction=\"receive\"}} {value}\n").chars(),
            );
        }
    }
    text.into_bytes()
}

async fn run() -> f64 {
    let start = Instant::now();
    let clock: Clock = Arc::new(move || start.elapsed().as_millis() as i64);
    let text = b"scrape_configs:\n- job_name: j\n  scrape_interval: 1s\n  static_configs: [{targets: ['a:1']}]\n";
    let context = cli::config::Context::new(&|_| None);
    let config = cli::config::load(text, "bench.yml", &context).expect("a good configuration");
    let jobs: Vec<_> = config.scrape_configs().expect("jobs").into_iter().map(Arc::new).collect();
    let registry = metrics::Registry::new();
    let (discovery, groups) = discovery::Manager::new(discovery::ManagerOptions {
        registry: registry.clone(),
        name: "scrape".into(),
        user_agent: "Prometheus/".into(),
        clock: Arc::new(|| 0),
        environment: Arc::new(|_| None),
    });
    discovery.apply_config(&[("j".to_owned(), jobs[0].discovery.clone())]);
    let sink = Sink::default();
    let options = ManagerOptions {
        clock,
        appendable: Arc::new(sink.clone()),
        registry,
        hostname: "bench".into(),
        fetch: Arc::new(|_| Ok(Arc::new(Body(body())))),
        discovery_reload_interval: Duration::from_secs(5),
        timestamp_tolerance: Duration::from_millis(2),
        features: scrape::Features::default(),
    };
    let manager = Manager::new(options, groups);
    manager.apply_config(&config.global, &jobs).expect("a pool");
    // The first scrape fills the cache.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = sink.rows.load(Ordering::Relaxed);
    let stopwatch = metrics::Stopwatch::start();
    tokio::time::sleep(Duration::from_secs(NUM_SCRAPES)).await;
    let seconds = stopwatch.elapsed_seconds();
    let rows = sink.rows.load(Ordering::Relaxed) - before;
    assert!(rows >= (NUM_SCRAPES - 1) * NUM_SAMPLES, "only {rows} rows");
    manager.stop().await;
    seconds * 1e9 / rows as f64
}

#[expect(clippy::print_stdout, reason = "the program prints its result")]
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    println!(
        "cached re-scrape of {NUM_SAMPLES} gauges: {:.1} ns per sample",
        runtime.block_on(run())
    );
}

//! The memory budget of the process as a whole.

use benches::load::http::{Client, encode};
use benches::load::peer::free_port;
use model::SeriesRef;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use storage::{Appendable, FloatBatch, LabelBatch};
use tsdb::{Db, DbOptions};

/// Pods of a rollout that never ends: so many come every minute and live for three.
const PODS: usize = 15_000;
const MINUTES: usize = 70;

/// The log of a server that had all the memory it wanted. It ends now.
fn write_log(dir: &Path) {
    let options = DbOptions { head_image_growth_bytes: 0, ..DbOptions::default() };
    let registry = metrics::Registry::new();
    let disk = Arc::new(disk::RealDisk);
    let db = Db::open(disk, dir, options, 7, &registry, Arc::new(|_| {})).expect("opens");
    let now_ms = benches::load::work::now_ms();
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    for minute in 0..MINUTES {
        let time = now_ms - 60_000 * (MINUTES - minute) as i64;
        for rollout in minute.saturating_sub(2)..=minute {
            let names: Vec<String> =
                (0..PODS).map(|pod| format!("deployment-{rollout:03}-pod-{pod:05}")).collect();
            let pairs: Vec<_> = names
                .iter()
                .flat_map(|pod| [("__name__", "container_memory_bytes"), ("pod", pod.as_str())])
                .collect();
            let ends: Vec<u32> = (1..=PODS as u32).map(|count| count * 2).collect();
            let mut appender = db.appender(now_ms);
            appender
                .resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)
                .expect("labels");
            let found: Vec<SeriesRef> = refs.drain(..).flatten().collect();
            let (times, values) = (vec![time; PODS], vec![minute as f64; PODS]);
            appender
                .append_floats(FloatBatch::new(&found, &times, &values), &mut rejected)
                .expect("samples");
            appender.commit().expect("commits");
        }
    }
    assert_eq!(rejected, []);
}

/// A server that is up, and the most memory of its own that it was seen with until then.
struct Started {
    child: Child,
    client: Client,
    most_bytes: u64,
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Memory that no file stands behind, as the budget counts it.
fn own_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn start(dir: &Path, config: &Path, budget: &str) -> Started {
    let port = free_port().expect("a port");
    let child = Command::new(env!("CARGO_BIN_EXE_firesteel"))
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg(format!("--storage.tsdb.memory-budget={budget}"))
        .args(["--no-storage.tsdb.head-image", "--log.level=error"])
        .spawn()
        .expect("the server starts");
    let mut started = Started { child, client: Client::new(port), most_bytes: 0 };
    let begin = metrics::Stopwatch::start();
    loop {
        started.most_bytes = started.most_bytes.max(own_bytes(started.child.id()));
        if started.client.get("/-/ready").is_ok_and(|answer| answer.status == 200) {
            return started;
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "not ready in two minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many samples there are, asked in parts: a query over everything would take more than the budget leaves.
fn count_samples(started: &mut Started) -> usize {
    let parts = (0..MINUTES / 10).map(|tens| {
        let selector = format!("container_memory_bytes{{pod=~\"deployment-{tens:02}.-.+\"}}");
        let expr = format!("sum(count_over_time({selector}[3h]))");
        let path = format!("/api/v1/query?query={}", encode(&expr));
        let answer = started.client.get(&path).expect("an answer");
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let value = answer["data"]["result"][0]["value"][1].as_str();
        value.unwrap_or_else(|| panic!("{answer}")).parse::<usize>().expect("a number")
    });
    parts.sum()
}

/// A log that needs nearly twice the budget is read back within it, again after a kill, and every sample is there.
#[test]
fn a_log_beyond_the_budget_is_read_back_within_it() {
    let scratch = tests::Scratch::new("replay-budget");
    let (dir, config) = (scratch.path().join("data"), scratch.path().join("config.yml"));
    std::fs::write(&config, "global: {}\n").expect("a configuration");
    write_log(&dir);
    let mut most = Vec::new();
    for budget in ["0", "192MB", "192MB"] {
        let mut started = start(&dir, &config, budget);
        assert_eq!(count_samples(&mut started), PODS * (3 * MINUTES - 3), "{budget}");
        most.push(started.most_bytes >> 20);
    }
    assert!(most[0] > 250 && most[1] <= 192 && most[2] <= 192, "{most:?} MB");
}

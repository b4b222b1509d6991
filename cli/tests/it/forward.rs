//! Remote write from one process to another: as server and as agent, over kill -9 of the sender while the receiver is
//! away, and of the receiver. Every sample that was acknowledged at one end arrives at the other, once.

use benches::load::http::encode;
use benches::load::peer::{Peer, Running, free_port};
use benches::load::series::{Scratch, Series, body};
use benches::load::work::now_ms;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SERIES: usize = 40;
const STEP_MS: i64 = 100;
const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Write-Version: 0.1.0\r\n";

/// One end: a process that is started on the same port again and again.
struct End {
    peer: Peer,
    port: u16,
    dir: PathBuf,
    config: String,
}

impl End {
    fn start(&self) -> Running {
        self.peer.start_on(self.port, &self.dir, &self.config).expect("the server starts").0
    }
}

fn end(flags: &str, dir: &Path, config: &str) -> End {
    let binary = env!("CARGO_BIN_EXE_firesteel");
    let line = format!(
        "firesteel={binary} --config.file={{config}} --web.listen-address=127.0.0.1:{{port}} \
         --web.enable-remote-write-receiver {flags}"
    );
    End {
        peer: Peer::parse(&line).expect("a well-formed command"),
        port: free_port().expect("a port"),
        dir: dir.to_owned(),
        config: config.to_owned(),
    }
}

/// What is written, step by step.
struct Source {
    series: Vec<Series>,
    base_ms: i64,
    next: u64,
    scratch: Scratch,
}

impl Source {
    fn new() -> Self {
        let series = (0..SERIES).map(|index| {
            Series::new(&[("__name__", "forwarded"), ("index", &index.to_string())], false)
        });
        Self {
            series: series.collect(),
            base_ms: now_ms() / 1000 * 1000 - 600_000,
            next: 0,
            scratch: Scratch::default(),
        }
    }

    /// Writes steps that are all acknowledged.
    fn write(&mut self, to: &Running, steps: u64) {
        let mut client = to.client();
        for _ in 0..steps {
            let at_ms = self.base_ms + self.next as i64 * STEP_MS;
            let bytes = body(&self.series, self.next, at_ms, &mut self.scratch);
            let answer = client.post("/api/v1/write", HEADERS, &bytes).expect("an answer");
            assert!((200..300).contains(&answer.status), "{}", answer.status);
            self.next += 1;
        }
    }

    /// Waits until the receiver has all that was written from step `first` on, and compares each sample.
    fn await_all(&self, at: &Running, first: u64) {
        let expected = SERIES * (self.next - first) as usize;
        let begin = metrics::Stopwatch::start();
        loop {
            let stored = self.stored(at);
            let count: usize = stored.values().map(BTreeMap::len).sum();
            if count >= expected {
                assert_eq!((count, stored.len()), (expected, SERIES));
                for (index, one) in self.series.iter().enumerate() {
                    for step in first..self.next {
                        let value = stored[&index].get(&(step as i64));
                        assert_eq!(value, Some(&one.value(step)), "series {index}, step {step}");
                    }
                }
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{count} of {expected} arrived");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the receiver has, by series and step.
    fn stored(&self, at: &Running) -> BTreeMap<usize, BTreeMap<i64, f64>> {
        let end_ms = self.base_ms + self.next as i64 * STEP_MS;
        let query = encode(&format!("forwarded[{}s]", (end_ms - self.base_ms) / 1000 + 5));
        let time = end_ms as f64 / 1000.0 + 1.0;
        let path = format!("/api/v1/query?query={query}&time={time}");
        let text = String::from_utf8(at.client().get(&path).expect("an answer").body);
        let answer: serde_json::Value = serde_json::from_str(&text.expect("text")).expect("JSON");
        let mut stored = BTreeMap::new();
        for one in answer["data"]["result"].as_array().expect("series") {
            let index = one["metric"]["index"].as_str().expect("a label").parse().expect("number");
            let mut samples = BTreeMap::new();
            for sample in one["values"].as_array().expect("values") {
                let at_ms = (sample[0].as_f64().expect("time") * 1000.0).round() as i64;
                let value = sample[1].as_str().expect("value").parse().expect("number");
                let twice = samples.insert((at_ms - self.base_ms) / STEP_MS, value);
                assert!(twice.is_none(), "series {index} has {at_ms} twice");
            }
            stored.insert(index, samples);
        }
        stored
    }
}

/// Waits until the sender stands at the end of its log: only what comes later is sent.
fn await_position(dir: &Path) {
    let begin = metrics::Stopwatch::start();
    let has_position = || {
        let names = std::fs::read_dir(dir.join("remote_write")).into_iter().flatten().flatten();
        names.into_iter().any(|name| name.path().extension().is_some_and(|kind| kind == "position"))
    };
    while !has_position() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no position in a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn forwards(name: &str, sender_flags: &str, entry: &str) {
    let scratch = tests::Scratch::new(name);
    let at = |name: &str| scratch.path().join(name);
    let receiver = end("--storage.tsdb.path={dir}", &at("receiver"), "global: {}\n");
    let config = format!(
        "remote_write:\n- url: http://127.0.0.1:{}/api/v1/write\n  {entry}\n  queue_config: \
         {{batch_send_deadline: 100ms, min_backoff: 10ms, max_backoff: 100ms, min_shards: 2, max_samples_per_send: 100}}\n",
        receiver.port
    );
    let sender = end(sender_flags, &at("sender"), &config);
    let mut source = Source::new();
    let (to, from) = (receiver.start(), sender.start());
    await_position(&sender.dir);
    source.write(&from, 30);
    source.await_all(&to, 0);
    // The receiver goes; the sender is killed in the middle of its attempts, twice.
    to.kill().expect("killed");
    source.write(&from, 50);
    from.kill().expect("killed");
    let from = sender.start();
    source.write(&from, 50);
    from.kill().expect("killed");
    let from = sender.start();
    let to = receiver.start();
    source.write(&from, 20);
    source.await_all(&to, 0);
    // Killed while all is well: what was sent since the position was saved is sent again, and stored once.
    source.write(&from, 20);
    from.kill().expect("killed");
    let from = sender.start();
    source.await_all(&to, 0);
    // A clean stop takes along what is on the way.
    source.write(&from, 5);
    let (_, is_clean) = from.terminate().expect("it ends");
    assert!(is_clean);
    source.await_all(&to, 0);
}

const V2: &str = "protobuf_message: io.prometheus.write.v2.Request";

#[test]
fn a_server_forwards_over_kills_of_both_ends() {
    forwards("forward-server", "--storage.tsdb.path={dir}", "send_exemplars: true");
}

#[test]
fn an_agent_forwards_over_kills_of_both_ends() {
    forwards("forward-agent", "--agent --storage.agent.path={dir}", V2);
}

#[test]
fn an_agent_tells_of_itself_and_sends_what_it_scrapes() {
    let scratch = tests::Scratch::new("agent-scrape");
    let receiver =
        end("--storage.tsdb.path={dir}", &scratch.path().join("receiver"), "global: {}\n");
    let to = receiver.start();
    let flags = "--agent --storage.agent.path={dir} --storage.agent.wal-truncate-frequency=1s \
                 --storage.agent.retention.min-time=0s --storage.agent.retention.max-time=1s";
    let mut agent = end(flags, &scratch.path().join("agent"), "");
    agent.config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, external_labels: {{from: agent}}}}\n\
         scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]\n\
         remote_write: [{{url: 'http://127.0.0.1:{}/api/v1/write', queue_config: {{batch_send_deadline: 100ms}}}}]\n",
        agent.port, receiver.port
    );
    let from = agent.start();
    let begin = metrics::Stopwatch::start();
    // Enough scrapes for the log to be cut several times.
    let query = encode("count_over_time(up{from=\"agent\",job=\"self\"}[5m]) > 25");
    loop {
        let answer = to.client().get(&format!("/api/v1/query?query={query}")).expect("an answer");
        if String::from_utf8_lossy(&answer.body).contains("\"metric\"") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "too few samples in a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(from.client().get("/agent").expect("an answer").status, 200);
    let page = from.client().get("/metrics").expect("an answer").body;
    let page = String::from_utf8(page).expect("text");
    for family in [
        "prometheus_agent_active_series",
        "prometheus_agent_samples_appended_total",
        "prometheus_agent_checkpoint_creations_total",
        "prometheus_tsdb_wal_segment_current",
        "prometheus_remote_storage_samples_total",
    ] {
        assert!(page.contains(&format!("# TYPE {family} ")), "{family} is missing");
    }
    assert!(!page.contains("# TYPE prometheus_tsdb_head_series "), "an agent has no head");
    let segments = || std::fs::read_dir(agent.dir.join("wal")).expect("the log").count();
    let first = wal_first(&agent.dir);
    assert!(first > 0, "old segments are gone: {} files", segments());
    let (_, is_clean) = from.terminate().expect("it ends");
    assert!(is_clean);
}

/// The number of the oldest segment of the log.
fn wal_first(dir: &Path) -> u32 {
    let names = std::fs::read_dir(dir.join("wal")).expect("the log").flatten();
    let numbers = names.filter_map(|name| name.file_name().to_str()?.parse().ok());
    numbers.min().expect("a segment")
}

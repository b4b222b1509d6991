//! Remote write out against a receiver in this process that misbehaves: every sample arrives, over failures, restarts and
//! a lost position.

mod damaged;
mod kinds;
mod repeated;

use crate::remote_write::stored;
use cli::config::{Context, load};
use disk::{Disk, SimDisk};
use metrics::{Registry, Stopwatch};
use model::{Labels, SeriesRef};
use parking_lot::Mutex;
use remote::Receiver;
use remote::receive::Options;
use remote::send::{Sender, SenderOptions, WriteConfig};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use storage::{Appendable, FloatBatch, LabelBatch, MemoryStorage};
use tokio::runtime::{Builder, Runtime};
use tsdb::head::{Head, HeadOptions};

/// How long anything may take before the test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Take,
    /// Takes it and tells truly how much it wrote.
    Count,
    /// Stores it and says that it did not.
    TakeAndFail,
    Status(u16),
    /// Refuses it for good, after some thought.
    Refuse,
    /// Hangs up without a word.
    Reset,
    /// Does not answer for longer than the sender waits.
    Hang,
}

/// A receiver that stores what it is sent, in its manner.
struct Peer {
    address: SocketAddr,
    storage: MemoryStorage,
    requests: Arc<AtomicUsize>,
    /// Samples that came in messages of 2.0 and were taken, those that it had already too.
    taken: Arc<AtomicUsize>,
}

impl Peer {
    fn start(manner: impl Fn(usize) -> Manner + Send + Sync + 'static) -> Self {
        let storage = MemoryStorage::new();
        let receiver =
            Receiver::new(Arc::new(storage.clone()), Options::default(), &Registry::new());
        Self::serving(receiver, storage, manner)
    }

    fn serving(
        receiver: Receiver,
        storage: MemoryStorage,
        manner: impl Fn(usize) -> Manner + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let address = listener.local_addr().expect("address");
        let (requests, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let receiver = Arc::new(receiver);
        let (manner, counter) = (Arc::new(manner), (Arc::clone(&requests), Arc::clone(&taken)));
        let listen = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (receiver, manner, counter) =
                    (Arc::clone(&receiver), Arc::clone(&manner), counter.clone());
                thread("peer-connection", move || {
                    let _ended = serve(&stream, &receiver, &*manner, &counter);
                });
            }
        };
        thread("peer", listen);
        Self { address, storage, requests, taken }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name(name.to_owned());
    drop(thread.spawn(run).expect("thread"));
}

/// Answers the requests of a connection; `None` when it ends.
fn serve(
    stream: &TcpStream,
    receiver: &Receiver,
    manner: &dyn Fn(usize) -> Manner,
    (requests, taken): &(Arc<AtomicUsize>, Arc<AtomicUsize>),
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ") {
                headers.insert(name.to_lowercase(), value.to_owned());
            }
        }
        let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let message = receiver.negotiate(&headers["content-type"], "snappy").ok()?;
        let write = || {
            let written = receiver.write(message, &body, 1_000_000_000);
            let samples = written.0.as_ref().map_or(0, |counts| counts.samples as usize);
            taken.fetch_add(samples, Ordering::SeqCst);
            written
        };
        let mut written = "X-Prometheus-Remote-Write-Samples-Written: 1\r\n".to_owned();
        let mut said = String::new();
        let status = match manner(requests.fetch_add(1, Ordering::SeqCst)) {
            Manner::Count => {
                let (counts, result) = write();
                let counts = counts.unwrap_or_default();
                written = format!(
                    "X-Prometheus-Remote-Write-Samples-Written: {}\r\n\
                     X-Prometheus-Remote-Write-Histograms-Written: {}\r\n\
                     X-Prometheus-Remote-Write-Exemplars-Written: {}\r\n",
                    counts.samples, counts.histograms, counts.exemplars
                );
                if result.is_ok() { 204 } else { 400 }
            }
            Manner::Status(status) => status,
            Manner::Refuse => {
                std::thread::sleep(Duration::from_millis(50));
                400
            }
            Manner::Reset => return None,
            Manner::Hang => {
                std::thread::sleep(Duration::from_secs(2));
                return None;
            }
            Manner::TakeAndFail => {
                drop(write());
                503
            }
            Manner::Take => match write() {
                (_, Ok(())) => 204,
                (_, Err(error)) => {
                    said = error.to_string();
                    400
                }
            },
        };
        let length = said.len();
        let answer =
            format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n{written}\r\n{said}");
        (&*stream).write_all(answer.as_bytes()).ok()?;
    }
}

/// A head with its log, as a database has them.
struct Source {
    sim: SimDisk,
    disk: Arc<dyn Disk>,
    head: Head,
    log: Arc<Mutex<wal::Writer>>,
    refs: Vec<SeriesRef>,
    next: i64,
}

const SERIES: usize = 30;

fn open_log(disk: &Arc<dyn Disk>) -> wal::Writer {
    let options = wal::WriterOptions { segment_bytes: 64 * 1024, ..Default::default() };
    wal::Writer::open(Arc::clone(disk), Path::new("data/wal"), options).expect("log")
}

impl Source {
    fn new() -> Self {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let log = open_log(&disk);
        let options = HeadOptions::new(Arc::clone(&disk), PathBuf::from("data/chunks_head"));
        let head = Head::new(options, 1, &Registry::new());
        let log = Arc::new(Mutex::new(log));
        head.set_log(Arc::clone(&log));
        Self { sim, disk, head, log, refs: Vec::new(), next: 1 }
    }

    /// One sample more for each series, `rounds` times.
    fn write(&mut self, rounds: i64) {
        for _ in 0..rounds {
            let mut appender = self.head.appender(0);
            if self.refs.is_empty() {
                let names: Vec<String> = (0..SERIES).map(|series| format!("s{series}")).collect();
                let pairs: Vec<(&str, &str)> = names
                    .iter()
                    .flat_map(|name| [("__name__", "m"), ("s", name.as_str())])
                    .collect();
                let ends: Vec<u32> = (1..=SERIES as u32).map(|series| series * 2).collect();
                let mut refs = Vec::new();
                let batch = LabelBatch::new(&pairs, &ends);
                appender.resolve(batch, &mut refs, &mut Vec::new()).expect("resolved");
                self.refs = refs.into_iter().map(|series| series.expect("new")).collect();
            }
            let times = vec![self.next * 1000; SERIES];
            let values: Vec<f64> =
                (0..SERIES).map(|s| self.next as f64 + s as f64 / 100.0).collect();
            let batch = FloatBatch::new(&self.refs, &times, &values);
            appender.append_floats(batch, &mut Vec::new()).expect("appended");
            appender.commit().expect("committed");
            self.next += 1;
        }
    }

    /// Folds what is old of the log into a checkpoint without samples, as the database does once it has blocks.
    fn truncate(&self) {
        let dir = Path::new("data/wal");
        let segments = wal::list_segments(&*self.disk, dir).expect("listed");
        let (first, last) = (segments[0], segments[segments.len() - 1]);
        let covered = wal::checkpoint::plan(first, last).expect("enough segments");
        let upto = *covered.end();
        let options = wal::WriterOptions::default();
        wal::checkpoint::create(&self.disk, dir, covered, options, i64::MAX, &mut |_| true)
            .expect("a checkpoint");
        self.log.lock().truncate(upto + 1).expect("truncated");
        wal::checkpoint::remove_before(&*self.disk, dir, upto).expect("removed");
    }

    fn sender(&self, runtime: &Runtime) -> Sender {
        let options = SenderOptions {
            disk: Arc::clone(&self.disk),
            log: "data/wal".into(),
            dir: "data/remote_write".into(),
            registry: Registry::new(),
            user_agent: "test".into(),
            now_ms: || 1_000_000_000,
            flush_deadline: Duration::from_millis(100),
            signers: Arc::new(|_| Ok(None)),
            metadata: None,
        };
        Sender::new(options, runtime.handle().clone())
    }

    /// A sender at work on all of this configuration.
    fn sending(&self, runtime: &Runtime, config: Vec<WriteConfig>) -> Sender {
        let sender = self.sender(runtime);
        let refused = sender.apply(config, &Labels::empty());
        assert!(refused.is_empty(), "{refused:?}");
        sender
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime")
}

fn config(address: SocketAddr, more: &str) -> Vec<WriteConfig> {
    let text = format!(
        "remote_write:\n- url: http://{address}/write\n  remote_timeout: 1s\n{more}  queue_config: {{capacity: 100, \
         max_samples_per_send: 50, min_shards: 3, batch_send_deadline: 20ms, min_backoff: 5ms, max_backoff: 20ms, \
         retry_on_http_429: true}}\n"
    );
    load(text.as_bytes(), "test.yml", &Context::new(&|_| None)).expect("configuration").remote_write
}

/// Waits until the peer has these many samples of each series, and compares each of them.
fn await_rounds(peer: &Peer, first: i64, last: i64) {
    let begin = Stopwatch::start();
    loop {
        let found = stored(&peer.storage);
        let count: usize = found.values().map(Vec::len).sum();
        let expect = SERIES * (last - first + 1) as usize;
        if count >= expect {
            assert_eq!((count, found.len()), (expect, SERIES));
            let times: Vec<i64> = (first..=last).map(|round| round * 1000).collect();
            for rows in found.values() {
                assert_eq!(rows.iter().map(|(time, _)| *time).collect::<Vec<_>>(), times);
            }
            return;
        }
        assert!(
            begin.elapsed() < LIMIT,
            "{count} of {expect} after {} requests",
            peer.requests.load(Ordering::SeqCst)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_sample_arrives_however_the_receiver_behaves() {
    for message in ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"] {
        let peer = Peer::start(|request| match request {
            0 | 7 => Manner::Status(500),
            2 | 9 => Manner::Reset,
            4 => Manner::Status(429),
            5 | 11 => Manner::TakeAndFail,
            6 => Manner::Hang,
            _ => Manner::Take,
        });
        let (runtime, mut source) = (runtime(), Source::new());
        source.write(3);
        let message = format!("  protobuf_message: {message}\n");
        let sender = source.sending(&runtime, config(peer.address, &message));
        for _ in 0..20 {
            source.write(5);
            std::thread::yield_now();
        }
        await_rounds(&peer, 4, 103);
        sender.stop();
    }
}

/// Two series fall on one label set.
const TWO_AS_ONE: &str = "  write_relabel_configs:\n  - {source_labels: [s], regex: 's[01]', target_label: s, replacement: same}\n";

/// Waits until the peer has so many samples of each series but those two.
fn await_others(peer: &Peer, rounds: usize) {
    let begin = Stopwatch::start();
    let whole = || stored(&peer.storage).values().filter(|rows| rows.len() == rounds).count();
    while whole() < SERIES - 2 {
        assert!(begin.elapsed() < LIMIT, "{} whole series of {rounds} samples", whole());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the sender stands at the end of the log: only what comes later is sent.
fn await_start(source: &Source) {
    await_start_on(&source.disk);
}

fn await_start_on(disk: &Arc<dyn Disk>) {
    let begin = Stopwatch::start();
    while !disk.list(Path::new("data/remote_write")).is_ok_and(|names| names.len() > 1) {
        assert!(begin.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn nothing_is_lost_over_restarts() {
    let down = Arc::new(AtomicUsize::new(0));
    let is_down = Arc::clone(&down);
    let peer = Peer::start(move |_| match is_down.load(Ordering::SeqCst) {
        0 => Manner::Take,
        _ => Manner::Status(503),
    });
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    let sender = source.sending(&runtime, config(peer.address, ""));
    await_start(&source);
    source.write(10);
    await_rounds(&peer, 2, 11);
    // The receiver goes away for a while, and so do we, twice.
    down.store(1, Ordering::SeqCst);
    source.write(200);
    sender.stop();
    source.write(200);
    let sender = source.sending(&runtime, config(peer.address, ""));
    source.write(100);
    sender.stop();
    down.store(0, Ordering::SeqCst);
    let sender = source.sending(&runtime, config(peer.address, ""));
    await_rounds(&peer, 2, 511);
    sender.stop();
}

#[test]
fn what_the_database_lets_go_is_sent_all_the_same() {
    let down = Arc::new(AtomicUsize::new(1));
    let is_down = Arc::clone(&down);
    let peer = Peer::start(move |_| match is_down.load(Ordering::SeqCst) {
        0 => Manner::Take,
        _ => Manner::Reset,
    });
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    let mut sender = source.sending(&runtime, config(peer.address, ""));
    for _ in 0..2 {
        let from = source.log.lock().last_segment();
        while source.log.lock().last_segment() < from + 5 {
            source.write(50);
        }
        let newest = wal::segment_path(Path::new("data/remote_write/wal"), from + 5);
        let begin = Stopwatch::start();
        while !source.disk.exists(&newest) {
            assert!(begin.elapsed() < LIMIT);
            std::thread::sleep(Duration::from_millis(10));
        }
        source.truncate();
        sender.stop();
        sender = source.sending(&runtime, config(peer.address, ""));
    }
    down.store(0, Ordering::SeqCst);
    await_rounds(&peer, 2, source.next - 1);
    sender.stop();
}

#[test]
fn one_refused_series_does_not_take_the_others_with_it() {
    let peer = Peer::start(|_| Manner::Take);
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    let sender = source.sending(&runtime, config(peer.address, TWO_AS_ONE));
    await_start(&source);
    source.write(20);
    // The two are refused as duplicates; the others arrive.
    await_others(&peer, 20);
    sender.stop();
}

#[test]
fn labels_change_on_the_way() {
    let peer = Peer::start(|_| Manner::Take);
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    let sender = source.sender(&runtime);
    let rules = "  write_relabel_configs:\n  - {source_labels: [s], regex: 's[0-4]', action: keep}\n  \
                 - {source_labels: [zone], target_label: z}\n";
    let external = Labels::from_pairs([("zone", "eu"), ("s", "not this")]);
    sender.apply(config(peer.address, rules), &external);
    source.write(1);
    let begin = Stopwatch::start();
    while stored(&peer.storage).len() < 5 {
        assert!(begin.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(10));
    }
    let series: Vec<String> = stored(&peer.storage).into_keys().collect();
    assert_eq!(series.len(), 5);
    assert!(series[0].contains(r#""z":"eu""#) && series[0].contains(r#""s":"s"#), "{}", series[0]);
    sender.stop();
}

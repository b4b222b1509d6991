//! Remote write to the reference server, from ours as server and as agent, with stops and kills at both ends; and
//! directories of agents opened by the other one.

use super::run::{Options, Outcome};
use crate::load::http::encode;
use crate::load::peer::{Peer, Running, free_port};
use crate::load::series::{Scratch, Series, body};
use crate::load::work::now_ms;
use metrics::Stopwatch;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SERIES: usize = 100;
const STEP_MS: i64 = 50;
const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Write-Version: 0.1.0\r\n";

/// How many steps are written between two mishaps.
const STEPS: u64 = 30;

/// A server that is started again and again on its port and directory.
struct End {
    peer: Peer,
    port: u16,
    dir: PathBuf,
    config: String,
    running: Option<Running>,
}

impl End {
    fn new(binary: &Path, flags: &str, dir: PathBuf, config: String) -> io::Result<Self> {
        let line = format!(
            "end={} --config.file={{config}} --web.listen-address=127.0.0.1:{{port}} \
             --web.enable-remote-write-receiver --storage.remote.flush-deadline=1s {flags}",
            binary.display()
        );
        let peer = Peer::parse(&line).map_err(io::Error::other)?;
        let mut end = Self { peer, port: free_port()?, dir, config, running: None };
        end.start()?;
        Ok(end)
    }

    fn start(&mut self) -> io::Result<()> {
        if self.running.is_none() {
            self.running = Some(self.peer.start_on(self.port, &self.dir, &self.config)?.0);
        }
        Ok(())
    }

    fn stop(&mut self) -> io::Result<()> {
        self.running.take().map_or(Ok(()), |running| running.terminate().map(drop))
    }

    fn kill(&mut self) -> io::Result<()> {
        self.running.take().map_or(Ok(()), |running| running.kill().map(drop))
    }

    fn get(&self, path: &str) -> io::Result<String> {
        let running = self.running.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let answer = running.client().get(path)?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

/// What is written to the sender.
struct Source {
    series: Vec<Series>,
    base_ms: i64,
    next: u64,
    scratch: Scratch,
}

impl Source {
    fn new(name: &str) -> Self {
        let series = (0..SERIES).map(|index| {
            let labels = [("__name__", "forwarded"), ("from", name), ("index", &index.to_string())];
            Series::new(&labels, index % 2 == 0)
        });
        let base_ms = now_ms() / 1000 * 1000 - 60_000;
        Self { series: series.collect(), base_ms, next: 0, scratch: Scratch::default() }
    }

    /// Writes a step after the other; each is acknowledged.
    fn write(&mut self, to: &End) -> io::Result<()> {
        let running = to.running.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut client = running.client();
        for _ in 0..STEPS {
            let at_ms = self.base_ms + self.next as i64 * STEP_MS;
            let bytes = body(&self.series, self.next, at_ms, &mut self.scratch);
            let answer = client.post("/api/v1/write", HEADERS, &bytes)?;
            if !(200..300).contains(&answer.status) {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(io::Error::other(format!("write answered {}: {said}", answer.status)));
            }
            self.next += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// How many samples of ours the receiver has, and how many of them are wrong.
    fn arrived(&self, at: &End, name: &str) -> io::Result<(usize, usize)> {
        let end_ms = self.base_ms + self.next as i64 * STEP_MS;
        let window_s = (end_ms - self.base_ms) / 1000 + 5;
        let query = encode(&format!("forwarded{{from=\"{name}\"}}[{window_s}s]"));
        let time = end_ms as f64 / 1000.0 + 1.0;
        let text = at.get(&format!("/api/v1/query?query={query}&time={time}"))?;
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        let (mut count, mut wrong) = (0, 0);
        for one in answer["data"]["result"].as_array().into_iter().flatten() {
            let index = one["metric"]["index"].as_str().and_then(|index| index.parse().ok());
            let series = index.and_then(|index: usize| self.series.get(index));
            for sample in one["values"].as_array().into_iter().flatten() {
                count += 1;
                let at_ms = sample[0].as_f64().map_or(0, |time| (time * 1000.0).round() as i64);
                let step = u64::try_from((at_ms - self.base_ms) / STEP_MS).unwrap_or(0);
                let value = sample[1].as_str().and_then(|value| value.parse::<f64>().ok());
                let is_good = value.is_some() && series.map(|series| series.value(step)) == value;
                wrong += usize::from(!is_good);
            }
        }
        Ok((count, wrong))
    }
}

/// Waits until the sender stands at the end of its log: only what comes later is sent.
fn await_position(dir: &Path) -> io::Result<()> {
    let begin = Stopwatch::start();
    while begin.elapsed() < Duration::from_secs(30) {
        let names = std::fs::read_dir(dir.join("remote_write")).into_iter().flatten().flatten();
        let mut names = names.map(|name| name.path());
        if names.any(|path| path.extension().is_some_and(|kind| kind == "position")) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the sender keeps no position"))
}

/// Sends from one kind of sender through all mishaps; every sample arrives, once.
fn send(
    options: &Options,
    (name, flags): (&str, &str),
    say: &dyn Fn(&str),
    outcome: &mut Outcome,
) -> io::Result<()> {
    let dir = options.dir.join(format!("forward-{name}"));
    let to_flags = "--storage.tsdb.path={dir} --log.level=error";
    let mut to =
        End::new(&options.prometheus, to_flags, dir.join("to"), "global: {}\n".to_owned())?;
    let config = format!(
        "remote_write: [{{url: 'http://127.0.0.1:{}/api/v1/write', queue_config: {{batch_send_deadline: 200ms, \
         max_backoff: 200ms, min_shards: 2, max_samples_per_send: 500}}}}]\n",
        to.port
    );
    let mut from = End::new(&options.firesteel, flags, dir.join("from"), config)?;
    await_position(&from.dir)?;
    let mut source = Source::new(name);
    for mishap in 0..8 {
        source.write(&from)?;
        match mishap {
            0 => to.kill()?,
            1 => from.kill()?,
            2 | 5 => to.start()?,
            3 => to.stop()?,
            4 => from.stop()?,
            6 => from.kill()?,
            _ => {}
        }
        from.start()?;
    }
    let expected = SERIES * source.next as usize;
    let begin = Stopwatch::start();
    let mut arrived = (0, 0);
    while arrived.0 < expected && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(100));
        arrived = source.arrived(&to, name)?;
    }
    let (count, wrong) = arrived;
    say(&format!("remote write as {name}: {count} of {expected} samples arrived, {wrong} wrong"));
    if (count, wrong) != (expected, 0) {
        let what = format!("{count} of {expected} samples, {wrong} of them wrong");
        outcome.failures.push(format!("remote write as {name}: {what}"));
    }
    Ok(())
}

/// The value of a metric without labels on the page of a server.
fn metric(at: &End, name: &str) -> io::Result<f64> {
    let page = at.get("/metrics")?;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.ok_or_else(|| io::Error::other(format!("{name} is not on the page")))
}

/// An agent's directory goes from the reference to ours and back; the series stay known.
fn exchange(options: &Options, say: &dyn Fn(&str), outcome: &mut Outcome) -> io::Result<()> {
    const ACTIVE: &str = "prometheus_agent_active_series";
    let dir = options.dir.join("agents");
    let config = "remote_write: [{url: 'http://127.0.0.1:1/none'}]\n".to_owned();
    let path = "--storage.agent.path={dir}";
    let version = Command::new(&options.prometheus).arg("--version").output()?;
    let is_2 = [version.stdout, version.stderr]
        .iter()
        .any(|text| String::from_utf8_lossy(text).contains("version 2."));
    let theirs = format!("{} {path}", if is_2 { "--enable-feature=agent" } else { "--agent" });
    let ours = format!("--agent {path}");
    let mut found = Vec::new();
    let binaries = [
        (&options.prometheus, &theirs),
        (&options.firesteel, &ours),
        (&options.prometheus, &theirs),
    ];
    let mut source = Source::new("exchange");
    for (binary, flags) in binaries {
        let mut end = End::new(binary, flags, dir.clone(), config.clone())?;
        found.push(metric(&end, ACTIVE)?);
        source.write(&end)?;
        end.stop()?;
    }
    say(&format!("an agent's directory, theirs, ours, theirs: {found:?} series on opening"));
    if found != [0.0, SERIES as f64, SERIES as f64] {
        outcome.failures.push(format!("an agent's directory: {found:?} series on opening"));
    }
    Ok(())
}

/// All of it.
pub(super) fn check(
    options: &Options,
    say: &dyn Fn(&str),
    outcome: &mut Outcome,
) -> io::Result<()> {
    send(options, ("server", "--storage.tsdb.path={dir}"), say, outcome)?;
    send(options, ("agent", "--agent --storage.agent.path={dir}"), say, outcome)?;
    exchange(options, say, outcome)
}

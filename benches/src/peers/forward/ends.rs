//! The two ends of a transfer: a server that is started again and again, and what is written to it.

use crate::load::http::encode;
use crate::load::peer::{Peer, Running, free_port};
use crate::load::series::{Scratch, Series, body};
use crate::load::work::now_ms;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many series are written.
pub(super) const SERIES: usize = 100;

/// How far the times of two samples of a series are apart at least.
const STEP_MS: i64 = 50;

/// How many steps are written between two mishaps.
const STEPS: u64 = 30;

const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Write-Version: 0.1.0\r\n";

/// A server with the flags of Prometheus.
pub(super) fn prometheus(binary: &Path, flags: &str) -> io::Result<Peer> {
    let line = format!(
        "end={} --config.file={{config}} --web.listen-address=127.0.0.1:{{port}} \
         --web.enable-remote-write-receiver --storage.remote.flush-deadline=1s {flags}",
        binary.display()
    );
    Peer::parse(&line).map_err(io::Error::other)
}

/// A server that is started again and again on its port and directory.
pub(super) struct End {
    peer: Peer,
    pub(super) port: u16,
    pub(super) dir: PathBuf,
    config: String,
    running: Option<Running>,
}

impl End {
    pub(super) fn new(peer: Peer, dir: PathBuf, config: String) -> io::Result<Self> {
        let mut end = Self { peer, port: free_port()?, dir, config, running: None };
        end.start()?;
        Ok(end)
    }

    /// Starts it unless it runs; whether it had to be started.
    pub(super) fn start(&mut self) -> io::Result<bool> {
        if self.running.is_some() {
            return Ok(false);
        }
        self.running = Some(self.peer.start_on(self.port, &self.dir, &self.config)?.0);
        Ok(true)
    }

    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.running.take().map_or(Ok(()), |running| running.terminate().map(drop))
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.running.take().map_or(Ok(()), |running| running.kill().map(drop))
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn get(&self, path: &str) -> io::Result<String> {
        let running = self.running.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let answer = running.client().get(path)?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

/// What is written to the sender.
pub(super) struct Source {
    name: String,
    series: Vec<Series>,
    /// The time of each step.
    times_ms: Vec<i64>,
    scratch: Scratch,
}

impl Source {
    pub(super) fn new(name: &str) -> Self {
        let series = (0..SERIES).map(|index| {
            let labels = [("__name__", "forwarded"), ("from", name), ("index", &index.to_string())];
            Series::new(&labels, index % 2 == 0)
        });
        let (series, times_ms) = (series.collect(), Vec::new());
        Self { name: name.to_owned(), series, times_ms, scratch: Scratch::default() }
    }

    /// How many samples were written.
    pub(super) fn samples(&self) -> usize {
        SERIES * self.times_ms.len()
    }

    /// Writes a step after the other; each is acknowledged.
    pub(super) fn write(&mut self, to: &End) -> io::Result<()> {
        let running = to.running.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut client = running.client();
        for _ in 0..STEPS {
            let step = self.times_ms.len() as u64;
            let at_ms = self.times_ms.last().map_or(0, |last| last + STEP_MS).max(now_ms());
            let bytes = body(&self.series, step, at_ms, &mut self.scratch);
            let answer = client.post("/api/v1/write", HEADERS, &bytes)?;
            if !(200..300).contains(&answer.status) {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(io::Error::other(format!("write answered {}: {said}", answer.status)));
            }
            self.times_ms.push(at_ms);
            std::thread::sleep(Duration::from_millis(STEP_MS as u64));
        }
        Ok(())
    }

    /// How many samples of ours the receiver has, and how many of them are wrong: by more than `rounding` of their value.
    /// A sample that it has twice counts once: who does not hear that a request was taken sends it again, and not every
    /// receiver tells the second from the first.
    pub(super) fn arrived(&self, at: &End, rounding: f64) -> io::Result<(usize, usize)> {
        let (Some(first_ms), Some(last_ms)) = (self.times_ms.first(), self.times_ms.last()) else {
            return Ok((0, 0));
        };
        let window_s = (last_ms - first_ms) / 1000 + 5;
        let query = encode(&format!("forwarded{{from=\"{}\"}}[{window_s}s]", self.name));
        let time = *last_ms as f64 / 1000.0 + 1.0;
        let text = at.get(&format!("/api/v1/query?query={query}&time={time}"))?;
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        let (mut count, mut wrong) = (0, 0);
        for one in answer["data"]["result"].as_array().into_iter().flatten() {
            let index = one["metric"]["index"].as_str().and_then(|index| index.parse().ok());
            let series = index.and_then(|index: usize| self.series.get(index));
            let mut last_ms = i64::MIN;
            for sample in one["values"].as_array().into_iter().flatten() {
                let at_ms = sample[0].as_f64().map_or(0, |time| (time * 1000.0).round() as i64);
                count += usize::from(at_ms != last_ms);
                last_ms = at_ms;
                let step = self.times_ms.binary_search(&at_ms).ok();
                let value = sample[1].as_str().and_then(|value| value.parse::<f64>().ok());
                let written = series.zip(step).map(|(series, step)| series.value(step as u64));
                let is_right = value
                    .zip(written)
                    .is_some_and(|(value, written)| (value - written).abs() <= rounding * written);
                wrong += usize::from(!is_right);
            }
        }
        Ok((count, wrong))
    }
}

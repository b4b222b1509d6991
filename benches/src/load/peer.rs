//! A server under test: how to start it, when it is ready, what it costs. Knows three command lines by name; any
//! other server is given as a command with `{port}`, `{dir}` and `{config}` in it.

use crate::load::http::Client;
use metrics::Stopwatch;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The name in the table.
    pub name: String,
    command: Vec<String>,
    ready_path: &'static str,
    /// Where remote write goes.
    pub write_path: &'static str,
    /// Where OTLP goes.
    pub otlp_path: &'static str,
}

/// A started server; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it listens on loopback.
    pub port: u16,
    /// Its data directory.
    pub dir: PathBuf,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time, in seconds.
    pub cpu_s: f64,
    /// Resident bytes now.
    pub rss_bytes: f64,
    /// Most resident bytes ever.
    pub rss_max_bytes: f64,
    /// Pages of mapped files among the resident bytes: the system takes them back when it needs them.
    pub rss_file_bytes: f64,
    /// Bytes that went towards a disk, as the pages of files that were changed.
    pub written_bytes: f64,
}

impl Usage {
    /// Resident megabytes, with those of mapped files among them in brackets.
    #[must_use]
    pub fn resident(&self) -> String {
        format!("{:.0} ({:.0})", self.rss_bytes / 1e6, self.rss_file_bytes / 1e6)
    }
}

const PROMETHEUS: &str = "--config.file={config} --storage.tsdb.path={dir} \
    --web.listen-address=127.0.0.1:{port} --web.enable-remote-write-receiver \
    --storage.tsdb.retention.time=15d --log.level=warn";
const VICTORIA: &str = "-storageDataPath={dir} -httpListenAddr=127.0.0.1:{port} \
    -promscrape.config={config} -retentionPeriod=1y -loggerLevel=ERROR \
    -search.latencyOffset=0s -search.disableCache -search.maxUniqueTimeseries=10000000 \
    -search.maxPointsPerTimeseries=100000 -search.maxSamplesPerQuery=10000000000";

/// It stores nothing and passes on what it gets, over as many connections as the others here.
const VMAGENT: &str = "-httpListenAddr=127.0.0.1:{port} -remoteWrite.tmpDataPath={dir} \
    -remoteWrite.url=http://127.0.0.1:{sink}/write -remoteWrite.queues=1 -remoteWrite.forcePromProto=true \
    -loggerLevel=ERROR";

impl Peer {
    /// Reads `name=command`. A command without `{port}` is a binary whose kind is guessed from the name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, command) =
            text.split_once('=').ok_or_else(|| format!("--peer wants name=command, not {text}"))?;
        let victoria = name.contains("victoria") || name.starts_with("vm");
        let agent = name == "vmagent";
        let line = if command.contains("{port}") {
            command.to_owned()
        } else if agent {
            format!("{command} {VMAGENT}")
        } else if victoria {
            format!("{command} {VICTORIA}")
        } else {
            format!("{command} {PROMETHEUS}")
        };
        Ok(Self {
            name: name.to_owned(),
            command: line.split_whitespace().map(str::to_owned).collect(),
            ready_path: if victoria { "/health" } else { "/-/ready" },
            write_path: "/api/v1/write",
            otlp_path: if victoria {
                "/opentelemetry/v1/metrics"
            } else {
                "/api/v1/otlp/v1/metrics"
            },
        })
    }

    /// The same with one more flag of Prometheus, unless it is another kind of server: older ones do not know all flags.
    #[must_use]
    pub fn with_flag(&self, flag: &str) -> Self {
        let mut peer = self.clone();
        if peer.ready_path == "/-/ready" && !peer.command.iter().any(|known| known == flag) {
            peer.command.push(flag.to_owned());
        }
        peer
    }

    /// Whether it only passes on what it gets, to `{sink}` of its command.
    #[must_use]
    pub fn only_forwards(&self) -> bool {
        self.command.iter().any(|arg| arg.contains("{sink}"))
    }

    /// The same with the port of a receiver for what it passes on.
    #[must_use]
    pub fn forwarding_to(&self, port: u16) -> Self {
        let command = self.command.iter().map(|arg| arg.replace("{sink}", &port.to_string()));
        Self { command: command.collect(), ..self.clone() }
    }

    /// Starts the server on `dir` and waits until it is ready; answers how long that took, in seconds.
    pub fn start(&self, dir: &Path, config: &str) -> io::Result<(Running, f64)> {
        self.start_on(free_port()?, dir, config)
    }

    /// The same on a port that others know already.
    pub fn start_on(&self, port: u16, dir: &Path, config: &str) -> io::Result<(Running, f64)> {
        std::fs::create_dir_all(dir)?;
        let config_path = dir.with_extension("yml");
        std::fs::write(&config_path, config)?;
        let fill = |arg: &String| {
            arg.replace("{port}", &port.to_string())
                .replace("{dir}", &dir.to_string_lossy())
                .replace("{config}", &config_path.to_string_lossy())
        };
        let log = std::fs::File::create(dir.with_extension("log"))?;
        let program = self.command.first().map(fill).unwrap_or_default();
        let begin = Stopwatch::start();
        let child = Command::new(program)
            .args(self.command.iter().skip(1).map(fill))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut running = Running { child, port, dir: dir.to_path_buf() };
        running.wait_ready(self.ready_path)?;
        Ok((running, begin.elapsed().as_secs_f64()))
    }
}

/// A port nobody listens on.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Running {
    fn wait_ready(&mut self, path: &str) -> io::Result<()> {
        let begin = Stopwatch::start();
        while begin.elapsed() < Duration::from_secs(300) {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "server ended ({status}); its log: {}",
                    self.dir.with_extension("log").display()
                )));
            }
            if Client::new(self.port).get(path).is_ok_and(|response| response.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "not ready within 300 s"))
    }

    /// A fresh connection to the server.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.port)
    }

    /// What the process has used so far, as the kernel counts it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let id = self.child.id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok());
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let kib = |key: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        let counts = std::fs::read_to_string(format!("/proc/{id}/io")).unwrap_or_default();
        let io = |key: &str| {
            let count = counts.lines().find_map(|line| line.strip_prefix(key));
            count.and_then(|count| count.trim().parse::<f64>().ok()).unwrap_or(0.0)
        };
        Usage {
            cpu_s: (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0,
            rss_bytes: kib("VmRSS:") * 1024.0,
            rss_max_bytes: kib("VmHWM:") * 1024.0,
            rss_file_bytes: kib("RssFile:") * 1024.0,
            written_bytes: io("write_bytes:") - io("cancelled_write_bytes:"),
        }
    }

    /// Asks the server to end (SIGTERM) and does not wait for that.
    pub fn ask_to_end(&self) -> io::Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().map(drop)
    }

    /// Asks the server to end (SIGTERM); answers after how many seconds it did, and whether with code 0.
    pub fn terminate(mut self) -> io::Result<(f64, bool)> {
        let begin = Stopwatch::start();
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        while begin.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait()? {
                return Ok((begin.elapsed_seconds(), status.success()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "did not end within 60 s of SIGTERM"))
    }

    /// Ends the server without warning, as a power cut of the process would.
    pub fn kill(mut self) -> io::Result<PathBuf> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.dir.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        drop(ended);
    }
}

/// Bytes of all files below `dir`.
#[must_use]
pub fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => disk_bytes(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

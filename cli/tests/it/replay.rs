//! The recorded HTTP transcripts against the binary itself, for what depends on flags, files and the data directory.
//! What depends on the HTTP side alone is replayed in `tests`.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tests::http::client::{Answer, exchange};
use tests::http::{ask, difference};
use tests::{Scratch, golden, golden_bytes};

/// The ports of the recording: one that serves expositions, one that is closed.
const RECORDED_PORTS: [&str; 2] = ["21090", "21099"];

fn json(name: &str) -> Value {
    serde_json::from_slice(&golden_bytes(name)).expect("JSON")
}

/// A port nobody listens on; of five digits, as those of the recording, so that lengths agree.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        if port >= 10_000 {
            return port;
        }
    }
}

/// A server of a transcript, and what it lives from.
struct Server {
    child: Child,
    address: SocketAddr,
    scratch: Scratch,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn get(address: SocketAddr, path: &str) -> Option<Answer> {
    TcpStream::connect(address).ok()?;
    Some(exchange(address, "GET", path, &[], &[]))
}

/// Waits for a condition, a minute at most.
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begin = metrics::Stopwatch::start();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("directory");
    for entry in std::fs::read_dir(from).expect("directory") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            let bytes = std::fs::read(entry.path()).expect("file");
            std::fs::write(target, bytes).expect("file");
        }
    }
}

pub(crate) fn load(address: SocketAddr, file: &str) {
    let name = match file {
        "../dataset.rw" => "dataset.rw",
        _ => "http/extra.rw",
    };
    let bytes = golden_bytes(name);
    let mut rest = &bytes[..];
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let (body, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
        let answer = exchange(address, "POST", "/api/v1/write", &[], body);
        assert!(answer.status < 500, "{name}: {answer:?}");
        rest = tail;
    }
}

impl Server {
    /// Starts a server as `servers.json` describes it.
    fn start(name: &str, setup: &Value, ports: [&str; 2]) -> Option<Self> {
        let scratch = Scratch::new("replay");
        let dir = scratch.path();
        let folder = setup["conf"].as_str().and_then(|path| path.strip_prefix("conf/"));
        std::fs::write(dir.join("prometheus.yml"), "").expect("configuration");
        for (path, text) in json("http/conf.json").as_object().expect("files") {
            let Some((in_folder, file)) = path.split_once('/') else { continue };
            if Some(in_folder) == folder {
                let target = dir.join(file);
                std::fs::create_dir_all(target.parent().expect("a folder")).expect("directory");
                std::fs::write(target, moved(text.as_str().expect("text"), ports)).expect("file");
            }
        }
        if let Some(data) = setup["data"].as_str() {
            let shared: PathBuf = tests::shared()?.join("golden/http");
            copy(&shared.join(data), &dir.join("data"));
        }
        let port = free_port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let log = std::fs::File::create(dir.join("log")).expect("log");
        let flags = setup["flags"].as_array().expect("flags").iter().filter_map(Value::as_str);
        let child = Command::new(env!("CARGO_BIN_EXE_firesteel"))
            .args(flags)
            .arg(format!("--web.listen-address={address}"))
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        let server = Self { child, address, scratch };
        let ready = setup["ready"]["path"].as_str().unwrap_or("/-/ready");
        wait(&format!("{name} to be ready"), || {
            get(address, ready).is_some_and(|answer| answer.status == 200)
        });
        for step in setup["setup"].as_array().into_iter().flatten() {
            if let Some(file) = step["load"].as_str() {
                load(address, file);
            }
        }
        if setup["exposition"] == true {
            wait("all targets to be scraped", || {
                let answer = get(address, "/api/v1/targets").expect("an answer").text();
                answer.contains("\"health\":") && !answer.contains("\"health\":\"unknown\"")
            });
        }
        Some(server)
    }

    fn prepare(&self, line: &Value, ports: [&str; 2]) {
        for step in line["before"].as_array().into_iter().flatten() {
            for (name, text) in step["write_file"].as_object().into_iter().flatten() {
                let text = moved(text.as_str().expect("text"), ports);
                std::fs::write(self.scratch.path().join(name), text).expect("file");
            }
        }
    }
}

/// The text with the ports of this run.
fn moved(text: &str, ports: [&str; 2]) -> String {
    text.replace(RECORDED_PORTS[0], ports[0]).replace(RECORDED_PORTS[1], ports[1])
}

/// Serves the recorded expositions until the process ends; answers the port.
fn expositions() -> u16 {
    let listener = loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        if listener.local_addr().expect("address").port() >= 10_000 {
            break listener;
        }
    };
    let port = listener.local_addr().expect("address").port();
    let files = json("http/conf.json");
    let serve = move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            let (status, kind) = match path {
                "/500" => ("500 Internal Server Error", "text/plain"),
                om if om.ends_with(".om") => {
                    ("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8")
                }
                _ => ("200 OK", "text/plain; version=0.0.4; charset=utf-8"),
            };
            let body = files[format!("exposition{path}")].as_str().unwrap_or_default();
            let len = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
            drop(stream.write_all(answer.as_bytes()));
        }
    };
    drop(std::thread::Builder::new().spawn(serve).expect("thread"));
    port
}

/// Replays a file; every line of the servers in `asked` agrees but those `excused`, each with its reason.
fn replay(file: &str, asked: &[&str], excused: &[(&str, &str)]) {
    let (open, closed) = (expositions().to_string(), free_port().to_string());
    let ports = [open.as_str(), closed.as_str()];
    let setups = json("http/servers.json");
    let lines = golden(&format!("http/{file}.jsonl"));
    let mut servers: BTreeMap<String, Option<Server>> = BTreeMap::new();
    let (mut agreed, mut failures, mut left) = (0, Vec::new(), 0);
    for line in &lines {
        let line: Value = serde_json::from_str(&moved(&line.to_string(), ports)).expect("JSON");
        let name = line["name"].as_str().expect("name");
        let server = line["server"].as_str().expect("server").to_owned();
        if !asked.contains(&server.as_str()) {
            left += 1;
            continue;
        }
        let setup = &setups[&server];
        let running =
            servers.entry(server.clone()).or_insert_with(|| Server::start(&server, setup, ports));
        let Some(running) = running else { continue };
        running.prepare(&line, ports);
        let difference = difference(&line, &ask(running.address, &line["request"]));
        match (difference, excused.iter().find(|(excused, _)| *excused == name)) {
            (None, None) => agreed += 1,
            (None, Some((_, why))) => failures.push(format!("{name}: agrees, excused: {why}")),
            (Some(difference), None) => failures.push(format!("{name} ({server}): {difference}")),
            (Some(_), Some(_)) => {}
        }
    }
    println!(
        "{file}.jsonl {agreed}/{} agreed, {} excused, {left} asked elsewhere",
        lines.len(),
        excused.len()
    );
    assert!(failures.is_empty(), "{} of {file}:\n{}", failures.len(), failures.join("\n"));
}

const RULES: &str = "rules are not evaluated yet";

#[test]
fn status() {
    let built = "lists what is built";
    replay(
        "status",
        &["main", "bare", "no-subscribers"],
        &[("features", built), ("features at defaults", built)],
    );
}

#[test]
fn targets() {
    replay(
        "targets",
        &["targets", "bare"],
        &[("alertmanagers", "nothing is sent to Alertmanagers yet")],
    );
}

#[test]
fn web() {
    replay("web", &["prefix"], &[]);
}

#[test]
fn admin() {
    let range = "an empty head does not take over the time of the newest block";
    replay("admin", &["admin", "block", "bare"], &[("head beside a block", range)]);
}

#[test]
fn agent() {
    replay("agent", &["agent"], &[("agent /api/v1/features", "lists what is built")]);
}

#[test]
fn lifecycle() {
    replay(
        "lifecycle",
        &["lifecycle"],
        &[
            ("before", RULES),
            ("reload with a bad rule", RULES),
            ("failure is shown", RULES),
            ("failure is shown live", RULES),
            ("old rules stay", RULES),
            ("gauge is 0", RULES),
            ("runtimeinfo says so", RULES),
            ("reload with a duplicate job", "errors tell the line instead"),
        ],
    );
}

//! Clients that others wrote understand of this server what they understood of Prometheus: the published Go client of its
//! API and the Python SDK of OpenTelemetry. Small programs drive them, tests/go/api and tests/python/otlp_sdk.py. A
//! variable says how each is run (FIRESTEEL_GO_API, the built program; FIRESTEEL_OTLP_SDK, a Python that has the SDK);
//! elsewhere a test says that it did not run. Where FIRESTEEL_REFERENCE names a Prometheus, the recordings are checked, too.

use super::replay::load;
use benches::load::peer::Peer;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tests::{Scratch, golden_bytes};

const TWO_JOBS: &str = "global: {scrape_interval: 1h, external_labels: {cluster: golden}}\n\
    scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['127.0.0.1:1']\n    labels: {env: x}\n\
    - job_name: b\n  static_configs: [{targets: ['127.0.0.1:1']}]\n  \
    relabel_configs: [{action: drop, source_labels: [job]}]\n";

/// A client and what it is let loose on.
struct Client {
    /// The variable that names what runs it.
    variable: &'static str,
    /// What follows before the URL.
    script: Option<&'static str>,
    config: &'static str,
    flags: &'static str,
    /// Bodies of remote write that the server has before.
    data: &'static [&'static str],
    /// What it prints of Prometheus.
    recorded: &'static str,
}

impl Client {
    /// What it prints of a server.
    fn run(&self, program: &Path, server: &str) -> Vec<String> {
        let scratch = Scratch::new("clients");
        let line = format!(
            "server={server} --config.file={{config}} --storage.tsdb.path={{dir}} \
             --web.listen-address=127.0.0.1:{{port}} {}",
            self.flags
        );
        let peer = Peer::parse(&line).expect("a well-formed command");
        let dir = scratch.path().join("data");
        let running = peer.start(&dir, self.config).expect("the server starts").0;
        let address = SocketAddr::from(([127, 0, 0, 1], running.port));
        self.data.iter().for_each(|file| load(address, file));
        let script = self
            .script
            .map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python").join(name));
        let url = format!("http://{address}");
        let output = Command::new(program).args(script).arg(url).output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        lines(output.stdout)
    }

    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn check(&self) {
        let Some(program) = std::env::var_os(self.variable) else {
            eprintln!("SKIPPED: {} is not set", self.variable);
            return;
        };
        let program = Path::new(&program);
        let recorded = lines(golden_bytes(self.recorded));
        if let Some(reference) = std::env::var_os("FIRESTEEL_REFERENCE") {
            let found = self.run(program, &reference.to_string_lossy());
            compare("the reference and its recording", &found, &recorded);
        }
        let found = self.run(program, env!("CARGO_BIN_EXE_firesteel"));
        compare("this server and the recording", &found, &recorded);
        println!("{} {}/{} lines", self.recorded, found.len(), recorded.len());
    }
}

fn lines(bytes: Vec<u8>) -> Vec<String> {
    String::from_utf8(bytes).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// Fails with the lines that differ.
fn compare(what: &str, found: &[String], wanted: &[String]) {
    let pairs = found.iter().zip(wanted).filter(|(found, wanted)| found != wanted);
    let differ: Vec<_> = pairs.map(|(f, w)| format!("got    {f}\nexpect {w}")).collect();
    assert!(differ.is_empty(), "{what}: {} differ\n{}", differ.len(), differ.join("\n"));
    assert_eq!(found.len(), wanted.len(), "{what}: the number of lines");
}

#[test]
fn the_go_client_understands_every_endpoint() {
    let client = Client {
        variable: "FIRESTEEL_GO_API",
        script: None,
        config: TWO_JOBS,
        flags: "--web.enable-remote-write-receiver --web.enable-admin-api \
            --web.external-url=http://prom.example:9090/ --enable-feature=exemplar-storage \
            --storage.tsdb.retention.time=1000d",
        data: &["../dataset.rw", "extra.rw"],
        recorded: "http/client_golang.txt",
    };
    client.check();
}

#[test]
fn metrics_of_the_opentelemetry_sdk_are_stored() {
    let client = Client {
        variable: "FIRESTEEL_OTLP_SDK",
        script: Some("otlp_sdk.py"),
        config: "",
        flags: "--web.enable-otlp-receiver",
        data: &[],
        recorded: "http/otlp_sdk.txt",
    };
    client.check();
}

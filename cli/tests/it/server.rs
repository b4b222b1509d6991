//! Starting, refusing, reloading and stopping the binary, as a user meets them.

use benches::load::http::{Client, encode};
use benches::load::peer::{Peer, Running};
use disk::Disk;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_firesteel");

fn start_at(host: &str, dir: &Path, config: &str) -> Running {
    let line = format!(
        "firesteel={BINARY} --config.file={{config}} --storage.tsdb.path={{dir}} \
         --web.listen-address={host}:{{port}} --web.enable-lifecycle \
         --web.enable-remote-write-receiver"
    );
    let peer = Peer::parse(&line).expect("a well-formed command");
    peer.start(dir, config).expect("the server starts").0
}

fn start(dir: &Path, config: &str) -> Running {
    start_at("127.0.0.1", dir, config)
}

fn get(running: &Running, path: &str) -> (u16, String) {
    let response = running.client().get(path).expect("an answer");
    (response.status, String::from_utf8(response.body).expect("text"))
}

fn query(running: &Running, expr: &str) -> serde_json::Value {
    let (_, text) = get(running, &format!("/api/v1/query?query={}", encode(expr)));
    serde_json::from_str(&text).expect("JSON")
}

/// Waits for a condition, a minute at most.
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begin = metrics::Stopwatch::start();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn run(args: &[&str], dir: &Path) -> Output {
    Command::new(BINARY).args(args).current_dir(dir).output().expect("the binary runs")
}

/// The self-scraping configuration, on the port that the server gets.
fn self_config(port: u16) -> String {
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: self\n  \
         static_configs:\n  - targets: ['127.0.0.1:{port}']\n"
    )
}

#[test]
fn it_scrapes_itself_and_answers_after_a_reload() {
    let scratch = tests::Scratch::new("reload");
    let dir = scratch.path().join("data");
    let running = start(&dir, "global: {}\n");
    assert_eq!(query(&running, "up")["data"]["result"].as_array().map(Vec::len), Some(0));
    std::fs::write(dir.with_extension("yml"), self_config(running.port)).expect("config");
    let reloaded = running.client().post("/-/reload", "", b"").expect("an answer");
    assert_eq!(reloaded.status, 200);
    wait("up = 1", || query(&running, "up")["data"]["result"][0]["value"][1] == "1");
    let (status, text) = get(&running, "/api/v1/targets");
    assert_eq!(status, 200);
    assert!(text.contains("\"health\":\"up\""), "{text}");
}

#[test]
fn a_bad_configuration_is_refused_and_the_old_one_goes_on() {
    let scratch = tests::Scratch::new("bad-config");
    let dir = scratch.path().join("data");
    let running = start(&dir, "global: {}\n");
    std::fs::write(dir.with_extension("yml"), "global:\n  scrape_intervall: 5s\n").expect("config");
    let response = running.client().post("/-/reload", "", b"").expect("an answer");
    assert_eq!(response.status, 500);
    assert_eq!(query(&running, "1")["status"], "success");
    let output = run(&["--config.file=data.yml", "--storage.tsdb.path=other"], scratch.path());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for wanted in ["data.yml", "scrape_intervall", "scrape_interval"] {
        assert!(text.contains(wanted), "{wanted} is not in: {text}");
    }
    assert!(!scratch.path().join("other").exists(), "nothing is created for a bad configuration");
}

#[test]
fn queries_are_logged_to_the_file_of_the_configuration() {
    let scratch = tests::Scratch::new("query-log");
    let (dir, log) = (scratch.path().join("data"), scratch.path().join("query.log"));
    // Clients of IPv4 are known by their own addresses where others come by IPv6.
    let running = start_at("0.0.0.0", &dir, "global: {query_log_file: query.log}\n");
    let lines = |path: &Path| -> Vec<serde_json::Value> {
        tests::json_lines(&std::fs::read(path).expect("a log"))
    };
    assert_eq!(query(&running, "up + 1")["status"], "success");
    assert_eq!(query(&running, "up +")["status"], "error");
    assert_eq!(
        query(&running, "label_replace(vector(1), \"~\", \"\", \"\", \"(\")")["status"],
        "error"
    );
    let found = lines(&log);
    assert_eq!(found.len(), 2, "what is no query is not logged: {found:?}");
    assert_eq!(found[0]["msg"], "promql query logged");
    assert_eq!(found[0]["params"]["query"], "up + 1");
    assert_eq!(found[0]["params"]["step"], 0);
    assert_eq!(found[0]["httpRequest"]["clientIP"], "127.0.0.1");
    assert_eq!(found[0]["httpRequest"]["method"], "GET");
    assert_eq!(found[0]["httpRequest"]["path"], "/api/v1/query");
    assert!(found[0]["stats"]["timings"]["execTotalTime"].as_f64() > Some(0.0), "{found:?}");
    assert_eq!(found[0].get("error"), None);
    let error = found[1]["error"].as_str().expect("an error");
    assert!(error.contains("invalid regular expression in label_replace()"), "{error}");
    // Moved away, the file is made anew by a reload; before that, lines follow it.
    let moved = log.with_extension("old");
    disk::RealDisk.rename(&log, &moved).expect("moved");
    query(&running, "1");
    assert_eq!(lines(&moved).len(), 3);
    let reload = || running.client().post("/-/reload", "", b"").expect("an answer");
    assert_eq!(reload().status, 200);
    query(&running, "2");
    assert_eq!((lines(&moved).len(), lines(&log).len()), (3, 1));
    let (_, metrics) = get(&running, "/metrics");
    assert!(metrics.contains("\nprometheus_engine_query_log_enabled 1\n"));
    // A file that cannot be made refuses the configuration; the old one goes on.
    let config = dir.with_extension("yml");
    std::fs::write(&config, "global: {query_log_file: none/query.log}\n").expect("config");
    let refused = reload();
    let text = String::from_utf8_lossy(&refused.body).into_owned();
    assert_eq!(refused.status, 500);
    assert!(text.contains("can't create json log file: open "), "{text}");
    query(&running, "3");
    assert_eq!(lines(&log).len(), 2);
    std::fs::write(&config, "global: {}\n").expect("config");
    assert_eq!(reload().status, 200);
    query(&running, "4");
    assert_eq!(lines(&log).len(), 2);
    assert!(get(&running, "/metrics").1.contains("\nprometheus_engine_query_log_enabled 0\n"));
}

#[test]
fn queries_of_a_server_that_died_are_told_at_the_next_start() {
    let scratch = tests::Scratch::new("running-queries");
    let dir = scratch.path().join("data");
    let file = dir.join("queries.active");
    let running = start(&dir, "global: {}\n");
    assert_eq!(query(&running, "1")["status"], "success");
    let content = std::fs::read(&file).expect("the file");
    assert_eq!((content[0], content.len()), (b'[', 20_001));
    assert!(content[1..].iter().all(|&byte| byte == 0), "nothing runs");
    drop(running);
    let mut content = content;
    let entry = br#"{"query":"sum(x)","timestamp_sec":1700000000}"#;
    content[3001..3001 + entry.len()].copy_from_slice(entry);
    content[4000] = b',';
    std::fs::write(&file, content).expect("written");
    let config = dir.with_extension("yml");
    let mut child = Command::new(BINARY)
        .args([format!("--config.file={}", config.display())])
        .args([format!("--storage.tsdb.path={}", dir.display())])
        .args(["--web.listen-address=127.0.0.1:0"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stderr = std::io::BufReader::new(child.stderr.take().expect("piped"));
    let mut lines = std::io::BufRead::lines(stderr).map(|line| line.expect("text"));
    let told = lines
        .find(|line| line.contains("These queries didn't finish") || line.contains("is ready"));
    child.kill().expect("killed");
    child.wait().expect("gone");
    let told = told.expect("a line");
    let queries = r#"queries="[{\"query\":\"sum(x)\",\"timestamp_sec\":1700000000}]""#;
    assert!(told.contains(queries), "{told}");
}

#[test]
fn a_mistyped_flag_is_told_what_was_meant() {
    let scratch = tests::Scratch::new("flags");
    let output = run(&["--storage.tsdb.pth=x"], scratch.path());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("--storage.tsdb.path"), "{text}");
}

#[test]
fn what_was_written_is_there_after_a_clean_stop_and_a_second_server_is_refused() {
    let scratch = tests::Scratch::new("stop");
    let dir = scratch.path().join("data");
    let running = start(&dir, "global: {}\n");
    let series = [benches::load::series::Series::new(&[("__name__", "kept")], false)];
    let now_ms = benches::load::work::now_ms();
    let body = benches::load::series::body(&series, 1, now_ms, &mut Default::default());
    let headers = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n";
    let answer = running.client().post("/api/v1/write", headers, &body).expect("an answer");
    assert_eq!(answer.status, 204);
    let config = dir.with_extension("yml");
    let second = run(
        &[
            &format!("--config.file={}", config.display()),
            &format!("--storage.tsdb.path={}", dir.display()),
            "--web.listen-address=127.0.0.1:0",
        ],
        scratch.path(),
    );
    assert!(!second.status.success(), "two servers on one directory");
    assert!(String::from_utf8_lossy(&second.stderr).contains("lock"), "{second:?}");
    let (_, clean) = running.terminate().expect("it ends");
    assert!(clean);
    let running = start(&dir, "global: {}\n");
    let expected = series[0].value(1).to_string();
    assert_eq!(query(&running, "kept")["data"]["result"][0]["value"][1], expected.as_str());
}

#[test]
fn garbage_in_a_write_is_refused_and_nothing_is_stored() {
    let scratch = tests::Scratch::new("garbage");
    let running = start(&scratch.path().join("data"), "global: {}\n");
    let headers = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n";
    let answer = running.client().post("/api/v1/write", headers, b"garbage").expect("an answer");
    assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&answer.body));
    let all = query(&running, "count({__name__!=\"\"})");
    assert_eq!(all["data"]["result"].as_array().map(Vec::len), Some(0));
    assert_eq!(query(&running, "sum(")["errorType"], "bad_data");
    let quit = Client::new(running.port).post("/-/quit", "", b"").expect("an answer");
    assert_eq!(quit.status, 200);
}

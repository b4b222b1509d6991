//! Configurations put in force while the server runs: by themselves when files change, and those that not all parts take.

use benches::load::peer::{Peer, Running};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_firesteel");

fn start(dir: &Path, config: &str, flags: &str) -> Running {
    let line = format!(
        "firesteel={BINARY} --config.file={{config}} --storage.tsdb.path={{dir}} \
         --web.listen-address=127.0.0.1:{{port}} --web.enable-lifecycle {flags}"
    );
    let peer = Peer::parse(&line).expect("a well-formed command");
    peer.start(dir, config).expect("the server starts").0
}

fn get(running: &Running, path: &str) -> String {
    let response = running.client().get(path).expect("an answer");
    String::from_utf8(response.body).expect("text")
}

/// Waits for a condition, a minute at most.
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begin = metrics::Stopwatch::start();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the server on a configuration with which it does not come up.
fn refused(dir: &Path, config: &str) -> (Option<i32>, String) {
    std::fs::write(dir.join("refused.yml"), config).expect("config");
    let arguments = [
        "--config.file=refused.yml",
        "--storage.tsdb.path=refused",
        "--web.listen-address=127.0.0.1:0",
    ];
    let ended = Command::new(BINARY).args(arguments).current_dir(dir).output();
    let Output { status, stderr, .. } = ended.expect("the binary runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn changed_files_are_loaded_by_themselves() {
    let scratch = tests::Scratch::new("auto-reload");
    let dir = scratch.path().join("data");
    let (config, jobs) = (dir.with_extension("yml"), scratch.path().join("jobs.yml"));
    let main = "scrape_config_files: [job*.yml]\n";
    let flags = "--config.auto-reload --config.auto-reload-interval=10ms";
    let running = start(&dir, main, flags);
    let shows = |text: &str| get(&running, "/api/v1/scrape_pools").contains(text);
    let succeeded = |value: u8| {
        let line = format!("\nprometheus_config_last_reload_successful {value}\n");
        get(&running, "/metrics").contains(&line)
    };
    assert!(shows("[]") && succeeded(1));
    // A file that the configuration names, which was not there.
    std::fs::write(&jobs, "scrape_configs: [{job_name: first}]\n").expect("written");
    wait("the first job", || shows(r#"["first"]"#));
    std::fs::write(&jobs, "scrape_configs: [{job_name: second}]\n").expect("written");
    wait("the second job", || shows(r#"["second"]"#));
    // The file itself; what is refused leaves the one in force as it is.
    std::fs::write(&config, format!("{main}bogus: 1\n")).expect("written");
    wait("the refusal", || succeeded(0));
    assert!(shows(r#"["second"]"#));
    let more = format!("{main}scrape_configs: [{{job_name: third}}]\n");
    std::fs::write(&config, more).expect("written");
    wait("the third job", || shows(r#"["second","third"]"#) && succeeded(1));
    let flags = get(&running, "/api/v1/status/flags");
    assert!(flags.contains(r#""config.auto-reload":"true""#), "{flags}");
}

#[test]
fn without_the_flag_files_may_change() {
    let scratch = tests::Scratch::new("no-auto-reload");
    let dir = scratch.path().join("data");
    // Which chunks there are is for the configuration to say; only some keep start timestamps.
    let config = "storage: {tsdb: {chunk_encoding: {floats: xor2}}}\n";
    let flags = "--config.auto-reload-interval=10ms --enable-feature=st-storage";
    let running = start(&dir, config, flags);
    std::fs::write(dir.with_extension("yml"), "bogus: 1\n").expect("written");
    let reloaded = running.client().post("/-/reload", "", b"").expect("an answer");
    assert_eq!(reloaded.status, 500, "until somebody asks");
}

#[test]
fn a_configuration_that_one_job_cannot_take_is_in_force_for_the_others_and_failed() {
    let scratch = tests::Scratch::new("partly");
    let dir = scratch.path().join("data");
    let job = |name: &str, more: &str| {
        let target = "static_configs: [{targets: ['127.0.0.1:1']}]";
        format!("- {{job_name: {name}, {target}, scheme: https{more}}}\n")
    };
    let config = |jobs: &[String]| format!("scrape_configs:\n{}", jobs.concat());
    let running = start(&dir, &config(&[job("a", ""), job("b", "")]), "");
    // No such version is spoken here, which only making the client tells.
    let old = ", tls_config: {max_version: TLS11}";
    let changed = config(&[job("a", old), job("b", ", honor_labels: true"), job("c", old)]);
    std::fs::write(dir.with_extension("yml"), changed).expect("written");
    let reloaded = running.client().post("/-/reload", "", b"").expect("an answer");
    let text = String::from_utf8_lossy(&reloaded.body).into_owned();
    assert_eq!(reloaded.status, 500);
    let said = "one or more errors occurred while applying the new configuration (--config.file=";
    assert!(text.contains(said), "{text}");
    let pools = get(&running, "/api/v1/scrape_pools");
    assert!(pools.contains(r#"["a","b"]"#), "{pools}");
    assert!(get(&running, "/api/v1/status/config").contains("honor_labels: true"));
    assert!(get(&running, "/api/v1/notifications").contains("Configuration reload has failed."));
    let metrics = get(&running, "/metrics");
    for line in [
        "prometheus_config_last_reload_successful 0",
        "prometheus_target_scrape_pool_reloads_total 2",
        "prometheus_target_scrape_pool_reloads_failed_total 1",
        "prometheus_target_scrape_pools_failed_total 1",
        "prometheus_target_reload_length_seconds_count{interval=\"1m0s\"} 1",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line}");
    }
}

#[test]
fn exit_codes_tell_a_wrong_configuration_from_one_that_cannot_be_put_in_force() {
    let scratch = tests::Scratch::new("exit-codes");
    for (config, code, said) in [
        ("bogus: 1\n", 2, "bogus"),
        ("scrape_config_files: [refused.yml]\nscrape_configs: [{job_name: a}]\n", 2, "refused.yml"),
        (
            "remote_write: [{url: 'https://a/', tls_config: {max_version: TLS11}}]\n",
            1,
            "one or more errors occurred while applying the new configuration",
        ),
        (
            "remote_write: [{url: 'http://a/w'}, {url: 'http://a/w'}]\n",
            1,
            "duplicate remote write configs are not allowed, found duplicate for URL: http://a/w",
        ),
        (
            "scrape_configs: [{job_name: a, scrape_failure_log_file: none/a.log}]\n",
            1,
            "can't create json log file: open none/a.log",
        ),
    ] {
        let (found, text) = refused(scratch.path(), config);
        assert_eq!(found, Some(code), "{config}{text}");
        assert!(text.contains(said), "{config}{text}");
    }
    let mut missing = Command::new(BINARY);
    let missing = missing.args(["--config.file=none.yml", "--log.format=json"]).output();
    let missing = missing.expect("the binary runs");
    assert_eq!(missing.status.code(), Some(2));
    let said: Vec<serde_json::Value> = tests::json_lines(&missing.stderr);
    let last = said.last().expect("a line");
    assert_eq!((&last["level"], &last["msg"]), (&"ERROR".into(), &"Fatal error".into()));
}

#[test]
fn receivers_of_one_url_are_told_apart_by_the_names_that_prometheus_gives() {
    let scratch = tests::Scratch::new("names");
    let dir = scratch.path().join("data");
    let config = "remote_write:\n- url: http://127.0.0.1:1/w\n- url: http://127.0.0.1:1/w\n  \
        write_relabel_configs: [{source_labels: [a], regex: b, action: keep}]\n  \
        basic_auth: {username: u, password: p}\n  headers: {X-A: b}\n\
        - {url: 'http://127.0.0.1:1/w2', name: named}\n\
        remote_read: [{url: 'http://127.0.0.1:1/r', required_matchers: {a: b}}]\n";
    let running = start(&dir, config, "");
    let metrics = get(&running, "/metrics");
    for (family, name, path) in [
        ("storage_shards", "6ca3ac", "w"),
        ("storage_shards", "b910a4", "w"),
        ("storage_shards", "named", "w2"),
        ("read_client_queries", "a7c170", "r"),
    ] {
        let url = format!("http://127.0.0.1:1/{path}");
        let series = format!("\nprometheus_remote_{family}{{remote_name={name:?},url={url:?}}} ");
        assert!(metrics.contains(&series), "{series}");
    }
    // Each keeps a position of its own.
    let positions = dir.join("remote_write");
    wait("three positions", || {
        let entries = std::fs::read_dir(&positions).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().is_file()).count() == 3
    });
}

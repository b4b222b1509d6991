//! The recorded HTTP scenarios against the real client over loopback: requests with their headers, credentials,
//! redirects, compression, broken answers. What becomes of the bodies is tested in `scrape`.

mod server;

use net::client::ClientOptions;
use scrape::{Fetch, FetchRequest, HttpFetch, Repeated};
use serde_json::Value;
use server::Servers;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tests::Scratch;

/// Headers of a request: names in lower case.
type Headers = BTreeMap<String, Vec<String>>;

/// Scenarios with failures that the record does not list: it has the errors of answered scrapes only.
const UNLISTED_FAILURES: [&str; 3] =
    ["scrape_failure_log", "timeout_equal_interval", "authorization_file_missing"];

/// Headers that are ours to choose: a referrer is not sent.
const NOT_COMPARED: [&str; 1] = ["referer"];

fn recorded_headers(request: &Value) -> Headers {
    let mut headers = Headers::new();
    for header in request["headers"].as_array().expect("headers") {
        let name = header[0].as_str().expect("a name").to_lowercase();
        if !NOT_COMPARED.contains(&name.as_str()) {
            headers.entry(name).or_default().push(header[1].as_str().expect("a value").to_owned());
        }
    }
    headers
}

fn load(text: &str, directory: &str, flags: &Value) -> Arc<scrape::config::ScrapeConfig> {
    let mut context = cli::config::Context::new(&|_| None);
    let flags = flags.to_string();
    context.defaults.protobuf_first =
        ["created-timestamp-zero-ingestion", "st-storage"].iter().any(|name| flags.contains(name));
    let config =
        cli::config::load(text.as_bytes(), &format!("{directory}/prometheus.yml"), &context)
            .expect("recorded with this configuration");
    Arc::new(config.scrape_configs().expect("jobs").swap_remove(0))
}

/// The request that the record expects for scrape `k`: unchanged ones were left out.
fn expected(requests: &Value, k: usize) -> Option<&Value> {
    let list = requests.as_array()?;
    list.iter().rfind(|r| r["k"].as_u64().is_some_and(|at| at as usize <= k))
}

/// Runs a scenario; the first difference is the error.
async fn replay(line: &Value) -> Result<(), String> {
    let scratch = Scratch::new("http");
    let directory = scratch.path().to_str().expect("a text");
    for (name, text) in line["files"].as_object().into_iter().flatten() {
        std::fs::write(scratch.path().join(name), text.as_str().expect("a text")).expect("written");
    }
    let servers = Servers::start(line, directory).await;
    let text = servers.rewrite(line["config"].as_str().expect("a text")).replace("$DIR", directory);
    let config = load(&text, directory, &line["flags"]);
    let options = ClientOptions { user_agent: "Prometheus/".into(), ..ClientOptions::default() };
    let fetch = HttpFetch::new(&config, options).expect("a client");
    let targets = line["targets"].as_array().expect("targets");
    let address = targets[0]["address"].as_str().expect("an address");
    let steps: u64 = targets[0]["script"]
        .as_array()
        .expect("a script")
        .iter()
        .map(|a| a["times"].as_u64().unwrap_or(1))
        .sum();
    let url = target_url(line, &servers, &config, directory);
    // As a loop does: from the second time on a plain request is one that was kept.
    let repeated = Repeated::default();
    for k in 0..steps as usize {
        let socket = text.contains("__unix_socket__").then(|| format!("{directory}/s.sock"));
        let request = FetchRequest {
            url: &url,
            unix_socket: socket.as_deref(),
            timeout: config.scrape_timeout,
            repeated: &repeated,
        };
        let mut body = Vec::new();
        let fetched = fetch.fetch(request, &mut body).await;
        let recorded_error =
            line["result"]["errors"].as_array().into_iter().flatten().find(|e| e[1] == k);
        let is_parse_error = recorded_error.is_some_and(|e| {
            let text = e[2].as_str().unwrap_or_default();
            text.contains("while parsing") || text.contains("Content-Type")
        });
        let is_unlisted = UNLISTED_FAILURES.iter().any(|name| line["name"] == *name);
        if fetched.is_err() != (recorded_error.is_some() && !is_parse_error) && !is_unlisted {
            return Err(format!("scrape {k}: {fetched:?}, recorded {recorded_error:?}"));
        }
        for action in
            line["actions"].as_array().into_iter().flatten().filter(|a| a["after"]["k"] == k)
        {
            for (name, text) in action["write"].as_object().into_iter().flatten() {
                std::fs::write(scratch.path().join(name), text.as_str().expect("a text"))
                    .expect("written");
            }
        }
    }
    compare_requests(line, &servers, address)
}

/// What the servers were asked against the record.
fn compare_requests(line: &Value, servers: &Servers, address: &str) -> Result<(), String> {
    let seen = servers.requests();
    for (host, requests) in line["requests"].as_object().expect("requests") {
        let ours: Vec<_> = seen.iter().filter(|r| r.host == *host).collect();
        let scrapes: Vec<_> = ours.iter().filter(|r| !r.is_route).collect();
        for (k, request) in
            scrapes.iter().enumerate().take(if host == address { usize::MAX } else { 0 })
        {
            let Some(recorded) = expected(requests, k) else { continue };
            let path = recorded["path"].as_str().expect("a path");
            if request.path != path || request.headers != recorded_headers(recorded) {
                return Err(format!("request {k}: {request:?}, recorded {recorded}"));
            }
        }
        let recorded: Vec<_> =
            requests.as_array().expect("requests").iter().filter(|r| r["k"].is_null()).collect();
        for (request, recorded) in ours.iter().filter(|r| r.is_route).zip(recorded) {
            if request.path != recorded["path"].as_str().expect("a path")
                || request.headers != recorded_headers(recorded)
            {
                return Err(format!("redirected request {request:?}, recorded {recorded}"));
            }
        }
    }
    Ok(())
}

/// The URL of the first target of the job, as discovery and relabelling make it.
fn target_url(
    line: &Value,
    servers: &Servers,
    config: &Arc<scrape::config::ScrapeConfig>,
    directory: &str,
) -> String {
    let (discovery, groups) = discovery::Manager::new(discovery::ManagerOptions {
        registry: metrics::Registry::new(),
        name: "scrape".into(),
        user_agent: "Prometheus/".into(),
        clock: Arc::new(|| 0),
        environment: Arc::new(|_| None),
    });
    discovery.apply_config(&[(config.job_name.clone(), config.discovery.clone())]);
    let options = scrape::ManagerOptions {
        clock: Arc::new(|| 0),
        appendable: Arc::new(storage::MemoryStorage::new()),
        registry: metrics::Registry::new(),
        hostname: "host".into(),
        fetch: scrape::http_fetch_factory("Prometheus/", &metrics::Registry::new(), None),
        discovery_reload_interval: Duration::from_secs(5),
        timestamp_tolerance: Duration::from_millis(2),
        features: scrape::Features::default(),
    };
    let manager = scrape::Manager::new(options, groups);
    let context = cli::config::Context::new(&|_| None);
    let text = servers.rewrite(line["config"].as_str().expect("a text"));
    let global =
        cli::config::load(text.as_bytes(), &format!("{directory}/prometheus.yml"), &context)
            .expect("good")
            .global;
    manager.apply_config(&global, std::slice::from_ref(config)).expect("a pool");
    manager.targets()[0].active[0].scrape_url.to_string()
}

#[test]
fn recorded_scenarios() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut total, mut wrong) = (0, Vec::new());
    for line in tests::golden("scrape/http.jsonl") {
        total += 1;
        if let Err(difference) = runtime.block_on(replay(&line)) {
            wrong.push(format!("{}: {difference}", line["name"]));
        }
    }
    println!("scrape/http.jsonl: {} of {total} agree", total - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

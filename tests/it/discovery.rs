//! Recorded interfaces of discovery, replayed: what is asked, and the targets that are made of the answers.

mod dns;
mod kubernetes;
mod server;

use serde_json::Value;
use server::Server;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The labels of targets, sorted.
type Targets = Vec<BTreeMap<String, String>>;

/// How long a scenario may take; only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

fn expected(targets: &Value) -> Targets {
    let labels = |target: &Value| -> BTreeMap<String, String> {
        let fields = target.as_object().into_iter().flatten();
        fields
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect()
    };
    let mut all: Targets = targets.as_array().into_iter().flatten().map(labels).collect();
    all.sort();
    all
}

fn discovered(groups: &discovery::TargetGroups) -> Targets {
    let mut all = Targets::new();
    for group in groups.values().flatten() {
        for target in &group.targets {
            // Labels of the target win over those of its group.
            let pairs = group.labels.iter().chain(target.iter());
            let mut labels: BTreeMap<String, String> =
                pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            // The recording shows these only where they are not what a job gives every target anyway.
            for (name, usual) in [("__scheme__", "http"), ("__metrics_path__", "/metrics")] {
                if labels.get(name).is_some_and(|value| value == usual) {
                    labels.remove(name);
                }
            }
            all.push(labels);
        }
    }
    all.sort();
    all
}

/// What differs between two lists of targets.
fn difference(want: &Targets, got: &Targets) -> Option<String> {
    if want == got {
        return None;
    }
    let missing: Vec<_> = want.iter().filter(|target| !got.contains(target)).take(3).collect();
    let surplus: Vec<_> = got.iter().filter(|target| !want.contains(target)).take(3).collect();
    Some(format!(
        "{} targets instead of {}\n  missing {missing:?}\n  surplus {surplus:?}",
        got.len(),
        want.len()
    ))
}

/// The configuration of the only job of a scenario.
fn job(config: &str) -> discovery::config::DiscoveryConfigs {
    let context = cli::config::Context::new(&|_| None);
    let config = cli::config::load(config.as_bytes(), "prometheus.yml", &context)
        .unwrap_or_else(|error| panic!("{error}\n{config}"));
    config.scrape_configs().expect("jobs").remove(0).discovery
}

/// The line with the address of the server in place of the one that stands in its configuration.
fn rewritten(line: &Value, address: std::net::SocketAddr) -> String {
    let text = line.to_string();
    let config = line["config"].as_str().unwrap_or_default();
    let Some(begin) = config.find("127.103.") else { return text };
    let is_end = |c: char| !c.is_ascii_digit() && c != '.';
    let rest = &config[begin..];
    let host = &rest[..rest.find(is_end).unwrap_or(rest.len())];
    text.replace(host, &address.ip().to_string()).replace("21402", &address.port().to_string())
}

async fn replay(line: &Value) -> Result<(), String> {
    let server = Server::start();
    let text = rewritten(line, server.address);
    let has_steps = line["then"].is_array();
    let text = if has_steps {
        text.replace("refresh_interval: 7s", "refresh_interval: 50ms")
    } else {
        text
    };
    let line: Value = serde_json::from_str(&text).expect("JSON");
    server.load(&line["requests"]);
    let registry = metrics::Registry::new();
    let (manager, mut receive) = discovery::Manager::new(discovery::ManagerOptions {
        registry: registry.clone(),
        name: "scrape".into(),
        user_agent: "Prometheus/".into(),
        clock: Arc::new(|| 1_700_000_000_000),
        environment: Arc::new(|_| None),
    });
    manager.apply_config(&[("j".to_owned(), job(line["config"].as_str().expect("a text")))]);
    let further = line["then"].as_array().into_iter().flatten();
    let mut steps = vec![&line["targets"]];
    steps.extend(further.map(|step| &step["targets"]));
    for (step, targets) in steps.into_iter().enumerate() {
        if step > 0 {
            server.next_step();
        }
        let want = expected(targets);
        let settled = async {
            loop {
                let got = discovered(&receive.borrow_and_update().clone());
                if got == want && server.is_done(has_steps) {
                    return;
                }
                drop(tokio::time::timeout(Duration::from_millis(20), receive.changed()).await);
            }
        };
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            let got = discovered(&receive.borrow());
            let what = difference(&want, &got).unwrap_or("not all was asked for".to_owned());
            return Err(format!("step {step}: {what}\n  {:?}", server.problems()));
        }
    }
    match server.problems() {
        problems if problems.is_empty() => check_metrics(&line, &registry),
        problems => Err(problems.join("\n")),
    }
}

/// Counters of failures that were not 0 are not 0, and the others are.
fn check_metrics(line: &Value, registry: &metrics::Registry) -> Result<(), String> {
    let mut text = String::new();
    registry.encode_text(&mut text);
    let failures =
        text.lines().filter(|line| !line.starts_with('#') && line.contains("_failures_"));
    for found in failures {
        let (series, value) = found.rsplit_once(' ').expect("a sample");
        let name = series.split('{').next().expect("a name");
        let recorded = line["metrics"].as_object().into_iter().flatten();
        let is_recorded = recorded.into_iter().any(|(key, _)| key.split('{').next() == Some(name));
        if is_recorded != (value != "0") {
            return Err(format!("{found}, recorded {}", line["metrics"]));
        }
    }
    Ok(())
}

/// Mechanisms whose recordings hold answers that others wrote: they are not part of this repository.
const FOREIGN: &[&str] = &[
    "digitalocean",
    "docker",
    "dockerswarm",
    "eureka",
    "hetzner",
    "ionos",
    "linode",
    "openstack",
    "ovhcloud",
    "puppetdb",
    "scaleway",
    "stackit",
    "vultr",
];

fn recorded(mechanism: &str) -> Option<Vec<Value>> {
    let name = format!("scrape/discovery/{mechanism}.jsonl");
    if !FOREIGN.contains(&mechanism) {
        return Some(tests::golden(&name));
    }
    let path = tests::shared()?.join("golden").join(name);
    Some(tests::json_lines(&std::fs::read(path).expect("a recording")))
}

/// Replays all scenarios of a mechanism.
fn replay_all(mechanism: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let Some(lines) = recorded(mechanism) else { return };
    let mut failures = Vec::new();
    for line in &lines {
        if let Err(what) = runtime.block_on(replay(line)) {
            failures.push(format!("{}: {what}", line["name"]));
        }
    }
    runtime.shutdown_background();
    let good = lines.len() - failures.len();
    println!("{mechanism}.jsonl {good}/{}", lines.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

macro_rules! mechanisms {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            replay_all(stringify!($name));
        }
    )*};
}

mechanisms! {
    consul digitalocean docker dockerswarm ec2 eureka hetzner http ionos kuma linode marathon nomad
    openstack outscale ovhcloud puppetdb scaleway stackit triton uyuni vultr
}

//! `check service-discovery`: what the discovery of a job finds within some time, and what relabelling makes of it.

use super::{Failure, Outcome, Streams, text};
use crate::clock;
use crate::config::{Context, load_file};
use crate::status::PROMETHEUS_VERSION;
use clap::{Arg, ArgMatches, Command};
use model::Labels;
use scrape::DiscoveredTarget;
use scrape::config::ScrapeConfig;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn command() -> Command {
    Command::new("service-discovery")
        .about(
            "Perform service discovery for the given job name and report the results, \
             including relabeling",
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .default_value("30s")
                .help("The time to wait for discovery results"),
        )
        .arg(Arg::new("config-file").required(true).help("The prometheus config file"))
        .arg(Arg::new("job").required(true).help("The job to run service discovery for"))
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let timeout_ms = model::duration::parse(text(args, "timeout"))
        .map_err(|error| Failure::Input(format!("--timeout: {error}")))?;
    let timeout = Duration::from_millis(timeout_ms.max(0) as u64);
    let context = Context::new(streams.environment);
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::Input(format!("Cannot load {what} {error}"))
    };
    let config =
        load_file(text(args, "config-file"), &context).map_err(|error| failed("config", &error))?;
    let jobs = config.scrape_configs().map_err(|error| failed("scrape configs", &error))?;
    let name = text(args, "job");
    let Some(job) = jobs.iter().find(|job| job.job_name == name) else {
        writeln!(streams.error, "Job {name} not found. Select one of:")?;
        for job in &jobs {
            writeln!(streams.error, "\t{}", job.job_name)?;
        }
        return Ok(1);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let targets = runtime.block_on(discovered(job, timeout));
    runtime.shutdown_background();
    let targets: Vec<Value> = targets.iter().map(shown).collect();
    let mut shown = Vec::new();
    serde_json::to_writer_pretty(&mut shown, &targets).map_err(std::io::Error::from)?;
    streams.output.write_all(&shown)?;
    Ok(0)
}

/// What the discovery of the job has found when the time is over.
async fn discovered(job: &ScrapeConfig, timeout: Duration) -> Vec<DiscoveredTarget> {
    let (manager, receive) = discovery::Manager::new(discovery::ManagerOptions {
        registry: metrics::Registry::new(),
        name: "scrape".into(),
        user_agent: format!("Prometheus/{PROMETHEUS_VERSION}").into(),
        clock: Arc::new(clock::now_ms),
        environment: discovery::process_environment(),
    });
    manager.apply_config(&[(job.job_name.clone(), job.discovery.clone())]);
    tokio::time::sleep(timeout).await;
    manager.stop();
    let groups = Arc::clone(&receive.borrow());
    let mut targets: Vec<DiscoveredTarget> = Vec::new();
    for group in groups.values().flatten() {
        let begin = targets.len();
        for target in scrape::discovered_targets(job, group) {
            if !targets[begin..].contains(&target) {
                targets.push(target);
            }
        }
    }
    targets
}

fn shown(target: &DiscoveredTarget) -> Value {
    let labels = |labels: &Labels| -> Value {
        let pairs = labels.iter().map(|(name, value)| (name.to_owned(), json!(value)));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let mut shown = Map::new();
    shown.insert("discoveredLabels".to_owned(), labels(&target.discovered_labels));
    shown.insert("labels".to_owned(), labels(&target.labels));
    if let Some(error) = &target.error {
        shown.insert("error".to_owned(), json!(error));
    }
    Value::Object(shown)
}

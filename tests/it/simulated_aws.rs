//! Discovery at AWS against a simulation of it, moto, where Python has it: `tests/moto/serve.py` says what is there.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How long everything may take; only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The simulation; it ends when dropped.
struct Simulation {
    child: Child,
    url: String,
}

impl Drop for Simulation {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts it; `None`, aloud, where there is no moto.
fn start() -> Option<Simulation> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/moto/serve.py");
    let mut command = Command::new("python3");
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        println!("skipped: there is no python3");
        return None;
    };
    let mut line = String::new();
    let output = child.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("a line");
    let url = line.trim().to_owned();
    let simulation = Simulation { child, url };
    if !simulation.url.starts_with("http://") {
        println!("skipped: {}", simulation.url);
        return None;
    }
    Some(simulation)
}

/// The targets that a section finds, once there are as many as `want`, as lines of labels.
async fn discover(url: &str, kind: &str, want: usize) -> Vec<Vec<String>> {
    let config = format!(
        "scrape_configs:\n- job_name: j\n  {kind}_sd_configs:\n  - {{region: eu-west-1, endpoint: '{url}', \
         access_key: A, secret_key: S, refresh_interval: 1s}}\n"
    );
    let context = cli::config::Context::new(&|_| None);
    let config = cli::config::load(config.as_bytes(), "prometheus.yml", &context).expect("good");
    let job = config.scrape_configs().expect("jobs").remove(0);
    let url = url.to_owned();
    let (manager, mut receive) = discovery::Manager::new(discovery::ManagerOptions {
        registry: metrics::Registry::new(),
        name: "scrape".into(),
        user_agent: "Prometheus/".into(),
        clock: Arc::new(|| 1_700_000_000_000),
        // Machines that tasks run on are asked for at another service.
        environment: Arc::new(move |name| (name == "AWS_ENDPOINT_URL_EC2").then(|| url.clone())),
    });
    manager.apply_config(&[("j".to_owned(), job.discovery)]);
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let groups = Arc::clone(&receive.borrow_and_update());
            let targets = groups.values().flatten().flat_map(|group| &group.targets);
            let line = |(name, value): (&str, &str)| format!("{name}={value}");
            let found: Vec<Vec<String>> =
                targets.map(|target| target.iter().map(line).collect()).collect();
            if found.len() == want {
                return found;
            }
            receive.changed().await.expect("the manager lives");
        }
    });
    found.await.unwrap_or_else(|_| panic!("{kind}: not {want} targets"))
}

fn has(target: &[String], labels: &[&str]) {
    for label in labels {
        let is_there = match label.strip_suffix('*') {
            Some(begin) => target.iter().any(|have| have.starts_with(begin)),
            None => target.iter().any(|have| have == label),
        };
        assert!(is_there, "{label}: {target:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_and_tasks_are_found() {
    let Some(simulation) = start() else { return };
    for target in discover(&simulation.url, "ec2", 3).await {
        has(&target, &["__meta_ec2_tag_team=a", "__meta_ec2_instance_type=m5.large"]);
        has(&target, &["__meta_ec2_availability_zone=eu-west-1*", "__meta_ec2_vpc_id=vpc-*"]);
    }
    for target in discover(&simulation.url, "ecs", 2).await {
        has(&target, &["__meta_ecs_cluster=c1", "__meta_ecs_tag_cluster_k=cluster"]);
        has(&target, &["__meta_ecs_network_mode=awsvpc", "__meta_ecs_launch_type=FARGATE"]);
        has(&target, &["__meta_ecs_tag_task_k=task", "__meta_ecs_subnet_id=subnet-*"]);
    }
}

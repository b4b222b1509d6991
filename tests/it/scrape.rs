//! The recorded scrape scenarios against the real scrape manager, with a simulated clock, scripted answers and a
//! storage that applies the head's rules. Not HTTP: that is `http_client`.

mod compare;
mod script;
mod storage;

use compare::compare;
use discovery::TargetGroups;
use script::{Scenario, Script};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use storage::TestStorage;
use tokio::sync::watch;
use tokio::time::Instant;

/// Why a scenario is not replayed, by its name; the others must agree.
const EXCEPTIONS: [(&str, &str); 9] = [
    ("target_removed_and_back", "the record varies with the delays of discovery"),
    ("target_removed_with_timestamps", "in the record, discovery took longer than a scrape"),
    ("reload_label_changed", "the record varies with the delays of discovery"),
    ("target_scheme_https", "three targets have the same labels, so that scrape 0 is not defined"),
    ("target_duplicates_dedup", "two targets share one script; who got which answer was chance"),
    ("target_histogram_labels", "three targets share one script; who got the answer was chance"),
    ("target_interval_labels", "five targets share one script; who got which answer was chance"),
    (
        "target_bad_label_names_legacy",
        "two targets share one script; who got which answer was chance",
    ),
    ("file_sd_add_remove", "the record varies with the delays of discovery"),
];

fn load(config: &str, scenario: &Scenario) -> Option<cli::config::Config> {
    let mut context = cli::config::Context::new(&|_| None);
    context.defaults.extra_scrape_metrics = scenario.has("extra-scrape-metrics");
    context.defaults.protobuf_first =
        scenario.has("created-timestamp-zero-ingestion") || scenario.has("st-storage");
    context.exemplar_storage = scenario.has("exemplar-storage");
    // Replays leave no files behind.
    let config =
        config.replace("scrape_failure_log_file: failures.log", "scrape_failure_log_file: ''");
    cli::config::load(config.as_bytes(), "prometheus.yml", &context).ok()
}

/// The groups that the jobs of `config` discover in these files.
fn groups(
    config: &cli::config::Config,
    files: &BTreeMap<String, String>,
    before: &TargetGroups,
) -> TargetGroups {
    let mut all = TargetGroups::new();
    for job in config.scrape_configs().expect("no further files") {
        let mut found = Vec::new();
        for (index, group) in job.discovery.static_configs.iter().enumerate() {
            found.push(script::group(&index.to_string(), group, None));
        }
        for file_sd in &job.discovery.file_sd_configs {
            for (name, text) in files {
                if !file_sd.files.iter().any(|pattern| script::matches(pattern, name)) {
                    continue;
                }
                match discovery::file_format::parse(Path::new(name), text) {
                    Ok(list) => found.extend(list.iter().enumerate().map(|(index, group)| {
                        script::group(&format!("{name}:{index}"), group, Some(name))
                    })),
                    Err(_) => found.extend(
                        before
                            .get(&job.job_name)
                            .into_iter()
                            .flatten()
                            .filter(|group| group.source.starts_with(&format!("{name}:")))
                            .cloned(),
                    ),
                }
            }
        }
        all.insert(job.job_name.clone(), found);
    }
    all
}

/// What a replay left behind.
struct Outcome {
    storage: Arc<TestStorage>,
    pools: Vec<scrape::PoolStatus>,
    metadata: Vec<scrape::TargetMetadata>,
    metrics: String,
    /// The time `T` of the scenario.
    base_ms: i64,
}

async fn replay(scenario: &Scenario) -> Outcome {
    replay_by(scenario, |elapsed_ms| elapsed_ms).await
}

/// Replays by a clock that shows `shown` of the time that has passed.
async fn replay_by(
    scenario: &Scenario,
    shown: impl Fn(i64) -> i64 + Send + Sync + 'static,
) -> Outcome {
    let start = Instant::now();
    let clock: scrape::Clock =
        Arc::new(move || script::START_MS + shown(start.elapsed().as_millis() as i64));
    let registry = metrics::Registry::new();
    let storage = Arc::new(TestStorage::new(scenario.has("exemplar-storage")));
    let (script, mut actions) = Script::new(scenario, Arc::clone(&clock));
    let mut config = load(&scenario.config, scenario).expect("recorded with this configuration");
    let mut files = scenario.files.clone();
    let mut published = groups(&config, &files, &TargetGroups::new());
    let (publish, receive) = watch::channel(Arc::new(published.clone()));
    let fetch = Arc::clone(&script);
    let options = scrape::ManagerOptions {
        clock,
        appendable: Arc::clone(&storage) as _,
        registry: registry.clone(),
        hostname: "host".into(),
        fetch: Arc::new(move |config| {
            Ok(Arc::new(script::ScriptFetch::new(Arc::clone(&fetch), config)))
        }),
        discovery_reload_interval: Duration::ZERO,
        timestamp_tolerance: Duration::from_millis(2),
        features: scrape::Features {
            type_and_unit_labels: scenario.has("type-and-unit-labels"),
            zero_samples: scenario.has("created-timestamp-zero-ingestion"),
            start_timestamps: scenario.has("st-storage"),
            synthesise_starts: scenario.has("st-synthesis"),
            metadata: scenario.has("metadata-wal-records"),
        },
    };
    let manager = scrape::Manager::new(options, receive);
    apply(&manager, &config);
    let end = start + scenario.duration;
    loop {
        let action: Value = tokio::select! {
            action = actions.recv() => action.expect("the script lives"),
            () = tokio::time::sleep_until(end) => break,
        };
        // The scrape that got the answer ends before anything changes.
        tokio::time::sleep(Duration::from_millis(1)).await;
        script::change_files(&action, &mut files);
        if let Some(text) = action["config"].as_str() {
            let loaded = load(text, scenario);
            assert_eq!(loaded.is_some(), action["reload_status"][0] == 200, "{}", scenario.name);
            let Some(loaded) = loaded else { continue };
            config = loaded;
            published = groups(&config, &files, &published);
            publish.send_replace(Arc::new(published.clone()));
            apply(&manager, &config);
        } else {
            published = groups(&config, &files, &published);
            publish.send_replace(Arc::new(published.clone()));
        }
    }
    let (pools, metadata) = (manager.targets(), manager.metadata());
    let mut text = String::new();
    registry.encode_text(&mut text);
    // Not stopped: that would wait for scrapes beyond the script, which never end.
    drop(manager);
    Outcome { storage, pools, metadata, metrics: text, base_ms: script.base_ms() }
}

fn apply(manager: &scrape::Manager, config: &cli::config::Config) {
    let jobs: Vec<_> = config.scrape_configs().expect("jobs").into_iter().map(Arc::new).collect();
    manager.apply_config(&config.global, &jobs).expect("all jobs can be set up");
}

#[expect(clippy::print_stdout, reason = "the figures of the test")]
fn run(file: &str, least: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let (mut total, mut agreed, mut skipped) = (0, 0, 0);
    let mut wrong = Vec::new();
    for line in tests::golden(&format!("scrape/{file}.jsonl")) {
        total += 1;
        let scenario = Scenario::new(&line);
        if scenario.needs_other_storage() {
            skipped += 1;
            continue;
        }
        let outcome = runtime.block_on(replay(&scenario));
        match compare(&line, &outcome, matches!(file, "targets" | "sd_updates")) {
            Ok(()) => agreed += 1,
            Err(difference) => wrong.push(format!("{}: {difference}", scenario.name)),
        }
    }
    println!(
        "scrape/{file}.jsonl: {agreed} agree, {skipped} about a storage with a window, of {total}"
    );
    wrong.retain(|text| EXCEPTIONS.iter().all(|(name, _)| !text.starts_with(&format!("{name}:"))));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(agreed >= least, "only {agreed} agree");
}

#[test]
fn staleness() {
    run("staleness", 59);
}

#[test]
fn labels() {
    run("labels", 43);
}

#[test]
fn limits() {
    run("limits", 26);
}

#[test]
fn targets() {
    run("targets", 21);
}

#[test]
fn discovery_updates() {
    run("sd_updates", 4);
}

#[test]
fn formats() {
    run("formats", 40);
}

/// Three targets where two are allowed: which of them are scraped, by the number of their scrapes.
fn scrapes_over_target_limit(mode: &str) -> Vec<usize> {
    let script = serde_json::json!([{"content_type": "text/plain", "body": "a 1\n", "times": 3}]);
    let addresses = ["127.0.0.1:21400", "127.0.0.2:21400", "127.0.0.3:21400"];
    let targets =
        addresses.map(|address| serde_json::json!({"address": address, "script": script}));
    let config = format!(
        "global:\n  scrape_interval: 1s\n  limit_mode: {mode}\nscrape_configs:\n- job_name: j\n  \
         target_limit: 2\n  static_configs:\n  - targets: {addresses:?}\n"
    );
    let line = serde_json::json!({"name": "soft", "config": config, "targets": targets});
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().expect("a runtime");
    let outcome = runtime.block_on(replay(&Scenario::new(&line)));
    let stored = outcome.storage.series();
    let exposed = stored.iter().filter(|(labels, _)| labels.get("__name__") == Some("a"));
    exposed.map(|(_, samples)| samples.iter().filter(|sample| !sample.is_stale()).count()).collect()
}

#[test]
fn beyond_a_soft_target_limit_the_others_go_on() {
    assert_eq!(scrapes_over_target_limit("keep_existing"), [3, 3]);
    assert!(scrapes_over_target_limit("reject").is_empty());
}

const HOUR_MS: i64 = 3_600_000;

/// What becomes of twenty scrapes, one each second, by a clock that is set: the times of the samples in seconds, counted
/// from the first, and the metrics.
fn scrapes_by(shown: impl Fn(i64) -> i64 + Send + Sync + 'static) -> (Vec<i64>, String) {
    let script = serde_json::json!([{"content_type": "text/plain", "body": "a 1\n", "times": 20}]);
    let targets = [serde_json::json!({"address": "127.0.0.1:21400", "script": script})];
    let config = "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: j\n  \
        static_configs:\n  - targets: ['127.0.0.1:21400']\n";
    let line = serde_json::json!({"name": "clock", "config": config, "targets": targets});
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().expect("a runtime");
    let outcome = runtime.block_on(replay_by(&Scenario::new(&line), shown));
    let stored = outcome.storage.series();
    let is_a = |labels: &model::Labels| labels.get("__name__") == Some("a");
    let (_, samples) = stored.iter().find(|(labels, _)| is_a(labels)).expect("scraped");
    let times = samples.iter().filter(|sample| !sample.is_stale()).map(|s| s.timestamp_ms);
    let times: Vec<i64> = times.collect();
    (times.iter().map(|time| (time - times[0]) / 1000).collect(), outcome.metrics)
}

fn counted<'a>(metrics: &'a str, name: &str) -> &'a str {
    metrics.lines().find_map(|line| line.strip_prefix(name)).expect("there").trim()
}

#[test]
fn a_clock_that_is_set_forwards_leaves_a_gap() {
    let (times, metrics) = scrapes_by(|ms| if ms < 8_000 { ms } else { ms + HOUR_MS });
    let gap = times.windows(2).position(|two| two[1] - two[0] == 3601).expect("an hour");
    let seconds = (0..20).map(|n| if n <= gap as i64 { n } else { n + 3600 });
    assert_eq!(times, seconds.collect::<Vec<_>>());
    assert_eq!(counted(&metrics, "prometheus_target_scrapes_sample_out_of_order_total"), "0");
}

#[test]
fn a_clock_that_is_set_back_loses_samples_until_it_has_caught_up() {
    let set_back = |ms: i64| (8_000..12_000).contains(&ms);
    let (times, metrics) = scrapes_by(move |ms| if set_back(ms) { ms - HOUR_MS / 2 } else { ms });
    let lost: Vec<i64> = (0..20).filter(|second| !times.contains(second)).collect();
    assert_eq!((times.len(), lost.len()), (16, 4), "{times:?}");
    assert_eq!(lost[3] - lost[0], 3, "{lost:?}");
    assert_eq!(counted(&metrics, "prometheus_target_scrapes_sample_out_of_order_total"), "4");
    let duplicates = "prometheus_target_scrapes_sample_duplicate_timestamp_total";
    assert_eq!(counted(&metrics, duplicates), "0");
}

/// Answers after three seconds.
struct Slow;

impl scrape::Fetch for Slow {
    fn fetch<'a>(
        &'a self,
        _request: scrape::FetchRequest<'a>,
        body: &'a mut Vec<u8>,
    ) -> scrape::Fetching<'a> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            body.extend_from_slice(b"a 1\n");
            Ok("text/plain; version=0.0.4".into())
        })
    }
}

/// Scrapes a slow target each ten seconds, and ends that by `end` in the middle of the second scrape. The times of its
/// samples, from the first on, and how long the end took.
async fn scrapes_ended_by(end: impl AsyncFnOnce(&scrape::Manager)) -> (Vec<i64>, Duration) {
    let start = Instant::now();
    let clock: scrape::Clock =
        Arc::new(move || script::START_MS + start.elapsed().as_millis() as i64);
    let storage = Arc::new(TestStorage::new(false));
    let text = "scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n  static_configs: [{targets: ['a:1']}]\n";
    let config = cli::config::load(text.as_bytes(), "p.yml", &cli::config::Context::new(&|_| None));
    let config = config.expect("a good configuration");
    let targets = groups(&config, &BTreeMap::new(), &TargetGroups::new());
    let (_publish, receive) = watch::channel(Arc::new(targets));
    let options = scrape::ManagerOptions {
        clock: Arc::clone(&clock),
        appendable: Arc::clone(&storage) as _,
        registry: metrics::Registry::new(),
        hostname: "host".into(),
        fetch: Arc::new(|_| Ok(Arc::new(Slow))),
        discovery_reload_interval: Duration::ZERO,
        timestamp_tolerance: Duration::from_millis(2),
        features: scrape::Features::default(),
    };
    let manager = scrape::Manager::new(options, receive);
    apply(&manager, &config);
    let stored = || {
        let series = storage.series();
        let a = series.into_iter().find(|(labels, _)| labels.get("__name__") == Some("a"));
        a.map_or_else(Vec::new, |(_, samples)| {
            samples.iter().map(|sample| (sample.timestamp_ms, sample.is_stale())).collect()
        })
    };
    while stored().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The next one began seven seconds after this one ended.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let before = Instant::now();
    end(&manager).await;
    let took = before.elapsed();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let samples = stored();
    assert!(samples.iter().all(|&(_, is_stale)| !is_stale), "no markers");
    (samples.iter().map(|&(ms, _)| ms - samples[0].0).collect(), took)
}

#[test]
fn a_scrape_at_hand_is_finished_at_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().expect("a runtime");
    let (times, took) =
        runtime.block_on(scrapes_ended_by(async |manager: &scrape::Manager| manager.stop().await));
    assert_eq!(times, [0, 10_000], "that of the server");
    assert!((1..=3).contains(&took.as_secs()), "{took:?}");
    let remove = async |manager: &scrape::Manager| {
        let none = cli::config::load(b"", "p.yml", &cli::config::Context::new(&|_| None));
        apply(manager, &none.expect("an empty configuration"));
    };
    let (times, took) = runtime.block_on(scrapes_ended_by(remove));
    assert_eq!(times, [0, 10_000], "that of the job");
    assert_eq!(took, Duration::ZERO, "a reload does not wait");
}

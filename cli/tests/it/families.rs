//! The server's own metrics: which families of Prometheus' there are, with which types, and what is left out and why.

use benches::load::peer::Peer;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Families, or beginnings of them, that have nothing to show here.
const ABSENT: &[(&str, &[&str])] = &[
    ("the runtime of Go has no counterpart", &["go_gc_", "go_sched_", "go_sync_", "go_memstats_"]),
    (
        "rules, templates and alerts are not built",
        &["prometheus_rule_", "prometheus_template_", "prometheus_notifications_"],
    ),
    (
        "there is no compaction of stale or selected series",
        &["prometheus_tsdb_stale_series_", "prometheus_tsdb_selected_series_"],
    ),
    (
        "not counted yet",
        &[
            "prometheus_tsdb_compaction_chunk_",
            "prometheus_tsdb_head_native_histogram_",
            "prometheus_tsdb_sample_ooo_delta",
            "prometheus_tsdb_wal_record_bytes_saved_total",
        ],
    ),
    (
        "labels are not interned that way",
        &[
            "prometheus_remote_storage_string_interner_",
            "prometheus_target_scrape_pool_symboltable_items",
            "prometheus_tsdb_symbol_table_size_bytes",
        ],
    ),
];

/// The series that the alerts and dashboards of the Prometheus mixin ask for, but those of rules and Alertmanagers.
const MIXIN: &[&str] = &[
    "process_start_time_seconds",
    "prometheus_build_info",
    "prometheus_config_last_reload_successful",
    "prometheus_engine_queries",
    "prometheus_engine_queries_concurrent_max",
    "prometheus_engine_query_duration_seconds",
    "prometheus_engine_query_duration_seconds_count",
    "prometheus_remote_storage_enqueue_retries_total",
    "prometheus_remote_storage_highest_timestamp_in_seconds",
    "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
    "prometheus_remote_storage_queue_highest_timestamp_seconds",
    "prometheus_remote_storage_samples_dropped_total",
    "prometheus_remote_storage_samples_failed_total",
    "prometheus_remote_storage_samples_in_total",
    "prometheus_remote_storage_samples_pending",
    "prometheus_remote_storage_samples_retried_total",
    "prometheus_remote_storage_samples_total",
    "prometheus_remote_storage_shard_capacity",
    "prometheus_remote_storage_shards",
    "prometheus_remote_storage_shards_desired",
    "prometheus_remote_storage_shards_max",
    "prometheus_remote_storage_shards_min",
    "prometheus_sd_discovered_targets",
    "prometheus_sd_kubernetes_failures_total",
    "prometheus_sd_refresh_failures_total",
    "prometheus_target_interval_length_seconds_count",
    "prometheus_target_interval_length_seconds_sum",
    "prometheus_target_metadata_cache_entries",
    "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "prometheus_target_scrape_pool_exceeded_target_limit_total",
    "prometheus_target_scrapes_exceeded_body_size_limit_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    "prometheus_target_scrapes_sample_out_of_order_total",
    "prometheus_target_sync_failed_total",
    "prometheus_target_sync_length_seconds_sum",
    "prometheus_tsdb_compactions_failed_total",
    "prometheus_tsdb_head_chunks",
    "prometheus_tsdb_head_samples_appended_total",
    "prometheus_tsdb_head_series",
    "prometheus_tsdb_reloads_failures_total",
    "prometheus_tsdb_wal_segment_current",
    "prometheus_wal_watcher_current_segment",
];

/// Who makes connections in the configuration below.
const DIALERS: &[&str] =
    &["a", "http", "kubernetes_sd", "remote_storage_read_client", "remote_storage_write_client"];

fn families(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let pairs = types.filter_map(|line| line.split_once(' '));
    pairs.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[test]
fn own_metrics_are_those_of_prometheus() {
    let scratch = tests::Scratch::new("families");
    let binary = env!("CARGO_BIN_EXE_firesteel");
    let line = format!(
        "firesteel={binary} --config.file={{config}} --storage.tsdb.path={{dir}} \
         --web.listen-address=127.0.0.1:{{port}}"
    );
    // The receiver is nobody: its metrics are there all the same.
    let config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: a\n  \
        static_configs: [{targets: ['127.0.0.1:1']}]\n- job_name: b\n  file_sd_configs: [{files: [none.json]}]\n- job_name: c\n  \
        kubernetes_sd_configs: [{role: pod, api_server: 'http://127.0.0.1:1'}]\n- job_name: d\n  \
        http_sd_configs: [{url: 'http://127.0.0.1:1/'}]\nremote_write:\n- url: http://127.0.0.1:1/w\n  \
        write_relabel_configs: [{source_labels: [__name__], regex: scrape_samples_scraped, action: drop}]\nremote_read: [{url: 'http://127.0.0.1:1/r'}]\n";
    let peer = Peer::parse(&line).expect("a well-formed command");
    let running = peer.start(&scratch.path().join("data"), config).expect("the server starts").0;
    let begin = metrics::Stopwatch::start();
    let expected = tests::golden("metrics/families.jsonl");
    let absent = |name: &str| {
        ABSENT.iter().flat_map(|(_, names)| *names).any(|begin| name.starts_with(begin))
    };
    // Some families appear with the second scrape.
    loop {
        let response = running.client().get("/metrics").expect("an answer");
        let text = String::from_utf8(response.body).expect("text");
        let ours = families(&text);
        let mut wrong = Vec::new();
        let series: BTreeSet<&str> =
            text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
        for name in MIXIN.iter().filter(|name| !series.contains(*name)) {
            wrong.push(format!("{name}: no series, yet the mixin asks for it"));
        }
        for dialer in DIALERS {
            let counter =
                format!("net_conntrack_dialer_conn_attempted_total{{dialer_name={dialer:?}}}");
            if !text.contains(&counter) {
                wrong.push(format!("{counter}: no series"));
            }
        }
        for family in &expected {
            let (name, kind) = (family["name"].as_str().expect("a name"), &family["type"]);
            let found = ours.get(name);
            let is_good = found.map_or(absent(name), |found| kind == found.as_str());
            if !is_good {
                wrong.push(format!("{name}: {found:?}, want {kind}"));
            }
        }
        if wrong.is_empty() {
            let found = expected
                .iter()
                .filter(|f| f["name"].as_str().is_some_and(|n| ours.contains_key(n)));
            println!("metrics/families.jsonl {}/{}", found.count(), expected.len());
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{}", wrong.join("\n"));
        std::thread::sleep(Duration::from_millis(100));
    }
}

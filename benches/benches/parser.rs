//! Query texts: lexing and parsing, both printers, and patterns of matchers: compiling and matching by shape.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use model::regex::Regex;
use promql::{Features, parse, pretty};

/// Queries as dashboards of node exporters and Kubernetes send them.
const QUERIES: &[&str] = &[
    "up",
    "sum(rate(http_requests_total{job=\"api\",code=~\"5..\"}[5m])) by (instance)",
    "1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))",
    "histogram_quantile(0.99, sum by (le, job) (rate(request_duration_seconds_bucket[5m])))",
    "sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{image!=\"\"}[5m])) * on (namespace, pod) \
     group_left (node) topk by (namespace, pod) (1, max by (namespace, pod, node) (kube_pod_info{node!=\"\"}))",
    "label_replace(sum(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes) by (instance), \"host\", \
     \"$1\", \"instance\", \"([^:]+):.*\") / 1024 ^ 3",
    "max_over_time(deriv(node_filesystem_avail_bytes{fstype!~\"tmpfs|overlay\"}[1h:1m] offset 1d)[6h:5m])",
];

fn main() {
    divan::main();
}

#[divan::bench(args = 0..QUERIES.len())]
fn parse_query(bencher: Bencher<'_, '_>, index: usize) {
    let query = QUERIES[index];
    bencher
        .counter(BytesCount::new(query.len()))
        .bench(|| parse(divan::black_box(query), &Features::ALL).expect("a query"));
}

#[divan::bench]
fn canonical_form(bencher: Bencher<'_, '_>) {
    let expr = parse(QUERIES[4], &Features::ALL).expect("a query");
    bencher.bench(|| divan::black_box(&expr).to_string());
}

#[divan::bench]
fn pretty_form(bencher: Bencher<'_, '_>) {
    let expr = parse(QUERIES[4], &Features::ALL).expect("a query");
    bencher.bench(|| pretty(divan::black_box(&expr)));
}

/// One pattern of each shape.
const PATTERNS: &[&str] =
    &["api", "api|web|db|cache", "api-.*", ".*-prod", ".+prod.*", "api-[0-9]+", "(?i:api).*"];

#[divan::bench(args = PATTERNS)]
fn compile_pattern(pattern: &str) -> Regex {
    Regex::new(divan::black_box(pattern)).expect("a pattern")
}

#[divan::bench(args = PATTERNS)]
fn match_pattern(bencher: Bencher<'_, '_>, pattern: &str) {
    let regex = Regex::new(pattern).expect("a pattern");
    let values: Vec<String> = (0..1000).map(|i| format!("api-{i}-eu-prod")).collect();
    bencher
        .counter(ItemsCount::new(values.len()))
        .bench(|| values.iter().filter(|value| regex.is_match(value)).count());
}

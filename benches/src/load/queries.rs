//! The fixed query set: its data, its expressions, and what of an answer is compared between servers.

use crate::load::series::Series;

/// A query of the set.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Its row in the table.
    pub name: &'static str,
    /// The expression.
    pub expr: &'static str,
    /// Step of a range query over the hour, in seconds; zero for an instant query at its end.
    pub step_s: u64,
}

const fn range(name: &'static str, expr: &'static str, step_s: u64) -> Query {
    Query { name, expr, step_s }
}

const fn instant(name: &'static str, expr: &'static str) -> Query {
    Query { name, expr, step_s: 0 }
}

/// The queries, in the order of the table.
pub const QUERIES: &[Query] = &[
    range("sum by (mode) (rate)", "sum by (mode) (rate(node_cpu_seconds_total[5m]))", 60),
    range(
        "sum by (instance) (rate), !=",
        "sum by (instance) (rate(node_cpu_seconds_total{mode!=\"idle\"}[5m]))",
        60,
    ),
    range(
        "histogram_quantile",
        "histogram_quantile(0.99, sum by (le,handler) (rate(http_request_duration_seconds_bucket[5m])))",
        60,
    ),
    range("topk", "topk(5, sum by (instance) (rate(node_network_receive_bytes_total[5m])))", 60),
    range("quantile_over_time 1h", "quantile_over_time(0.95, node_load5[1h])", 60),
    range("max_over_time 1h", "max_over_time(node_load1[1h])", 60),
    range(
        "subquery",
        "max_over_time(sum by (region) (rate(node_disk_reads_completed_total[5m]))[30m:1m])",
        60,
    ),
    range(
        "ratio of sums",
        "sum(rate(node_cpu_seconds_total{mode=\"user\"}[5m])) / sum(rate(node_cpu_seconds_total[5m]))",
        60,
    ),
    range("join", "node_load1 / on (instance) group_left node_load5", 60),
    instant("instant sum(rate)", "sum(rate(node_cpu_seconds_total[5m]))"),
    instant("instant count regex", "count({__name__=~\"node_.+\"})"),
    instant("instant count by name", "count by (__name__) ({__name__!=\"\"})"),
    range(
        "one series",
        "rate(node_cpu_seconds_total{instance=\"host-001:9100\",cpu=\"1\",mode=\"user\"}[5m])",
        15,
    ),
    range("all of a metric", "node_network_receive_bytes_total", 15),
];

/// The queries over native histograms.
pub const HISTOGRAM_QUERIES: &[Query] = &[
    range("quantile of sum of rate", "histogram_quantile(0.9, sum(rate(latency_seconds[5m])))", 60),
    range("sum of counts of rate", "sum(histogram_count(rate(latency_seconds[5m])))", 60),
];

/// A query whose answer is every sample of every series.
pub const LARGE_ANSWER: Query = range("large answer", "{job=\"node\"}", 15);

/// An instant query of about a hundred series.
pub const SMALL_ANSWER: Query = instant(
    "small answer",
    "{instance=\"node-0000.example.com:9100\",__name__=~\"node_metric_00[0-9]_total|node_metric_01[0-2]_total\"}",
);

/// The series that the queries ask for; `hosts` is 100 at full size.
#[must_use]
pub fn data(hosts: usize) -> Vec<Series> {
    let mut out = Vec::new();
    let modes = ["user", "system", "idle", "iowait", "irq", "softirq", "nice", "steal"];
    for host in 0..hosts {
        let instance = format!("host-{host:03}:9100");
        let base = [
            ("instance", instance.as_str()),
            ("job", "node"),
            ("region", ["eu", "us", "ap"][host % 3]),
        ];
        let mut add = |name: &str, more: &[(&str, &str)], counter: bool| {
            let mut labels = vec![("__name__", name)];
            labels.extend_from_slice(&base);
            labels.extend_from_slice(more);
            out.push(Series::new(&labels, counter));
        };
        for cpu in 0..32 {
            for mode in modes {
                add("node_cpu_seconds_total", &[("cpu", &cpu.to_string()), ("mode", mode)], true);
            }
        }
        for handler in 0..20 {
            let handler = format!("/api/v{}/thing{handler}", handler % 3);
            for le in
                ["0.005", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"]
            {
                let more = [("handler", handler.as_str()), ("le", le)];
                add("http_request_duration_seconds_bucket", &more, true);
            }
        }
        for device in ["eth0", "eth1", "lo", "docker0", "veth0", "veth1"] {
            add("node_network_receive_bytes_total", &[("device", device)], true);
        }
        for device in ["sda", "sdb"] {
            add("node_disk_reads_completed_total", &[("device", device)], true);
        }
        for name in ["node_load1", "node_load5", "node_load15"] {
            add(name, &[], false);
        }
        for metric in 0..200 {
            add(&format!("node_filler_{metric:03}"), &[], metric % 2 == 0);
        }
    }
    out
}

/// What of an answer must agree: how many series, how many samples, and the sum of all values to six digits.
#[must_use]
pub fn digest(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let result = answer.get("data")?.get("result")?.as_array()?;
    let (mut samples, mut sum) = (0_usize, 0.0_f64);
    for series in result {
        let single = series.get("value").into_iter();
        let many = series.get("values").and_then(|v| v.as_array()).into_iter().flatten();
        for sample in single.chain(many) {
            samples += 1;
            let value: f64 = sample.get(1)?.as_str()?.parse().unwrap_or(f64::NAN);
            if value.is_finite() {
                sum += value;
            }
        }
    }
    Some(format!("{} series, {samples} samples, sum {sum:.6e}", result.len()))
}

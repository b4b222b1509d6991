//! Tests of the exposition, line by line.

use super::*;

fn text(registry: &Registry) -> String {
    let mut out = String::new();
    registry.encode_text(&mut out);
    out
}

#[test]
fn prints_every_kind_sorted_by_name_and_labels() {
    let registry = Registry::new();
    registry.gauge("z_gauge", "Last.").set(-1.5);
    let requests = registry.counter_vec("a_total", "First \\ \"one\"\nof them.", &["code", "path"]);
    requests.with(&["500", "/"]).inc();
    requests.with(&["200", "/a\"b\\c\n"]).inc_by(2);
    requests.with(&["200", "/"]).add(0.5);
    let latency = registry.histogram("h_seconds", "Latency.", &[0.1, 1.0]);
    latency.observe(0.1);
    latency.observe(0.5);
    latency.observe(7.0);
    let summary = registry.summary_vec("s_seconds", "Quantiles.", &["slice"], &[0.5, 0.99]);
    summary.with(&["x"]).observe(3.0);
    registry.gauge_fn("m_fn", "Asked.", || 42.0);
    let expect = "# HELP a_total First \\\\ \"one\"\\nof them.\n# TYPE a_total counter\n\
        a_total{code=\"200\",path=\"/\"} 0.5\n\
        a_total{code=\"200\",path=\"/a\\\"b\\\\c\\n\"} 2\n\
        a_total{code=\"500\",path=\"/\"} 1\n\
        # HELP h_seconds Latency.\n# TYPE h_seconds histogram\n\
        h_seconds_bucket{le=\"0.1\"} 1\nh_seconds_bucket{le=\"1\"} 2\n\
        h_seconds_bucket{le=\"+Inf\"} 3\nh_seconds_sum 7.6\nh_seconds_count 3\n\
        # HELP m_fn Asked.\n# TYPE m_fn gauge\nm_fn 42\n\
        # HELP s_seconds Quantiles.\n# TYPE s_seconds summary\n\
        s_seconds{slice=\"x\",quantile=\"0.5\"} 3\ns_seconds{slice=\"x\",quantile=\"0.99\"} 3\n\
        s_seconds_sum{slice=\"x\"} 3\ns_seconds_count{slice=\"x\"} 1\n\
        # HELP z_gauge Last.\n# TYPE z_gauge gauge\nz_gauge -1.5\n";
    assert_eq!(text(&registry), expect);
}

#[test]
fn declaring_again_returns_the_same_metric() {
    let registry = Registry::new();
    registry.counter("c_total", "Help.").inc();
    registry.clone().counter("c_total", "Help.").inc();
    assert!(text(&registry).ends_with("\nc_total 2\n"));
    registry.gauge_fn("f", "Help.", || 1.0);
    registry.gauge_fn("f", "Help.", || 2.0);
    assert!(text(&registry).ends_with("\nf 2\n"));
}

#[test]
fn families_without_children_are_absent() {
    let registry = Registry::new();
    let pools = registry.gauge_vec("pool_targets", "Targets.", &["pool"]);
    assert_eq!(text(&registry), "");
    pools.with(&["a"]).set(3.0);
    assert!(text(&registry).contains("pool_targets{pool=\"a\"} 3\n"));
    pools.remove(&["a"]);
    assert_eq!(text(&registry), "");
}

//! Tests of what the pages of scraping show.

use super::*;
use model::MatchOp;
use model::metadata::MetricType;
use scrape::{DroppedTarget, Health, TargetMetadata};
use std::time::Duration;

struct Scraping(Vec<PoolStatus>, Vec<TargetMetadata>);

impl TargetsSource for Scraping {
    fn pools(&self) -> Vec<PoolStatus> {
        self.0.clone()
    }
    fn metadata(&self) -> Vec<TargetMetadata> {
        self.1.clone()
    }
}

fn options() -> Options {
    Options {
        external: ("https".into(), "prom.example:443".into()),
        external_path: String::new(),
        route_prefix: String::new(),
        cors_origin: Matcher::new("origin", MatchOp::Regex, ".*").expect("regex"),
        user_assets: String::new(),
        console_templates: String::new(),
        console_libraries: String::new(),
        page_title: String::new(),
        max_connections: 1,
        read_timeout: Duration::from_secs(1),
        max_concurrency: 1,
        query_timeout: Duration::from_secs(1),
        slow_query: Duration::ZERO,
        listen: vec![SocketAddr::from(([0, 0, 0, 0], 9090))],
        agent: false,
        admin_asked: false,
        search_max_limit: None,
        per_step_stats: false,
        switches: Vec::new(),
    }
}

fn scraping() -> Scraping {
    let target = ActiveTarget {
        discovered_labels: Labels::from_pairs([("__address__", "localhost:9100")]),
        labels: Labels::from_pairs([("job", "<a>")]),
        scrape_pool: "a".into(),
        scrape_url: "http://localhost:9100/metrics?x=1&y=2".into(),
        last_error: "".into(),
        last_scrape_ms: Some(1_793_494_800_120),
        last_scrape_duration_seconds: 0.25,
        health: Health::Up,
        scrape_interval_ms: 15_000,
        scrape_timeout_ms: 10_000,
    };
    let dropped = DroppedTarget {
        discovered_labels: Labels::from_pairs([("__address__", "x")]),
        scrape_pool: "b".into(),
    };
    let pool = |name: &str, active, dropped| PoolStatus {
        scrape_pool: name.into(),
        active,
        dropped,
        num_dropped: 2,
    };
    let metadata = |help: &str| Metadata {
        metric_type: MetricType::Gauge,
        unit: "".into(),
        help: help.into(),
    };
    let of = |job: &str, help: &str| TargetMetadata {
        labels: Labels::from_pairs([("job", job)]),
        scrape_pool: job.into(),
        entries: vec![("m".into(), metadata(help))],
    };
    let metadata = vec![of("a", "One."), of("b", "Two."), of("c", "One.")];
    Scraping(vec![pool("a", vec![target], vec![]), pool("b", vec![], vec![dropped])], metadata)
}

fn answer(run: impl FnOnce(&mut Out<'_>) -> Result<Done>) -> String {
    let mut hand_on = |_: &mut Vec<u8>| Ok(());
    let mut out = Out::new(&mut hand_on);
    run(&mut out).expect("no failure");
    String::from_utf8(out.bytes).expect("JSON")
}

fn asked(query: &str) -> Params {
    Params::read(query, &http::HeaderMap::new(), &[])
}

#[test]
fn shows_targets_by_state_and_pool() {
    let show = |query: &str| answer(|out| targets(&scraping(), &options(), &asked(query), out));
    let active = concat!(
        r#"{"discoveredLabels":{"__address__":"localhost:9100"},"labels":{"job":"<a>"},"scrapePool":"a","#,
        r#""scrapeUrl":"http://localhost:9100/metrics?x=1\u0026y=2","#,
        r#""globalUrl":"http://prom.example:9100/metrics?x=1\u0026y=2","lastError":"","#,
        r#""lastScrape":"2026-11-01T01:00:00.12Z","lastScrapeDuration":0.25,"health":"up","#,
        r#""scrapeInterval":"15s","scrapeTimeout":"10s"}"#
    );
    let dropped = r#"{"discoveredLabels":{"__address__":"x"},"scrapePool":"b"}"#;
    let whole = |active: &str, dropped: &str, counts: &str| {
        format!(
            "{{\"status\":\"success\",\"data\":{{\"activeTargets\":[{active}],\
             \"droppedTargets\":[{dropped}],\"droppedTargetCounts\":{counts}}}}}"
        )
    };
    let counts = r#"{"a":2,"b":2}"#;
    assert_eq!(show(""), whole(active, dropped, counts));
    assert_eq!(show("state=ACTIVE"), whole(active, "", "null"));
    assert_eq!(show("state=dropped&scrapePool=a"), whole("", "", counts));
    assert_eq!(show("state=bogus"), whole("", "", "null"));
}

#[test]
fn metadata_is_merged_and_limited() {
    let show = |query: &str| answer(|out| metadata(&scraping(), &asked(query), out));
    let entry = |help: &str| format!(r#"{{"type":"gauge","unit":"","help":"{help}"}}"#);
    let whole = |data: &str| format!(r#"{{"status":"success","data":{{{data}}}}}"#);
    let both = format!("\"m\":[{},{}]", entry("One."), entry("Two."));
    assert_eq!(show(""), whole(&both));
    assert_eq!(show("limit=-1&limit_per_metric=0"), whole(&both));
    assert_eq!(show("limit_per_metric=1"), whole(&format!("\"m\":[{}]", entry("One."))));
    assert_eq!(show("limit=0"), whole(""));
    assert_eq!(show("metric=x"), whole(""));
    let mut hand_on = |_: &mut Vec<u8>| Ok(());
    let error = metadata(&scraping(), &asked("limit=x"), &mut Out::new(&mut hand_on));
    assert_eq!(error.expect_err("refused").text, "limit must be a number");
}

#[test]
fn global_urls() {
    let check = |url: &str, expect: &str| assert_eq!(global_url(url, &options()), expect);
    check("http://127.0.0.1:9090/metrics", "https://prom.example:443/metrics");
    check("http://[::1]:9100/x", "http://prom.example:9100/x");
    check("http://other:9090/metrics", "http://other:9090/metrics");
    check("http://localhost/metrics", "http://localhost/metrics");
}

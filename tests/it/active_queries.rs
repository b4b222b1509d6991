//! Queries that are watched: listed, cancelled, ranked, explained.

use crate::http::client::exchange;
use crate::http::serve::{Running, Setup, api};
use crate::queries::append;
use crate::server::{get, reaches, send, waiting};
use model::TimeRange;
use serde_json::Value;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use storage::{MemoryStorage, Querier, Queryable};

fn json(running: &Running, path: &str) -> Value {
    let (status, text) = get(running, path);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str::<Value>(&text).expect("JSON")["data"].clone()
}

#[test]
fn a_query_is_listed_until_someone_cancels_it() {
    let setup = Setup { change: |options| options.max_concurrency = 1, ..Setup::default() };
    let (running, waits) = waiting(&setup);
    let mut first = send(&running, "/api/v1/query_range?query=up&start=10&end=70&step=15");
    reaches(&waits.begun, 1);
    let mut second = send(&running, "/api/v1/query?query=down&time=5");
    let active = loop {
        let active = json(&running, "/api/v1/status/active_queries");
        if active[1].is_object() {
            break active;
        }
    };
    let shown = |index: usize, name: &str| active[index][name].clone();
    assert_eq!(shown(0, "query"), "up");
    assert_eq!(
        (shown(0, "start"), shown(0, "end"), shown(0, "step")),
        (10.into(), 70.into(), 15.into())
    );
    assert_eq!((shown(0, "state"), shown(1, "state")), ("running".into(), "waiting".into()));
    assert!(shown(0, "durationSeconds").as_f64().expect("a number") >= 0.0);
    for (index, stream, place) in
        [(1, &mut second, "query queue"), (0, &mut first, "expression evaluation")]
    {
        let id = shown(index, "id");
        let path = format!("/api/v1/status/active_queries/{}", id.as_str().expect("a text"));
        let answer = exchange(running.address, "DELETE", &path, &[], &[]);
        assert_eq!(answer.status, 204);
        let text = read_answer(stream);
        assert!(text.starts_with("HTTP/1.1 499 "), "{text}");
        assert!(text.contains(&format!("query was canceled in {place}")), "{text}");
    }
    reaches(&waits.cancelled, 1);
    assert_eq!(json(&running, "/api/v1/status/active_queries"), Value::Array(Vec::new()));
    let answer = exchange(running.address, "DELETE", "/api/v1/status/active_queries/1", &[], &[]);
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains(r#""errorType":"not_found""#), "{}", answer.text());
}

#[test]
fn queries_of_one_text_and_time_are_evaluated_once() {
    let (running, waits) = waiting(&Setup::default());
    let path = "/api/v1/query?query=up&time=5&timeout=60s";
    let first = send(&running, path);
    reaches(&waits.begun, 1);
    let mut second = send(&running, path);
    let other = send(&running, "/api/v1/query?query=up&time=6");
    reaches(&waits.begun, 2);
    while json(&running, "/api/v1/status/active_queries").as_array().expect("a list").len() < 3 {}
    assert_eq!(waits.begun.load(Ordering::SeqCst), 2);
    // The first goes away without an answer: the second looks for itself.
    drop(first);
    reaches(&waits.begun, 3);
    let active = json(&running, "/api/v1/status/active_queries");
    let active = active.as_array().expect("a list").iter().find(|query| query["start"] == 5);
    let path = format!(
        "/api/v1/status/active_queries/{}",
        active.expect("runs")["id"].as_str().expect("a text")
    );
    assert_eq!(exchange(running.address, "DELETE", &path, &[], &[]).status, 204);
    assert!(read_answer(&mut second).contains("query was canceled in expression evaluation"));
    drop(other);
    reaches(&waits.cancelled, 3);
}

/// A storage that lets nobody in until it is opened.
struct Gate {
    storage: MemoryStorage,
    begun: AtomicUsize,
    open: AtomicBool,
}

impl Queryable for Gate {
    fn querier(&self, range: TimeRange) -> storage::Result<Box<dyn Querier>> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        while !self.open.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        self.storage.querier(range)
    }
}

#[test]
fn one_answer_serves_all_who_wait_for_it() {
    let (begun, open) = (AtomicUsize::new(0), AtomicBool::new(false));
    let gate = Arc::new(Gate { storage: filled(), begun, open });
    let running = Running::start_api(api(Arc::clone(&gate) as _, None, &Setup::default()));
    let path = "/api/v1/query?query=m_total&time=600";
    let mut clients: Vec<_> = (0..5).map(|_| send(&running, path)).collect();
    reaches(&gate.begun, 1);
    while json(&running, "/api/v1/status/active_queries").as_array().expect("a list").len() < 5 {}
    gate.open.store(true, Ordering::SeqCst);
    let answers: Vec<_> = clients.iter_mut().map(read_answer).collect();
    let bodies = answers.iter().map(|text| text.split_once("\r\n\r\n").expect("a body").1);
    let bodies: Vec<_> = bodies.collect();
    assert!(bodies[0].contains(r#""value":[600,"10"]"#), "{}", bodies[0]);
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    let (_, metrics) = get(&running, "/metrics");
    let shared =
        metrics.lines().find(|line| line.starts_with("firesteel_query_shared_answers_total "));
    let shared: usize = shared.expect("a counter").rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(shared + gate.begun.load(Ordering::SeqCst), 5);
    assert!(shared > 0);
}

/// What arrives until the body, which is an error, is whole.
fn read_answer(stream: &mut std::net::TcpStream) -> String {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let len = stream.read(&mut piece).expect("an answer");
        bytes.extend_from_slice(&piece[..len]);
        let text = String::from_utf8_lossy(&bytes);
        if len == 0 || text.ends_with('}') {
            return text.into_owned();
        }
    }
}

/// A server with three series of a sample a minute.
fn three_series() -> Running {
    Running::start(Arc::new(filled()), &Setup::default())
}

fn filled() -> MemoryStorage {
    let storage = MemoryStorage::new();
    for name in ["a", "b", "c"] {
        let samples = (0..60).map(|minute| (minute * 60_000, minute as f64));
        append(&storage, &[("__name__", "m_total"), ("x", name)], samples);
    }
    storage
}

#[test]
fn queries_of_late_are_ranked() {
    let running = three_series();
    for (query, times) in [("m_total", 1), ("sum(m_total)", 3)] {
        for _ in 0..times {
            let path = format!("/api/v1/query_range?query={query}&start=0&end=600&step=60");
            json(&running, &path);
        }
    }
    get(&running, "/api/v1/query?query=sum(");
    let top = json(&running, "/api/v1/status/top_queries?topN=2&maxLifetime=1h");
    assert_eq!(top["topN"], 2);
    assert_eq!(top["maxLifetime"], "1h");
    let most = &top["topByCount"];
    assert_eq!(most[0]["query"], "sum(m_total)");
    assert_eq!(most[0]["count"], 3);
    assert_eq!(most[0]["timeRangeSeconds"], 600);
    assert_eq!(most.as_array().expect("a list").len(), 2);
    for (list, shown) in [
        ("topByAvgDuration", "avgDurationSeconds"),
        ("topBySumDuration", "sumDurationSeconds"),
        ("topByMaxMemory", "maxMemoryBytes"),
    ] {
        let ranks: Vec<f64> = top[list]
            .as_array()
            .expect("a list")
            .iter()
            .map(|query| query[shown].as_f64().expect("a number"))
            .collect();
        assert!(ranks.len() == 2 && ranks[0] >= ranks[1] && ranks[0] > 0.0, "{list}: {ranks:?}");
    }
    let (status, text) = get(&running, "/api/v1/status/top_queries?topN=x");
    assert_eq!(status, 400);
    assert!(text.contains("invalid parameter \\\"topN\\\""), "{text}");
}

#[test]
fn a_query_explains_itself() {
    let running = three_series();
    let query = "sum by (x) (rate(m_total{x!=\"c\"}[5m] offset 1m)) * on (x) m_total";
    let query = query.replace(' ', "%20").replace('"', "%22");
    let path = format!("/api/v1/query_range?query={query}&start=600&end=1200&step=60");
    let plain = json(&running, &path);
    assert!(plain["plan"].is_null());
    let plan = &json(&running, &format!("{path}&explain=true"))["plan"];
    assert_eq!((&plan["operator"], &plan["detail"]), (&"*".into(), &"on (x)".into()));
    let sum = &plan["children"][0];
    assert_eq!((&sum["operator"], &sum["detail"]), (&"sum".into(), &"by (x)".into()));
    let rate = &sum["children"][0];
    assert_eq!((&rate["operator"], &rate["detail"]), (&"rate".into(), &"[5m]".into()));
    let select = &rate["children"][0];
    assert_eq!(select["detail"], "m_total{x!=\"c\"} offset 1m (labels x, __name__)");
    assert!(select["series"].is_null());
    let analyzed = json(&running, &format!("{path}&explain=analyze"));
    assert_eq!(analyzed["result"], plain["result"]);
    let plan = &analyzed["plan"];
    let took = |node: &Value| {
        assert!(node["seconds"].as_f64().expect("a time") >= 0.0);
        assert!(node["bytes"].as_u64().expect("a size") > 0);
        let [runs, series, samples, read] =
            ["runs", "series", "samples", "samplesRead"].map(|name| node[name].as_u64());
        [runs, series, samples, read].map(|count| count.expect("a count"))
    };
    assert_eq!(took(plan), [1, 2, 22, 0]);
    assert_eq!(took(&plan["children"][0]), [1, 2, 22, 0]);
    assert_eq!(took(&plan["children"][0]["children"][0]), [1, 2, 22, 30]);
    assert_eq!(took(&plan["children"][1]), [1, 3, 33, 33]);
    let (status, text) = get(&running, &format!("{path}&explain=x"));
    assert_eq!(status, 400);
    assert!(text.contains("invalid parameter \\\"explain\\\""), "{text}");
}

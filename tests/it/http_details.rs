//! Small things that the recordings do not ask about, as the reference answers them.

use crate::http::client::{Answer, exchange};
use crate::http::serve::{self, Running, Setup};
use std::sync::Arc;

fn start(setup: &Setup) -> Running {
    Running::start(Arc::new(serve::head()), setup)
}

fn ask(running: &Running, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    exchange(running.address, method, path, &headers, &[])
}

#[test]
fn pages_are_where_they_were() {
    let running = start(&Setup::default());
    let pages = [
        "/query",
        "/alerts",
        "/rules",
        "/targets",
        "/service-discovery",
        "/status",
        "/tsdb-status",
    ];
    for page in pages.into_iter().chain(["/flags", "/config", "/alertmanager-discovery"]) {
        let answer = ask(&running, "GET", page, &[]);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, vec!["text/html; charset=utf-8"]),
            "{page}"
        );
        assert_eq!(ask(&running, "POST", page, &[]).status, 405, "{page}");
        assert_eq!(ask(&running, "OPTIONS", page, &[]).status, 200, "{page}");
    }
    for (method, path, status) in [
        ("GET", "/agent", 404),
        ("GET", "/assets/none", 404),
        ("POST", "/assets/none", 405),
        ("POST", "/favicon.ico", 405),
        ("GET", "/user/", 404),
        ("POST", "/user/x", 404),
        ("OPTIONS", "/user/x", 404),
    ] {
        assert_eq!(ask(&running, method, path, &[]).status, status, "{method} {path}");
    }
    let agent = Setup { change: |options| options.agent = true, ..Setup::default() };
    let running = start(&agent);
    for (path, status) in [("/agent", 200), ("/targets", 200), ("/query", 404), ("/alerts", 404)] {
        assert_eq!(ask(&running, "GET", path, &[]).status, status, "{path}");
    }
}

#[test]
fn a_slash_at_the_end_leads_on_with_methods_that_go_there() {
    let running = start(&Setup::default());
    for (method, path, status) in [
        ("GET", "/metrics/", 301),
        ("POST", "/metrics/", 404),
        ("OPTIONS", "/metrics/", 404),
        ("GET", "/query/", 301),
        ("POST", "/query/", 404),
        ("DELETE", "/api/v1/labels/", 404),
        ("POST", "/api/v1/labels/", 307),
    ] {
        assert_eq!(ask(&running, method, path, &[]).status, status, "{method} {path}");
    }
}

#[test]
fn a_packed_answer_says_so_whatever_is_in_it() {
    let running = start(&Setup::default());
    for packing in ["gzip", "deflate"] {
        for (path, status) in
            [("/federate?match[]=%7B", 400), ("/api/v1/query_exemplars?query=1", 204)]
        {
            let answer = ask(&running, "GET", path, &[("Accept-Encoding", packing)]);
            assert_eq!(
                (answer.status, answer.header("content-encoding")),
                (status, vec![packing]),
                "{path}"
            );
        }
        let answer = ask(&running, "OPTIONS", "/api/v1/labels", &[("Accept-Encoding", packing)]);
        assert_eq!(answer.header("content-encoding"), [packing]);
        let plain = ask(&running, "GET", "/federate?match[]=%7B", &[]);
        assert!(plain.header("content-encoding").is_empty());
    }
}

#[test]
fn a_body_that_is_not_packed_is_told_before_its_type() {
    let running = start(&Setup::default());
    let write = |kind: &str, body: &[u8]| {
        let headers = [("Content-Type".to_owned(), kind.to_owned())];
        exchange(running.address, "POST", "/api/v1/write", &headers, body)
    };
    let answer = write("text/plain", b"{}");
    assert_eq!((answer.status, answer.text().as_str()), (400, "s2: corrupt input\n"));
    let empty = snap::raw::Encoder::new().compress_vec(&[]).expect("packed");
    assert_eq!(write("text/plain", &empty).status, 415);
    assert_eq!(write("application/x-protobuf", &empty).status, 204);
}

#[test]
fn steps_that_nothing_was_read_for_are_told() {
    let setup = Setup { change: |options| options.per_step_stats = true, ..Setup::default() };
    let running = start(&setup);
    for (path, expected) in [
        ("/api/v1/query?query=1&time=5&stats=all", "[[5,0]]"),
        ("/api/v1/query_range?query=1&start=5&end=16&step=5&stats=all", "[[5,0],[10,0],[15,0]]"),
    ] {
        let text = ask(&running, "GET", path, &[]).text();
        for name in ["totalQueryableSamplesPerStep", "samplesReadPerStep"] {
            assert!(text.contains(&format!("\"{name}\":{expected}")), "{path}: {text}");
        }
    }
}

#[test]
fn selectors_that_cannot_be_read_are_told_first() {
    let running = start(&Setup::default());
    let answer = ask(&running, "GET", "/api/v1/labels?match[]=%7B%7D&match[]=1", &[]);
    assert!(answer.text().contains("unexpected number"), "{}", answer.text());
}

#[test]
fn arguments_that_are_not_utf_8_fill_labels_as_clients_read_them() {
    let running = start(&Setup::default());
    let answer = |query: &str| {
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        ask(&running, "GET", &format!("/api/v1/query?time=0&query={query}"), &[]).text()
    };
    // The reference answers each of these with the byte itself where there is U+FFFD.
    for (query, metric) in [
        (r#"label_replace(vector(1),"a","x\xffy$1","\xfe","(.*)")"#, "{\"a\":\"x\u{fffd}y\"}"),
        (r#"label_join(vector(1),"a","\xff","b","c")"#, "{\"a\":\"\u{fffd}\"}"),
    ] {
        let text = answer(query);
        assert!(text.contains(&format!("\"metric\":{metric}")), "{text}");
    }
    let refused = answer(r#"count_values("\xff",vector(1))"#);
    assert!(refused.contains(r#"invalid label name \"\\xff\""#), "{refused}");
}

#[test]
fn sorting_a_range_is_noted_where_the_outermost_sort_stands_however_short_the_range() {
    let running = start(&Setup::default());
    let note = |query: &str, end: i64| {
        let path = format!("/api/v1/query_range?query={query}&start=5&end={end}&step=5");
        let text = ask(&running, "GET", &path, &[]).text();
        text.split_once("sort is ineffective").map(|(_, rest)| rest.contains("(1:1)"))
    };
    assert_eq!(note("sort(sort(up))", 20), Some(true));
    assert_eq!(note("sort(up)", 7), Some(true));
    assert_eq!(note("sort(up)", 5), None);
    assert_eq!(note("sort(vector(1))", 7), None, "the same at each step");
}

#[test]
fn notifications_arrive_as_they_change_and_only_so_many_listen() {
    use crate::http::serve::{api, head};
    use std::io::Read;
    use web::notifications::{Notifications, RELOAD_FAILED, STARTING};
    let storage = Arc::new(head());
    let mut api = api(Arc::clone(&storage) as _, Some(storage), &Setup::default());
    let all = Arc::new(Notifications::new(1));
    api.notifications = Arc::clone(&all);
    all.add(STARTING, 1_793_498_400_000);
    let running = Running::start_api(api);
    let mut live = crate::server::send(&running, "/api/v1/notifications/live");
    let mut heard = String::new();
    let mut hear = |what: &str| {
        while !heard.contains(what) {
            let mut bytes = [0; 1024];
            let len = live.read(&mut bytes).expect("an event");
            assert!(len > 0, "hung up behind {heard}");
            heard.push_str(std::str::from_utf8(&bytes[..len]).expect("text"));
        }
    };
    hear("\r\ncontent-type: text/event-stream\r\n");
    let event = |text: &str, active: bool| {
        format!(
            "data: {{\"text\":\"{text}\",\"date\":\"2026-11-01T02:00:00Z\",\"active\":{active}}}\n\n"
        )
    };
    hear(&event(STARTING, true));
    assert_eq!(ask(&running, "GET", "/api/v1/notifications/live", &[]).status, 204);
    all.add(RELOAD_FAILED, 1_793_498_400_000);
    all.remove(STARTING, 1_793_498_400_000);
    hear(&event(RELOAD_FAILED, true));
    hear(&event(STARTING, false));
}

//! What `failure_log` promises, case by case.

use super::*;

#[test]
fn lines_are_json() {
    let log = FailureLog::new("failures.log", "a \"job\"").expect("a path");
    let line = log.line(1_700_000_000_123, "http://x/metrics", "no\nanswer");
    assert_eq!(
        line,
        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"ERROR\",\"source\":\"scrape_loop.rs\",\
         \"msg\":\"no\\nanswer\",\"job_name\":\"a \\\"job\\\"\",\"target\":\"http://x/metrics\"}\n"
    );
    assert!(FailureLog::new("", "job").is_none());
}

//! The line of a query, and what happens when it cannot be written.

use super::*;
use crate::params::Params;
use http::HeaderMap;
use std::io::{Error, ErrorKind};
use std::sync::Arc;

fn query(form: &str) -> Query {
    Query::range(&Params::read(form, &HeaderMap::new(), &[])).expect("a query")
}

fn origin(client: &str) -> Origin {
    let client = Some(client.parse().expect("an address"));
    Origin { client, method: "GET".to_owned(), path: "/a/api/v1/query_range".to_owned() }
}

fn went(result: Result<&'static Stats, &'static str>) -> Went<'static> {
    let (queued, evaluated) = (Duration::from_millis(250), Duration::from_millis(500));
    Went { now_ms: 1_700_000_000_120, queued, evaluated, result }
}

#[test]
fn a_line_has_the_members_of_prometheus_in_their_order() {
    let query = query("query=sum(%22%3Ca%3E%22)&start=1700000000.25&end=1700000100.75&step=7.5");
    let went = went(Err("query \"timed\" out"));
    let line = line(&query, &origin("::ffff:10.0.0.1"), &went);
    let line = String::from_utf8(line).expect("text");
    let (begin, rest) = line.split_once("\"source\":\"query_log.rs:").expect("a source");
    assert_eq!(begin, "{\"time\":\"2023-11-14T22:13:20.120Z\",\"level\":\"INFO\",");
    let (_, rest) = rest.split_once("\",").expect("its end");
    let wanted = "\"msg\":\"promql query logged\",\
        \"params\":{\"end\":\"2023-11-14T22:15:00.750Z\",\"query\":\"sum(\\\"<a>\\\")\",\
        \"start\":\"2023-11-14T22:13:20.250Z\",\"step\":7},\"error\":\"query \\\"timed\\\" out\",\
        \"stats\":{\"timings\":{\"evalTotalTime\":0.5,\"resultSortTime\":0,\"queryPreparationTime\":0,\
        \"innerEvalTime\":0.5,\"execQueueTime\":0.25,\"execTotalTime\":0.75},\
        \"samples\":{\"totalQueryableSamples\":0,\"samplesRead\":0,\"peakSamples\":0}},\
        \"spanID\":\"0000000000000000\",\"traceID\":\"00000000000000000000000000000000\",\
        \"httpRequest\":{\"clientIP\":\"10.0.0.1\",\"method\":\"GET\",\"path\":\"/a/api/v1/query_range\"}}\n";
    assert_eq!(rest, wanted);
}

/// Takes lines, or refuses them while it is full.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<(bool, Vec<u8>)>>);

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut place = self.0.lock();
        if place.0 {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        place.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_go_where_they_are_told_and_failures_are_counted() {
    let log = QueryLog::new(&Registry::new());
    let (query, origin) = (query("query=a&start=0&end=60&step=15"), origin("::1"));
    let place = Place::default();
    log.write(&query, &origin, &went(Err("x")));
    log.set(Some(Box::new(place.clone())));
    assert!((log.enabled.get() - 1.0).abs() < f64::EPSILON);
    log.write(&query, &origin, &went(Err("x")));
    place.0.lock().0 = true;
    log.write(&query, &origin, &went(Err("x")));
    place.0.lock().0 = false;
    log.write(&query, &origin, &went(Err("x")));
    log.set(None);
    log.write(&query, &origin, &went(Err("x")));
    assert!((log.failures.get() - 1.0).abs() < f64::EPSILON);
    assert!(log.enabled.get().abs() < f64::EPSILON);
    let text = String::from_utf8(place.0.lock().1.clone()).expect("text");
    assert_eq!(text.lines().count(), 2);
    assert!(text.lines().all(|line| line.contains("\"clientIP\":\"::1\"")), "{text}");
}

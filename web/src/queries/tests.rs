//! What `queries` promises: who is listed, who is told to end, what is remembered.

use super::{MAX_PAST, Queries};
use crate::api::query::Query;
use crate::params::Params;
use crate::query_log::Origin;
use http::HeaderMap;

fn query(text: &str) -> Query {
    let form = format!("query={text}&start=0&end=60&step=15");
    Query::range(&Params::read(&form, &HeaderMap::new(), &[])).expect("a query")
}

fn nobody() -> Origin {
    Origin { client: None, method: "GET".to_owned(), path: String::new() }
}

#[test]
fn queries_are_listed_as_long_as_they_run_and_can_be_revoked() {
    let queries = Queries::default();
    let mut headers = HeaderMap::new();
    headers.insert("x-panel-id", "7".parse().unwrap());
    headers.insert("authorization", "Basic secret".parse().unwrap());
    let first = queries.enter(query("a"), (&headers, nobody()), 1000);
    let second = queries.enter(query("b"), (&HeaderMap::new(), nobody()), 2000);
    let listed: Vec<_> = queries.active().iter().map(|active| active.id).collect();
    assert_eq!(listed, [first.active.id, second.active.id]);
    assert_eq!(first.active.caller, [("x-panel-id", "7".to_owned())]);
    assert!(queries.revoke(first.active.id));
    assert!(first.active.cancel.check().is_err());
    assert!(second.active.cancel.check().is_ok());
    let gone = first.active.id;
    drop(first);
    assert!(!queries.revoke(gone));
    assert_eq!(queries.active().len(), 1);
}

#[test]
fn usage_is_that_of_one_text_and_span() {
    let queries = Queries::default();
    for (text, ended_ms, bytes) in [("a", 10, 5), ("b", 20, 7), ("a", 30, 9), ("a", 40, 1)] {
        let entered = queries.enter(query(text), (&HeaderMap::new(), nobody()), 0);
        queries.remember(&entered.active, ended_ms, bytes);
    }
    let usage = queries.usage(20);
    let seen: Vec<_> =
        usage.iter().map(|u| (&*u.query, u.span_seconds, u.count, u.peak_bytes)).collect();
    assert_eq!(seen, [("b", 60, 1, 7), ("a", 60, 2, 9)]);
}

#[test]
fn only_so_much_is_remembered() {
    let queries = Queries::default();
    let entered = queries.enter(query("a"), (&HeaderMap::new(), nobody()), 0);
    for _ in 0..MAX_PAST + 10 {
        queries.remember(&entered.active, 0, 0);
    }
    assert_eq!(queries.log.lock().past.len(), MAX_PAST);
    let long = queries.enter(query(&"a".repeat(100_000)), (&HeaderMap::new(), nobody()), 0);
    for _ in 0..2000 {
        queries.remember(&long.active, 0, 0);
    }
    let log = queries.log.lock();
    assert!(log.text_bytes <= super::MAX_PAST_BYTES);
    assert_eq!(log.text_bytes, log.past.iter().map(|past| past.text.len()).sum::<usize>());
}

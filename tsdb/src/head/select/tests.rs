//! Selections against matching one by one.

use crate::head::tests::{commit, equal, head, read};
use model::{MatchOp, Matcher, TimeRange};
use proptest::prelude::*;
use storage::{Queryable, SelectHints};

const NAMES: [&str; 4] = ["a", "b", "c", "none"];
const PATTERNS: [&str; 12] =
    ["", "1", "2", "1|2", "1|", ".*", ".+", "[12]", "1.*", "x", "x|y", "(1|3)?"];

fn matcher() -> impl Strategy<Value = Matcher> {
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    let op = prop_oneof![Just(Equal), Just(NotEqual), Just(Regex), Just(NotRegex)];
    (0..NAMES.len(), op, 0..PATTERNS.len())
        .prop_map(|(name, op, value)| Matcher::new(NAMES[name], op, PATTERNS[value]).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn selections_agree_with_matching_one_by_one(
        queries in proptest::collection::vec(proptest::collection::vec(matcher(), 0..4), 20),
    ) {
        let head = head();
        let mut all = Vec::new();
        for series in 0..64usize {
            let values = [series % 4, series / 4 % 4, series / 16].map(|v| v.to_string());
            let labels: Vec<(&str, &str)> = NAMES.into_iter()
                .zip(values.iter().map(String::as_str))
                .filter(|(_, value)| *value != "0")
                .collect();
            if !labels.is_empty() {
                commit(&head, &labels, &[(1000, 1.0)]);
                all.push(labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>());
            }
        }
        all.sort();
        let querier = head.querier(TimeRange::ALL).unwrap();
        for matchers in queries {
            let holds = |labels: &Vec<(String, String)>| matchers.iter().all(|matcher| {
                let value = labels.iter().find(|(name, _)| name == matcher.name());
                matcher.matches(value.map_or("", |(_, value)| value))
            });
            let expected: Vec<&Vec<(String, String)>> = all.iter().filter(|l| holds(l)).collect();
            let texts: Vec<String> = expected.iter().map(|labels| {
                labels.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(",")
            }).collect();
            let found = read(&*querier, &matchers, &SelectHints::default());
            let found: Vec<String> = found.into_iter().map(|series| series.0).collect();
            prop_assert_eq!(found, texts);
            let mut names: Vec<&str> =
                expected.iter().flat_map(|l| l.iter().map(|(n, _)| n.as_str())).collect();
            names.sort_unstable();
            names.dedup();
            let found = querier.label_names(&matchers, 0).unwrap();
            prop_assert!(found.iter().map(|n| &**n).eq(names));
        }
    }
}

#[test]
fn values_limits_and_order() {
    let head = head();
    for value in ["b", "c", "a"] {
        commit(&head, &[("x", value), ("y", "1")], &[(1000, 1.0)]);
    }
    let querier = head.querier(TimeRange::ALL).unwrap();
    let values = |matchers: &[Matcher], limit| querier.label_values("x", matchers, limit).unwrap();
    assert_eq!(values(&[], 0), ["a", "b", "c"].map(Box::from));
    assert_eq!(values(&[], 2).len(), 2);
    assert_eq!(values(&[equal("y", "1"), equal("x", "c")], 0), ["c"].map(Box::from));
    assert_eq!(values(&[equal("y", "2")], 0), []);
    let any_order = SelectHints { any_order: true, ..SelectHints::default() };
    let found: Vec<String> = read(&*querier, &[], &any_order).into_iter().map(|s| s.0).collect();
    assert_eq!(found, ["x=b,y=1", "x=c,y=1", "x=a,y=1"]);
    let limited = SelectHints { limit: 2, ..SelectHints::default() };
    assert_eq!(read(&*querier, &[], &limited).len(), 2);
    let later = head.querier(TimeRange::new(2000, 3000)).unwrap();
    assert_eq!(later.label_names(&[], 0).unwrap(), []);
}

#[test]
fn labels_that_nobody_looks_at_are_left_out_but_where_series_are_told_apart_by_more_than_names() {
    let head = head();
    commit(&head, &[("__name__", "m"), ("pod", "p-1"), ("x", "1")], &[(1000, 1.0)]);
    commit(&head, &[("__name__", "m"), ("pod", "p-2"), ("x", "1")], &[(1000, 1.0)]);
    let querier = head.querier(TimeRange::ALL).unwrap();
    let wanted = Some(["x", "__name__"].map(Box::from).into());
    let hints = SelectHints { any_order: true, wanted_labels: wanted, ..SelectHints::default() };
    let texts = |hints: &SelectHints| -> Vec<String> {
        read(&*querier, &[], hints).into_iter().map(|series| series.0).collect()
    };
    assert_eq!(texts(&hints), ["__name__=m,x=1", "__name__=m,x=1"]);
    // Whoever sorts or merges by labels needs all of them.
    let sorted = SelectHints { any_order: false, ..hints.clone() };
    assert_eq!(texts(&sorted), ["__name__=m,pod=p-1,x=1", "__name__=m,pod=p-2,x=1"]);
    commit(&head, &[("__name__", "m"), ("__type__", "counter"), ("x", "1")], &[(1000, 1.0)]);
    let querier = head.querier(TimeRange::ALL).unwrap();
    let found: Vec<String> = read(&*querier, &[], &hints).into_iter().map(|s| s.0).collect();
    let all =
        ["__name__=m,pod=p-1,x=1", "__name__=m,pod=p-2,x=1", "__name__=m,__type__=counter,x=1"];
    assert_eq!(found, all);
}

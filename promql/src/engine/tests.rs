//! What `engine` promises, case by case.

use super::{Answer, Engine, EngineOptions, Error, Request, Shared};
use crate::crew::Helpers;
use crate::explain::Clock;
use crate::memory::{Bound, MemoryPool};
use crate::value::{Matrix, Value};
use model::{Matcher, Symbols, TimeRange};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use storage::{
    Appendable, Cancel, FloatBatch, LabelBatch, MemoryStorage, Querier, Queryable, SelectHints,
    SeriesSet,
};

/// Ten series `m{i="0"}` to `m{i="9"}` with a sample a minute for an hour.
fn ten_series() -> MemoryStorage {
    series(10)
}

fn series(num: usize) -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let mut rejected = Vec::new();
    for i in 0..num {
        let (i, mut refs) = (i.to_string(), Vec::new());
        let pairs = [("__name__", "m"), ("i", &*i)];
        appender.resolve(LabelBatch::new(&pairs, &[2]), &mut refs, &mut rejected).unwrap();
        for minute in 0..60 {
            let batch = [minute * 60_000];
            let refs = [refs[0].unwrap()];
            appender.append_floats(FloatBatch::new(&refs, &batch, &[1.0]), &mut rejected).unwrap();
        }
    }
    appender.commit().unwrap();
    storage
}

fn range(max_samples: usize, query: &str, cancel: &Cancel) -> Result<Value, Error> {
    let engine = Engine::new(EngineOptions { max_samples, ..EngineOptions::default() });
    let request = Request::new(cancel);
    engine.range(&ten_series(), query, 0, 540_000, 60_000, &request).map(|answer| answer.value)
}

#[test]
fn too_many_samples_end_a_query() {
    let cancel = Cancel::new();
    assert!(range(100, "m", &cancel).is_ok());
    assert!(matches!(range(99, "m", &cancel), Err(Error::TooManySamples)));
    assert!(range(100, "sum(m)", &cancel).is_ok());
    assert!(matches!(range(99, "sum(m)", &cancel), Err(Error::TooManySamples)));
    let error = range(99, "m", &cancel).unwrap_err().to_string();
    assert_eq!(
        error,
        "query processing would load too many samples into memory in query execution"
    );
}

#[test]
fn whoever_asked_can_give_up() {
    let cancel = Cancel::new();
    cancel.cancel();
    let error = range(1000, "m", &cancel).unwrap_err();
    assert_eq!(error.to_string(), "query was canceled in query execution");
    cancel.time_out();
    let error = range(1000, "m", &cancel).unwrap_err();
    assert_eq!(error.to_string(), "query timed out in query execution");
}

/// The values of each series.
fn values(matrix: &Matrix) -> Vec<Vec<f64>> {
    let series = 0..matrix.labels.len();
    series.map(|row| matrix.floats.of(row).map(|(_, _, value)| value).collect()).collect()
}

#[test]
fn ranges_are_of_vectors_and_scalars() {
    let error = range(1000, "m[5m]", &Cancel::new()).unwrap_err();
    assert!(matches!(error, Error::WrongType(_)));
    assert_eq!(
        error.to_string(),
        "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"
    );
    let Value::Matrix(matrix) = range(1000, "1 + 1", &Cancel::new()).unwrap() else {
        panic!("a scalar over a range is a matrix")
    };
    assert_eq!(values(&matrix), [[2.0; 10]]);
}

fn with_memory(
    max_memory_bytes: u64,
    pool_bytes: u64,
    storage: &MemoryStorage,
    query: &str,
) -> Result<u64, Error> {
    let options = EngineOptions { max_memory_bytes, ..EngineOptions::default() };
    let shared = Shared {
        memory: MemoryPool::new(pool_bytes, None),
        helpers: Helpers::new(2),
        ..Shared::default()
    };
    let pool = shared.memory.clone();
    let engine = Engine::sharing(options, shared);
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    let answer = engine.range(storage, query, 0, 3_540_000, 60_000, &request);
    let needed = answer.map(|answer| {
        let held = answer.held_bytes();
        assert!(held > 0 && held <= pool.used_bytes(), "an answer holds what it takes");
        answer.stats.peak_bytes
    });
    assert_eq!(pool.used_bytes(), 0, "a query gives back what it took");
    needed
}

#[test]
fn too_much_memory_ends_a_query_that_says_for_what() {
    let storage = series(3000);
    for query in
        ["m", "rate(m[5m])", "sum by (i) (m)", "max_over_time(rate(m[5m])[10m:1m])", "m + m"]
    {
        let needed = with_memory(0, 0, &storage, query).unwrap();
        assert!(needed > 3000 * 60 * 8, "{query} needs {needed}");
        assert!(needed < 3000 * 60 * 8 * 6, "{query} needs {needed}");
        // How much threads hold in between differs a little from run to run.
        with_memory(needed + needed / 4, 0, &storage, query).unwrap();
        let error = with_memory(needed / 2, 0, &storage, query).unwrap_err();
        let Error::TooMuchMemory(refusal) = &error else { panic!("{query}: {error}") };
        assert_eq!(refusal.bound, Bound::Query);
        assert_eq!(refusal.selector.as_ref().map(|(text, _)| &**text), Some("m"), "{query}");
        assert!(refusal.needed_bytes > needed / 2, "{query}: {error}");
    }
    // Few bytes are held for a sum, however many series it has.
    assert!(with_memory(0, 0, &storage, "sum(m)").unwrap() < 1_000_000);
}

#[test]
fn memory_is_told_in_words() {
    let storage = series(3000);
    let error = with_memory(1_000_000, 0, &storage, "m{i=~\".+\"}").unwrap_err().to_string();
    let begin = "selector m{i=~\".+\"} has 3000 series, with which the query needs about ";
    assert!(error.starts_with(begin), "{error}");
    let end = "of memory; a query may take 976.6KiB (--query.max-memory-bytes): select fewer series, a shorter time or a larger step";
    assert!(error.ends_with(end), "{error}");
    let error = with_memory(0, 1 << 20, &storage, "m").unwrap_err().to_string();
    let end = "; all queries together may take 1.0MiB (--query.max-total-memory-bytes) and others hold 0B: try again later, or select fewer series, a shorter time or a larger step";
    assert!(error.ends_with(end), "{error}");
}

#[test]
fn threads_change_nothing() {
    let storage = series(3000);
    let answers = [0, 3].map(|helpers| {
        let options = EngineOptions { min_shared_samples: 1, ..EngineOptions::default() };
        let shared = Shared { helpers: Helpers::new(helpers), ..Shared::default() };
        let engine = Engine::sharing(options, shared);
        let cancel = Cancel::new();
        let request = Request::new(&cancel);
        let queries = ["m", "sum(m)", "rate(m[5m])", "avg_over_time(m[10m:1m])", "timestamp(m)"];
        queries.map(|query| {
            let answer = engine.range(&storage, query, 0, 3_540_000, 60_000, &request).unwrap();
            let Value::Matrix(matrix) = answer.value else { panic!("a matrix") };
            let stats = super::Stats { peak_bytes: 0, ..answer.stats };
            let labels = matrix.labels.iter().map(|pairs| matrix.symbols.labels(pairs));
            (labels.collect::<Vec<_>>(), values(&matrix), stats, answer.annotations)
        })
    });
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn many_series_of_one_group_meet_one() {
    let storage = series(20_000);
    let engine = Engine::new(EngineOptions::default());
    let cancel = Cancel::new();
    let ask = |query: &str| {
        let answer = engine.range(&storage, query, 0, 3_540_000, 60_000, &Request::new(&cancel));
        answer.map(|answer| match answer.value {
            Value::Matrix(matrix) => matrix.labels.len(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(ask("m * on () group_left () sum(m)").unwrap(), 20_000);
    let error = ask("m * on () sum(m)").unwrap_err().to_string();
    assert!(error.contains("many-to-one matching must be explicit"), "{error}");
    let error = ask("m * on () group_left (i) label_replace(sum(m), \"i\", \"x\", \"\", \"\")");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("grouping labels must ensure unique matches"), "{error}");
    let error = ask("sum(m) * on () m").unwrap_err().to_string();
    assert!(error.contains("found duplicate series for the match group {}"), "{error}");
    assert!(error.contains("[{__name__=\"m\", i=\"0\"}, {__name__=\"m\", i=\"1\"}]"), "{error}");
}

/// Counts selections.
struct Counting {
    storage: MemoryStorage,
    selections: Arc<AtomicUsize>,
}

struct CountingQuerier {
    querier: Box<dyn Querier>,
    selections: Arc<AtomicUsize>,
}

impl Queryable for Counting {
    fn querier(&self, range: TimeRange) -> storage::Result<Box<dyn Querier>> {
        let querier = self.storage.querier(range)?;
        Ok(Box::new(CountingQuerier { querier, selections: Arc::clone(&self.selections) }))
    }
}

impl Querier for CountingQuerier {
    fn select<'q>(
        &'q self,
        matchers: &[Matcher],
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> storage::Result<Box<dyn SeriesSet + 'q>> {
        self.selections.fetch_add(1, Ordering::Relaxed);
        self.querier.select(matchers, hints, symbols, cancel)
    }

    fn label_names(&self, matchers: &[Matcher], limit: usize) -> storage::Result<Vec<Box<str>>> {
        self.querier.label_names(matchers, limit)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        limit: usize,
    ) -> storage::Result<Vec<Box<str>>> {
        self.querier.label_values(name, matchers, limit)
    }
}

#[test]
fn what_is_equal_is_evaluated_once_and_counts_each_time() {
    let storage = Counting { storage: ten_series(), selections: Arc::default() };
    let cancel = Cancel::new();
    let ask = |max_samples: usize, query: &str| {
        let engine = Engine::new(EngineOptions { max_samples, ..EngineOptions::default() });
        storage.selections.store(0, Ordering::Relaxed);
        let request = Request::new(&cancel);
        let answer = engine.range(&storage, query, 0, 540_000, 60_000, &request);
        (answer, storage.selections.load(Ordering::Relaxed))
    };
    // The same twice, and something else with the same answer.
    for (equal, other, selections) in [
        ("m / (m + m)", "m / (m{i!=\"\"} + m{i=~\".+\"})", 1),
        ("sum(m) / sum(m)", "sum(m) / sum(m{i!=\"\"})", 1),
        ("sum(m) / count(m)", "sum(m) / count(m{i!=\"\"})", 2),
        ("delta(m[5m]) + delta( m [5m])", "delta(m[5m]) + delta(m{i!=\"\"}[5m])", 1),
        // What has something to say says it at each place.
        ("rate(m[5m]) + rate(m[5m])", "rate(m[5m]) + rate(m{i!=\"\"}[5m])", 2),
        ("m + m offset 1m", "m + m{i!=\"\"} offset 1m", 2),
    ] {
        let ((got, seen), (expected, _)) = (ask(1000, equal), ask(1000, other));
        let (got, expected) = (got.unwrap(), expected.unwrap());
        assert_eq!(seen, selections, "{equal}");
        let stats = |stats: &super::Stats| super::Stats { peak_bytes: 0, ..stats.clone() };
        assert_eq!(stats(&got.stats), stats(&expected.stats), "{equal}");
        let (Value::Matrix(a), Value::Matrix(b)) = (&got.value, &expected.value) else {
            panic!("matrices")
        };
        assert_eq!(values(a), values(b), "{equal}");
        let enough = got.stats.peak_samples;
        assert!(ask(enough, equal).0.is_ok(), "{equal}");
        assert!(matches!(ask(enough - 1, equal).0, Err(Error::TooManySamples)), "{equal}");
    }
}

/// A range of many series with so many steps that some megabytes of rows are needed.
fn in_parts(
    engine: &Engine,
    storage: &MemoryStorage,
    (query, most_parts): (&str, usize),
) -> (Result<Answer, Error>, Vec<Matrix>) {
    let cancel = Cancel::new();
    let mut parts = Vec::new();
    let mut take = |part: &Matrix| {
        parts.push(part.clone());
        Ok(parts.len() < most_parts)
    };
    let times = (0, 3_540_000, 3000);
    let request = Request::new(&cancel);
    (engine.range_in_parts(storage, query, times, &request, &mut take), parts)
}

/// The labels and samples of each row, as text.
fn rows(matrices: &[&Matrix]) -> Vec<String> {
    let of = |matrix: &&Matrix| {
        let row = |row| {
            let labels = matrix.labels.get(row).iter();
            let text = |symbol| matrix.symbols.text(symbol);
            let labels: Vec<_> = labels.map(|pair| (text(pair.name), text(pair.value))).collect();
            format!("{labels:?} {:?}", matrix.floats.of(row).collect::<Vec<_>>())
        };
        (0..matrix.labels.len()).map(row).collect::<Vec<_>>()
    };
    matrices.iter().flat_map(of).collect()
}

#[test]
fn large_rows_of_a_selector_leave_in_parts() {
    let storage = series(900);
    let engine = Engine::new(EngineOptions::default());
    let cancel = Cancel::new();
    for query in ["m", "count_over_time(m[5m])", "last_over_time({i!=\"\"}[5m])"] {
        let whole = engine.range(&storage, query, 0, 3_540_000, 3000, &Request::new(&cancel));
        let whole = whole.expect("whole");
        let Value::Matrix(expected) = &whole.value else { panic!("a matrix") };
        let expected = rows(&[expected]);
        assert_eq!(expected.len(), 900);
        for most_parts in [usize::MAX, 1] {
            let (answer, parts) = in_parts(&engine, &storage, (query, most_parts));
            let answer = answer.expect("an answer");
            // One for each batch of series.
            assert_eq!(parts.len(), most_parts.min(4), "{query}");
            let Value::Matrix(rest) = &answer.value else { panic!("a matrix") };
            let all: Vec<&Matrix> = parts.iter().chain([rest]).collect();
            assert!(rows(&all) == expected, "{query}: rows differ");
            let (stats, wanted) = (&answer.stats, &whole.stats);
            assert_eq!(stats.total_queryable_samples, wanted.total_queryable_samples);
            assert_eq!(stats.peak_samples, wanted.peak_samples);
            assert_eq!(answer.annotations, whole.annotations);
            assert!(stats.peak_bytes < wanted.peak_bytes, "{query}: what has left is not held");
        }
    }
}

#[test]
fn what_would_be_too_large_or_out_of_order_does_not_begin_to_leave() {
    let storage = series(900);
    let engine = Engine::new(EngineOptions { max_samples: 1_000_000, ..EngineOptions::default() });
    let (answer, parts) = in_parts(&engine, &storage, ("m", usize::MAX));
    assert!(matches!(answer, Err(Error::TooManySamples)));
    assert!(parts.is_empty());
    // Without the name, the series with fewer labels stands before those whose labels sort before the name.
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let mut rejected = Vec::new();
    for number in 0..900 {
        let (number, mut refs) = (number.to_string(), Vec::new());
        let all = [("A", &*number), ("__name__", "m")];
        let pairs = if number == "0" { &all[1..] } else { &all[..] };
        let ends = [pairs.len() as u32];
        let batch = LabelBatch::new(pairs, &ends);
        appender.resolve(batch, &mut refs, &mut rejected).unwrap();
        let refs = [refs[0].unwrap()];
        let batch = FloatBatch::new(&refs, &[0], &[1.0]);
        appender.append_floats(batch, &mut rejected).unwrap();
    }
    appender.commit().unwrap();
    let engine = Engine::new(EngineOptions::default());
    let (answer, parts) = in_parts(&engine, &storage, ("count_over_time(m[1h])", usize::MAX));
    let Value::Matrix(all) = &answer.expect("an answer").value else { panic!("a matrix") };
    assert_eq!((parts.len(), all.labels.len(), all.labels.get(0).len()), (0, 900, 0));
}

/// Two series that are the same but for a label which goes with the name.
fn two_types() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let mut rejected = Vec::new();
    for kind in ["counter", "gauge"] {
        let pairs = [("__name__", "m"), ("__type__", kind), ("i", "1")];
        let mut refs = Vec::new();
        appender.resolve(LabelBatch::new(&pairs, &[3]), &mut refs, &mut rejected).unwrap();
        let refs = [refs[0].unwrap()];
        for at in [0, 60_000] {
            appender.append_floats(FloatBatch::new(&refs, &[at], &[1.0]), &mut rejected).unwrap();
        }
    }
    appender.commit().unwrap();
    storage
}

#[test]
fn aggregations_ask_for_the_labels_of_their_groups_and_equal_series_are_found_all_the_same() {
    let cancel = Cancel::new();
    let request =
        Request { clock: Some(Clock(&|| std::time::Duration::ZERO)), ..Request::new(&cancel) };
    let engine = Engine::new(EngineOptions::default());
    let ask = |storage: &MemoryStorage, query: &str| {
        engine.range(storage, query, 60_000, 60_000, 60_000, &request)
    };
    let plan = |query: &str| format!("{:?}", ask(&ten_series(), query).unwrap().plan.unwrap());
    assert!(plan("sum by (x) (rate(m[5m]))").contains("m (labels x, __name__)"));
    assert!(plan("count(m)").contains("m (labels __name__)"));
    for whole in ["sum without (x) (m)", "topk(1, m)", "sum(rate({i=\"1\"}[5m]))", "sum(-m)"] {
        assert!(!plan(whole).contains("(labels"), "{whole}");
    }
    let error = ask(&two_types(), "sum by (i) (rate(m[5m]))").unwrap_err().to_string();
    assert_eq!(error, "vector cannot contain metrics with the same labelset");
}

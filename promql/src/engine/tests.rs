//! What `engine` promises, case by case.

use super::{Engine, EngineOptions, Error, Request};
use crate::value::Value;
use chunk::{ChunkMeta, Encoding};
use model::{Matcher, Symbols, TimeRange};
use storage::{
    Appendable, Cancel, FloatBatch, LabelBatch, MemoryStorage, Querier, Queryable, SelectHints,
    SeriesBatch, SeriesSet,
};

/// Ten series `m{i="0"}` to `m{i="9"}` with a sample a minute for an hour.
fn ten_series() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let mut rejected = Vec::new();
    for i in 0..10 {
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
    let request = Request { lookback_ms: None, cancel };
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
    assert_eq!(matrix.values, [2.0; 10]);
}

/// One series with a chunk of floats and one of native histograms.
struct Mixed;

impl Queryable for Mixed {
    fn querier(&self, _range: TimeRange) -> storage::Result<Box<dyn Querier>> {
        Ok(Box::new(Self))
    }
}

impl Querier for Mixed {
    fn select<'q>(
        &'q self,
        _matchers: &[Matcher],
        _hints: &SelectHints,
        _symbols: &'q Symbols,
        _cancel: &'q Cancel,
    ) -> storage::Result<Box<dyn SeriesSet + 'q>> {
        Ok(Box::new(Once(false)))
    }

    fn label_names(&self, _: &[Matcher], _: usize) -> storage::Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &[Matcher], _: usize) -> storage::Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }
}

struct Once(bool);

impl SeriesSet for Once {
    fn next_batch(&mut self, out: &mut SeriesBatch) -> storage::Result<bool> {
        out.clear();
        if std::mem::replace(&mut self.0, true) {
            return Ok(false);
        }
        let meta = |ms, encoding| ChunkMeta { min_ms: ms, max_ms: ms, num_samples: 1, encoding };
        let mut raw = 1000i64.to_le_bytes().to_vec();
        raw.extend(7f64.to_le_bytes());
        out.push_copied(meta(1000, Encoding::Raw), &raw);
        out.push_copied(meta(2000, Encoding::Histogram), &[0xFF; 40]);
        out.finish_series(&[]);
        Ok(true)
    }
}

#[test]
fn native_histograms_are_left_out_and_told() {
    let cancel = Cancel::new();
    let request = Request { lookback_ms: None, cancel: &cancel };
    let engine = Engine::new(EngineOptions::default());
    let answer = engine.instant(&Mixed, "m", 3000, &request).unwrap();
    let Value::Vector(vector) = answer.value else { panic!("a vector") };
    assert_eq!(vector.values, [7.0]);
    let told = "PromQL warning: native histogram samples are not supported and were left out";
    assert_eq!(answer.annotations.warnings, [told.into()]);
}

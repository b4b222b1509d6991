//! What `engine` promises, case by case.

use super::{Engine, EngineOptions, Error, Request};
use crate::value::Value;
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, MemoryStorage};

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

//! Whether two API answers are the same answer: series as sets, values to a relative 1e-9, errors by their type.

use serde_json::Value;
use std::collections::BTreeMap;

type Samples = Vec<(f64, f64)>;

fn series(answer: &Value) -> Option<BTreeMap<String, Samples>> {
    let data = answer.get("data")?;
    let result = data.get("result")?;
    let mut out = BTreeMap::new();
    if let Some("scalar" | "string") = data.get("resultType").and_then(Value::as_str) {
        out.insert(String::new(), vec![sample(result)?]);
        return Some(out);
    }
    for one in result.as_array()? {
        let labels: BTreeMap<&str, &str> = one
            .get("metric")?
            .as_object()?
            .iter()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
            .collect();
        let single = one.get("value").map(|value| vec![value]);
        let many = one.get("values").and_then(Value::as_array).map(|v| v.iter().collect());
        let samples: Vec<&Value> = single.or(many)?;
        out.insert(format!("{labels:?}"), samples.into_iter().map(sample).collect::<Option<_>>()?);
    }
    Some(out)
}

fn sample(value: &Value) -> Option<(f64, f64)> {
    Some((value.get(0)?.as_f64()?, value.get(1)?.as_str()?.parse().ok()?))
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Number of samples compared, or the first difference in words.
pub fn answers(ours: &Value, theirs: &Value) -> Result<usize, String> {
    let status = |answer: &Value| answer.get("status").and_then(Value::as_str).map(str::to_owned);
    if status(ours) != status(theirs) {
        return Err(format!("status: {ours} / {theirs}"));
    }
    if status(ours).as_deref() == Some("error") {
        let same = ours.get("errorType") == theirs.get("errorType");
        return if same { Ok(0) } else { Err(format!("errors: {ours} / {theirs}")) };
    }
    let (ours, theirs) = (
        series(ours).ok_or_else(|| format!("unreadable: {ours}"))?,
        series(theirs).ok_or_else(|| format!("unreadable: {theirs}"))?,
    );
    if let Some(labels) = ours.keys().find(|key| !theirs.contains_key(*key)) {
        return Err(format!("only ours: {labels}"));
    }
    let mut count = 0;
    for (labels, expected) in &theirs {
        let Some(got) = ours.get(labels) else { return Err(format!("missing: {labels}")) };
        if got.len() != expected.len() {
            return Err(format!("{labels}: {} samples, expected {}", got.len(), expected.len()));
        }
        for (g, e) in got.iter().zip(expected) {
            if g.0 != e.0 || !close(g.1, e.1) {
                return Err(format!("{labels}: got {} @{}, expected {} @{}", g.1, g.0, e.1, e.0));
            }
            count += 1;
        }
    }
    Ok(count)
}

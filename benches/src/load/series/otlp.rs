//! Bodies of OTLP: a resource for each instance, a cumulative sum for each metric name, a data point for each series.

use super::Series;
use crate::load::proto::{double, field, number};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

fn attribute(field_number: u8, name: &str, value: &str, out: &mut Vec<u8>) {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    field(1, value.as_bytes(), &mut any);
    field(1, name.as_bytes(), &mut pair);
    field(2, &any, &mut pair);
    field(field_number, &pair, out);
}

fn fixed(field_number: u8, value: u64, out: &mut Vec<u8>) {
    out.push(field_number << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn points(series: &[&Series], step: u64, (start_ms, at_ms): (i64, i64)) -> Vec<u8> {
    let mut sum = Vec::new();
    for one in series {
        let mut point = Vec::new();
        fixed(2, start_ms as u64 * 1_000_000, &mut point);
        fixed(3, at_ms as u64 * 1_000_000, &mut point);
        double(4, one.value(step), &mut point);
        for (name, value) in one.pairs() {
            if !["__name__", "instance", "job"].contains(&name) {
                attribute(7, name, value, &mut point);
            }
        }
        field(1, &point, &mut sum);
    }
    number(2, CUMULATIVE, &mut sum);
    number(3, 1, &mut sum);
    sum
}

/// One body, not compressed: one data point of each series. Neighbours of one instance share their resource, those of
/// one name their metric. `times_ms` are the start of the counters and the time of the points.
#[must_use]
pub fn body(series: &[Series], step: u64, times_ms: (i64, i64)) -> Vec<u8> {
    let mut request = Vec::new();
    let label = |one: &Series, name: &str| one.pairs().get(name).map(|&value| value.to_owned());
    let by = |name: &'static str| move |a: &Series, b: &Series| label(a, name) == label(b, name);
    for of_instance in series.chunk_by(by("instance")) {
        let mut resource = Vec::new();
        for (attribute_name, name) in [("service.name", "job"), ("service.instance.id", "instance")]
        {
            let value = label(&of_instance[0], name).unwrap_or_default();
            attribute(1, attribute_name, &value, &mut resource);
        }
        attribute(1, "deployment.environment", "production", &mut resource);
        let mut scope_metrics = Vec::new();
        for of_name in of_instance.chunk_by(by("__name__")) {
            let mut metric = Vec::new();
            let name = label(&of_name[0], "__name__").unwrap_or_default();
            field(1, name.as_bytes(), &mut metric);
            let all: Vec<&Series> = of_name.iter().collect();
            field(7, &points(&all, step, times_ms), &mut metric);
            field(2, &metric, &mut scope_metrics);
        }
        let mut of_resource = Vec::new();
        field(1, &resource, &mut of_resource);
        field(2, &scope_metrics, &mut of_resource);
        field(1, &of_resource, &mut request);
    }
    request
}

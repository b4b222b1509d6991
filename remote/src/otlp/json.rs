//! OTLP from JSON: names in camel or snake case, numbers also as text, identifiers in hexadecimal. Unknown fields are
//! left aside.

use super::message::{
    Any, Attribute, Buckets, Common, Data, Exemplar, ExponentialPoint, HistogramPoint, Metric,
    NumberPoint, Resource, Scope, SummaryPoint, Temporality, Text,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::borrow::Cow;

type Result<T> = std::result::Result<T, String>;

/// The NaN of Go, which a NaN in JSON becomes.
const NAN: f64 = f64::from_bits(0x7FF8_0000_0000_0001);

/// Parses a body; the words for what is none are those of Prometheus' parser, as far as they tell something.
pub(super) fn parse(body: &[u8]) -> Result<Value> {
    let parsed: std::result::Result<Value, _> = serde_json::from_slice(body);
    match parsed {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(Value::Null) => Ok(Value::Object(Map::new())),
        Ok(_) => {
            let begin = body.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
            Err(no_object(body, begin))
        }
        Err(error) if error.is_eof() => Err(no_object(body, body.len())),
        Err(error) => {
            let lines = body.split_inclusive(|&byte| byte == b'\n');
            let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
            Err(no_object(body, (before + error.column()).saturating_sub(1).min(body.len())))
        }
    }
}

/// What stands at `place` is no object.
fn no_object(body: &[u8], place: usize) -> String {
    let found = body.get(place).map_or('\0', |&byte| char::from(byte));
    let head = if place < body.len() { place + 1 } else { place };
    let around = |distance: usize| {
        let piece = &body[head.saturating_sub(distance)..(head + distance).min(body.len())];
        String::from_utf8_lossy(piece).into_owned()
    };
    format!(
        "ReadObject: expect {{ or , or }} or n, but found {found}, error found in #{} byte of ...|{}|..., \
         bigger context ...|{}|...",
        head.min(10),
        around(10),
        around(50)
    )
}

/// An object, and its fields by either name.
#[derive(Clone, Copy)]
struct Object<'v>(Option<&'v Map<String, Value>>);

fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

impl<'v> Object<'v> {
    fn new(value: &'v Value) -> Self {
        Self(value.as_object())
    }

    fn get(self, camel: &str) -> Option<&'v Value> {
        let map = self.0?;
        map.get(camel).or_else(|| map.get(&snake(camel))).filter(|value| !value.is_null())
    }

    fn object(self, camel: &str) -> Self {
        Self(self.get(camel).and_then(Value::as_object))
    }

    fn text(self, camel: &str) -> Text<'v> {
        Cow::Borrowed(self.get(camel).and_then(Value::as_str).unwrap_or_default())
    }

    fn list<T>(self, camel: &str, read: impl Fn(Self) -> Result<T>) -> Result<Vec<T>> {
        let values = self.get(camel).and_then(Value::as_array);
        values.into_iter().flatten().map(|value| read(Self::new(value))).collect()
    }

    fn uint(self, camel: &str) -> Result<u64> {
        self.get(camel).map_or(Ok(0), |value| uint(value, camel))
    }

    fn int(self, camel: &str) -> Result<i64> {
        self.get(camel).map_or(Ok(0), |value| int(value, camel))
    }

    fn double(self, camel: &str) -> Result<Option<f64>> {
        self.get(camel).map(|value| double(value, camel)).transpose()
    }

    fn numbers<T>(self, camel: &str, read: fn(&Value, &str) -> Result<T>) -> Result<Vec<T>> {
        let values = self.get(camel).and_then(Value::as_array);
        values.into_iter().flatten().map(|value| read(value, camel)).collect()
    }

    fn attributes(self, camel: &str) -> Result<Vec<Attribute<'v>>> {
        self.list(camel, attribute)
    }
}

fn no_number(value: &Value, field: &str) -> String {
    format!("{field}: {value} is no number in its range")
}

fn uint(value: &Value, field: &str) -> Result<u64> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| no_number(value, field))
}

fn int(value: &Value, field: &str) -> Result<i64> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| no_number(value, field))
}

fn double(value: &Value, field: &str) -> Result<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    };
    number.ok_or_else(|| no_number(value, field))
}

/// The request that a parsed body holds.
pub(super) fn read(value: &Value) -> Result<Vec<Resource<'_>>> {
    Object::new(value).list("resourceMetrics", |resource| {
        Ok(Resource {
            attributes: resource.object("resource").attributes("attributes")?,
            scopes: resource.list("scopeMetrics", scope)?,
        })
    })
}

fn scope(object: Object<'_>) -> Result<Scope<'_>> {
    let scope = object.object("scope");
    Ok(Scope {
        name: scope.text("name"),
        version: scope.text("version"),
        schema_url: object.text("schemaUrl"),
        attributes: scope.attributes("attributes")?,
        metrics: object.list("metrics", metric)?,
    })
}

fn metric(object: Object<'_>) -> Result<Metric<'_>> {
    Ok(Metric {
        name: object.text("name"),
        description: object.text("description"),
        unit: object.text("unit"),
        data: data(object)?,
    })
}

fn temporality(object: Object<'_>) -> Result<Temporality> {
    match object.get("aggregationTemporality") {
        Some(Value::String(name)) => Ok(match name.as_str() {
            "AGGREGATION_TEMPORALITY_DELTA" => Temporality::Delta,
            "AGGREGATION_TEMPORALITY_CUMULATIVE" => Temporality::Cumulative,
            _ => Temporality::Unspecified,
        }),
        Some(number) => uint(number, "aggregationTemporality").map(Temporality::from_number),
        None => Ok(Temporality::Unspecified),
    }
}

fn data(object: Object<'_>) -> Result<Data<'_>> {
    let of = |name: &str| object.get(name).map(Object::new);
    let points = "dataPoints";
    Ok(if let Some(gauge) = of("gauge") {
        Data::Gauge(gauge.list(points, number_point)?)
    } else if let Some(sum) = of("sum") {
        Data::Sum {
            points: sum.list(points, number_point)?,
            temporality: temporality(sum)?,
            is_monotonic: sum.get("isMonotonic").and_then(Value::as_bool).unwrap_or(false),
        }
    } else if let Some(histogram) = of("histogram") {
        Data::Histogram {
            points: histogram.list(points, histogram_point)?,
            temporality: temporality(histogram)?,
        }
    } else if let Some(histogram) = of("exponentialHistogram") {
        Data::Exponential {
            points: histogram.list(points, exponential_point)?,
            temporality: temporality(histogram)?,
        }
    } else if let Some(summary) = of("summary") {
        Data::Summary(summary.list(points, summary_point)?)
    } else {
        Data::Empty
    })
}

fn common(object: Object<'_>) -> Result<Common<'_>> {
    Ok(Common {
        attributes: object.attributes("attributes")?,
        start_ns: object.uint("startTimeUnixNano")?,
        time_ns: object.uint("timeUnixNano")?,
        flags: object.uint("flags")?,
    })
}

/// A number given as double or as integer.
fn number(object: Object<'_>) -> Result<Option<f64>> {
    match object.get("asInt") {
        Some(value) => int(value, "asInt").map(|number| Some(number as f64)),
        None => object.double("asDouble"),
    }
}

fn number_point(object: Object<'_>) -> Result<NumberPoint<'_>> {
    Ok(NumberPoint {
        common: common(object)?,
        value: number(object)?.unwrap_or(0.0),
        exemplars: object.list("exemplars", exemplar)?,
    })
}

fn histogram_point(object: Object<'_>) -> Result<HistogramPoint<'_>> {
    Ok(HistogramPoint {
        common: common(object)?,
        count: object.uint("count")?,
        sum: object.double("sum")?,
        buckets: object.numbers("bucketCounts", uint)?,
        bounds: object.numbers("explicitBounds", double)?,
        exemplars: object.list("exemplars", exemplar)?,
    })
}

fn exponential_point(object: Object<'_>) -> Result<ExponentialPoint<'_>> {
    let buckets = |name: &str| -> Result<Buckets> {
        let object = object.object(name);
        let offset = object.int("offset")?;
        Ok(Buckets { offset: offset as i32, counts: object.numbers("bucketCounts", uint)? })
    };
    Ok(ExponentialPoint {
        common: common(object)?,
        count: object.uint("count")?,
        sum: object.double("sum")?,
        scale: object.int("scale")? as i32,
        zero_count: object.uint("zeroCount")?,
        positive: buckets("positive")?,
        negative: buckets("negative")?,
        exemplars: object.list("exemplars", exemplar)?,
    })
}

fn summary_point(object: Object<'_>) -> Result<SummaryPoint<'_>> {
    let quantile = |object: Object<'_>| -> Result<(f64, f64)> {
        let number = |name| Ok::<_, String>(object.double(name)?.unwrap_or(0.0));
        Ok((number("quantile")?, number("value")?))
    };
    Ok(SummaryPoint {
        common: common(object)?,
        count: object.uint("count")?,
        sum: object.double("sum")?.unwrap_or(0.0),
        quantiles: object.list("quantileValues", quantile)?,
    })
}

fn exemplar(object: Object<'_>) -> Result<Exemplar<'_>> {
    Ok(Exemplar {
        time_ns: object.uint("timeUnixNano")?,
        value: number(object)?,
        trace_id: Cow::Owned(hexadecimal(&object.text("traceId"))?),
        span_id: Cow::Owned(hexadecimal(&object.text("spanId"))?),
        attributes: object.attributes("filteredAttributes")?,
    })
}

fn hexadecimal(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    bytes.collect::<Option<_>>().ok_or_else(|| format!("{text:?} is not hexadecimal"))
}

fn attribute(object: Object<'_>) -> Result<Attribute<'_>> {
    Ok(Attribute { key: object.text("key"), value: any(object.object("value"))? })
}

fn any(object: Object<'_>) -> Result<Any<'_>> {
    Ok(if let Some(text) = object.get("stringValue") {
        Any::Text(Cow::Borrowed(text.as_str().unwrap_or_default()))
    } else if let Some(value) = object.get("boolValue") {
        Any::Bool(value.as_bool().unwrap_or(false))
    } else if let Some(value) = object.get("intValue") {
        Any::Int(int(value, "intValue")?)
    } else if let Some(value) = object.get("doubleValue") {
        Any::Double(double(value, "doubleValue")?)
    } else if let Some(array) = object.get("arrayValue") {
        Any::Array(Object::new(array).list("values", any)?)
    } else if let Some(map) = object.get("kvlistValue") {
        Any::Map(Object::new(map).list("values", attribute)?)
    } else if object.get("bytesValue").is_some() {
        let text = object.text("bytesValue");
        let bytes = STANDARD.decode(text.as_bytes());
        Any::Bytes(Cow::Owned(bytes.map_err(|error| format!("bytesValue: {error}"))?))
    } else {
        Any::Empty
    })
}

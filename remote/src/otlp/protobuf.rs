//! OTLP from protocol buffers.

use super::message::{
    Any, Attribute, Buckets, Common, Data, Exemplar, ExponentialPoint, HistogramPoint, Metric,
    NumberPoint, Resource, Scope, SummaryPoint, Temporality, Text,
};
use crate::proto::{Fields, Malformed, Value, zigzag};
use std::borrow::Cow;

type Result<T> = std::result::Result<T, Malformed>;

/// How deep values of attributes may nest.
const MAX_DEPTH: usize = 64;

/// Runs `take` on each field of a message.
fn each<'b>(message: &'b [u8], mut take: impl FnMut(u64, Value<'b>) -> Result<()>) -> Result<()> {
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        take(field, value)?;
    }
    Ok(())
}

fn text(value: Value<'_>, field: u64) -> Result<Text<'_>> {
    Ok(String::from_utf8_lossy(value.bytes(field)?))
}

/// Reads a request.
pub(super) fn read(body: &[u8]) -> Result<Vec<Resource<'_>>> {
    let mut resources = Vec::new();
    each(body, |field, value| {
        if field == 1 {
            resources.push(resource(value.bytes(1)?)?);
        }
        Ok(())
    })?;
    Ok(resources)
}

/// The attributes of a resource.
pub(super) fn attributes(message: &[u8]) -> Result<Vec<Attribute<'_>>> {
    let mut attributes = Vec::new();
    each(message, |field, value| {
        if field == 1 {
            attributes.push(attribute(value.bytes(1)?, 0)?);
        }
        Ok(())
    })?;
    Ok(attributes)
}

fn resource(message: &[u8]) -> Result<Resource<'_>> {
    let mut resource = Resource::default();
    each(message, |field, value| {
        match field {
            1 => resource.attributes.extend(attributes(value.bytes(1)?)?),
            2 => resource.scopes.push(scope(value.bytes(2)?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(resource)
}

fn scope(message: &[u8]) -> Result<Scope<'_>> {
    let mut scope = Scope::default();
    each(message, |field, value| {
        match field {
            1 => each(value.bytes(1)?, |field, value| {
                match field {
                    1 => scope.name = text(value, 1)?,
                    2 => scope.version = text(value, 2)?,
                    3 => scope.attributes.push(attribute(value.bytes(3)?, 0)?),
                    _ => {}
                }
                Ok(())
            })?,
            2 => scope.metrics.push(metric(value.bytes(2)?)?),
            3 => scope.schema_url = text(value, 3)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(scope)
}

fn metric(message: &[u8]) -> Result<Metric<'_>> {
    let mut metric = Metric::default();
    each(message, |field, value| {
        match field {
            1 => metric.name = text(value, 1)?,
            2 => metric.description = text(value, 2)?,
            3 => metric.unit = text(value, 3)?,
            5 | 7 | 9 | 10 | 11 => metric.data = data(field, value.bytes(field)?)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(metric)
}

fn data(kind: u64, message: &[u8]) -> Result<Data<'_>> {
    let (mut temporality, mut is_monotonic) = (Temporality::Unspecified, false);
    let mut points = Vec::new();
    each(message, |field, value| {
        match field {
            1 => points.push(value.bytes(1)?),
            2 => temporality = Temporality::from_number(value.varint(2)?),
            3 => is_monotonic = value.varint(3)? != 0,
            _ => {}
        }
        Ok(())
    })?;
    let points = points.into_iter();
    Ok(match kind {
        5 => Data::Gauge(points.map(number_point).collect::<Result<_>>()?),
        7 => Data::Sum {
            points: points.map(number_point).collect::<Result<_>>()?,
            temporality,
            is_monotonic,
        },
        9 => Data::Histogram {
            points: points.map(histogram_point).collect::<Result<_>>()?,
            temporality,
        },
        10 => Data::Exponential {
            points: points.map(exponential_point).collect::<Result<_>>()?,
            temporality,
        },
        _ => Data::Summary(points.map(summary_point).collect::<Result<_>>()?),
    })
}

/// The two times, which have the same numbers in all points; `false` for another field.
fn time<'b>(common: &mut Common<'b>, field: u64, value: Value<'b>) -> Result<bool> {
    match field {
        2 => common.start_ns = value.fixed64(2)?,
        3 => common.time_ns = value.fixed64(3)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn number_point(message: &[u8]) -> Result<NumberPoint<'_>> {
    let mut point = NumberPoint::default();
    each(message, |field, value| {
        match field {
            4 => point.value = value.double(4)?,
            5 => point.exemplars.push(exemplar(value.bytes(5)?)?),
            6 => point.value = value.fixed64(6)?.cast_signed() as f64,
            7 => point.common.attributes.push(attribute(value.bytes(7)?, 0)?),
            8 => point.common.flags = value.varint(8)?,
            _ => drop(time(&mut point.common, field, value)?),
        }
        Ok(())
    })?;
    Ok(point)
}

fn histogram_point(message: &[u8]) -> Result<HistogramPoint<'_>> {
    let mut point = HistogramPoint::default();
    each(message, |field, value| {
        match field {
            4 => point.count = value.fixed64(4)?,
            5 => point.sum = Some(value.double(5)?),
            6 => value.push_fixed64s(6, &mut point.buckets, |count| count)?,
            7 => value.push_fixed64s(7, &mut point.bounds, f64::from_bits)?,
            8 => point.exemplars.push(exemplar(value.bytes(8)?)?),
            9 => point.common.attributes.push(attribute(value.bytes(9)?, 0)?),
            10 => point.common.flags = value.varint(10)?,
            _ => drop(time(&mut point.common, field, value)?),
        }
        Ok(())
    })?;
    Ok(point)
}

fn exponential_point(message: &[u8]) -> Result<ExponentialPoint<'_>> {
    let mut point = ExponentialPoint::default();
    each(message, |field, value| {
        match field {
            1 => point.common.attributes.push(attribute(value.bytes(1)?, 0)?),
            4 => point.count = value.fixed64(4)?,
            5 => point.sum = Some(value.double(5)?),
            6 => point.scale = zigzag(value.varint(6)?) as i32,
            7 => point.zero_count = value.fixed64(7)?,
            8 => point.positive = buckets(value.bytes(8)?)?,
            9 => point.negative = buckets(value.bytes(9)?)?,
            10 => point.common.flags = value.varint(10)?,
            11 => point.exemplars.push(exemplar(value.bytes(11)?)?),
            _ => drop(time(&mut point.common, field, value)?),
        }
        Ok(())
    })?;
    Ok(point)
}

fn buckets(message: &[u8]) -> Result<Buckets> {
    let mut buckets = Buckets::default();
    each(message, |field, value| {
        match field {
            1 => buckets.offset = zigzag(value.varint(1)?) as i32,
            2 => value.push_varints(2, &mut buckets.counts, |count| count)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(buckets)
}

fn summary_point(message: &[u8]) -> Result<SummaryPoint<'_>> {
    let mut point = SummaryPoint::default();
    each(message, |field, value| {
        match field {
            4 => point.count = value.fixed64(4)?,
            5 => point.sum = value.double(5)?,
            6 => {
                let mut quantile = (0.0, 0.0);
                each(value.bytes(6)?, |field, value| {
                    match field {
                        1 => quantile.0 = value.double(1)?,
                        2 => quantile.1 = value.double(2)?,
                        _ => {}
                    }
                    Ok(())
                })?;
                point.quantiles.push(quantile);
            }
            7 => point.common.attributes.push(attribute(value.bytes(7)?, 0)?),
            8 => point.common.flags = value.varint(8)?,
            _ => drop(time(&mut point.common, field, value)?),
        }
        Ok(())
    })?;
    Ok(point)
}

fn exemplar(message: &[u8]) -> Result<Exemplar<'_>> {
    let mut exemplar = Exemplar::default();
    each(message, |field, value| {
        match field {
            2 => exemplar.time_ns = value.fixed64(2)?,
            3 => exemplar.value = Some(value.double(3)?),
            4 => exemplar.span_id = Cow::Borrowed(value.bytes(4)?),
            5 => exemplar.trace_id = Cow::Borrowed(value.bytes(5)?),
            6 => exemplar.value = Some(value.fixed64(6)?.cast_signed() as f64),
            7 => exemplar.attributes.push(attribute(value.bytes(7)?, 0)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(exemplar)
}

fn attribute(message: &[u8], depth: usize) -> Result<Attribute<'_>> {
    let mut attribute = Attribute { key: Text::default(), value: Any::Empty };
    each(message, |field, value| {
        match field {
            1 => attribute.key = text(value, 1)?,
            2 => attribute.value = any(value.bytes(2)?, depth)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(attribute)
}

fn any(message: &[u8], depth: usize) -> Result<Any<'_>> {
    if depth > MAX_DEPTH {
        return Err(Malformed::TooDeep);
    }
    let mut any = Any::Empty;
    each(message, |field, value| {
        any = match field {
            1 => Any::Text(text(value, 1)?),
            2 => Any::Bool(value.varint(2)? != 0),
            3 => Any::Int(value.varint(3)?.cast_signed()),
            4 => Any::Double(value.double(4)?),
            5 => {
                let mut values = Vec::new();
                each(value.bytes(5)?, |field, value| {
                    if field == 1 {
                        values.push(self::any(value.bytes(1)?, depth + 1)?);
                    }
                    Ok(())
                })?;
                Any::Array(values)
            }
            6 => {
                let mut values = Vec::new();
                each(value.bytes(6)?, |field, value| {
                    if field == 1 {
                        values.push(attribute(value.bytes(1)?, depth + 1)?);
                    }
                    Ok(())
                })?;
                Any::Map(values)
            }
            7 => Any::Bytes(Cow::Borrowed(value.bytes(7)?)),
            _ => return Ok(()),
        };
        Ok(())
    })?;
    Ok(any)
}

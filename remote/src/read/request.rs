//! `ReadRequest` from and to bytes.

use super::{Error, MAX_BODY_BYTES, Request};
use crate::proto::{Fields, write};

/// How an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One packed message with all samples.
    Samples,
    /// Frames with encoded chunks.
    Chunks,
}

/// A condition as it is sent; what `op` means is checked later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SentMatcher {
    pub(super) op: u64,
    pub(super) name: Box<str>,
    pub(super) value: Box<str>,
}

/// One query of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) matchers: Vec<SentMatcher>,
    /// The asker wants to know which series there are, not their samples.
    pub(super) is_for_series: bool,
}

/// Reads a packed request.
pub(super) fn parse(packed: &[u8]) -> Result<Request, Error> {
    let refused = |text: String| Error::Request(text.into());
    let corrupt = || refused("snappy: corrupt input".to_owned());
    let len = snap::raw::decompress_len(packed).map_err(|_| corrupt())?;
    if len > MAX_BODY_BYTES {
        return Err(refused(format!(
            "snappy: decoded length {len} exceeds limit {MAX_BODY_BYTES}"
        )));
    }
    // Snappy cannot pack below about 1 to 21: a claim beyond is a lie, told before memory is spent on it.
    if len / 64 > packed.len() {
        return Err(corrupt());
    }
    let body = snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| corrupt())?;
    let mut queries = Vec::new();
    let mut accepted: Vec<u64> = Vec::new();
    let mut fields = Fields(&body);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => queries.push(query(value.bytes(1)?)?),
            2 => value.push_varints(2, &mut accepted, |number| number)?,
            _ => {}
        }
    }
    Ok(Request { queries, form: form(&accepted)? })
}

/// The first form asked for that there is.
fn form(accepted: &[u64]) -> Result<Form, Error> {
    if accepted.is_empty() {
        return Ok(Form::Samples);
    }
    let known = accepted.iter().find_map(|number| match number {
        0 => Some(Form::Samples),
        1 => Some(Form::Chunks),
        _ => None,
    });
    known.ok_or_else(|| {
        let numbers: Vec<String> = accepted.iter().map(u64::to_string).collect();
        Error::Request(
            format!(
                "server does not support any of the requested response types: [{}]; \
                 supported: map[SAMPLES:{{}} STREAMED_XOR_CHUNKS:{{}}]",
                numbers.join(" ")
            )
            .into(),
        )
    })
}

fn query(message: &[u8]) -> Result<Query, Error> {
    let mut query = Query::default();
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => query.start_ms = value.varint(1)?.cast_signed(),
            2 => query.end_ms = value.varint(2)?.cast_signed(),
            3 => query.matchers.push(matcher(value.bytes(3)?)?),
            4 => {
                let mut hints = Fields(value.bytes(4)?);
                while let Some((field, value)) = hints.next()? {
                    if field == 2 {
                        query.is_for_series = value.bytes(2)? == b"series";
                    }
                }
            }
            _ => {}
        }
    }
    Ok(query)
}

fn matcher(message: &[u8]) -> Result<SentMatcher, Error> {
    let mut matcher = SentMatcher { op: 0, name: "".into(), value: "".into() };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into();
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => matcher.op = value.varint(1)?,
            2 => matcher.name = text(value.bytes(2)?),
            3 => matcher.value = text(value.bytes(3)?),
            _ => {}
        }
    }
    Ok(matcher)
}

/// Appends a `ReadRequest` of one query that accepts both forms, chunks first.
pub(crate) fn push_request(
    out: &mut Vec<u8>,
    range: model::TimeRange,
    matchers: &[model::Matcher],
    hints: &storage::SelectHints,
) {
    write::message(out, 1, |out| {
        write::int(out, 1, range.min_ms);
        write::int(out, 2, range.max_ms);
        for matcher in matchers {
            write::message(out, 3, |out| {
                write::uint(
                    out,
                    1,
                    match matcher.op() {
                        model::MatchOp::Equal => 0,
                        model::MatchOp::NotEqual => 1,
                        model::MatchOp::Regex => 2,
                        model::MatchOp::NotRegex => 3,
                    },
                );
                write::bytes(out, 2, matcher.name().as_bytes());
                write::bytes(out, 3, matcher.value().as_bytes());
            });
        }
        write::message(out, 4, |out| {
            write::int(out, 1, hints.step_ms);
            if hints.labels_only {
                write::bytes(out, 2, b"series");
            }
            write::int(out, 3, range.min_ms);
            write::int(out, 4, range.max_ms);
            write::int(out, 7, hints.window_ms);
        });
    });
    write::uints(out, 2, [1, 0].into_iter());
}

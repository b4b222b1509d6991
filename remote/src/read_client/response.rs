//! Answers of other servers to series with chunks. Foreign bytes: lengths and checksums are checked, nothing panics.

use crate::proto::{Fields, Malformed, Reader};
use bytes::Bytes;
use chunk::{ChunkMeta, Encoding};
use model::{Labels, LabelsBuilder};
use storage::SeriesBatch;

/// A series of an answer.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) labels: Labels,
    chunks: Vec<(ChunkMeta, Bytes)>,
}

impl Series {
    /// Hands its chunks to a batch; those that overlap count as further sources.
    pub(super) fn push_chunks(&self, out: &mut SeriesBatch) {
        let mut last_ms = None;
        for (meta, data) in &self.chunks {
            if last_ms.is_some_and(|last| meta.min_ms <= last) {
                out.next_source();
            }
            last_ms = Some(meta.max_ms);
            out.push_copied(*meta, data);
        }
    }
}

/// Reads an answer by its content type.
pub(super) fn read(
    content_type: &str,
    body: &Bytes,
    max_frame_bytes: u64,
) -> Result<Vec<Series>, String> {
    if content_type.starts_with("application/x-streamed-protobuf") {
        return frames(body, max_frame_bytes);
    }
    if content_type.starts_with("application/x-protobuf") {
        return samples(body)
            .map_err(|error| format!("unable to unmarshal response body: {error}"));
    }
    Err(format!("unsupported content type: {content_type}"))
}

/// Reads frames: length, checksum, message. Frames of one series follow each other.
fn frames(body: &Bytes, max_frame_bytes: u64) -> Result<Vec<Series>, String> {
    let mut all: Vec<Series> = Vec::new();
    let mut rest = &body[..];
    while !rest.is_empty() {
        let mut reader = Reader(rest);
        let len = reader.varint().map_err(|error| error.to_string())?;
        if len > max_frame_bytes {
            return Err(format!(
                "message size exceeded the limit {max_frame_bytes} bytes; got: {len} bytes"
            ));
        }
        let cut_off = || "the answer broke off".to_owned();
        let (sum, tail) = reader.0.split_first_chunk::<4>().ok_or_else(cut_off)?;
        let (message, tail) = tail.split_at_checked(len as usize).ok_or_else(cut_off)?;
        let found = crc32c::crc32c(message);
        if found != u32::from_be_bytes(*sum) {
            return Err("chunkedReader: corrupted frame; checksum mismatch".to_owned());
        }
        frame(body, message, &mut all).map_err(|error| error.to_string())?;
        rest = tail;
    }
    Ok(all)
}

fn frame(body: &Bytes, message: &[u8], all: &mut Vec<Series>) -> Result<(), Malformed> {
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        if field != 1 {
            continue;
        }
        let mut labels = LabelsBuilder::new();
        let mut chunks = Vec::new();
        let mut series = Fields(value.bytes(1)?);
        while let Some((field, value)) = series.next()? {
            match field {
                1 => label(value.bytes(1)?, &mut labels)?,
                2 => chunks.extend(read_chunk(body, value.bytes(2)?)?),
                _ => {}
            }
        }
        let labels = labels.labels();
        match all.last_mut() {
            Some(last) if last.labels == labels => last.chunks.append(&mut chunks),
            _ => all.push(Series { labels, chunks }),
        }
    }
    Ok(())
}

/// A chunk; `None` if it is empty or of a kind that no reader knows.
fn read_chunk(body: &Bytes, message: &[u8]) -> Result<Option<(ChunkMeta, Bytes)>, Malformed> {
    let (mut min_ms, mut max_ms, mut kind, mut data) = (0, 0, 0, &[][..]);
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => min_ms = value.varint(1)?.cast_signed(),
            2 => max_ms = value.varint(2)?.cast_signed(),
            3 => kind = value.varint(3)?,
            4 => data = value.bytes(4)?,
            _ => {}
        }
    }
    let encoding = u8::try_from(kind).ok().and_then(Encoding::from_disk);
    let count = encoding.and_then(|encoding| encoding.num_samples(data));
    let (Some(encoding), Some(num_samples @ 1..)) = (encoding, count) else { return Ok(None) };
    let meta = ChunkMeta { min_ms, max_ms, num_samples, encoding };
    Ok(Some((meta, body.slice_ref(data))))
}

/// Reads one packed message with samples.
fn samples(body: &Bytes) -> Result<Vec<Series>, String> {
    let len = snap::raw::decompress_len(body).map_err(|error| error.to_string())?;
    if len / 64 > body.len() {
        return Err("snappy: corrupt input".to_owned());
    }
    let plain =
        snap::raw::Decoder::new().decompress_vec(body).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    let mut results = Fields(&plain);
    let text = |error: Malformed| error.to_string();
    while let Some((field, value)) = results.next().map_err(text)? {
        if field == 1 {
            result(value.bytes(1).map_err(text)?, &mut all).map_err(text)?;
        }
    }
    Ok(all)
}

fn result(message: &[u8], all: &mut Vec<Series>) -> Result<(), Malformed> {
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        if field != 1 {
            continue;
        }
        let mut labels = LabelsBuilder::new();
        let mut rows: Vec<(i64, f64)> = Vec::new();
        let mut series = Fields(value.bytes(1)?);
        while let Some((field, value)) = series.next()? {
            match field {
                1 => label(value.bytes(1)?, &mut labels)?,
                2 => rows.push(sample(value.bytes(2)?)?),
                _ => {}
            }
        }
        rows.sort_by_key(|(timestamp_ms, _)| *timestamp_ms);
        rows.dedup_by_key(|(timestamp_ms, _)| *timestamp_ms);
        all.push(Series {
            labels: labels.labels(),
            chunks: raw_chunk(&rows).into_iter().collect(),
        });
    }
    Ok(())
}

fn sample(message: &[u8]) -> Result<(i64, f64), Malformed> {
    let mut row = (0, 0.0);
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => row.1 = value.double(1)?,
            2 => row.0 = value.varint(2)?.cast_signed(),
            _ => {}
        }
    }
    Ok(row)
}

/// Samples as one chunk of our own kind.
fn raw_chunk(rows: &[(i64, f64)]) -> Option<(ChunkMeta, Bytes)> {
    let (first, last) = (rows.first()?, rows.last()?);
    let mut data = Vec::with_capacity(rows.len() * 16);
    for (timestamp_ms, value) in rows {
        data.extend_from_slice(&timestamp_ms.to_le_bytes());
        data.extend_from_slice(&value.to_le_bytes());
    }
    let num_samples = rows.len() as u32;
    let meta = ChunkMeta { min_ms: first.0, max_ms: last.0, num_samples, encoding: Encoding::Raw };
    Some((meta, Bytes::from(data)))
}

fn label(message: &[u8], labels: &mut LabelsBuilder) -> Result<(), Malformed> {
    let (mut name, mut text): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => name = value.bytes(1)?,
            2 => text = value.bytes(2)?,
            _ => {}
        }
    }
    labels.set(&String::from_utf8_lossy(name), &String::from_utf8_lossy(text));
    Ok(())
}

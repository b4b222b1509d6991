//! An image back to memory. Its bytes are foreign: whoever wrote them, the outcome is series or a refusal.

use super::{END, EXPIRED, SERIES};
use crate::head::Replay;
use crate::head::native::Native;
use crate::head::refs::Target;
use crate::head::series::{FullChunk, OpenFloats, Place};
use chunk::histogram::HistogramChunk;
use chunk::{ChunkMeta, Encoding};
use std::sync::atomic::Ordering;

/// Reads an image; `false` if it is not whole, or if chunk files that it relies on are not there.
pub(in crate::head) fn load(replay: &mut Replay, image: &mut wal::Reader) -> bool {
    let mut num_series = 0_u64;
    loop {
        let Ok(Some(record)) = image.next_record() else { return false };
        let Some((&kind, body)) = record.split_first() else { return false };
        match kind {
            SERIES => {
                let mut cursor = Cursor(body);
                while !cursor.0.is_empty() {
                    if take_series(replay, &mut cursor).is_none() {
                        return false;
                    }
                    num_series += 1;
                }
            }
            EXPIRED => {
                let mut expired = replay.head.expired.lock();
                for entry in body.as_chunks::<16>().0 {
                    let (number, last_ms) = entry.split_at(8);
                    let number = u64::from_le_bytes(number.try_into().expect("eight bytes"));
                    let last_ms = i64::from_le_bytes(last_ms.try_into().expect("eight bytes"));
                    expired.insert(number, last_ms);
                }
            }
            END => {
                let mut cursor = Cursor(body);
                let (Some(count), Some(last_ref)) = (cursor.u64(), cursor.u64()) else {
                    return false;
                };
                replay.max_ref = replay.max_ref.max(last_ref);
                return count == num_series;
            }
            _ if replay.apply(record).is_err() => return false,
            _ => {}
        }
    }
}

struct Cursor<'r>(&'r [u8]);

impl<'r> Cursor<'r> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn u16(&mut self) -> Option<usize> {
        self.array().map(u16::from_le_bytes).map(usize::from)
    }

    fn bytes(&mut self) -> Option<&'r [u8]> {
        let len = u32::from_le_bytes(self.array()?) as usize;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'r str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn chunk(&mut self) -> Option<(ChunkMeta, &'r [u8])> {
        let [encoding] = self.array()?;
        let encoding = Encoding::from_disk(encoding)?;
        let (min_ms, max_ms) = (self.i64()?, self.i64()?);
        let num_samples = self.u16()? as u32;
        let data = self.bytes()?;
        (min_ms <= max_ms && num_samples > 0)
            .then_some((ChunkMeta { min_ms, max_ms, num_samples, encoding }, data))
    }
}

/// The open chunk of a series as it can be continued.
enum Open<'r> {
    Float(OpenFloats, &'r [u8]),
    Native(Box<HistogramChunk>),
}

fn resume((meta, data): (ChunkMeta, &[u8])) -> Option<Open<'_>> {
    match meta.encoding {
        Encoding::Raw | Encoding::RawHistogram => None,
        Encoding::Xor | Encoding::Xor2 => {
            let state = OpenFloats::resume(meta.encoding, data).ok()?;
            let fits = state.open.last_ms() == meta.max_ms && state.open.len_bytes() == data.len();
            fits.then_some(Open::Float(state, data))
        }
        _ => {
            let chunk = HistogramChunk::resume(meta, data).ok()?;
            (chunk.last_ms() == meta.max_ms).then(|| Open::Native(Box::new(chunk)))
        }
    }
}

fn take_series(replay: &mut Replay, cursor: &mut Cursor<'_>) -> Option<()> {
    let (number, on_disk) = (cursor.u64()?, cursor.u64()?);
    let mut labels = Vec::new();
    for _ in 0..cursor.u16()? {
        labels.push((cursor.text()?, cursor.text()?));
    }
    let mut full = Vec::new();
    for _ in 0..cursor.u16()? {
        full.push(cursor.chunk()?);
    }
    let [has_open] = cursor.array()?;
    let mut open = None;
    if has_open == 1 {
        let next_at_ms = cursor.i64()?;
        open = Some((next_at_ms, resume(cursor.chunk()?)?));
    }
    replay.add_series(number, &labels);
    let target = replay.head.refs.read().get(number);
    if target == Target::NONE {
        return None;
    }
    let (index, slot) = replay.head.place(target);
    let mut shard = replay.head.shards[index].0.write();
    let loaded = shard.full_chunks(slot);
    let has_place = |chunk: &FullChunk| matches!(chunk.place(), Place::Disk(at) if at == on_disk);
    if on_disk != 0 && !loaded.iter().any(has_place) {
        return None;
    }
    // What was put on disk since the image was taken is there twice.
    let mut newest_ms = loaded.last().map(|chunk| chunk.max_ms);
    let mut span: Option<(i64, i64)> = None;
    let mut widen = |meta: ChunkMeta| {
        let (min_ms, max_ms) = span.unwrap_or((i64::MAX, i64::MIN));
        span = Some((min_ms.min(meta.min_ms), max_ms.max(meta.max_ms)));
    };
    for (meta, data) in full {
        if newest_ms.is_none_or(|newest| newest < meta.min_ms) {
            shard.restore_full(slot, meta, data);
            replay.head.metrics.chunks.add(1.0);
            newest_ms = Some(meta.max_ms);
            widen(meta);
        }
    }
    if let Some((next_at_ms, open)) = open {
        let meta = match &open {
            Open::Float(state, data) => state.meta(data)?,
            Open::Native(chunk) => chunk.meta(),
        };
        if !shard.has_open(slot) && newest_ms.is_none_or(|newest| newest < meta.min_ms) {
            match open {
                Open::Float(state, data) => shard.restore_open(slot, state, data, next_at_ms),
                Open::Native(chunk) => {
                    let native = Native::resumed(*chunk, next_at_ms)?;
                    shard.natives.insert(slot, native);
                    shard.num_chunks += 1;
                }
            }
            replay.head.metrics.chunks.add(1.0);
            widen(meta);
        }
    }
    drop(shard);
    if let Some((min_ms, max_ms)) = span {
        replay.head.min_ms.fetch_min(min_ms, Ordering::Relaxed);
        replay.head.max_ms.fetch_max(max_ms, Ordering::Relaxed);
    }
    Some(())
}

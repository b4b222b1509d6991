//! An image of the head beside the log, so that a start reads the log only from where the image was taken: the series
//! with what of them is in no file yet, deletions, exemplars, metadata. Writing is here, reading in `load`, `series` and `cursor`. Where the
//! image lies and whether it is trusted is decided in `db`.
//!
//! The image is taken while commits go on. It may hold samples that the log has behind its begin: the replay meets them
//! again and drops them. What it must not do is to lack one that the log has only before: commits that were logged
//! are waited for.
//!
//! Records are those of the log and, with bytes that the log does not use, the ones below; integers are little-endian.

mod cursor;
mod load;
mod series;

pub(super) use load::load;

use super::label_sets::Pairs;
use super::native::TARGET_BYTES;
use super::series::Place;
use super::shard::Shard;
use super::{Head, Shared};
use chunk::{ChunkMeta, Encoding};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::Result;
use wal::record::{encode_exemplars, encode_metadata, encode_tombstones};

/// Labels of one shard, with the numbers that its series name them by: before the first series that has them.
const LABELS: u8 = 0xF1;
/// References that are gone while the log still has samples of them.
const EXPIRED: u8 = 0xF2;
/// The end: how many series there are, and the last reference. An image without it is none.
const END: u8 = 0xF3;
/// Series of one shard: number, last chunk on disk, labels, chunks that are in memory only.
const SERIES: u8 = 0xF4;

/// There is no open chunk.
const NO_OPEN: u8 = 0;
/// The open chunk is one of floats, with the state that it is continued from.
const OPEN_STATE: u8 = 1;
/// The open chunk has to be read to be continued.
const OPEN_CHUNK: u8 = 2;

/// What a series takes in an image beside its chunks, about: reference, labels as numbers, state of the open chunk.
const SERIES_BYTES: usize = 80;

/// Series that are encoded under one lock of a shard.
const SLICE: u32 = 256;

/// What an image holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageStats {
    /// Series in it.
    pub num_series: u64,
    /// Its length in bytes before compression.
    pub num_bytes: u64,
}

impl Head {
    /// Cuts the log at a point where everything before is in memory, and answers the segment that begins there.
    /// Series without samples are logged first.
    pub fn cut_log_for_image(&self) -> Result<Option<u32>> {
        let head = &*self.0;
        let Some(log) = head.log.get() else { return Ok(None) };
        if head.has_late_aliases.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let _commits = head.commits.write();
        head.log_new_series()?;
        let mut log = log.lock();
        log.cut().map_err(crate::error::from_log)?;
        Ok(Some(log.last_segment()))
    }

    /// How long an image would be now, about, in bytes. Cheap: nothing is encoded.
    #[must_use]
    pub fn image_bytes_estimate(&self) -> u64 {
        self.0.shards.iter().map(|shard| shard.0.read().image_bytes_estimate()).sum()
    }

    /// How many series were created since the last image, those that are gone by now among them.
    #[must_use]
    pub fn num_series_since_image(&self) -> u64 {
        let head = &*self.0;
        let imaged = head.imaged_ref.load(Ordering::Relaxed);
        head.last_ref.load(Ordering::Relaxed).saturating_sub(imaged)
    }

    /// Writes the image to a log of its own. Nothing is mapped or collected meanwhile; commits and queries go on.
    pub fn write_image(&self, out: &mut wal::Writer) -> Result<ImageStats> {
        let head = &*self.0;
        let _maintenance = head.maintenance.lock();
        let mut stats = ImageStats::default();
        let mut put = |record: &[u8]| -> Result<()> {
            stats.num_bytes += record.len() as u64;
            out.log(&[record]).map_err(crate::error::from_log)
        };
        let mut section = Section::default();
        let mut num_series = 0;
        for (index, shard) in head.shards.iter().enumerate() {
            section.begin(index as u16);
            let mut slot = 0;
            loop {
                let shard = shard.0.read();
                let end = shard.cold.len().min(slot + SLICE);
                for slot in slot..end {
                    if shard.cold[slot].number != 0 {
                        section.push_series(&shard, slot);
                        num_series += 1;
                    }
                }
                let is_last = end == shard.cold.len();
                drop(shard);
                section.take_records(&mut put)?;
                slot = end;
                if is_last {
                    break;
                }
            }
        }
        for record in head.notes() {
            put(&record)?;
        }
        let mut record = vec![END];
        record.extend_from_slice(&u64::to_le_bytes(num_series));
        let last_ref = head.last_ref.load(Ordering::Relaxed);
        record.extend_from_slice(&last_ref.to_le_bytes());
        put(&record)?;
        head.imaged_ref.store(last_ref, Ordering::Relaxed);
        Ok(ImageStats { num_series, ..stats })
    }
}

impl Shard {
    /// Most of it are chunks in memory.
    fn image_bytes_estimate(&self) -> u64 {
        let chunk_bytes = self.buffers.used_bytes() + self.natives.len() * TARGET_BYTES;
        (chunk_bytes + self.num_series() * SERIES_BYTES) as u64
    }
}

impl Shared {
    /// What is told of series: deletions, exemplars, metadata, references that are gone.
    fn notes(&self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let tombstones = self.tombstones.load();
        let ranges: Vec<_> = tombstones.all().chain(self.noted_cut()).collect();
        if !ranges.is_empty() {
            let mut record = Vec::new();
            encode_tombstones(&mut record, ranges);
            records.push(record);
        }
        let exemplars = self.exemplars.lock().by_age();
        let rows: Vec<_> = exemplars
            .iter()
            .filter_map(|(labels, exemplar)| {
                let pairs: Vec<(&str, &str)> = labels.iter().collect();
                Some((self.number_of(&pairs)?, exemplar))
            })
            .collect();
        if !rows.is_empty() {
            let mut record = Vec::new();
            let rows = rows.iter().map(|(number, exemplar)| {
                (*number, exemplar.timestamp_ms, exemplar.value, exemplar.labels.iter())
            });
            encode_exemplars(&mut record, rows);
            records.push(record);
        }
        let metadata = self.metadata.lock().all();
        if !metadata.is_empty() {
            let mut record = Vec::new();
            encode_metadata(&mut record, metadata.iter().map(|(number, told)| (*number, &**told)));
            records.push(record);
        }
        let mut record = vec![EXPIRED];
        for (number, last_ms) in &*self.expired.lock() {
            record.extend_from_slice(&number.to_le_bytes());
            record.extend_from_slice(&last_ms.to_le_bytes());
        }
        records.push(record);
        records
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_chunk(out: &mut Vec<u8>, meta: ChunkMeta, bytes: &[u8]) {
    out.push(meta.encoding as u8);
    out.extend_from_slice(&meta.min_ms.to_le_bytes());
    out.extend_from_slice(&meta.max_ms.to_le_bytes());
    let count = u16::try_from(meta.num_samples).expect("a chunk counts in 16 bits");
    out.extend_from_slice(&count.to_le_bytes());
    push_data(out, meta.encoding, count, bytes);
}

/// The bytes of a chunk, with the count in front that an open chunk of floats does not keep up to date.
fn push_data(out: &mut Vec<u8>, encoding: Encoding, count: u16, bytes: &[u8]) {
    push_number(out, bytes.len() as u64);
    let begin = out.len();
    out.extend_from_slice(bytes);
    if encoding.is_float() {
        encoding.set_num_samples(&mut out[begin..], count);
    }
}

/// What one shard has to write: labels and series of a slice.
#[derive(Debug, Default)]
struct Section {
    number: u16,
    labels: Vec<u8>,
    series: Vec<u8>,
    /// Which labels were written, by the numbers that the shard gave them.
    is_known: Vec<bool>,
}

impl Section {
    fn begin(&mut self, number: u16) {
        self.number = number;
        self.is_known.clear();
    }

    /// Hands out the records of a slice.
    fn take_records(&mut self, put: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for record in [&mut self.labels, &mut self.series] {
            if !record.is_empty() {
                put(record)?;
                record.clear();
            }
        }
        Ok(())
    }

    fn push_labels(&mut self, shard: &Shard, pairs: Pairs<'_>) {
        for pair in pairs.iter() {
            let at = pair as usize;
            if self.is_known.len() <= at {
                self.is_known.resize(at + 1, false);
            }
            if std::mem::replace(&mut self.is_known[at], true) {
                continue;
            }
            open_record(&mut self.labels, LABELS, self.number);
            let (name, value) = shard.labels.label(pair);
            push_number(&mut self.labels, u64::from(pair));
            push_bytes(&mut self.labels, name.as_bytes());
            push_bytes(&mut self.labels, value.as_bytes());
        }
    }

    fn push_series(&mut self, shard: &Shard, slot: u32) {
        let pairs = shard.pairs(slot);
        self.push_labels(shard, pairs);
        let out = &mut self.series;
        open_record(out, SERIES, self.number);
        let full = shard.full_chunks(slot);
        let on_disk = full.iter().rev().find_map(|chunk| match chunk.place() {
            Place::Disk(place) => Some(place),
            Place::Memory(..) => None,
        });
        push_number(out, shard.cold[slot].number);
        push_number(out, on_disk.unwrap_or(0));
        push_number(out, pairs.len() as u64);
        pairs.iter().for_each(|pair| push_number(out, u64::from(pair)));
        let in_memory = full.iter().filter_map(|chunk| match chunk.place() {
            Place::Memory(buffer, len) => Some((chunk.meta(), buffer, len)),
            Place::Disk(_) => None,
        });
        push_number(out, in_memory.clone().count() as u64);
        for (meta, buffer, len) in in_memory {
            push_chunk(out, meta, &shard.buffers.get(buffer)[..len]);
        }
        push_open(out, shard, slot);
    }
}

fn open_record(record: &mut Vec<u8>, kind: u8, section: u16) {
    if record.is_empty() {
        record.push(kind);
        record.extend_from_slice(&section.to_le_bytes());
    }
}

fn push_open(out: &mut Vec<u8>, shard: &Shard, slot: u32) {
    if !shard.has_open(slot) {
        out.push(NO_OPEN);
        return;
    }
    let hot = &shard.hot[slot];
    let has_state = shard.native(slot).is_none() && hot.encoding == Encoding::Xor;
    out.push(if has_state { OPEN_STATE } else { OPEN_CHUNK });
    out.extend_from_slice(&shard.next_cut_ms(slot).to_le_bytes());
    if has_state {
        out.extend_from_slice(&hot.open.to_state());
        push_data(out, Encoding::Xor, hot.open.num_samples(), shard.open_bytes(slot));
    } else {
        push_chunk(out, shard.open_meta(slot), shard.open_bytes(slot));
    }
}

impl Head {
    /// Reads an image into a replay; `false` if it does not fit the chunks on disk or is damaged. What was taken from
    /// it is right all the same: the log may be replayed from its beginning then.
    pub fn load_image(replay: &mut super::Replay, image: &mut wal::Reader) -> bool {
        load(replay, image)
    }

    /// How images are written.
    #[must_use]
    pub fn image_options() -> wal::WriterOptions {
        // Chunks are packed already, and each label is written once.
        let compression = wal::Compression::None;
        wal::WriterOptions { compression, ..wal::WriterOptions::default() }
    }

    /// Opens an empty log for an image in `dir`.
    pub fn new_image(disk: &Arc<dyn disk::Disk>, dir: &Path) -> Result<wal::Writer> {
        wal::Writer::open(Arc::clone(disk), dir, Self::image_options())
            .map_err(crate::error::from_log)
    }
}

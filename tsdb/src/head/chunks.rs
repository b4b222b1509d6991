//! Full chunks in mapped files, `chunks_head/NNNNNN`: written in batches, read in place, loaded at a start.
//! They repeat what the log has, so nothing is synced chunk by chunk and a damaged file is only dropped.
//!
//! File: magic, version, three zero bytes; then chunks: `u64` series, `i64` first and last time, `u8` encoding
//! (`0x80` marks out-of-order data), varint length, data, CRC-32C over all of these. A chunk without series and times
//! ends the file.

use super::series::FullChunk;
use super::series::Place;
use crate::sync::Mutex;
use arc_swap::ArcSwap;
use bytes::Bytes;
use chunk::{ChunkMeta, Encoding};
use disk::{Disk, DiskFile};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

const HEADER: [u8; 8] = [0x01, 0x30, 0xBC, 0x91, 1, 0, 0, 0];
const FILE_BYTES: u64 = 128 << 20;
const CHUNK_HEADER_BYTES: usize = 25;
const OUT_OF_ORDER: u8 = 0x80;

/// The mapped files by number, ascending.
pub(super) type Views = Vec<(u32, Bytes)>;

/// What was found in the files at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedChunks {
    /// Chunks taken.
    pub num_chunks: usize,
    /// Chunks of encodings that are not read here; float samples of theirs come back from the log.
    pub num_skipped: usize,
    /// What was wrong and where; that file and all after it were deleted.
    pub corruption: Option<Box<str>>,
}

#[derive(Debug)]
struct Open {
    number: u32,
    file: Box<dyn DiskFile>,
    len: u64,
}

/// The file that chunks are written to.
#[derive(Debug, Default)]
struct Writing {
    open: Option<Open>,
    /// Files up to this one are on the disk, as far as this process knows.
    synced: u32,
}

impl Writing {
    /// Ends the open file. Where it does not get to the disk, that is tried again before the next one begins.
    fn close(&mut self) -> io::Result<()> {
        let Some(mut full) = self.open.take() else { return Ok(()) };
        full.file.sync()?;
        self.synced = full.number;
        Ok(())
    }
}

/// The directory of head chunk files.
#[derive(Debug)]
pub(super) struct HeadChunks {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    writing: Mutex<Writing>,
    views: ArcSwap<Views>,
    /// The last number that a file had. Later chunks have later places, also when there are no files any more.
    last_number: AtomicU32,
}

/// Encoded chunks on their way to a file.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    begins: Vec<u32>,
}

impl Batch {
    /// Batches are written once they hold this much.
    pub(super) const TARGET_BYTES: usize = 4 << 20;

    /// Adds the chunk of a series.
    pub(super) fn push(&mut self, number: u64, meta: ChunkMeta, data: &[u8]) {
        self.push_marked(number, meta, 0, data);
    }

    /// Adds a chunk of samples that came out of order.
    pub(super) fn push_ooo(&mut self, number: u64, meta: ChunkMeta, data: &[u8]) {
        self.push_marked(number, meta, OUT_OF_ORDER, data);
    }

    fn push_marked(&mut self, number: u64, meta: ChunkMeta, mark: u8, data: &[u8]) {
        let begin = self.bytes.len();
        self.begins.push(begin as u32);
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self.bytes.extend_from_slice(&meta.min_ms.to_be_bytes());
        self.bytes.extend_from_slice(&meta.max_ms.to_be_bytes());
        self.bytes.push(meta.encoding as u8 | mark);
        let mut len = data.len();
        while len >= 0x80 {
            self.bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        self.bytes.push(len as u8);
        self.bytes.extend_from_slice(data);
        let crc = crc32c::crc32c(&self.bytes[begin..]);
        self.bytes.extend_from_slice(&crc.to_be_bytes());
    }

    /// Bytes so far.
    pub(super) fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the chunks and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.begins.clear();
    }
}

/// One chunk as it lies in a file.
#[derive(Clone, Copy, Debug)]
struct Stored {
    number: u64,
    min_ms: i64,
    max_ms: i64,
    encoding: u8,
    data_begin: usize,
    data_end: usize,
}

/// Reads the chunk at `at`, without its checksum.
fn parse(file: &[u8], at: usize) -> Option<Stored> {
    let head: &[u8; CHUNK_HEADER_BYTES] = file.get(at..)?.first_chunk()?;
    let word = |begin: usize| {
        let bytes = head[begin..begin + 8].try_into().expect("eight bytes");
        u64::from_be_bytes(bytes)
    };
    let mut data_begin = at + CHUNK_HEADER_BYTES;
    let mut len = 0usize;
    for shift in [0, 7, 14, 21] {
        let byte = *file.get(data_begin)?;
        data_begin += 1;
        len |= (byte as usize & 0x7F) << shift;
        if byte < 0x80 {
            let data_end = data_begin + len;
            let fits = data_end + 4 <= file.len();
            return fits.then_some(Stored {
                number: word(0),
                min_ms: word(8) as i64,
                max_ms: word(16) as i64,
                encoding: head[24],
                data_begin,
                data_end,
            });
        }
    }
    None
}

/// The bytes of a chunk: the mapping and the span of the data in it.
pub(super) fn locate(views: &Views, place: u64) -> Option<(&Bytes, usize, usize)> {
    let number = (place >> 32) as u32;
    let index = views.binary_search_by_key(&number, |view| view.0).ok()?;
    let view = &views[index].1;
    let stored = parse(view, (place & 0xFFFF_FFFF) as usize)?;
    Some((view, stored.data_begin, stored.data_end))
}

/// The header and the beginning of the data of the chunk at a place.
pub(super) fn begin_of(views: &Views, place: u64) -> Option<&[u8]> {
    let number = (place >> 32) as u32;
    let (_, view) = views.iter().rev().find(|view| view.0 == number)?;
    let begin = (place & 0xFFFF_FFFF) as usize;
    view.get(begin..view.len().min(begin + 2 * CHUNK_HEADER_BYTES))
}

impl HeadChunks {
    /// The files in `dir`, none loaded yet.
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf) -> Self {
        Self {
            disk,
            dir,
            writing: Mutex::default(),
            views: ArcSwap::default(),
            last_number: AtomicU32::new(0),
        }
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{number:06}"))
    }

    /// The files as they are mapped now.
    pub(super) fn views(&self) -> Arc<Views> {
        self.views.load_full()
    }

    fn set_view(&self, number: u32) -> io::Result<()> {
        let view = self.disk.view(&self.path(number))?;
        let mut views = Views::clone(&self.views.load());
        match views.binary_search_by_key(&number, |view| view.0) {
            Ok(index) => views[index].1 = view,
            Err(index) => views.insert(index, (number, view)),
        }
        self.views.store(Arc::new(views));
        Ok(())
    }

    /// Writes the chunks of a batch and returns their places, good to be read at once.
    pub(super) fn write(&self, batch: &Batch) -> io::Result<Vec<u64>> {
        let mut writing = self.writing.lock();
        let has_room = |open: &Open| open.len + batch.bytes.len() as u64 <= FILE_BYTES;
        if !writing.open.as_ref().is_some_and(has_room) {
            writing.close()?;
            writing.open = Some(self.create(&mut writing.synced)?);
        }
        let current = writing.open.as_mut().expect("a file with room");
        if let Err(error) = current.file.append(&batch.bytes) {
            // Cut the torn end off; where that fails too, the next batch begins a file behind this one.
            let path = self.path(current.number);
            match self.disk.open_append(&path, current.len) {
                Ok(file) => current.file = file,
                Err(_) => writing.open = None,
            }
            return Err(error);
        }
        let (number, base) = (current.number, current.len);
        current.len += batch.bytes.len() as u64;
        self.set_view(number)?;
        let place = |&begin: &u32| u64::from(number) << 32 | (base + u64::from(begin));
        Ok(batch.begins.iter().map(place).collect())
    }

    /// Begins a file once all before it are on the disk, those of a process that was killed among them: one that lost
    /// its end in a power cut while others behind it did not would hide from a replay what the log has of it.
    fn create(&self, synced: &mut u32) -> io::Result<Open> {
        let views = self.views();
        let first = views.partition_point(|view| view.0 <= *synced);
        for (number, view) in &views[first..] {
            // What a failed write left behind the chunks goes.
            self.disk.open_append(&self.path(*number), view.len() as u64)?.sync()?;
            *synced = *number;
        }
        self.disk.create_dir(&self.dir)?;
        let number = self.last_number.load(Ordering::Relaxed) + 1;
        let path = self.path(number);
        if self.disk.exists(&path) {
            // Only a file without chunks can be left there: all others are mapped.
            self.disk.remove(&path)?;
        }
        let mut file = self.disk.create(&path)?;
        file.append(&HEADER)?;
        self.disk.sync_dir(&self.dir)?;
        self.set_view(number)?;
        self.last_number.store(number, Ordering::Relaxed);
        Ok(Open { number, file, len: HEADER.len() as u64 })
    }

    /// The next chunk begins a new file. Answers its number: who looks for the files that are needed does not see the
    /// chunks that come meanwhile, which are there or behind. Also whether the file before is on the disk.
    pub(super) fn begin_file(&self) -> (u32, io::Result<()>) {
        let mut writing = self.writing.lock();
        let next = self.last_number.load(Ordering::Relaxed) + 1;
        match &writing.open {
            Some(open) if open.len == HEADER.len() as u64 => (open.number, Ok(())),
            _ => (next, writing.close()),
        }
    }

    /// Deletes the files before `new_file` that are also before `first_needed`, or all of them with `None`.
    pub(super) fn truncate(&self, first_needed: Option<u32>, new_file: u32) -> io::Result<()> {
        let _writing = self.writing.lock();
        let views = self.views.load_full();
        let needed =
            |number: u32| number >= new_file || first_needed.is_some_and(|first| number >= first);
        let mut kept = Views::clone(&views);
        let mut outcome = Ok(());
        for (number, _) in views.iter().filter(|view| !needed(view.0)) {
            outcome = self.disk.remove(&self.path(*number));
            if outcome.is_err() {
                // Those that are left stay mapped, and are tried again the next time.
                break;
            }
            kept.retain(|view| view.0 != *number);
        }
        if kept.len() < views.len() {
            self.views.store(Arc::new(kept));
        }
        outcome
    }

    /// Maps the files there are and hands each chunk to `take`, by files and offsets, with its series and whether it
    /// came out of order.
    pub(super) fn load(
        &self,
        mut take: impl FnMut(u64, FullChunk, bool),
    ) -> io::Result<LoadedChunks> {
        let mut loaded = LoadedChunks::default();
        let names = match self.disk.list(&self.dir) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(loaded),
            Err(error) => return Err(error),
        };
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        if let Some(gap) = numbers.windows(2).position(|pair| pair[1] != pair[0] + 1) {
            // Names of files are not made durable one by one, and the log has what is in them.
            let path = self.path(numbers[gap + 1]);
            let missing = numbers[gap] + 1;
            let what = format!("{}: file {missing:06} before it is missing", path.display());
            loaded.corruption = Some(what.into());
            for damaged in numbers.drain(gap + 1..) {
                self.disk.remove(&self.path(damaged))?;
            }
        }
        if let Some(&last) = numbers.last()
            && self.is_blank(last)?
        {
            self.disk.remove(&self.path(last))?;
            numbers.pop();
        }
        let mut views = Views::new();
        for &number in &numbers {
            views.push((number, self.disk.view(&self.path(number))?));
        }
        for (index, parsed) in load_files(&views).into_iter().enumerate() {
            let (number, view) = &views[index];
            if view.starts_with(&HEADER[..4]) && view.get(4).is_some_and(|&version| version > 1) {
                return Err(self.invalid(*number, "head chunks of an unknown version"));
            }
            let file = match parsed {
                Ok(file) => file,
                Err((at, what)) => {
                    // Nothing of the file is taken, as it goes: the log has all of it.
                    let path = self.path(*number);
                    loaded.corruption = Some(format!("{} at {at}: {what}", path.display()).into());
                    for &damaged in &numbers[index..] {
                        self.disk.remove(&self.path(damaged))?;
                    }
                    views.truncate(index);
                    break;
                }
            };
            loaded.num_skipped += file.num_skipped;
            loaded.num_chunks += file.chunks.len();
            for (number, chunk, is_ooo) in file.chunks {
                take(number, chunk, is_ooo);
            }
        }
        if loaded.corruption.is_some() {
            // One that came back would lie behind files that are new.
            self.disk.sync_dir(&self.dir)?;
        }
        let last = views.last().map_or(0, |view| view.0);
        self.last_number.store(last, Ordering::Relaxed);
        self.views.store(Arc::new(views));
        Ok(loaded)
    }

    /// Whether a crash left a file without content, or within its header.
    fn is_blank(&self, number: u32) -> io::Result<bool> {
        let head = self.disk.read_at(&self.path(number), 0, HEADER.len())?;
        Ok(head.len() < HEADER.len() || head[..4] == [0; 4])
    }

    fn invalid(&self, number: u32, what: &str) -> io::Error {
        let path = self.path(number);
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
    }
}

/// What one file has.
#[derive(Debug, Default)]
struct LoadedFile {
    /// Chunks with their series, and whether their samples came out of order.
    chunks: Vec<(u64, FullChunk, bool)>,
    /// Chunks of encodings that are not read here.
    num_skipped: usize,
}

/// The chunks of each file, on damage the offset and what was found. Files are read by several threads.
fn load_files(views: &Views) -> Vec<Result<LoadedFile, (usize, String)>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((number, view)) = views.get(next.fetch_add(1, Ordering::Relaxed)) {
            let parsed = load_file(*number, view);
            done.lock().push((*number, parsed));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(views.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner();
    done.sort_unstable_by_key(|file| file.0);
    done.into_iter().map(|(_, parsed)| parsed).collect()
}

/// The chunks of one file.
fn load_file(number: u32, file: &[u8]) -> Result<LoadedFile, (usize, String)> {
    if !file.starts_with(&HEADER[..5]) {
        return Err((0, "no header of head chunks".to_owned()));
    }
    let mut loaded = LoadedFile::default();
    let mut at = HEADER.len();
    while at < file.len() {
        let rest = &file[at..];
        if rest[..rest.len().min(CHUNK_HEADER_BYTES - 1)].iter().all(|&byte| byte == 0) {
            if let Some(place) = rest.iter().position(|&byte| byte != 0) {
                return Err((at + place, "bytes behind the end of the chunks".into()));
            }
            return Ok(loaded);
        }
        let stored = parse(file, at).ok_or((at, "chunk does not fit its file".to_owned()))?;
        let crc = crc32c::crc32c(&file[at..stored.data_end]);
        let expected = &file[stored.data_end..stored.data_end + 4];
        if crc.to_be_bytes() != *expected {
            return Err((at, format!("checksum mismatch, computed {crc:08x}")));
        }
        let place = Place::Disk(u64::from(number) << 32 | at as u64);
        at = stored.data_end + 4;
        let data = &file[stored.data_begin..stored.data_end];
        let encoding = Encoding::from_disk(stored.encoding & !OUT_OF_ORDER);
        let num_samples = encoding.and_then(|encoding| encoding.num_samples(data));
        let (Some(encoding), Some(num_samples)) = (encoding, num_samples) else {
            loaded.num_skipped += 1;
            continue;
        };
        if stored.min_ms > stored.max_ms {
            loaded.num_skipped += 1;
            continue;
        }
        let meta =
            ChunkMeta { min_ms: stored.min_ms, max_ms: stored.max_ms, num_samples, encoding };
        let is_ooo = stored.encoding & OUT_OF_ORDER != 0;
        loaded.chunks.push((stored.number, FullChunk::new(meta, place), is_ooo));
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests;

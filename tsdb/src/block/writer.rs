//! Writes a block beside the others and renames it into place once all of it is durable.
//! Symbols must stand before the series in the index and are known only after the last one: until then labels and
//! chunk entries wait in a spool file, so that memory does not grow with the chunks.

use super::{
    BlockMeta, BlockStats, CHUNKS_DIR, CREATION_SUFFIX, INDEX_FILE, META_FILE, SegmentWriter, Sink,
    TOMBSTONES_FILE, Tombstones, Ulid, io_error,
};
use crate::index::{ChunkEntry, Cursor, IndexWriter, encode_chunks, put_uvar};
use chunk::ChunkMeta;
use disk::Disk;
use model::{LabelPair, Sym, Symbols};
use std::path::{Path, PathBuf};
use storage::{Error, Result};

const SPOOL_FILE: &str = "series.spool";

/// A block being written. Dropped before [`Self::finish`], nothing of it stays.
#[derive(Debug)]
pub struct BlockWriter<'d> {
    disk: &'d dyn Disk,
    data_dir: PathBuf,
    /// The directory aside; `None` once it is renamed.
    dir: Option<PathBuf>,
    segments: Option<SegmentWriter<'d>>,
    spool: Sink,
    stats: BlockStats,
    /// Whether the symbol with this id occurs.
    used: Vec<bool>,
    chunks: Vec<ChunkEntry>,
    scratch: Vec<u8>,
    encoded: Vec<u8>,
}

impl<'d> BlockWriter<'d> {
    /// Begins block `ulid` in `data_dir`.
    pub fn create(
        disk: &'d dyn Disk,
        data_dir: &Path,
        ulid: Ulid,
        segment_bytes: u64,
    ) -> Result<Self> {
        let dir = data_dir.join(format!("{ulid}{CREATION_SUFFIX}"));
        if disk.exists(&dir) {
            disk.remove(&dir).map_err(|source| io_error("remove unfinished block", source))?;
        }
        let segments = SegmentWriter::create(disk, &dir.join(CHUNKS_DIR), segment_bytes)?;
        let path = dir.join(SPOOL_FILE);
        let spool = disk.create(&path).map_err(|source| io_error("create block spool", source))?;
        Ok(Self {
            disk,
            data_dir: data_dir.to_owned(),
            dir: Some(dir),
            segments: Some(segments),
            spool: Sink::new(spool),
            stats: BlockStats::default(),
            used: Vec::new(),
            chunks: Vec::new(),
            scratch: Vec::new(),
            encoded: Vec::new(),
        })
    }

    /// Adds a chunk to the series at hand; chunks come in time order.
    pub fn push_chunk(&mut self, meta: ChunkMeta, data: &[u8]) -> Result<()> {
        let segments = self.segments.as_mut().expect("present until the end");
        if self.chunks.is_empty() {
            segments.begin_series();
        }
        let reference = segments.write(meta.encoding, data)?;
        self.chunks.push(ChunkEntry { min_ms: meta.min_ms, max_ms: meta.max_ms, reference });
        let samples = u64::from(meta.num_samples);
        self.stats.num_chunks += 1;
        self.stats.num_samples += samples;
        if meta.encoding.is_float() {
            self.stats.num_float_samples += samples;
        } else {
            self.stats.num_histogram_samples += samples;
        }
        Ok(())
    }

    /// Ends the series at hand; without chunks it leaves no trace. Series come in label order.
    pub fn finish_series(&mut self, labels: &[LabelPair]) -> Result<()> {
        if self.chunks.is_empty() {
            return Ok(());
        }
        self.stats.num_series += 1;
        self.encoded.clear();
        encode_chunks(&self.chunks, &mut self.encoded);
        self.chunks.clear();
        self.scratch.clear();
        put_uvar(&mut self.scratch, labels.len() as u64);
        for symbol in labels.iter().flat_map(|pair| [pair.name, pair.value]) {
            let id = symbol.0 as usize;
            if self.used.len() <= id {
                self.used.resize((id + 1).next_power_of_two(), false);
            }
            self.used[id] = true;
            put_uvar(&mut self.scratch, u64::from(symbol.0));
        }
        put_uvar(&mut self.scratch, self.encoded.len() as u64);
        let spooled = self.spool.put(&self.scratch).and_then(|()| self.spool.put(&self.encoded));
        spooled.map_err(|source| io_error("write block spool", source))
    }

    /// Completes the block and makes it durable under its name; `None`, and no block, if it has no samples.
    /// The statistics of `meta` are filled in.
    pub fn finish(mut self, symbols: &Symbols, mut meta: BlockMeta) -> Result<Option<BlockMeta>> {
        if self.stats.num_samples == 0 {
            return Ok(None);
        }
        meta.stats = self.stats;
        let dir = self.dir.clone().expect("present until the end");
        self.segments.take().expect("present until the end").finish()?;
        self.write_index(&dir, symbols)?;
        self.write_small(&dir.join(TOMBSTONES_FILE), &Tombstones::default().encode())?;
        self.write_small(&dir.join(META_FILE), &meta.to_json())?;
        let target = self.data_dir.join(meta.ulid.to_string());
        let publish = || {
            self.disk.sync_dir(&dir)?;
            self.disk.rename(&dir, &target)?;
            // Who is told that it failed goes on with what there was before, deletions included: so it must not turn up.
            let take_back = |_: &std::io::Error| drop(self.disk.rename(&target, &dir));
            self.disk.sync_dir(&self.data_dir).inspect_err(take_back)
        };
        publish().map_err(|source| io_error("publish block", source))?;
        self.dir = None;
        Ok(Some(meta))
    }

    fn write_small(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut file = self.disk.create(path)?;
            file.append(bytes)?;
            file.sync()
        };
        write().map_err(|source| io_error("write block", source))
    }

    /// The symbols that occur, sorted, and the ordinal of each by id.
    fn ordinals<'s>(&self, symbols: &'s Symbols) -> (Vec<&'s str>, Vec<u32>) {
        let mut sorted: Vec<(&str, u32)> = (0..self.used.len() as u32)
            .filter(|&id| self.used[id as usize])
            .map(|id| (symbols.text(Sym(id)), id))
            .collect();
        sorted.sort_unstable();
        let mut ordinals = vec![0; self.used.len()];
        for (ordinal, (_, id)) in sorted.iter().enumerate() {
            ordinals[*id as usize] = ordinal as u32;
        }
        (sorted.into_iter().map(|(text, _)| text).collect(), ordinals)
    }

    fn write_index(&mut self, dir: &Path, symbols: &Symbols) -> Result<()> {
        let spool_path = dir.join(SPOOL_FILE);
        let spool_error = |source| io_error("read back block spool", source);
        self.spool.write_out().map_err(spool_error)?;
        let spool = self.disk.view(&spool_path).map_err(spool_error)?;
        let (sorted, ordinals) = self.ordinals(symbols);
        self.used = Vec::new();
        let path = dir.join(INDEX_FILE);
        let file =
            self.disk.create(&path).map_err(|source| io_error("create block index", source))?;
        let mut index = IndexWriter::new(file, &path.display().to_string(), &sorted)?;
        let mut cursor = Cursor::new(&spool);
        let mut labels = Vec::new();
        while !cursor.is_at_end() {
            let chunks = read_spooled(&mut cursor, &ordinals, &mut labels).ok_or_else(|| {
                Error::Corrupt {
                    place: spool_path.display().to_string().into(),
                    what: "reads back other than written".into(),
                }
            })?;
            index.add_series(&labels, chunks)?;
        }
        index.finish()?;
        drop(spool);
        self.disk.remove(&spool_path).map_err(spool_error)
    }
}

/// The next spooled series: fills `labels` with ordinals and answers the encoded chunks.
fn read_spooled<'a>(
    cursor: &mut Cursor<'a>,
    ordinals: &[u32],
    labels: &mut Vec<(u32, u32)>,
) -> Option<&'a [u8]> {
    labels.clear();
    for _ in 0..cursor.uvar()? {
        let name = *ordinals.get(cursor.uvar32()? as usize)?;
        let value = *ordinals.get(cursor.uvar32()? as usize)?;
        labels.push((name, value));
    }
    cursor.str_bytes()
}

impl Drop for BlockWriter<'_> {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            // What cannot be removed now is removed as a leftover at the next start.
            let removed = self.disk.remove(dir);
            drop(removed);
        }
    }
}

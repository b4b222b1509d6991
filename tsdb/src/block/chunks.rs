//! The chunk segment files of a block, both ways: `chunks/000001` and on, each a header and chunks back to back.

use super::{Sink, io_error};
use crate::index::{Cursor, put_uvar};
use bytes::Bytes;
use chunk::Encoding;
use disk::Disk;
use std::path::{Path, PathBuf};
use storage::{Error, Result};

const MAGIC: u32 = 0x85BD_40DD;
const VERSION: u8 = 1;
const HEADER_LEN: usize = 8;
/// What the writer reserves for a chunk besides its data: length, encoding, checksum.
const FRAME_BYTES: u64 = 5 + 1 + 4;

/// The numbered files of a directory, in the order of their numbers.
fn numbered_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>> {
    let names = disk.list(dir).map_err(|source| io_error("list chunk segments", source))?;
    let mut files: Vec<(u64, String)> =
        names.into_iter().filter_map(|name| Some((name.parse().ok()?, name))).collect();
    files.sort();
    Ok(files.into_iter().map(|(_, name)| dir.join(name)).collect())
}

/// A chunk in its mapped file.
#[derive(Clone, Copy, Debug)]
pub struct StoredChunk<'a> {
    /// The file, as index into [`ChunkReader::segments`].
    pub segment: usize,
    /// Where the data begins in the file.
    pub offset: usize,
    /// The encoded samples.
    pub data: &'a [u8],
    /// How they are encoded.
    pub encoding: Encoding,
    /// How many they are.
    pub num_samples: u32,
}

/// The chunks of a block, mapped.
#[derive(Debug)]
pub struct ChunkReader {
    dir: PathBuf,
    segments: Vec<Bytes>,
}

impl ChunkReader {
    /// Opens all segment files in `dir` and checks their headers.
    pub fn open(disk: &dyn Disk, dir: &Path) -> Result<Self> {
        let mut segments = Vec::new();
        for path in numbered_files(disk, dir)? {
            let data = disk.view(&path).map_err(|source| io_error("open chunk segment", source))?;
            let corrupt = |what: String| {
                Err(Error::Corrupt { place: path.display().to_string().into(), what: what.into() })
            };
            let mut header = Cursor::new(&data);
            match (header.u32(), header.u8()) {
                (Some(MAGIC), Some(VERSION)) if data.len() >= HEADER_LEN => segments.push(data),
                (Some(MAGIC), Some(VERSION) | None) | (None, _) => {
                    return corrupt("invalid segment header: invalid size".into());
                }
                (Some(MAGIC), Some(version)) => {
                    return corrupt(format!("invalid chunk format version {version}"));
                }
                (Some(magic), _) => return corrupt(format!("invalid magic number {magic:x}")),
            }
        }
        Ok(Self { dir: dir.to_owned(), segments })
    }

    /// The mapped files.
    #[must_use]
    pub fn segments(&self) -> &[Bytes] {
        &self.segments
    }

    /// Size of all files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|data| data.len() as u64).sum()
    }

    fn corrupt(&self, reference: u64, what: impl Into<Box<str>>) -> Error {
        let (segment, offset) = (reference >> 32, reference as u32);
        Error::Corrupt {
            place: format!(
                "{}, chunk at offset {offset} of segment file {}",
                self.dir.display(),
                segment + 1
            )
            .into(),
            what: what.into(),
        }
    }

    /// The chunk with this reference; its checksum is verified.
    pub fn chunk(&self, reference: u64) -> Result<StoredChunk<'_>> {
        let segment = (reference >> 32) as usize;
        let Some(file) = self.segments.get(segment) else {
            return Err(self.corrupt(reference, "there is no such segment file"));
        };
        let mut cursor = Cursor::at(file, reference as u32 as usize);
        let too_short = || self.corrupt(reference, "segment doesn't include enough bytes");
        let len = cursor.uvar32().ok_or_else(too_short)?;
        let offset = cursor.position() + 1;
        let framed = cursor.bytes(1 + len as usize).ok_or_else(too_short)?;
        if cursor.u32().ok_or_else(too_short)? != crc32c::crc32c(framed) {
            return Err(self.corrupt(reference, "checksum mismatch"));
        }
        let (&number, data) = framed.split_first().expect("holds the encoding");
        let encoding = Encoding::from_disk(number)
            .ok_or_else(|| self.corrupt(reference, format!("unknown chunk encoding {number}")))?;
        let num_samples = encoding
            .num_samples(data)
            .ok_or_else(|| self.corrupt(reference, "has no sample count"))?;
        Ok(StoredChunk { segment, offset, data, encoding, num_samples })
    }
}

/// Writes segment files.
#[derive(Debug)]
pub struct SegmentWriter<'d> {
    disk: &'d dyn Disk,
    dir: PathBuf,
    max_bytes: u64,
    file: Option<Sink>,
    num_files: u32,
    /// Where the chunks of the series at hand begin to count against the size of the file.
    batch_base: u64,
    batch_bytes: u64,
    frame: Vec<u8>,
}

impl<'d> SegmentWriter<'d> {
    /// Writes into the new directory `dir`, files of at most `max_bytes`.
    pub fn create(disk: &'d dyn Disk, dir: &Path, max_bytes: u64) -> Result<Self> {
        disk.create_dir(dir).map_err(|source| io_error("create chunk segments", source))?;
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            max_bytes: max_bytes.min(u64::from(u32::MAX)),
            file: None,
            num_files: 0,
            batch_base: 0,
            batch_bytes: 0,
            frame: Vec::new(),
        })
    }

    fn cut(&mut self) -> std::io::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.sync()?;
        }
        self.num_files += 1;
        let mut file =
            Sink::new(self.disk.create(&self.dir.join(format!("{:06}", self.num_files)))?);
        file.put(&MAGIC.to_be_bytes())?;
        file.put(&[VERSION, 0, 0, 0])?;
        self.file = Some(file);
        Ok(())
    }

    /// The chunks from here on belong to another series.
    pub fn begin_series(&mut self) {
        let position = self.file.as_ref().map_or(0, Sink::position);
        self.batch_base = position.max(HEADER_LEN as u64);
        self.batch_bytes = 0;
    }

    /// Appends a chunk and answers its reference.
    pub fn write(&mut self, encoding: Encoding, data: &[u8]) -> Result<u64> {
        self.write_chunk(encoding, data).map_err(|source| io_error("write chunk segment", source))
    }

    fn write_chunk(&mut self, encoding: Encoding, data: &[u8]) -> std::io::Result<u64> {
        let budget = FRAME_BYTES + data.len() as u64;
        let is_first_of_file = self.batch_base == HEADER_LEN as u64 && self.batch_bytes == 0;
        self.batch_bytes += budget;
        if self.file.is_none() {
            self.cut()?;
        } else if self.batch_base + self.batch_bytes > self.max_bytes && !is_first_of_file {
            self.cut()?;
            self.batch_base = HEADER_LEN as u64;
            self.batch_bytes = budget;
        }
        let file = self.file.as_mut().expect("a file is open");
        let reference = u64::from(self.num_files - 1) << 32 | file.position();
        self.frame.clear();
        put_uvar(&mut self.frame, data.len() as u64);
        file.put(&self.frame)?;
        file.start_checksum();
        file.put(&[encoding as u8])?;
        file.put(data)?;
        file.put_checksum()?;
        Ok(reference)
    }

    /// Makes all files and their names durable; there is at least one.
    pub fn finish(mut self) -> Result<()> {
        self.sync().map_err(|source| io_error("write chunk segment", source))
    }

    fn sync(&mut self) -> std::io::Result<()> {
        if self.file.is_none() {
            self.cut()?;
        }
        self.file.as_mut().expect("a file is open").sync()?;
        self.disk.sync_dir(&self.dir)
    }
}

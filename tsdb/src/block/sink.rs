//! Buffered writing to a file with a running checksum.

use disk::DiskFile;
use std::io;

/// Bytes gathered before a write: large enough that system calls do not count.
const BUFFER_BYTES: usize = 1 << 20;

/// A file being written from begin to end.
#[derive(Debug)]
pub(crate) struct Sink {
    file: Box<dyn DiskFile>,
    buffer: Vec<u8>,
    flushed: u64,
    checksum: u32,
}

impl Sink {
    /// Writes to the new file `file`.
    pub(crate) fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file, buffer: Vec::with_capacity(4096), flushed: 0, checksum: 0 }
    }

    /// Bytes written so far.
    pub(crate) fn position(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Appends `bytes`.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Appends zeros up to a multiple of `alignment`.
    pub(crate) fn pad_to(&mut self, alignment: u64) -> io::Result<()> {
        let position = self.position();
        let padding = position.next_multiple_of(alignment) - position;
        self.put(&[0; 16][..padding as usize])
    }

    /// The checksum covers what is appended from here on.
    pub(crate) fn start_checksum(&mut self) {
        self.checksum = 0;
    }

    /// Appends the checksum.
    pub(crate) fn put_checksum(&mut self) -> io::Result<()> {
        self.put(&self.checksum.to_be_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.append(&self.buffer)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Overwrites earlier bytes.
    pub(crate) fn patch(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.file.write_at(offset, bytes)
    }

    /// Hands everything to the file without making it durable.
    pub(crate) fn write_out(&mut self) -> io::Result<()> {
        self.flush()
    }

    /// Makes the file durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync()
    }
}

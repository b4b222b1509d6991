//! Writes an index file in one pass: symbols, then series as they come, then what was noted of their label pairs.
//! Bytes are those Prometheus writes for the same symbols and series. Memory: four bytes per label of a series while
//! they come, as much again at the end, and the distinct pairs.

use super::{MAGIC, VERSION, put_uvar};
use crate::block::Sink;
use disk::DiskFile;
use model::hash::HashMap;
use std::io;
use storage::{Error, Result};

/// An index file being written. The caller syncs by [`Self::finish`].
#[derive(Debug)]
pub struct IndexWriter<'s> {
    sink: Sink,
    path: Box<str>,
    symbols: &'s [&'s str],
    series_begin: u64,
    /// Id of each label pair, by first use.
    pairs: HashMap<(u32, u32), u32>,
    /// Pair ids of all series, back to back, with the end of each series.
    series_pairs: Vec<u32>,
    series_pair_ends: Vec<u64>,
    series_ids: Vec<u32>,
    last_labels: Vec<(u32, u32)>,
    entry: Vec<u8>,
}

fn to_u32(number: usize, what: &str) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| io::Error::other(format!("{what} exceeds 4 GiB")))
}

fn io_error(source: io::Error) -> Error {
    Error::Io { op: "write block index".into(), source }
}

impl<'s> IndexWriter<'s> {
    /// Begins the file with its header and its symbols, which come sorted and without repetitions.
    pub fn new(file: Box<dyn DiskFile>, path: &str, symbols: &'s [&'s str]) -> Result<Self> {
        let mut writer = Self {
            sink: Sink::new(file),
            path: path.into(),
            symbols,
            series_begin: 0,
            pairs: HashMap::default(),
            series_pairs: Vec::new(),
            series_pair_ends: Vec::new(),
            series_ids: Vec::new(),
            last_labels: Vec::new(),
            entry: Vec::new(),
        };
        writer.write_symbols().map_err(io_error)?;
        Ok(writer)
    }

    fn write_symbols(&mut self) -> io::Result<()> {
        self.sink.put(&MAGIC.to_be_bytes())?;
        self.sink.put(&[VERSION])?;
        let mut len = 4;
        for symbol in self.symbols {
            self.entry.clear();
            put_uvar(&mut self.entry, symbol.len() as u64);
            len += self.entry.len() + symbol.len();
        }
        self.sink.put(&to_u32(len, "symbol table")?.to_be_bytes())?;
        self.sink.start_checksum();
        self.sink.put(&to_u32(self.symbols.len(), "number of symbols")?.to_be_bytes())?;
        for symbol in self.symbols {
            self.entry.clear();
            put_uvar(&mut self.entry, symbol.len() as u64);
            self.entry.extend_from_slice(symbol.as_bytes());
            self.sink.put(&self.entry)?;
        }
        self.sink.put_checksum()?;
        self.series_begin = self.sink.position();
        Ok(())
    }

    /// Adds a series: its labels as ordinals of the symbols, its chunks as [`super::encode_chunks`] leaves them.
    /// Series come in label order.
    pub fn add_series(&mut self, labels: &[(u32, u32)], chunks: &[u8]) -> Result<()> {
        if !self.series_ids.is_empty() && *labels <= *self.last_labels {
            return Err(Error::Corrupt {
                place: format!("source of {}", self.path).into(),
                what: format!("series {} comes out of order", self.labels_text(labels)).into(),
            });
        }
        self.last_labels.clear();
        self.last_labels.extend_from_slice(labels);
        self.write_series(labels, chunks).map_err(io_error)?;
        for pair in labels {
            let next = self.pairs.len() as u32;
            self.series_pairs.push(*self.pairs.entry(*pair).or_insert(next));
        }
        self.series_pair_ends.push(self.series_pairs.len() as u64);
        Ok(())
    }

    fn labels_text(&self, labels: &[(u32, u32)]) -> String {
        let text = |ordinal: u32| self.symbols.get(ordinal as usize).copied().unwrap_or("?");
        let pairs: Vec<String> =
            labels.iter().map(|&(n, v)| format!("{}={:?}", text(n), text(v))).collect();
        format!("{{{}}}", pairs.join(", "))
    }

    fn write_series(&mut self, labels: &[(u32, u32)], chunks: &[u8]) -> io::Result<()> {
        self.sink.pad_to(16)?;
        let id = u32::try_from(self.sink.position() / 16)
            .map_err(|_| io::Error::other("series section exceeds 64 GiB"))?;
        self.series_ids.push(id);
        self.entry.clear();
        put_uvar(&mut self.entry, labels.len() as u64);
        for &(name, value) in labels {
            put_uvar(&mut self.entry, u64::from(name));
            put_uvar(&mut self.entry, u64::from(value));
        }
        let mut length = Vec::with_capacity(5);
        put_uvar(&mut length, (self.entry.len() + chunks.len()) as u64);
        self.sink.put(&length)?;
        self.sink.start_checksum();
        self.sink.put(&self.entry)?;
        self.sink.put(chunks)?;
        self.sink.put_checksum()
    }

    /// Writes the postings and the tables, makes the file durable and answers its size.
    pub fn finish(mut self) -> Result<u64> {
        self.write_tail().map_err(io_error)?;
        Ok(self.sink.position())
    }

    /// The pairs in the order of their text, by id, and where the ids of each end among the ids of all.
    fn sorted_pairs(&self) -> Vec<((u32, u32), u32)> {
        let mut sorted: Vec<((u32, u32), u32)> =
            self.pairs.iter().map(|(pair, id)| (*pair, *id)).collect();
        sorted.sort_unstable();
        sorted
    }

    /// The series ids of all pairs back to back in the given order, with the end of each pair.
    fn group(&self, sorted: &[((u32, u32), u32)]) -> (Vec<u32>, Vec<usize>) {
        let mut rank = vec![0u32; sorted.len()];
        for (place, (_, id)) in sorted.iter().enumerate() {
            rank[*id as usize] = place as u32;
        }
        let mut ends = vec![0usize; sorted.len()];
        for &pair in &self.series_pairs {
            ends[rank[pair as usize] as usize] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            // First the begin of each group; filling it moves that to its end.
            begin += std::mem::replace(end, begin);
        }
        let mut ids = vec![0u32; self.series_pairs.len()];
        let mut first = 0;
        for (&id, &last) in self.series_ids.iter().zip(&self.series_pair_ends) {
            for &pair in &self.series_pairs[first as usize..last as usize] {
                let end = &mut ends[rank[pair as usize] as usize];
                ids[*end] = id;
                *end += 1;
            }
            first = last;
        }
        (ids, ends)
    }

    fn write_list(&mut self, ids: &[u32]) -> io::Result<()> {
        let count = to_u32(ids.len(), "postings list")?;
        self.sink.put(&(4 + 4 * count).to_be_bytes())?;
        self.sink.start_checksum();
        self.sink.put(&count.to_be_bytes())?;
        // In runs, so that the checksum has long stretches to work on.
        for run in ids.chunks(1024) {
            self.entry.clear();
            self.entry.extend(run.iter().flat_map(|id| id.to_be_bytes()));
            self.sink.put(&self.entry)?;
        }
        self.sink.put_checksum()
    }

    fn put_table_entry(&mut self, name: &str, value: &str, list_offset: u64) -> io::Result<()> {
        self.entry.clear();
        put_uvar(&mut self.entry, 2);
        for text in [name, value] {
            put_uvar(&mut self.entry, text.len() as u64);
            self.entry.extend_from_slice(text.as_bytes());
        }
        put_uvar(&mut self.entry, list_offset);
        self.sink.put(&self.entry)
    }

    fn write_tail(&mut self) -> io::Result<()> {
        let series_end = self.sink.position();
        let sorted = self.sorted_pairs();
        self.pairs = HashMap::default();
        let (ids, ends) = self.group(&sorted);
        self.series_pairs = Vec::new();

        self.sink.pad_to(4)?;
        let lists_begin = self.sink.position();
        let all = std::mem::take(&mut self.series_ids);
        self.write_list(&all)?;
        let mut begin = 0;
        for &end in &ends {
            self.write_list(&ids[begin..end])?;
            begin = end;
        }

        let table = self.sink.position();
        self.sink.put(&[0; 4])?;
        self.sink.start_checksum();
        self.sink.put(&to_u32(sorted.len() + 1, "postings offset table")?.to_be_bytes())?;
        self.put_table_entry("", "", lists_begin)?;
        let list_len = |ids: usize| 12 + 4 * ids as u64;
        let (mut begin, mut offset) = (0, lists_begin + list_len(all.len()));
        for (((name, value), _), end) in sorted.into_iter().zip(ends) {
            let symbols = self.symbols;
            self.put_table_entry(symbols[name as usize], symbols[value as usize], offset)?;
            offset += list_len(end - begin);
            begin = end;
        }
        let table_len = to_u32((self.sink.position() - table - 4) as usize, "offset table")?;
        self.sink.put_checksum()?;

        self.sink.start_checksum();
        for offset in [5, self.series_begin, series_end, table, series_end, table] {
            self.sink.put(&offset.to_be_bytes())?;
        }
        self.sink.put_checksum()?;
        self.sink.patch(table, &table_len.to_be_bytes())?;
        self.sink.sync()
    }
}

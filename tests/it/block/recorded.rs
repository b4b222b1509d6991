//! Blocks that Prometheus wrote: everything readable, and written again byte for byte.

use super::{Sample, block_dir, read_all};
use model::TimeRange;
use std::path::Path;
use std::sync::Arc;
use tests::Scratch;
use tsdb::block::{Block, BlockMeta, BlockSet, Ulid};
use tsdb::compact::{SEGMENT_BYTES, merge_blocks};
use tsdb::index::{IndexReader, IndexWriter, encode_chunks};
use tsdb::querier::DbQuerier;

/// Reads an index completely and writes it anew.
fn rewrite_index(original: &Path, scratch: &Scratch) -> Vec<u8> {
    let disk = disk::RealDisk;
    let data = disk::Disk::view(&disk, original).expect("map");
    let reader = IndexReader::open(data, "index").expect("open");
    let symbols: Vec<&str> = (0..reader.symbol_bound())
        .map(|ordinal| reader.symbol(ordinal as u32).expect("symbol"))
        .collect();
    let path = scratch.path().join("index");
    let file = disk::Disk::create(&disk, &path).expect("create");
    let mut writer = IndexWriter::new(file, "index", &symbols).expect("writer");
    let (mut labels, mut chunks, mut encoded) = (Vec::new(), Vec::new(), Vec::new());
    for id in reader.all().expect("all").iter() {
        reader.labels(id, &mut labels).expect("labels");
        reader.chunks(id, &mut chunks).expect("chunks");
        encoded.clear();
        encode_chunks(&chunks, &mut encoded);
        writer.add_series(&labels, &encoded).expect("series");
    }
    writer.finish().expect("finish");
    std::fs::read(path).expect("read")
}

#[test]
fn an_index_is_written_byte_for_byte() {
    let Some(shared) = tests::shared() else { return };
    for place in ["golden/block", "golden/tsdb/select-data"] {
        let original = block_dir(&shared.join(place)).join("index");
        let rewritten = rewrite_index(&original, &Scratch::new("index"));
        assert!(rewritten == std::fs::read(&original).expect("read"), "{place}");
    }
}

#[test]
fn meta_is_written_byte_for_byte() {
    let Some(shared) = tests::shared() else { return };
    let mut seen = 0;
    for place in ["golden/block", "golden/tsdb/dirs/overlapping-blocks-merged/data"] {
        for entry in std::fs::read_dir(shared.join(place)).expect("list") {
            let dir = entry.expect("entry").path();
            let Ok(text) = std::fs::read(dir.join("meta.json")) else { continue };
            let meta = BlockMeta::read(&disk::RealDisk, &dir).expect("meta");
            assert_eq!(String::from_utf8_lossy(&meta.to_json()), String::from_utf8_lossy(&text));
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen}");
}

#[test]
fn a_block_reads_completely_and_rewrites_raw() {
    let Some(shared) = tests::shared() else { return };
    let dir = block_dir(&shared.join("golden/block"));
    let disk = disk::RealDisk;
    let block = Arc::new(Block::open(&disk, &dir).expect("open"));
    let read = read_all(&block.querier(TimeRange::ALL), TimeRange::ALL);
    assert_eq!(read.len() as u64, block.meta().stats.num_series);
    let floats: usize = read.iter().map(|(_, samples)| samples.len()).sum();
    assert!(floats > 30_000, "{floats}");

    let scratch = Scratch::new("rewrite");
    let ulid = Ulid::new(1_793_500_000_000, 42);
    let meta =
        merge_blocks(&[Arc::clone(&block)], ulid, SEGMENT_BYTES, false, &disk, scratch.path());
    let meta = meta.expect("merge").expect("samples");
    assert_eq!(meta.stats, block.meta().stats);
    assert_eq!(meta.compaction.level, 2);
    assert_eq!(meta.compaction.sources, block.meta().compaction.sources);
    let written = scratch.path().join(ulid.to_string());
    let segment = |dir: &Path| std::fs::read(dir.join("chunks/000001")).expect("segment");
    assert!(segment(&written) == segment(&dir), "chunks are copied as they are");
    let again = Arc::new(Block::open(&disk, &written).expect("open"));
    assert_eq!(read_all(&again.querier(TimeRange::ALL), TimeRange::ALL), read);
}

#[test]
fn an_index_of_version_one_reads_like_its_dump() {
    let Some(shared) = tests::shared() else { return };
    let place = shared.join("golden/tsdb/dirs/index-v1");
    let dir = block_dir(&place.join("data"));
    let block = Arc::new(Block::open(&disk::RealDisk, &dir).expect("open"));
    let read = read_all(&block.querier(TimeRange::ALL), TimeRange::ALL);
    let dump = tests::json_lines(&std::fs::read(place.join("dump.jsonl")).expect("dump"));
    let expected: Vec<_> = dump.iter().filter(|line| line.get("labels").is_some()).collect();
    assert_eq!(read.len(), expected.len());
    for ((labels, samples), line) in read.iter().zip(expected) {
        let pairs = line["labels"].as_object().map(|o| o.len()).unwrap_or_default();
        assert!(pairs == 0 || pairs == labels.len(), "{line}");
        let count = line["samples"].as_array().map_or(0, Vec::len);
        assert_eq!(samples.len(), count, "{labels:?}");
    }
}

#[test]
fn a_label_limits_what_is_read() {
    let Some(shared) = tests::shared() else { return };
    let block =
        Block::open(&disk::RealDisk, &block_dir(&shared.join("golden/block"))).expect("open");
    let index = block.index();
    for name in index.names() {
        let values: Vec<_> = index.values(name, "").map(|v| v.expect("value")).collect();
        assert_eq!(values.len() as u32, index.num_values(name));
        for (value, offset) in values {
            let list = index.list(name, value).expect("list");
            assert_eq!(list.len(), index.list_at(offset).expect("list").len());
            for id in list.iter() {
                let symbol = index.find_symbol(name).expect("name");
                let found = index.label_value(id, symbol).expect("series").expect("value");
                assert_eq!(index.symbol(found).expect("symbol"), value);
            }
        }
    }
}

/// The samples of a dump line inside `range`; `None` if one of the line is a histogram.
fn dumped(line: &serde_json::Value, range: TimeRange) -> Option<Vec<Sample>> {
    let sample = |s: &serde_json::Value| {
        Some((s[0].as_i64()?, u64::from_str_radix(s[1].as_str()?, 16).ok()?))
    };
    let all = line["samples"].as_array()?.iter().map(sample).collect::<Option<Vec<_>>>()?;
    Some(all.into_iter().filter(|(time, _)| range.contains(*time)).collect())
}

/// Blocks of several levels, with deleted ranges, overlapping or merged, read together like the recorded dump.
#[test]
fn blocks_read_together_like_their_dump() {
    let Some(shared) = tests::shared() else { return };
    for (name, floats) in [
        ("levels-tombstones", 3),
        ("levels-tombstones-cleaned", 3),
        ("overlapping-blocks", 2),
        ("overlapping-blocks-merged", 2),
    ] {
        let place = shared.join("golden/tsdb/dirs").join(name);
        let listing = std::fs::read(place.join("listing.json")).expect("listing");
        let listing: serde_json::Value = serde_json::from_slice(&listing).expect("JSON");
        let head_begin = listing["head_min_time"].as_i64().expect("time");
        let range = TimeRange::new(i64::MIN, head_begin - 1);
        let set = BlockSet::open(&disk::RealDisk, &place.join("data"), &[]).expect("open");
        assert!(set.broken.is_empty() && set.superseded.is_empty(), "{name}");
        let read = read_all(&DbQuerier::new(range, None, set.blocks), range);
        let dump = tests::json_lines(&std::fs::read(place.join("dump.jsonl")).expect("dump"));
        // Samples that came late are in the head for these; they belong to its tests.
        let late: Vec<&serde_json::Value> = dump
            .iter()
            .filter(|line| line["chunks"].to_string().contains("ooo"))
            .map(|line| &line["head_series"])
            .collect();
        let mut compared = 0;
        for line in dump.iter().filter(|line| line.get("samples").is_some()) {
            let Some(expected) = dumped(line, range) else { continue };
            if expected.is_empty() || late.contains(&&line["labels"]) {
                continue;
            }
            let pairs = line["labels"].as_object().expect("labels").iter();
            let labels = model::Labels::from_pairs(
                pairs.map(|(name, value)| (name.as_str(), value.as_str().expect("value"))),
            );
            let (_, got) = read.iter().find(|(l, _)| *l == labels).expect("the series");
            assert_eq!(got, &expected, "{name} {labels:?}");
            compared += 1;
        }
        assert!(compared >= floats, "{name}: {compared}");
    }
}

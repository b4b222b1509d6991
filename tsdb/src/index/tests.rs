//! The recorded bytes of a small index, what is generated reads back, what is mutated never panics.

use super::{ChunkEntry, IndexReader, IndexWriter, encode_chunks};
use bytes::Bytes;
use disk::{Disk, SimDisk};
use model::{MatchOp, Matcher};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use storage::Cancel;

type LabelSet = BTreeMap<String, String>;

fn write(series: &BTreeMap<Vec<(String, String)>, Vec<ChunkEntry>>) -> Vec<u8> {
    let texts: BTreeSet<&str> =
        series.keys().flatten().flat_map(|(name, value)| [&**name, &**value]).collect();
    let symbols: Vec<&str> = texts.into_iter().collect();
    let ordinal = |text: &str| symbols.binary_search(&text).expect("symbol") as u32;
    let (disk, path) = (SimDisk::new(), Path::new("/index"));
    let mut writer =
        IndexWriter::new(disk.create(path).expect("create"), "/index", &symbols).expect("writer");
    let mut encoded = Vec::new();
    for (labels, chunks) in series {
        let pairs: Vec<(u32, u32)> = labels.iter().map(|(n, v)| (ordinal(n), ordinal(v))).collect();
        encoded.clear();
        encode_chunks(chunks, &mut encoded);
        writer.add_series(&pairs, &encoded).expect("series");
    }
    writer.finish().expect("finish");
    disk.view(path).expect("view").to_vec()
}

fn pairs(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

fn chunk(min_ms: i64, max_ms: i64, reference: u64) -> ChunkEntry {
    ChunkEntry { min_ms, max_ms, reference }
}

#[test]
fn bytes_are_those_recorded() {
    let series = BTreeMap::from([
        (
            pairs(&[("__name__", "up"), ("job", "a")]),
            vec![chunk(1000, 2000, 8), chunk(3000, 4000, 29)],
        ),
        (pairs(&[("__name__", "up"), ("job", "b")]), vec![chunk(1000, 2000, 50)]),
    ]);
    let recorded = "baaad700020000001800000005085f5f6e616d655f5f01610162036a6f62027570f0b315e7000000000000000000\
        000010020004030102d00fe80708e807e8072a2e4b955000000000000000000000000b020004030201d00fe80732\
        bc149f1d0000000c000000020000000300000005bb33cbd40000000c000000020000000300000005bb33cbd40000\
        00080000000100000003a7692ed200000008000000010000000581c8c93a00000028000000040200006002085f5f\
        6e616d655f5f0275707402036a6f620161880102036a6f6201629801675899e00000000000000005000000000000\
        0025000000000000006000000000000000a8000000000000006000000000000000a8178b55f8";
    let hex: String = write(&series).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, recorded);
}

#[test]
fn series_out_of_order_are_refused() {
    let (disk, path) = (SimDisk::new(), Path::new("/index"));
    let file = disk.create(path).expect("create");
    let mut writer = IndexWriter::new(file, "/index", &["a", "b"]).expect("writer");
    writer.add_series(&[(0, 1)], &[0]).expect("first");
    let error = writer.add_series(&[(0, 0)], &[0]).expect_err("smaller");
    assert!(error.to_string().contains("out of order"), "{error}");
    assert!(writer.add_series(&[(0, 1)], &[0]).is_err(), "equal");
}

fn generated() -> impl Strategy<Value = Vec<LabelSet>> {
    let value = prop_oneof!["[ab]{1,2}", "v[0-9]{2}", "[a-z]{1,3}"];
    let labels = prop::collection::btree_map("(__name__|[a-d])", value, 1..5);
    prop::collection::vec(labels, 1..120)
}

fn matchers() -> impl Strategy<Value = Vec<(String, MatchOp, String)>> {
    let op = prop_oneof![
        Just(MatchOp::Equal),
        Just(MatchOp::NotEqual),
        Just(MatchOp::Regex),
        Just(MatchOp::NotRegex)
    ];
    let value = prop_oneof![
        "[ab]{0,2}",
        Just("v0.*".to_owned()),
        Just(".*".to_owned()),
        Just(".+".to_owned()),
        Just("a|b|v11".to_owned()),
        Just("a|".to_owned()),
        Just(".*a.*".to_owned()),
        Just("v[0-4].".to_owned()),
    ];
    prop::collection::vec(("(__name__|[a-e])", op, value), 0..4)
}

proptest! {
    #[test]
    fn every_series_is_found_by_exactly_its_matchers(
        sets in generated(),
        wanted in matchers(),
        version in 2u8..=3,
    ) {
        let series: BTreeMap<Vec<(String, String)>, Vec<ChunkEntry>> = sets
            .into_iter()
            .enumerate()
            .map(|(n, set)| (set.into_iter().collect(), vec![chunk(-5, n as i64, 8 * n as u64)]))
            .collect();
        let mut data = write(&series);
        // Version 3 reads as version 2.
        data[4] = version;
        let reader = IndexReader::open(Bytes::from(data), "index").expect("open");
        let matchers: Vec<Matcher> = wanted
            .iter()
            .map(|(name, op, value)| Matcher::new(name, *op, value).expect("matcher"))
            .collect();
        let ids = crate::postings::select(&reader, &matchers, &Cancel::new()).expect("select");
        let (mut found, mut labels, mut chunks) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            reader.labels(id, &mut labels).expect("labels");
            reader.chunks(id, &mut chunks).expect("chunks");
            let text = |symbol| reader.symbol(symbol).expect("symbol").to_owned();
            let set: Vec<_> = labels.iter().map(|&(n, v)| (text(n), text(v))).collect();
            found.push((set, chunks.clone()));
        }
        let matches = |set: &[(String, String)]| {
            matchers.iter().all(|m| {
                let value = set.iter().find(|(name, _)| name == m.name());
                m.matches(value.map_or("", |(_, value)| value))
            })
        };
        let expected: Vec<_> = series.into_iter().filter(|(set, _)| matches(set)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_mutation_panics(
        sets in generated(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        fix_table_of_contents in any::<bool>(),
        cut in 0usize..80,
    ) {
        let series: BTreeMap<Vec<(String, String)>, Vec<ChunkEntry>> = sets
            .into_iter()
            .map(|set| (set.into_iter().collect(), vec![chunk(1, 2, 8)]))
            .collect();
        let mut data = write(&series);
        for (place, mask) in places {
            let at = place.index(data.len());
            data[at] ^= mask;
        }
        if fix_table_of_contents {
            let begin = data.len() - 52;
            let checksum = crc32c::crc32c(&data[begin..begin + 48]);
            data[begin + 48..].copy_from_slice(&checksum.to_be_bytes());
        } else if cut < 40 {
            data.truncate(data.len() - cut);
        }
        let Ok(reader) = IndexReader::open(Bytes::from(data), "index") else { return Ok(()) };
        let (mut labels, mut chunks) = (Vec::new(), Vec::new());
        for name in reader.names() {
            for entry in reader.values(name, "") {
                let Ok((_, offset)) = entry else { break };
                let Ok(list) = reader.list_at(offset) else { continue };
                for id in list.iter() {
                    if reader.labels(id, &mut labels).is_ok() {
                        for &(n, v) in &labels {
                            drop((reader.symbol(n), reader.symbol(v)));
                        }
                    }
                    drop(reader.chunks(id, &mut chunks));
                }
            }
        }
    }
}

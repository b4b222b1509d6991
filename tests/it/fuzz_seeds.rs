//! What the fuzz targets of chunks and log records do, over recorded bytes that are cut short everywhere and changed bit
//! by bit: an error or samples, never a panic, and never more samples than were announced.

use chunk::{ChunkMeta, Encoding, SampleColumns};
use wal::record::{self, Histograms, Samples, Tombstones};

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| Some(c.to_digit(16)? as u8)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The bytes cut short at every place, and with every single bit turned.
fn damaged(bytes: &[u8], mut check: impl FnMut(&[u8])) {
    (0..=bytes.len()).for_each(|len| check(&bytes[..len]));
    let mut changed = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        changed[bit / 8] ^= 1 << (bit % 8);
        check(&changed);
        changed[bit / 8] ^= 1 << (bit % 8);
    }
}

fn decode(encoding: Encoding, num_samples: u32, data: &[u8]) {
    let meta = ChunkMeta { min_ms: 0, max_ms: 0, num_samples, encoding };
    let mut columns = SampleColumns::default();
    let decoded = chunk::decode(meta, data, &mut columns);
    let count = columns.len() + columns.histograms.len();
    assert!(count <= num_samples as usize);
    assert!(decoded.is_err() || count == num_samples as usize);
    let mut exact = Vec::new();
    let again = chunk::exact::decode(meta, data, &mut exact);
    assert_eq!(again.is_ok(), decoded.is_ok());
}

#[test]
fn damaged_chunks_do_no_harm() {
    let mut seeds = 0;
    for line in tests::golden("tsdb/chunks.jsonl").iter().step_by(5) {
        let number = line["enc"].as_u64().and_then(|number| u8::try_from(number).ok());
        let encoding = number.and_then(Encoding::from_disk).expect("a number on disk");
        let of_floats = line.get("hex").into_iter();
        let of_histograms = line["chunks"].as_array().into_iter().flatten().map(|c| &c["hex"]);
        for hex in of_floats.chain(of_histograms) {
            let bytes = unhex(hex.as_str().expect("hex"));
            if bytes.len() > 400 {
                continue;
            }
            let count = encoding.num_samples(&bytes).unwrap_or(0);
            damaged(&bytes, |bytes| decode(encoding, count, bytes));
            seeds += 1;
        }
    }
    assert!(seeds > 100, "{seeds}");
}

#[test]
fn damaged_records_do_no_harm() {
    let mut seeds = 0;
    for line in tests::golden("tsdb/records.jsonl") {
        let bytes = unhex(line["hex"].as_str().expect("hex"));
        if bytes.len() > 600 {
            continue;
        }
        damaged(&bytes, |bytes| {
            let _kind = record::kind(bytes);
            let _series = record::decode_series(bytes).map(|rows| rows.iter().count());
            let _exemplars = record::decode_exemplars(bytes).map(|rows| rows.iter().count());
            let _samples = record::decode_samples(bytes, &mut Samples::default());
            let _stones = record::decode_tombstones(bytes, &mut Tombstones::default());
            let _metadata = record::decode_metadata(bytes, &mut Vec::new());
            let _histograms = record::decode_histograms(bytes, &mut Histograms::default());
        });
        seeds += 1;
    }
    assert!(seeds > 200, "{seeds}");
}

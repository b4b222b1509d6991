//! Every float chunk recorded from the real codec, both ways.

use chunk::xor::XorAppender;
use chunk::{ChunkMeta, Encoding, SampleColumns};
use serde_json::Value;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn samples(value: &Value) -> Vec<(i64, u64)> {
    let row = |s: &Value| {
        (s[0].as_i64().unwrap(), u64::from_str_radix(s[1].as_str().unwrap(), 16).unwrap())
    };
    value.as_array().unwrap().iter().map(row).collect()
}

fn read(count: usize, data: &[u8]) -> Vec<(i64, u64)> {
    let meta = ChunkMeta {
        min_ms: 0,
        max_ms: 0,
        num_samples: u32::try_from(count).unwrap(),
        encoding: Encoding::Xor,
    };
    let mut out = SampleColumns::default();
    chunk::decode(meta, data, &mut out).unwrap();
    out.timestamps_ms.iter().copied().zip(out.values.iter().map(|v| v.to_bits())).collect()
}

#[test]
fn recorded_xor_chunks() {
    let (mut sound, mut resumed) = (0, 0);
    for line in tests::golden("tsdb/chunks.jsonl") {
        if line["enc"] != 1 {
            continue;
        }
        let name = line["name"].as_str().unwrap();
        let samples = samples(&line["samples"]);
        let expected = unhex(line["hex"].as_str().unwrap());
        let reloads = line["reload_before"].as_array();
        let fresh = line["fresh_appender_before"].as_array();
        let mut appender = XorAppender::new();
        let mut data = vec![0, 0];
        for (index, &(time, bits)) in samples.iter().enumerate() {
            let here = |list: Option<&Vec<Value>>| {
                list.is_some_and(|l| l.iter().any(|v| v.as_u64() == Some(index as u64)))
            };
            if here(reloads) || here(fresh) {
                appender = XorAppender::resume(&data).unwrap();
            }
            appender.append(&mut data, time, f64::from_bits(bits));
        }
        assert_eq!(read(samples.len(), &data), samples, "{name}");
        // The recorded codec loses its place within a byte on a reload; ours does not, so those bytes differ.
        if reloads.is_some() {
            resumed += 1;
            continue;
        }
        assert_eq!(data, expected, "{name}");
        assert_eq!(read(samples.len(), &expected), samples, "{name}");
        sound += 1;
    }
    println!("xor chunks: {sound} both ways, {resumed} resumed");
    assert_eq!((sound, resumed), (186, 22));
}

//! The write-ahead log against recordings of Prometheus: records both ways, and what becomes of damaged logs.

use crate::chunk::{histogram, spelled};
use disk::{Disk, SimDisk};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use wal::record::{self, Kind, Samples, Tombstones};
use wal::{Error, Replay, Writer, WriterOptions, checkpoint};

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Decodes a record of a kind that is read here; its rows as the recording writes them, and it encoded again.
fn decode(bytes: &[u8]) -> Result<(Value, Vec<u8>), record::DecodeError> {
    let mut again = Vec::new();
    let rows = match record::kind(bytes) {
        Kind::Series => {
            let rows = record::decode_series(bytes)?;
            record::begin_series(&mut again);
            for (number, pairs) in rows.iter() {
                record::push_series(&mut again, number, pairs.iter().copied());
            }
            rows.iter()
                .map(|(number, pairs)| serde_json::json!({"labels": pairs, "ref": number}))
                .collect()
        }
        Kind::Samples => {
            let mut samples = Samples::default();
            record::decode_samples(bytes, &mut samples)?;
            let is_started = bytes[0] == 11;
            let starts = samples.iter().enumerate();
            let starts = starts.map(|(row, (number, t, v))| (number, t, samples.start_ms(row), v));
            if is_started {
                record::encode_started_samples(&mut again, starts.clone());
            } else {
                record::encode_samples(&mut again, samples.iter());
            }
            let row = |(number, time, start, value): (u64, i64, i64, f64)| {
                let bits = format!("{:016x}", value.to_bits());
                let mut row = serde_json::json!({"ref": number, "t": time, "v": bits});
                if is_started {
                    row["st"] = start.into();
                }
                row
            };
            starts.map(row).collect()
        }
        Kind::Tombstones => {
            let mut deleted = Tombstones::new();
            record::decode_tombstones(bytes, &mut deleted)?;
            record::encode_tombstones(&mut again, deleted.iter().copied());
            let row = |(number, range): &(u64, model::TimeRange)| serde_json::json!({"maxt": range.max_ms, "mint": range.min_ms, "ref": number});
            deleted.iter().map(row).collect()
        }
        other => panic!("{other:?}: not read here"),
    };
    Ok((Value::Array(rows), again))
}

#[test]
fn records_agree_both_ways() {
    let (mut read, mut recognised) = (0, 0);
    for line in tests::golden("tsdb/records.jsonl") {
        let name = &line["name"];
        let bytes = from_hex(line["hex"].as_str().expect("hex"));
        match record::kind(&bytes) {
            Kind::Unknown => assert!(line.get("unknown").is_some(), "{name}"),
            Kind::Exemplars | Kind::MmapMarkers | Kind::Metadata | Kind::Histograms => {
                assert!(line.get("unknown").is_none(), "{name}");
            }
            Kind::Series | Kind::Samples | Kind::Tombstones => {
                match decode(&bytes) {
                    // Text that is not UTF-8 has no place in a label here: such series are left out.
                    Ok((rows, _)) if name == "series/invalid-utf8" => {
                        assert_eq!(rows, serde_json::json!([]));
                    }
                    Ok((rows, again)) => {
                        assert_eq!(rows, line["decoded"], "{name}");
                        // What a writer never leaves is not written again either.
                        if name != "series/non-minimal-varint"
                            && !name
                                .as_str()
                                .is_some_and(|name| name.starts_with("samples2/marker-"))
                        {
                            assert_eq!(again, bytes, "{name}");
                        }
                    }
                    Err(error) => assert_eq!(error.to_string(), line["error"], "{name}"),
                }
                read += 1;
                continue;
            }
        }
        recognised += 1;
    }
    eprintln!("records.jsonl: {read} read, {recognised} recognised");
    assert_eq!((read, recognised), (86, 212));
}

#[test]
fn recorded_exemplars_and_metadata() {
    let (mut read, mut refused) = (0, 0);
    for line in tests::golden("tsdb/records.jsonl") {
        let name = line["name"].as_str().unwrap();
        let bytes = from_hex(line["hex"].as_str().unwrap());
        let mut again = Vec::new();
        let outcome = match line["type"].as_u64() {
            Some(4) => record::decode_exemplars(&bytes).map(|rows| {
                let pairs = |row: record::ExemplarRow<'_>| serde_json::json!({
                    "labels": row.3, "ref": row.0, "t": row.1, "v": format!("{:016x}", row.2.to_bits()),
                });
                record::encode_exemplars(
                    &mut again,
                    rows.iter().map(|(r, t, v, pairs)| (r, t, v, pairs.iter().copied())),
                );
                rows.iter().map(pairs).collect::<Vec<_>>()
            }),
            Some(6) => {
                let mut rows = Vec::new();
                record::decode_metadata(&bytes, &mut rows).map(|()| {
                    let numbered: Vec<_> = rows.iter().map(|(number, told)| (*number, told)).collect();
                    record::encode_metadata(&mut again, numbered);
                    let told = |(number, told): &(u64, model::metadata::Metadata)| {
                        serde_json::json!([number, told.metric_type.as_str(), told.unit, told.help])
                    };
                    rows.iter().map(told).collect()
                })
            }
            _ => continue,
        };
        if let Some(error) = line["error"].as_str() {
            assert_eq!(outcome.unwrap_err().to_string(), error, "{name}");
            refused += 1;
            continue;
        }
        let rows = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
        let wanted = line["decoded"].as_array().unwrap();
        let wanted: Vec<_> = if line["type"] == 6 {
            let told = |row: &Value| {
                serde_json::json!([row["ref"], row["type_name"], row["unit"], row["help"]])
            };
            wanted.iter().map(told).collect()
        } else {
            wanted.clone()
        };
        assert_eq!(rows, wanted, "{name}");
        // What a writer never leaves is not written again either.
        if !["unknown-type-9", "unknown-field", "no-fields", "field-twice"]
            .iter()
            .any(|foreign| name.ends_with(foreign))
        {
            assert_eq!(again, bytes, "{name}");
        }
        read += 1;
    }
    assert_eq!((read, refused), (10, 28), "read, refused");
}

#[test]
fn recorded_histogram_records() {
    let (mut read, mut refused) = (0, 0);
    let mut out = record::Histograms::default();
    for line in tests::golden("tsdb/records.jsonl") {
        let name = line["name"].as_str().unwrap();
        if !line["type"].as_u64().is_some_and(|kind| matches!(kind, 7..=10 | 12 | 13)) {
            continue;
        }
        let bytes = from_hex(line["hex"].as_str().unwrap());
        let outcome = record::decode_histograms(&bytes, &mut out);
        if let Some(error) = line["error"].as_str() {
            let told = outcome.unwrap_err().to_string();
            let same = told == error || error.starts_with("error reducing resolution");
            assert!(same, "{name}: {told} instead of {error}");
            refused += 1;
            continue;
        }
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
        read += 1;
        if name == "hist/bad-spans-not-checked" {
            assert_eq!((out.values.len(), out.contradictory), (0, 1));
            continue;
        }
        let rows = line["decoded"].as_array().unwrap();
        assert_eq!(rows.len(), out.values.len(), "{name}");
        for (place, (row, (number, time, value))) in rows.iter().zip(out.iter()).enumerate() {
            assert_eq!(row["st"].as_i64().unwrap_or(0), out.start_ms(place), "{name}");
            let place = (row["ref"].as_u64().unwrap(), row["t"].as_i64().unwrap());
            assert_eq!(place, (number, time), "{name}");
            let mut wanted = row["h"].clone();
            if name == "hist/hint-77" {
                wanted["hint"] = 0.into();
            }
            assert_eq!(spelled(&histogram(&wanted)), spelled(value), "{name}");
        }
        let mut again = Vec::new();
        if bytes[0] > 10 {
            let rows = out.iter().enumerate();
            let rows = rows.map(|(row, (number, t, value))| (number, t, out.start_ms(row), value));
            record::encode_started_histograms(&rows, &mut again);
        } else {
            record::encode_histograms(&out.iter(), &mut again);
        }
        let is_canonical = !["mixed-batch", "reserved-schema", "hint-77", "empty"]
            .iter()
            .any(|what| name.contains(what));
        if is_canonical {
            assert_eq!(again, [bytes], "{name}");
        }
    }
    println!("histogram records: {read} read, {refused} refused as recorded");
    assert!(read >= 35 && refused >= 18);
}

/// Puts the files of a recorded directory onto a disk.
fn restore(line: &Value) -> SimDisk {
    let disk = SimDisk::new();
    for name in line["expected"]["files_before"].as_array().expect("a list") {
        let name = name.as_str().expect("a name");
        if name.ends_with('/') {
            disk.create_dir(Path::new(name)).expect("directory");
        }
    }
    for (path, hex) in line["files"].as_object().expect("files") {
        let path = Path::new(path);
        disk.create_dir(path.parent().expect("in a directory")).expect("directory");
        let mut file = disk.create(path).expect("file");
        file.append(&from_hex(hex.as_str().expect("hex"))).expect("content");
    }
    disk
}

/// What opening a log comes to: samples read, the corruption that was cut away.
fn open(disk: &Arc<dyn Disk>) -> Result<(usize, Option<String>), Error> {
    let dir = Path::new("wal");
    checkpoint::remove_unfinished(&**disk, dir)?;
    let mut writer = Writer::open(Arc::clone(disk), dir, WriterOptions::default())?;
    let mut count = 0;
    let outcome = replay(disk, dir, &mut count);
    let Err(Error::Corrupt(corruption)) = outcome else { return outcome.map(|()| (count, None)) };
    writer.repair(&corruption)?;
    Ok((count, Some(corruption.to_string())))
}

fn replay(disk: &Arc<dyn Disk>, dir: &Path, count: &mut usize) -> Result<(), Error> {
    let mut log = Replay::open(Arc::clone(disk), dir)?;
    while let Some(bytes) = log.next_record()? {
        let kind = record::kind(bytes);
        if !matches!(kind, Kind::Series | Kind::Samples | Kind::Tombstones) {
            continue;
        }
        match decode(bytes) {
            Ok((rows, _)) if kind == Kind::Samples => {
                *count += rows.as_array().expect("rows").len();
            }
            Ok(_) => {}
            Err(error) => {
                let kind = if kind == Kind::Series { "series" } else { "samples" };
                return Err(log.corruption(&format!("decode {kind}: {error}")));
            }
        }
    }
    Ok(())
}

fn listing(disk: &dyn Disk, dir: &Path, out: &mut Vec<String>) {
    for name in disk.list(dir).unwrap_or_default() {
        let path = dir.join(name);
        if disk.is_dir(&path) {
            listing(disk, &path, out);
        } else {
            out.push(format!("{} {}", path.display(), disk.len(&path).expect("length")));
        }
    }
}

/// Directories whose outcome differs on purpose.
fn differs(name: &str) -> Option<&'static str> {
    Some(match name {
        "checkpoint-corrupt" | "checkpoint-corrupt-same-number" => {
            "the first damage of a checkpoint is reported; Prometheus deletes segments of the same numbers"
        }
        "replay-invalid-histogram" => "Prometheus crashes",
        _ => return None,
    })
}

fn files_of(expected: &Value) -> Vec<&str> {
    let list = expected.get("files_after_open").or_else(|| expected.get("files_after"));
    let names = list.and_then(Value::as_array).expect("files").iter().filter_map(Value::as_str);
    names.filter(|name| name.starts_with("wal/") && !name.ends_with('/')).collect()
}

#[test]
fn damaged_logs_are_cut_where_prometheus_cuts_them() {
    let mut agreed = 0;
    let lines = tests::golden("tsdb/segments.jsonl");
    for line in &lines {
        let name = line["name"].as_str().expect("a name");
        let expected = &line["expected"];
        let disk: Arc<dyn Disk> = Arc::new(restore(line));
        let mut before = Vec::new();
        listing(&*disk, Path::new("wal"), &mut before);
        let outcome = open(&disk);
        if let Some(reason) = differs(name) {
            eprintln!("{name}: {reason}; here: {outcome:?}");
            continue;
        }
        match &outcome {
            Ok((_, repaired)) => {
                assert_eq!(expected["opened"], true, "{name}");
                let messages = expected["log"].as_array().map_or(&[][..], Vec::as_slice);
                let message = messages
                    .iter()
                    .filter_map(Value::as_str)
                    .find(|text| text.contains("corruption in segment") && !text.contains("WBL"));
                assert_eq!(repaired.is_some(), message.is_some(), "{name}: {outcome:?}");
                if let (Some(found), Some(message)) = (repaired, message) {
                    let (_, wanted) = message.split_once("corruption in segment ").expect("there");
                    let (_, found) = found.split_once("corruption in segment ").expect("there");
                    let wanted = wanted.trim_start_matches("<dir>/wal/");
                    let found = found.trim_start_matches("wal/");
                    // The words for a block that does not decompress are those of each library.
                    assert_eq!(found, wanted, "{name}");
                }
                let mut after = Vec::new();
                listing(&*disk, Path::new("wal"), &mut after);
                assert_eq!(after, files_of(expected), "{name}");
                let (_, again) = open(&disk).expect("opens once more");
                assert_eq!(again, None, "{name}: repaired for good");
            }
            Err(error) => {
                assert_eq!(expected["opened"], false, "{name}: {error}");
                let mut after = Vec::new();
                listing(&*disk, Path::new("wal"), &mut after);
                after.retain(|file| before.contains(file));
                assert_eq!(after, before, "{name}: nothing is lost by refusing");
            }
        }
        agreed += 1;
    }
    eprintln!("segments: {agreed}/{} agree", lines.len());
    assert_eq!(agreed, 95);
}

//! Names, tombstones, segment files.

use super::{ChunkReader, SegmentWriter, Tombstones, Ulid};
use chunk::Encoding;
use disk::{Disk, SimDisk};
use model::TimeRange;
use std::path::Path;

#[test]
fn ulids_are_read_and_written() {
    let text = "01M7XEP8SJSN2VW1VMWAVRBKCT";
    let ulid: Ulid = text.parse().expect("valid");
    assert_eq!(ulid.to_string(), text);
    assert_eq!(text.to_lowercase().parse(), Ok(ulid));
    assert_eq!(Ulid::new(ulid.time_ms(), 0).to_string()[..10], text[..10]);
    assert_eq!(Ulid::ZERO.to_string(), "00000000000000000000000000");
    for wrong in [
        "",
        "01M7XEP8SJSN2VW1VMWAVRBKC",
        "81M7XEP8SJSN2VW1VMWAVRBKCT",
        "01M7XEP8SJSN2VW1VMWAVRBKCU",
    ] {
        assert!(wrong.parse::<Ulid>().is_err(), "{wrong}");
    }
    assert!(Ulid::new(5, u128::MAX) < Ulid::new(6, 0));
}

fn range(min_ms: i64, max_ms: i64) -> TimeRange {
    TimeRange::new(min_ms, max_ms)
}

#[test]
fn deleted_ranges_merge_where_they_touch() {
    let mut tombstones = Tombstones::default();
    for (min, max) in [(10, 20), (40, 50), (21, 30), (100, 90), (45, 60), (-5, 3)] {
        tombstones.add(7, range(min, max));
    }
    assert_eq!(tombstones.of(7), [range(-5, 3), range(10, 30), range(40, 60)]);
    tombstones.add(7, range(0, 100));
    assert_eq!(tombstones.of(7), [range(-5, 100)]);
    tombstones.add(3, range(i64::MIN, i64::MAX));
    assert_eq!(tombstones.num_ranges(), 2);
    assert_eq!(tombstones.of(1), []);
}

#[test]
fn tombstones_survive_the_file() {
    let (disk, path) = (SimDisk::new(), Path::new("/tombstones"));
    assert_eq!(Tombstones::read(&disk, path).expect("missing"), Tombstones::default());
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(hex(&Tombstones::default().encode()), "0130ba300100000000");
    let mut tombstones = Tombstones::default();
    tombstones.add(3, range(-7, 9));
    tombstones.add(300, range(0, 1_700_000_000_000));
    disk.create(path).expect("create").append(&tombstones.encode()).expect("append");
    assert_eq!(Tombstones::read(&disk, path).expect("read"), tombstones);
}

#[test]
fn segment_bytes_are_those_recorded() {
    let (disk, dir) = (SimDisk::new(), Path::new("/chunks"));
    let mut writer = SegmentWriter::create(&disk, dir, 1 << 20).expect("create");
    let chunks =
        ["0002d00f3ff0000000000000e807008c409360", "0002d00f4000000000000000e807008b223c75"];
    let mut expected = String::from("85bd40dd01000000");
    for (number, framed) in chunks.into_iter().enumerate() {
        let data: Vec<u8> = (0..framed.len() - 8)
            .step_by(2)
            .map(|at| u8::from_str_radix(&framed[at..at + 2], 16).expect("hex"))
            .collect();
        writer.begin_series();
        let reference = writer.write(Encoding::Xor, &data).expect("write");
        assert_eq!(reference, 8 + 21 * number as u64);
        expected.extend(["0f01", framed]);
    }
    writer.finish().expect("finish");
    let written = disk.view(&dir.join("000001")).expect("view");
    assert_eq!(written.iter().map(|b| format!("{b:02x}")).collect::<String>(), expected);
    let reader = ChunkReader::open(&disk, dir).expect("open");
    assert_eq!(reader.chunk(29).expect("second").num_samples, 2);
    assert!(reader.chunk(30).is_err());
    assert!(reader.chunk(1 << 32).is_err());
}

#[test]
fn segments_are_cut_at_their_size() {
    let (disk, dir) = (SimDisk::new(), Path::new("/chunks"));
    // Room for the header and two chunks of 100 bytes with what the writer reserves for each.
    let mut writer = SegmentWriter::create(&disk, dir, 8 + 2 * 110).expect("create");
    let mut references = Vec::new();
    for series in 0..2 {
        writer.begin_series();
        for _ in 0..3 + series {
            references.push(writer.write(Encoding::Xor, &[0; 100]).expect("write"));
        }
    }
    writer.finish().expect("finish");
    let files: Vec<u64> = references.iter().map(|reference| reference >> 32).collect();
    assert_eq!(files, [0, 0, 1, 1, 2, 2, 3]);
    let reader = ChunkReader::open(&disk, dir).expect("open");
    for reference in references {
        assert_eq!(reader.chunk(reference).expect("chunk").data, [0; 100]);
    }
}

//! Damaged segments: named, never a panic, and repaired to what was good.

use super::Reader;
use crate::{Compression, Error, PAGE_BYTES, Writer, WriterOptions, list_segments, segment_path};
use disk::{Disk, SimDisk};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

fn filled(dir: &Path, sizes: &[usize]) -> SimDisk {
    let disk = SimDisk::new();
    let options =
        WriterOptions { segment_bytes: 2 * PAGE_BYTES as u64, compression: Compression::Snappy };
    let mut writer = Writer::open(Arc::new(disk.clone()), dir, options).unwrap();
    for (index, &size) in sizes.iter().enumerate() {
        // Numbers that snappy cannot shorten, of the index, so that records differ.
        let mut state = index as u32 + 1;
        let record: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(size)
        .collect();
        writer.log(&[&record]).unwrap();
    }
    disk
}

/// Reads as replay does, segment by segment; the records and the first error.
fn replay(disk: &SimDisk, dir: &Path) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut records = Vec::new();
    for number in list_segments(disk, dir).unwrap() {
        let mut reader = Reader::segment(Arc::new(disk.clone()), dir, number).unwrap();
        loop {
            match reader.next_record() {
                Ok(Some(record)) => records.push(record.to_vec()),
                Ok(None) => break,
                Err(error) => return (records, Some(error)),
            }
        }
    }
    (records, None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damage_is_found_and_cut(
        sizes in proptest::collection::vec(prop_oneof![1usize..300, 20_000usize..40_000], 1..8),
        segment in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), mask in 1u8..,
    ) {
        let dir = Path::new("wal");
        let disk = filled(dir, &sizes);
        let whole = replay(&disk, dir).0;
        let segments = list_segments(&disk, dir).unwrap();
        let number = segments[segment.index(segments.len())];
        let path = segment_path(dir, number);
        disk.corrupt(&path, at.index(disk.len(&path).unwrap() as usize), mask);
        let (before, error) = replay(&disk, dir);
        if let Some(error) = error {
            prop_assert!(whole.starts_with(&before));
            let Error::Corrupt(corruption) = error else { return Ok(()) };
            prop_assert_eq!(corruption.segment, number);
            let mut writer =
                Writer::open(Arc::new(disk.clone()), dir, WriterOptions::default()).unwrap();
            writer.repair(&corruption).unwrap();
            writer.log(&[b"after"]).unwrap();
            let (repaired, error) = replay(&disk, dir);
            prop_assert!(error.is_none());
            let (last, kept) = repaired.split_last().unwrap();
            prop_assert_eq!(last.as_slice(), b"after");
            prop_assert!(kept == before);
        }
    }

    #[test]
    fn foreign_segments_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let disk = SimDisk::new();
        disk.create(Path::new("00000000")).unwrap().append(&bytes).unwrap();
        drop(replay(&disk, Path::new("")));
    }
}

#[test]
fn what_is_not_zstd_is_damage() {
    let frame = zstd::bulk::compress(&[7; 1000], 0).unwrap();
    for (data, wanted) in [
        (&b"xxxxx"[..], "magic number mismatch"),
        (&b"x"[..], "magic number mismatch"),
        (&frame[..frame.len() - 1], "zstd: corrupt input"),
        (&[&frame[..], b"x"].concat()[..], "zstd: corrupt input"),
        (&frame[..4], "zstd: corrupt input"),
    ] {
        let disk = SimDisk::new();
        let mut bytes = vec![1 | 1 << 4, 0, data.len() as u8];
        bytes.extend_from_slice(&crc32c::crc32c(data).to_be_bytes());
        bytes.extend_from_slice(data);
        disk.create(Path::new("00000000")).unwrap().append(&bytes).unwrap();
        let (_, error) = replay(&disk, Path::new(""));
        let Some(Error::Corrupt(corruption)) = error else { panic!("{error:?}") };
        assert!(corruption.what.contains(wanted), "{corruption}");
    }
}

#[test]
fn a_gap_is_named() {
    let disk = SimDisk::new();
    for name in ["00000003", "00000005", "00000004.tmp", "notes"] {
        drop(disk.create(Path::new(name)).unwrap());
    }
    let error = list_segments(&disk, Path::new("")).unwrap_err().to_string();
    assert!(error.contains("00000003 is followed by 00000005"), "{error}");
}

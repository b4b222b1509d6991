//! Damage costs the records it lies in, and at most those of its page.

use super::Salvage;
use crate::page::{HEADER_BYTES, kind, page_end, room};
use crate::record::encode_samples;
use crate::{Compression, Error, PAGE_BYTES, Reader, Writer, WriterOptions, segment_path};
use disk::{Disk, SimDisk};
use model::TimeRange;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "wal";

/// A segment of records that differ, of a kind that nobody looks into.
fn filled(sizes: &[usize]) -> SimDisk {
    let disk = SimDisk::new();
    let options = WriterOptions { compression: Compression::None, ..WriterOptions::default() };
    let mut writer = Writer::open(Arc::new(disk.clone()), Path::new(DIR), options).unwrap();
    for (index, &size) in sizes.iter().enumerate() {
        let mut record = vec![200, index as u8];
        record.resize(2 + size, index as u8 ^ 0x5A);
        writer.log(&[&record]).unwrap();
    }
    disk
}

/// A record with where it begins and ends.
type Found = (Vec<u8>, usize, usize);

/// The records of the first segment, and the first error.
fn read(disk: &SimDisk) -> (Vec<Found>, Option<Error>) {
    let mut records = Vec::new();
    let mut reader = Reader::segment(Arc::new(disk.clone()), Path::new(DIR), 0).unwrap();
    loop {
        let begin = reader.position().offset as usize;
        match reader.advance() {
            Ok(true) => {}
            Ok(false) => return (records, None),
            Err(error) => return (records, Some(error)),
        }
        let end = reader.position().offset as usize;
        records.push((reader.record().to_vec(), begin, end));
    }
}

/// Where fragments begin: the byte there says what kind they are, and no checksum covers it.
fn fragments(segment: &[u8]) -> Vec<usize> {
    let mut begins = Vec::new();
    let mut at = 0;
    while at < segment.len() {
        if room(at as u64) < HEADER_BYTES || segment[at] & kind::MASK == kind::PADDING {
            at = page_end(at as u64 + 1) as usize;
            continue;
        }
        begins.push(at);
        at += HEADER_BYTES + usize::from(u16::from_be_bytes([segment[at + 1], segment[at + 2]]));
    }
    begins
}

fn mend(disk: &SimDisk, error: Error) -> Salvage {
    let Error::Corrupt(corruption) = error else { panic!("{error}") };
    let salvage = Salvage::read(disk, &corruption).unwrap();
    salvage.write(disk).unwrap();
    salvage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_in_other_pages_survives(
        sizes in proptest::collection::vec(prop_oneof![0usize..300, 20_000usize..80_000], 1..12),
        at in any::<prop::sample::Index>(), mask in 1u8..,
    ) {
        let disk = filled(&sizes);
        let (whole, _) = read(&disk);
        let path = segment_path(Path::new(DIR), 0);
        let segment = disk.view(&path).unwrap();
        let at = at.index(segment.len());
        prop_assume!(!fragments(&segment).contains(&at));
        disk.corrupt(&path, at, mask);
        let (before, error) = read(&disk);
        let Some(error) = error else { return Ok(()) };
        let salvage = mend(&disk, error);
        let (after, error) = read(&disk);
        prop_assert!(error.is_none(), "{error:?}");
        let after: Vec<&Vec<u8>> = after.iter().map(|record| &record.0).collect();
        prop_assert!(before.iter().map(|record| &record.0).eq(after[..before.len()].iter().copied()));
        prop_assert_eq!(after.len() as u64 - before.len() as u64, salvage.num_records);
        let page = at / PAGE_BYTES * PAGE_BYTES;
        let mut lost_bytes = 0;
        for (record, begin, end) in &whole {
            if after.contains(&record) {
                continue;
            }
            prop_assert!(*begin < page + PAGE_BYTES && page < *end, "{begin}..{end}, at {at}");
            lost_bytes += (end - begin) as u64;
        }
        prop_assert!(after.iter().all(|found| whole.iter().any(|record| record.0 == **found)));
        prop_assert!(salvage.lost_bytes > 0 && salvage.lost_bytes <= lost_bytes + 6);
    }
}

#[test]
fn a_bit_in_the_data_costs_one_record() {
    let disk = filled(&[100; 50]);
    let (whole, _) = read(&disk);
    disk.corrupt(&segment_path(Path::new(DIR), 0), whole[20].1 + 50, 1);
    let (_, error) = read(&disk);
    let salvage = mend(&disk, error.unwrap());
    assert_eq!((salvage.num_records, salvage.lost_bytes), (29, 109));
    let (after, error) = read(&disk);
    assert!(error.is_none());
    let left = whole.iter().enumerate().filter(|(index, _)| *index != 20);
    assert!(left.map(|(_, record)| &record.0).eq(after.iter().map(|record| &record.0)));
}

#[test]
fn a_record_without_meaning_is_left_out() {
    let disk = SimDisk::new();
    let mut writer =
        Writer::open(Arc::new(disk.clone()), Path::new(DIR), WriterOptions::default()).unwrap();
    let mut good = Vec::new();
    encode_samples(&mut good, [(1, 2, 3.0)]);
    let cut = &good[..good.len() - 1];
    writer.log(&[&good, cut, &good, cut, &good]).unwrap();
    let mut reader = Reader::segment(Arc::new(disk.clone()), Path::new(DIR), 0).unwrap();
    reader.advance().unwrap();
    reader.advance().unwrap();
    let salvage = mend(&disk, reader.corruption("decode samples"));
    assert_eq!(salvage.num_records, 2);
    let (after, error) = read(&disk);
    assert!(error.is_none());
    assert!(after.iter().all(|record| record.0 == good) && after.len() == 3);
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let disk = filled(&[100; 5]);
    let (whole, _) = read(&disk);
    disk.corrupt(&segment_path(Path::new(DIR), 0), whole[2].1 + 50, 1);
    let mut log = crate::Replay::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
    let mut found = Vec::new();
    loop {
        match log.next_record() {
            Ok(Some(record)) => found.push(record[1]),
            Ok(None) => break,
            Err(Error::Corrupt(corruption)) => {
                mend(&disk, Error::Corrupt(corruption.clone()));
                log.resume(&corruption).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(found, [0, 1, 3, 4]);
}

/// Nobody can read the lost record, but its neighbours are much like it.
#[test]
fn a_loss_is_told_in_samples_and_time() {
    let disk = SimDisk::new();
    let options = WriterOptions { compression: Compression::None, ..WriterOptions::default() };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut writer = Writer::open(shared, Path::new(DIR), options).unwrap();
    for round in 0..100_i64 {
        let mut record = Vec::new();
        let rows = (0..10_u64).map(|number| (number, round * 1000, 1.0));
        encode_samples(&mut record, rows);
        writer.log(&[&record]).unwrap();
    }
    drop(writer);
    let (whole, _) = read(&disk);
    disk.corrupt(&segment_path(Path::new(DIR), 0), whole[40].2 - 1, 1);
    let (_, error) = read(&disk);
    let salvage = mend(&disk, error.unwrap());
    assert_eq!(salvage.lost_samples, 10);
    assert_eq!(salvage.lost_range, Some(TimeRange::new(39_000, 41_000)));
}

//! Segments and pages as they are written, and what happens when the disk refuses.

use super::{Writer, WriterOptions};
use crate::{Compression, Error, PAGE_BYTES, Reader, list_segments};
use disk::{Disk, Fault, FaultDisk, SimDisk};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

const PLAIN: WriterOptions =
    WriterOptions { segment_bytes: 4 * PAGE_BYTES as u64, compression: Compression::None };

fn read_all(disk: Arc<dyn Disk>, dir: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::dir(disk, dir).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push(record.to_vec());
    }
    records
}

fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31) ^ (i >> 8) as u8 ^ seed).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn records_come_back_in_order(
        batches in proptest::collection::vec(proptest::collection::vec(
            prop_oneof![0usize..40, 32_700usize..32_780, 60_000usize..140_000], 0..4), 0..8),
        compression in prop_oneof![
            Just(Compression::None), Just(Compression::Snappy), Just(Compression::Zstd)], reopen in any::<bool>(),
    ) {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let dir = Path::new("wal");
        let options = WriterOptions { compression, ..PLAIN };
        let mut writer = Writer::open(Arc::clone(&disk), dir, options).unwrap();
        let mut wanted = Vec::new();
        for batch in &batches {
            let records: Vec<_> = batch.iter().map(|&len| bytes(len, wanted.len() as u8)).collect();
            writer.log(&records.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
            wanted.extend(records);
            let path = crate::segment_path(dir, writer.last_segment());
            prop_assert_eq!(disk.len(&path).unwrap(), writer.position().offset);
            if reopen {
                writer = Writer::open(Arc::clone(&disk), dir, options).unwrap();
            }
        }
        writer.close().unwrap();
        prop_assert!(read_all(disk, dir) == wanted);
    }
}

#[test]
fn one_write_a_batch() {
    let disk = FaultDisk::new(Arc::new(SimDisk::new()));
    let mut writer = Writer::open(Arc::new(disk.clone()), Path::new("wal"), PLAIN).unwrap();
    let before = disk.changes();
    let record = bytes(10_000, 0);
    writer.log(&[&record, &record, &[], &record]).unwrap();
    assert_eq!(disk.changes() - before, 1);
}

#[test]
fn a_full_disk_is_not_the_end() {
    let sim = SimDisk::new();
    let disk = FaultDisk::new(Arc::new(sim.clone()));
    let dir = Path::new("wal");
    let mut writer = Writer::open(Arc::new(disk.clone()), dir, PLAIN).unwrap();
    let mut wanted = Vec::new();
    for budget in 0..400_u64 {
        let record = bytes(1 + (budget as usize * 977) % 50_000, budget as u8);
        disk.set_budget(Some(budget * 211 % 40_000));
        if writer.log(&[&record]).is_ok() {
            wanted.push(record.clone());
        }
        disk.set_budget(None);
        writer.log(&[&record]).unwrap();
        wanted.push(record);
    }
    assert!(writer.stats().writes_failed > 50);
    assert!(read_all(Arc::new(sim), dir) == wanted, "what was refused is not there");
}

#[test]
fn a_failed_sync_closes_the_log_for_good() {
    let disk = FaultDisk::new(Arc::new(SimDisk::new()));
    let mut writer = Writer::open(Arc::new(disk.clone()), Path::new("wal"), PLAIN).unwrap();
    writer.log(&[b"a"]).unwrap();
    disk.fail_once(disk.changes(), Fault::Io);
    assert!(matches!(writer.sync(), Err(Error::Io(_))));
    assert!(matches!(writer.log(&[b"b"]), Err(Error::Closed(_))));
    assert!(matches!(writer.sync(), Err(Error::Closed(_))));
    let mut writer = Writer::open(Arc::new(disk.clone()), Path::new("wal"), PLAIN).unwrap();
    writer.cut().unwrap();
    let retired = writer.take_retired();
    disk.fail_once(disk.changes(), Fault::Io);
    retired.sync().unwrap_err();
    assert!(matches!(writer.log(&[b"b"]), Err(Error::Closed(_))));
}

#[test]
fn synced_records_survive_a_crash() {
    let sim = SimDisk::new();
    sim.create_dir(Path::new("wal")).unwrap();
    sim.sync_dir(Path::new("")).unwrap();
    let mut writer = Writer::open(Arc::new(sim.clone()), Path::new("wal"), PLAIN).unwrap();
    let mut synced = 0;
    for index in 0..12_u8 {
        writer.log(&[&bytes(30_000, index)]).unwrap();
        if index % 3 == 0 {
            writer.sync().unwrap();
            synced = usize::from(index) + 1;
        }
        for seed in 0..20 {
            let after: Arc<dyn Disk> = Arc::new(sim.crash(seed));
            let mut found = Vec::new();
            for number in list_segments(&*after, Path::new("wal")).unwrap() {
                let mut reader =
                    Reader::segment(Arc::clone(&after), Path::new("wal"), number).unwrap();
                while let Ok(Some(record)) = reader.next_record() {
                    found.push(record.to_vec());
                }
            }
            // What follows the synced records may have holes: whole pages may be missing.
            let wanted: Vec<_> = (0..synced).map(|index| bytes(30_000, index as u8)).collect();
            assert!(found.starts_with(&wanted), "{synced} records were synced");
        }
    }
}

#[test]
fn truncation_removes_whole_segments() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let dir = Path::new("wal");
    let mut writer = Writer::open(Arc::clone(&disk), dir, PLAIN).unwrap();
    for _ in 0..4 {
        writer.cut().unwrap();
    }
    writer.truncate(3).unwrap();
    assert_eq!(list_segments(&*disk, dir).unwrap(), [3, 4]);
    writer.truncate(99).unwrap();
    assert_eq!(list_segments(&*disk, dir).unwrap(), [4], "the open segment stays");
}

//! Tests of following a writer: records as they come, segments as they end, damage as it is met.

use super::*;
use crate::{Compression, Writer, WriterOptions};
use disk::SimDisk;

const DIR: &str = "wal";

fn writer(disk: &Arc<dyn Disk>, compression: Compression) -> Writer {
    let options = WriterOptions { segment_bytes: 4 * PAGE_BYTES as u64, compression };
    Writer::open(Arc::clone(disk), Path::new(DIR), options).expect("log")
}

fn record(number: usize) -> Vec<u8> {
    (0..number * 97 % 70_000).map(|byte| (byte * number) as u8).chain([number as u8]).collect()
}

#[test]
fn every_record_comes_once_whenever_it_is_asked_for() {
    for compression in [Compression::None, Compression::Snappy, Compression::Zstd] {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let mut writer = writer(&disk, compression);
        let mut tail = Tail::new(Arc::clone(&disk), Path::new(DIR), Position::default());
        let mut read = 0;
        for number in 0..400 {
            writer.log(&[&record(number)]).expect("logged");
            if number == 200 {
                writer.cut().expect("a new segment");
            }
            if number % 7 == 0 {
                while tail.advance().expect("good") {
                    assert_eq!(tail.record(), record(read), "record {read}");
                    read += 1;
                }
                assert_eq!(read, number + 1);
                assert!(!tail.advance().expect("good"));
            }
        }
        assert!(tail.position().segment > 0, "several segments");
        let mut again = Tail::new(disk, Path::new(DIR), tail.position());
        while again.advance().expect("good") {
            assert_eq!(again.record(), record(read));
            read += 1;
        }
        assert_eq!(read, 400);
    }
}

#[test]
fn damage_is_told_and_left_behind() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut first = writer(&disk, Compression::None);
    first.log(&[b"good"]).expect("logged");
    let path = segment_path(Path::new(DIR), 0);
    let len = disk.len(&path).expect("there");
    drop(first);
    let mut file = disk.open_append(&path, len).expect("opened");
    file.append(&[1, 0, 4, 0, 0, 0, 0, 1, 2, 3, 4]).expect("appended");
    let mut second = writer(&disk, Compression::None);
    second.log(&[b"later"]).expect("logged");
    let mut tail = Tail::new(disk, Path::new(DIR), Position::default());
    assert!(tail.advance().expect("good"));
    assert!(matches!(tail.advance(), Err(Error::Corrupt(_))));
    assert!(matches!(tail.advance(), Err(Error::Corrupt(_))));
    tail.skip_segment();
    assert!(tail.advance().expect("good"));
    assert_eq!(tail.record(), b"later");
}

#[test]
fn what_was_cut_off_and_written_anew_is_read_anew() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut writer = writer(&disk, Compression::None);
    writer.log(&[b"good"]).expect("logged");
    let path = segment_path(Path::new(DIR), 0);
    let len = disk.len(&path).expect("there");
    let mut torn = disk.open_append(&path, len).expect("opened");
    torn.append(&[1, 0, 4, 0, 0, 0, 0, 1, 2, 3, 4]).expect("appended");
    let mut tail = Tail::new(Arc::clone(&disk), Path::new(DIR), Position::default());
    assert!(tail.advance().expect("good"));
    assert!(matches!(tail.advance(), Err(Error::Corrupt(_))));
    // Whoever writes the log mends its end.
    drop(disk.open_append(&path, len).expect("cut"));
    writer.log(&[b"anew"]).expect("logged");
    tail.reread();
    assert!(tail.advance().expect("good"));
    assert_eq!(tail.record(), b"anew");
}

/// The records of the first segment as somebody finds them who follows the log, going on behind damage.
fn followed(disk: &Arc<dyn Disk>) -> Vec<Vec<u8>> {
    let mut tail = Tail::new(Arc::clone(disk), Path::new(DIR), Position::default());
    let mut records = Vec::new();
    loop {
        match tail.advance() {
            Ok(true) if tail.position().segment == 0 => records.push(tail.record().to_vec()),
            Ok(_) => return records,
            Err(Error::Corrupt(_)) => drop(tail.skip_damage().expect("readable")),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The same as a start finds them that mends the segment first.
fn mended(disk: &Arc<dyn Disk>) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut reader = crate::Reader::segment(Arc::clone(disk), Path::new(DIR), 0).expect("there");
    loop {
        match reader.advance() {
            Ok(true) => records.push(reader.record().to_vec()),
            Ok(false) => return records,
            Err(Error::Corrupt(found)) => {
                let salvage = crate::Salvage::read(&**disk, &found).expect("read");
                salvage.write(&**disk).expect("written");
                let again = Arc::clone(disk);
                reader = crate::Reader::segment_from(again, Path::new(DIR), 0, found.good_bytes)
                    .expect("there");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn behind_damage_is_what_a_mended_segment_has() {
    let clean = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(clean.clone());
    let mut log = writer(&disk, Compression::None);
    for number in 0..60_usize {
        let mut record = vec![200, number as u8];
        record.resize(2 + number * 211 % 2500, number as u8 ^ 0x5A);
        log.log(&[&record]).expect("logged");
    }
    log.cut().expect("a second segment");
    let path = segment_path(Path::new(DIR), 0);
    let len = disk.len(&path).expect("there") as usize;
    assert!(len > PAGE_BYTES, "{len}");
    for (number, offset) in (0..len).step_by(61).enumerate() {
        let damaged = clean.kill();
        damaged.corrupt(&path, offset, 1 << (number % 8));
        let disk: Arc<dyn Disk> = Arc::new(damaged);
        let found = followed(&disk);
        assert!(found.len() >= 20, "at {offset}: {}", found.len());
        assert_eq!(found, mended(&disk), "at {offset}");
    }
}

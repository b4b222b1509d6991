//! What is moved aside, and what the report says.

use super::{Loss, Quarantined, keep_segment, list, move_block};
use disk::{Disk, SimDisk};
use std::path::Path;
use std::sync::Arc;
use wal::record::SampleEncoder;
use wal::{Compression, Writer, WriterOptions};

const DATA: &str = "data";

/// A log of segments with one sample record each.
fn log(disk: &SimDisk, num_segments: i64) {
    let options =
        WriterOptions { segment_bytes: wal::PAGE_BYTES as u64, compression: Compression::None };
    let dir = Path::new(DATA).join("wal");
    let mut writer = Writer::open(Arc::new(disk.clone()), &dir, options).unwrap();
    for at in 0..num_segments {
        let mut record = Vec::new();
        let mut encoder = SampleEncoder::begin(&mut record);
        encoder.push(&mut record, 1, at * 10, 1.0);
        encoder.push(&mut record, 2, at * 10 + 5, 1.0);
        writer.log(&[&record]).unwrap();
        writer.cut().unwrap();
    }
}

#[test]
fn a_damaged_segment_is_kept_and_its_loss_told() {
    let disk = SimDisk::new();
    log(&disk, 5);
    let dir = Path::new(DATA).join("wal");
    let corruption = wal::Corruption {
        path: wal::segment_path(&dir, 1),
        segment: 1,
        offset: 0,
        good_bytes: 0,
        what: "test".into(),
    };
    let salvage = wal::Salvage::read(&disk, &corruption).unwrap();
    let found = keep_segment(&disk, Path::new(DATA), &corruption, &salvage).unwrap();
    // Of the two samples in the record, and as if they were taken when those of its neighbours were.
    let damaged_bytes = salvage.lost_bytes;
    assert_eq!(found.loss, Loss { num_samples: 0, range: None, damaged_bytes });
    assert!(found.loss.damaged_bytes > 0);
    let names = disk.list(&found.dir).unwrap();
    assert_eq!(names, ["00000001", "report.json"]);
    assert_eq!(list(&disk, Path::new(DATA)).unwrap(), std::slice::from_ref(&found));
    // A second find of the same place has a place of its own.
    let second = keep_segment(&disk, Path::new(DATA), &corruption, &salvage).unwrap();
    assert_ne!(second.dir, found.dir);
    assert_eq!(list(&disk, Path::new(DATA)).unwrap().len(), 2);
}

#[test]
fn a_damaged_block_is_moved_with_all_it_has() {
    let disk = SimDisk::new();
    let block = Path::new(DATA).join("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    disk.create_dir(&block).unwrap();
    disk.create(&block.join("meta.json")).unwrap().append(b"{").unwrap();
    let error = storage::Error::Corrupt { place: "meta.json".into(), what: "cut".into() };
    let found = move_block(&disk, Path::new(DATA), &block, &error).unwrap();
    assert!(!disk.exists(&block));
    assert_eq!(disk.read_at(&found.dir.join("meta.json"), 0, 9).unwrap(), b"{");
    let wanted = Quarantined {
        dir: Path::new(DATA).join("quarantine/01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        what: error.to_string().into(),
        loss: Loss { num_samples: 0, range: None, damaged_bytes: 1 },
    };
    assert_eq!(found, wanted);
    assert_eq!(list(&disk, Path::new(DATA)).unwrap(), [wanted]);
}

//! Tests of what is found of a place after each way to end.

use super::*;
use disk::SimDisk;

const LOG: &str = "log";

fn at(offset: u64) -> Position {
    Position { segment: 0, offset }
}

/// A disk with a log of a hundred bytes, and the files of a queue there.
fn files() -> (SimDisk, PlaceFiles) {
    let disk = SimDisk::new();
    disk.create_dir(Path::new(LOG)).expect("created");
    disk.create_dir(Path::new("dir")).expect("created");
    let mut segment = disk.create(&wal::segment_path(Path::new(LOG), 0)).expect("created");
    segment.append(&[0; 100]).expect("written");
    let files = PlaceFiles::new(Arc::new(disk.clone()), Path::new("dir"), "key");
    (disk, files)
}

fn read(files: &PlaceFiles) -> Option<Place> {
    files.read(Path::new(LOG)).expect("read")
}

#[test]
fn the_newer_of_both_counts_unless_it_is_torn_or_behind_the_log() {
    let (disk, files) = files();
    assert_eq!(read(&files), None);
    let ledger = Ledger::new(at(10), Some(3));
    files.save(&ledger).expect("saved");
    assert_eq!(read(&files), Some(Place { position: at(10), shards: 3 }));
    for offset in [20, 30] {
        ledger.begin(at(offset), 0);
        files.note(&ledger);
        assert_eq!(read(&files), Some(Place { position: at(offset), shards: 3 }));
    }
    let hasty = Path::new("dir/key.acknowledged");
    let mut torn = disk.open_append(hasty, disk.len(hasty).expect("there")).expect("opened");
    torn.write_at(28, b"99").expect("written");
    assert_eq!(read(&files), Some(Place { position: at(10), shards: 3 }));
    ledger.begin(at(101), 0);
    files.note(&ledger);
    assert_eq!(read(&files), Some(Place { position: at(10), shards: 3 }));
    files.save(&ledger).expect("saved");
    assert_eq!(read(&files), None);
    files.forget().expect("forgotten");
    assert!(disk.list(Path::new("dir")).expect("listed").is_empty());
}

#[test]
fn a_line_of_two_numbers_is_a_place_too() {
    let (disk, files) = files();
    disk::write_atomic(&disk, Path::new("dir/key.position"), b"0 77\n").expect("written");
    assert_eq!(read(&files), Some(Place { position: at(77), shards: 0 }));
    disk::write_atomic(&disk, Path::new("dir/key.acknowledged"), b"0 78\n").expect("written");
    assert_eq!(read(&files), Some(Place { position: at(77), shards: 0 }));
}

//! From where a log is read.

use super::Replay;
use crate::{Compression, Writer, WriterOptions, checkpoint};
use disk::{Disk, SimDisk};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "wal";

/// Segments with a record each, which says which one it is.
fn log(segments: RangeInclusive<u8>) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let options = WriterOptions { compression: Compression::None, ..WriterOptions::default() };
    let mut writer = Writer::open(Arc::clone(&disk), Path::new(DIR), options).unwrap();
    for segment in segments {
        if segment > 0 {
            writer.cut().unwrap();
        }
        writer.log(&[&[200, segment]]).unwrap();
    }
    disk
}

fn rest(replay: &mut Replay) -> Vec<u8> {
    let mut found = Vec::new();
    while let Some(record) = replay.next_record().unwrap() {
        found.push(record[1]);
    }
    found
}

/// A crash came between a checkpoint and the removal of what it covers: an image from before begins in a segment that is
/// covered, and all behind it was passed over.
#[test]
fn it_begins_in_a_segment_that_a_checkpoint_covers() {
    let disk = log(0..=6);
    let options = WriterOptions::default();
    checkpoint::create(&disk, Path::new(DIR), 0..=3, options, 0, &mut |_| true).unwrap();
    let mut replay = Replay::open(Arc::clone(&disk), Path::new(DIR)).unwrap();
    assert_eq!((replay.first_segment(), replay.last_segment()), (4, Some(6)));
    assert_eq!(rest(&mut replay), [4, 5, 6]);
    for begin in 0..=6 {
        let mut replay = Replay::open(Arc::clone(&disk), Path::new(DIR)).unwrap();
        replay.begin_at(begin).unwrap();
        assert_eq!(replay.current_segment(), Some(begin));
        assert_eq!(rest(&mut replay), (begin as u8..=6).collect::<Vec<_>>());
        assert_eq!((replay.first_segment(), replay.last_segment()), (begin, Some(6)));
    }
}

#[test]
fn a_checkpoint_comes_first_and_has_no_number() {
    let disk = log(0..=2);
    let options = WriterOptions::default();
    checkpoint::create(&disk, Path::new(DIR), 0..=2, options, 0, &mut |_| true).unwrap();
    let newest = checkpoint::last(&*disk, Path::new(DIR)).unwrap().unwrap();
    for mut replay in [
        Replay::open(Arc::clone(&disk), Path::new(DIR)).unwrap(),
        Replay::of_checkpoint(Arc::clone(&disk), &newest).unwrap(),
    ] {
        assert_eq!((replay.first_segment(), replay.last_segment()), (3, None));
        assert_eq!(replay.current_segment(), None);
        assert_eq!(rest(&mut replay), []);
        assert_eq!(replay.current_segment(), None);
    }
}

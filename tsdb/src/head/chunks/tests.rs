//! Head chunk files: round trips, damage, torn tails, a disk that is full for a while.

use super::{Batch, HeadChunks, locate};
use crate::head::series::{FullChunk, Place};
use chunk::{ChunkMeta, Encoding};
use disk::{Disk, Fault, FaultDisk, SimDisk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE: &str = "chunks_head/000001";

fn meta(min_ms: i64) -> ChunkMeta {
    ChunkMeta { min_ms, max_ms: min_ms + 9, num_samples: 3, encoding: Encoding::Xor }
}

fn files(disk: &Arc<dyn Disk>) -> HeadChunks {
    HeadChunks::new(Arc::clone(disk), PathBuf::from("chunks_head"))
}

fn write(chunks: &HeadChunks, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let mut batch = Batch::default();
    for number in numbers {
        batch.push(number, meta(number as i64 * 10), &[0, 3, number as u8, 77]);
    }
    chunks.write(&batch).unwrap()
}

fn load(disk: &Arc<dyn Disk>) -> (Vec<(u64, FullChunk)>, super::LoadedChunks) {
    let mut all = Vec::new();
    let loaded = files(disk).load(|number, chunk, _| all.push((number, chunk))).unwrap();
    (all, loaded)
}

#[test]
fn chunks_are_read_in_place_and_loaded_again() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let chunks = files(&disk);
    let places = [write(&chunks, 1..4), write(&chunks, 4..6)].concat();
    assert_eq!(places[0], 1 << 32 | 8);
    for (index, &place) in places.iter().enumerate() {
        let views = chunks.views();
        let (bytes, begin, end) = locate(&views, place).unwrap();
        assert_eq!(bytes[begin..end], [0, 3, index as u8 + 1, 77]);
    }
    let (all, loaded) = load(&disk);
    assert_eq!((loaded.num_chunks, loaded.corruption), (5, None));
    for (index, (number, chunk)) in all.into_iter().enumerate() {
        assert_eq!(number, index as u64 + 1);
        assert_eq!(chunk.meta(), meta(number as i64 * 10));
        assert_eq!(chunk.place(), Place::Disk(places[index]));
    }
}

#[test]
fn damage_drops_the_file_and_all_behind_it() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let chunks = files(&disk);
    let places = write(&chunks, 1..4);
    let (new_file, synced) = chunks.begin_file();
    chunks.truncate(Some(1), new_file).and(synced).unwrap();
    write(&chunks, 4..5);
    assert_eq!(disk.list(Path::new("chunks_head")).unwrap(), ["000001", "000002"]);
    sim.corrupt(Path::new(FILE), places[2] as u32 as usize + 27, 1);
    let (all, loaded) = load(&disk);
    assert_eq!((all.len(), loaded.num_chunks), (0, 0));
    let place = format!("{FILE} at {}: checksum mismatch", places[2] as u32);
    assert!(loaded.corruption.unwrap().starts_with(&place));
    assert!(disk.list(Path::new("chunks_head")).unwrap().is_empty());
}

#[test]
fn zeros_end_a_file_and_an_empty_last_file_goes() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    write(&files(&disk), 1..3);
    let len = disk.len(Path::new(FILE)).unwrap();
    disk.open_append(Path::new(FILE), len).unwrap().append(&[0; 5000]).unwrap();
    disk.create(Path::new("chunks_head/000002")).unwrap();
    let (all, loaded) = load(&disk);
    assert_eq!((all.len(), loaded.corruption), (2, None));
    assert_eq!(disk.list(Path::new("chunks_head")).unwrap(), ["000001"]);
}

#[test]
fn a_full_disk_leaves_the_file_whole() {
    let fault = Arc::new(FaultDisk::new(Arc::new(SimDisk::new())));
    let disk: Arc<dyn Disk> = Arc::clone(&fault) as Arc<dyn Disk>;
    let chunks = files(&disk);
    write(&chunks, 1..3);
    fault.set_budget(Some(10));
    let mut batch = Batch::default();
    batch.push(7, meta(1000), &[0, 3, 1]);
    chunks.write(&batch).unwrap_err();
    fault.set_budget(None);
    chunks.write(&batch).unwrap();
    let (all, loaded) = load(&disk);
    assert_eq!((all.len(), loaded.corruption), (3, None));
    assert_eq!(all[2].0, 7);
}

#[test]
fn a_file_is_durable_before_another_is_begun() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let chunks = files(&disk);
    write(&chunks, 1..20);
    chunks.begin_file().1.unwrap();
    write(&chunks, 20..24);
    disk.sync_dir(Path::new("")).unwrap();
    for seed in 0..20 {
        let left: Arc<dyn Disk> = Arc::new(sim.crash(seed));
        let (all, _) = load(&left);
        assert!(all.len() >= 19, "{} are left", all.len());
    }
}

/// Only files that a process had begun itself were flushed before its next one. Behind a kill, the last file of the
/// process before could lose its end in a power cut, a chunk or several, while the next one kept later chunks of the
/// same series: the replay took the samples between them for those of the lost chunk, older than what is there.
#[test]
fn a_file_of_a_killed_process_is_durable_before_another_is_begun() {
    for seed in 0..40 {
        let first = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(first.clone());
        write(&files(&disk), 1..20);
        let second = first.kill();
        let disk: Arc<dyn Disk> = Arc::new(second.clone());
        let chunks = files(&disk);
        chunks.load(|_, _, _| ()).unwrap();
        write(&chunks, 20..24);
        chunks.begin_file().1.unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        let left: Arc<dyn Disk> = Arc::new(second.crash(seed));
        let (all, loaded) = load(&left);
        assert_eq!((all.len(), loaded.corruption), (23, None));
    }
}

/// A file whose flush fails is flushed again before another one lies behind it.
#[test]
fn a_file_that_was_not_flushed_is_tried_again() {
    let sim = SimDisk::new();
    let fault = Arc::new(FaultDisk::new(Arc::new(sim.clone())));
    let disk: Arc<dyn Disk> = Arc::clone(&fault) as Arc<dyn Disk>;
    let chunks = files(&disk);
    write(&chunks, 1..20);
    fault.fail_once(fault.changes(), Fault::Io);
    chunks.begin_file().1.unwrap_err();
    write(&chunks, 20..24);
    disk.sync_dir(Path::new("")).unwrap();
    for seed in 0..40 {
        let left: Arc<dyn Disk> = Arc::new(sim.crash(seed));
        let (all, _) = load(&left);
        assert!(all.len() >= 19, "{} are left", all.len());
    }
}

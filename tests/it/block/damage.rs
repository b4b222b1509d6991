//! Damaged blocks are named and left out, or fail the read that touches the damage; nothing panics.

use super::{Source, copy_dir};
use model::{Labels, Symbols, TimeRange};
use std::path::Path;
use std::sync::Arc;
use storage::{Cancel, Querier, SelectHints, SeriesBatch};
use tests::Scratch;
use tsdb::block::{Block, BlockSet, Ulid, remove_leftovers};
use tsdb::compact::{BlockSpec, write_block};

/// Reads all of a block; the error is that of the first series that cannot be read.
fn read(block: &Arc<Block>) -> storage::Result<usize> {
    let querier = block.querier(TimeRange::ALL);
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel)?;
    let mut batch = SeriesBatch::default();
    let mut columns = chunk::SampleColumns::default();
    let mut samples = 0;
    while set.next_batch(&mut batch)? {
        for series in 0..batch.len() {
            batch.read(series, TimeRange::ALL, &mut columns)?;
            samples += columns.len();
        }
    }
    Ok(samples)
}

#[test]
fn recorded_damage() {
    let Some(shared) = tests::shared() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(shared.join("golden/tsdb/dirs/corrupt")).expect("list") {
        let case = entry.expect("entry").path();
        let name = case.file_name().expect("name").to_string_lossy().into_owned();
        let listing = std::fs::read(case.join("listing.json")).expect("listing");
        let listing: serde_json::Value = serde_json::from_slice(&listing).expect("JSON");
        let scratch = Scratch::new("corrupt");
        copy_dir(&case.join("data"), scratch.path());
        let disk = disk::RealDisk;
        remove_leftovers(&disk, scratch.path()).expect("leftovers");
        let set = BlockSet::open(&disk, scratch.path(), &[]).expect("open");
        for broken in &set.broken {
            let text = broken.error.to_string();
            assert!(text.contains("01"), "{name}: {text}");
        }
        if let Some(error) = listing["error"].as_str() {
            // The original refuses to start and names the block; here it is named and left out.
            assert!(!set.broken.is_empty(), "{name}: {error}");
            for broken in &set.broken {
                let dir = broken.dir.file_name().expect("name").to_string_lossy();
                assert!(error.contains(&*dir) || name.starts_with("ulid"), "{name}: {dir}");
            }
        }
        for block in &set.blocks {
            if let Err(error) = read(block) {
                assert!(!error.to_string().is_empty(), "{name}");
            }
        }
        let leftover = std::fs::read_dir(scratch.path()).expect("list").any(|entry| {
            let file = entry.expect("entry").file_name();
            file.to_string_lossy().ends_with("for-creation")
        });
        assert!(!leftover, "{name}");
        seen += 1;
    }
    assert!(seen >= 47, "{seen}");
}

fn small_block(disk: &dyn disk::Disk, dir: &Path) -> storage::Result<Ulid> {
    let symbols = Symbols::new();
    let series = (0..40)
        .map(|i| {
            let labels = Labels::from_pairs([
                ("__name__", "m".to_owned()),
                ("i", format!("{i:02}")),
                ("j", (i % 3).to_string()),
            ]);
            (labels, vec![(0..20).map(|t| (t * 1000, (t as f64).to_bits())).collect()])
        })
        .collect();
    let ulid = Ulid::new(5, 5);
    let mut source = Source::new(series, &symbols);
    write_block(&mut source, &symbols, &BlockSpec::from_head(0, 100_000), ulid, disk, dir)
        .map(|_| ulid)
}

#[test]
fn no_flipped_byte_panics() {
    let clean = disk::SimDisk::new();
    let dir = Path::new("/data");
    disk::Disk::create_dir(&clean, dir).expect("create");
    let block_dir = dir.join(small_block(&clean, dir).expect("write").to_string());
    let (mut refused, mut total) = (0, 0);
    for file in ["index", "chunks/000001", "tombstones"] {
        let path = block_dir.join(file);
        let len = disk::Disk::len(&clean, &path).expect("length") as usize;
        for offset in (0..len).step_by(7) {
            for mask in [1, 0x80] {
                let damaged = clean.kill();
                damaged.corrupt(&path, offset, mask);
                let outcome =
                    Block::open(&damaged, &block_dir).and_then(|block| read(&Arc::new(block)));
                total += 1;
                refused += usize::from(outcome.is_err());
            }
        }
    }
    assert!(refused * 10 > total * 5, "{refused} of {total} noticed");
}

#[test]
fn a_failed_write_leaves_no_block() {
    let dir = Path::new("/data");
    let mut number = 0;
    loop {
        let inner = disk::SimDisk::new();
        disk::Disk::create_dir(&inner, dir).expect("create");
        disk::Disk::sync_dir(&inner, Path::new("/")).expect("sync");
        let faulty = disk::FaultDisk::new(Arc::new(inner.clone()));
        number += 1;
        faulty.fail_from(number);
        let outcome = small_block(&faulty, dir);
        // Whatever survived the crash is a whole block, or is cleaned up at the next start.
        for seed in 0..3 {
            let after = inner.crash(seed);
            remove_leftovers(&after, dir).expect("leftovers");
            let set = BlockSet::open(&after, dir, &[]).expect("open");
            assert!(set.broken.is_empty(), "operation {number}: {:?}", set.broken);
            for block in &set.blocks {
                assert_eq!(read(block).expect("read"), 800);
            }
            assert!(outcome.is_err() || set.blocks.len() == 1, "operation {number}");
        }
        if outcome.is_ok() {
            break;
        }
        assert!(number < 200);
    }
    assert!(number > 10, "{number}");
}

//! The contract of the disk, held by all its kinds, and the crash model of the simulated one.

use crate::{
    CountedDisk, Disk, Fault, FaultDisk, RealDisk, SimDisk, dir_size, release_views, write_atomic,
};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("disk-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn contract(disk: &dyn Disk, root: &Path) {
    let dir = root.join("a/b");
    disk.create_dir(&dir).unwrap();
    disk.create_dir(&dir).unwrap();
    assert!(disk.is_dir(&dir) && disk.exists(&dir));
    let path = dir.join("file");
    let mut file = disk.create(&path).unwrap();
    assert_eq!(disk.create(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(disk.view(&path).unwrap().is_empty());
    file.append(b"hello ").unwrap();
    file.append(b"world").unwrap();
    file.write_at(0, b"J").unwrap();
    file.sync().unwrap();
    assert_eq!(&disk.view(&path).unwrap()[..], b"Jello world");
    assert_eq!(disk.read_at(&path, 6, 3).unwrap(), b"wor");
    assert_eq!(disk.read_at(&path, 6, 99).unwrap(), b"world");
    assert_eq!(disk.read_at(&path, 99, 9).unwrap(), b"");
    assert_eq!(disk.len(&path).unwrap(), 11);
    drop(file);
    let mut file = disk.open_append(&path, 5).unwrap();
    file.append(b"!").unwrap();
    assert_eq!(&disk.view(&path).unwrap()[..], b"Jello!");
    disk.hard_link(&path, &dir.join("link")).unwrap();
    disk.rename(&path, &dir.join("moved")).unwrap();
    assert_eq!(disk.list(&dir).unwrap(), ["link", "moved"]);
    disk.sync_dir(&dir).unwrap();
    assert_eq!(dir_size(disk, root).unwrap(), 12);
    let aside = dir.join("new");
    disk.create_dir(&aside).unwrap();
    drop(disk.create(&aside.join("x")).unwrap());
    disk.rename(&aside, &root.join("published")).unwrap();
    assert_eq!(disk.list(&root.join("published")).unwrap(), ["x"]);
    disk.remove(&root.join("a")).unwrap();
    let missing = disk.list(&dir).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("a/b"), "{missing}");
    assert_eq!(dir_size(disk, &dir).unwrap(), 0);
    lock_contract(disk, root);
}

fn lock_contract(disk: &dyn Disk, root: &Path) {
    let path = root.join("lock");
    let lock = disk.lock(&path).unwrap();
    assert!(!lock.was_there());
    let second = disk.lock(&path).unwrap_err();
    assert_eq!(second.kind(), ErrorKind::WouldBlock, "{second}");
    drop(lock);
    let lock = disk.lock(&path).unwrap();
    assert!(lock.was_there(), "a dropped lock leaves its file");
    lock.release(disk).unwrap();
    assert!(!disk.exists(&path));
}

#[test]
fn every_disk_holds_the_contract() {
    let scratch = Scratch::new("contract");
    contract(&RealDisk, &scratch.0);
    let written_bytes = metrics::Counter::default();
    let counter = written_bytes.clone();
    let counted = CountedDisk::new(Arc::new(SimDisk::new()), move |_| counter.clone());
    contract(&counted, Path::new("/data"));
    assert_eq!(written_bytes.get(), 13.0, "what the contract appends and overwrites");
    contract(&SimDisk::new(), Path::new("/data"));
    contract(&FaultDisk::new(Arc::new(SimDisk::new())), Path::new("data"));
}

#[test]
fn atomic_write_survives_any_crash_whole() {
    let path = Path::new("d/file");
    for stop in 0.. {
        let sim = SimDisk::new();
        sim.create_dir(Path::new("d")).unwrap();
        sim.sync_dir(Path::new("")).unwrap();
        write_atomic(&sim, path, b"old").unwrap();
        let faulty = FaultDisk::new(Arc::new(sim.clone()));
        faulty.fail_from(stop);
        let outcome = write_atomic(&faulty, path, &[b'n'; 2000]);
        for seed in 0..20 {
            let after = sim.crash(seed).view(path).unwrap();
            let new = after == [b'n'; 2000][..];
            assert!(new || after == b"old"[..], "stop {stop}: torn");
            assert!(new || outcome.is_err(), "stop {stop}: acknowledged and lost");
        }
        if outcome.is_ok() {
            return;
        }
    }
}

#[test]
fn a_crash_loses_cuts_and_tears_what_was_not_synced() {
    let sim = SimDisk::new();
    let mut file = sim.create(Path::new("f")).unwrap();
    file.append(&[1; 1000]).unwrap();
    file.sync().unwrap();
    sim.sync_dir(Path::new("")).unwrap();
    file.append(&[2; 4000]).unwrap();
    let (mut lost, mut cut, mut torn, mut kept) = (0, 0, 0, 0);
    for seed in 0..200 {
        let after = sim.crash(seed).view(Path::new("f")).unwrap();
        assert_eq!(after[..1000], [1; 1000]);
        match after.len() {
            1000 => lost += 1,
            5000 if after[1000..].iter().all(|&b| b == 2) => kept += 1,
            5000 => torn += 1,
            _ => cut += 1,
        }
    }
    assert!(lost > 10 && cut > 10 && torn > 10 && kept > 10, "{lost} {cut} {torn} {kept}");
    drop(sim.create(Path::new("unsynced")).unwrap());
    let there = (0..50).filter(|&s| sim.crash(s).exists(Path::new("unsynced"))).count();
    assert!((1..50).contains(&there), "an unsynced name may or may not be there");
    assert!(sim.kill().exists(Path::new("unsynced")));
}

#[test]
fn faults_come_when_told() {
    let sim = SimDisk::new();
    let disk = FaultDisk::new(Arc::new(sim));
    let path = Path::new("f");
    let mut file = disk.create(path).unwrap();
    disk.fail_once(disk.changes() + 1, Fault::Io);
    file.append(b"abcd").unwrap();
    assert_eq!(file.append(b"efgh").unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(&disk.view(path).unwrap()[..], b"abcdef");
    disk.set_budget(Some(3));
    let full = file.append(b"ghijk").unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    assert_eq!(&disk.view(path).unwrap()[..], b"abcdefghi");
    disk.set_budget(None);
    let mut file = disk.open_append(path, 4).unwrap();
    file.append(b"!").unwrap();
    assert_eq!(&disk.view(path).unwrap()[..], b"abcd!");
    disk.fail_from(disk.changes());
    assert!(file.sync().is_err() && disk.remove(path).is_err());
}

/// The bytes of a view that are in the memory of this process.
fn resident_bytes(view: &[u8]) -> u64 {
    let begin = format!("{:x}-", view.as_ptr() as usize);
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let lines = maps.lines().skip_while(|line| !line.starts_with(&begin));
    let rss = lines.skip(1).find_map(|line| line.strip_prefix("Rss:")).unwrap();
    rss.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn pages_of_views_are_given_back_and_read_again() {
    let dir = Scratch::new("release");
    let path = dir.0.join("f");
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| ((n * 7) >> 3) as u8).collect();
    RealDisk.create(&path).unwrap().append(&content).unwrap();
    let view = RealDisk.view(&path).unwrap();
    assert_eq!(view, content);
    assert!(resident_bytes(&view) >= 1_000_000);
    let clone = view.slice(5000..);
    drop(RealDisk.view(&path).unwrap());
    assert!(release_views() >= 1_000_000);
    assert_eq!(resident_bytes(&view), 0);
    assert_eq!(clone, content[5000..]);
    assert!(resident_bytes(&view) > 900_000);
}

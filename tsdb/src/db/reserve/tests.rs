//! When the reserve goes and when it comes back.

use super::{Step, fill, next_step};
use disk::{Disk, FaultDisk, SimDisk, Space};
use std::path::Path;
use std::sync::Arc;

const MIB: u64 = 1 << 20;

#[test]
fn steps_by_room() {
    let step = |free_mib: u64, has_reserve| {
        let space = Space { total_bytes: 1000 * MIB, free_bytes: free_mib * MIB };
        next_step(space, has_reserve, 64 * MIB, 100 * MIB)
    };
    assert_eq!(step(500, true), Step::Rest);
    assert_eq!(step(500, false), Step::Refill);
    // Not as soon as it fits: it would go and come in turn.
    assert_eq!(step(200, false), Step::Rest);
    assert_eq!(step(99, true), Step::Retain);
    assert_eq!(step(15, true), Step::Release);
    assert_eq!(step(15, false), Step::Retain);
    let space = Space { total_bytes: MIB, free_bytes: 0 };
    assert_eq!(next_step(space, false, 0, 0), Step::Rest);
}

#[test]
fn half_a_reserve_is_none() {
    let disk = FaultDisk::new(Arc::new(SimDisk::new()));
    disk.set_size(10 * MIB, 3 * MIB);
    let path = Path::new("reserve");
    assert!(fill(&disk, path, 4 * MIB).is_err());
    assert!(!disk.exists(path));
    assert_eq!(disk.space(path).unwrap().unwrap().free_bytes, 3 * MIB);
    fill(&disk, path, 2 * MIB + 5).unwrap();
    assert_eq!(disk.len(path).unwrap(), 2 * MIB + 5);
    assert_eq!(disk.space(path).unwrap().unwrap().free_bytes, MIB - 5);
}

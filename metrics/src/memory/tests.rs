//! What `memory` promises: the least limit wins.

use super::limit;
use std::path::Path;

fn of(files: &[(&str, &str)]) -> Option<u64> {
    let read = |path: &Path| {
        let file = files.iter().find(|(name, _)| Path::new(name) == path)?;
        Some(file.1.to_owned())
    };
    limit(&read)
}

#[test]
fn the_least_limit_wins() {
    const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\n");
    const OWN: (&str, &str) = ("/proc/self/cgroup", "0::/a.slice/b.service\n");
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[MACHINE]), Some(2048 * 1024));
    assert_eq!(of(&[MACHINE, ("/sys/fs/cgroup/memory.max", "max\n")]), Some(2048 * 1024));
    assert_eq!(of(&[MACHINE, ("/sys/fs/cgroup/memory.max", "1000000\n")]), Some(1_000_000));
    let first = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n");
    assert_eq!(of(&[MACHINE, first]), Some(5000));
    let inner = ("/sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
    let outer = ("/sys/fs/cgroup/a.slice/memory.max", "7000\n");
    assert_eq!(of(&[MACHINE, OWN, inner, outer]), Some(7000));
}

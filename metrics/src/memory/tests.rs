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

/// In the first version a group below the root had no say: the machine's memory was taken for the server's, which was
/// killed for it.
#[test]
fn groups_of_the_first_version_bind_as_those_of_the_second() {
    let own =
        ("/proc/self/cgroup", "9:name=systemd:/x\n5:cpu,cpuacct:/y\n4:memory:/pods/a\n0::/\n");
    let inner = ("/sys/fs/cgroup/memory/pods/a/memory.limit_in_bytes", "9223372036854771712\n");
    let outer = ("/sys/fs/cgroup/memory/pods/memory.limit_in_bytes", "3000\n");
    let other = ("/sys/fs/cgroup/memory/y/memory.limit_in_bytes", "1\n");
    assert_eq!(of(&[own, inner, outer, other]), Some(3000));
    assert_eq!(of(&[own, inner]), Some(9_223_372_036_854_771_712));
}

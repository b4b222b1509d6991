//! How much memory this process may use: that of the machine, or less if its control group says so. Linux only.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of memory that this process may use; `None` where nobody tells.
#[must_use]
pub fn memory_limit_bytes() -> Option<u64> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    limit(&read)
}

/// Bytes of memory that only this process has, mapped files left out: what it must keep, where the system may take
/// files back. Zero where nobody tells.
#[must_use]
pub fn private_memory_bytes() -> u64 {
    (crate::process::status_number("RssAnon:") * 1024.0) as u64
}

/// The least of all limits that `read` finds in the files of the system.
fn limit(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    let own = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    // Inside a container the own group is the root of what is mounted, whatever its name outside.
    let mut files = vec![
        PathBuf::from("/sys/fs/cgroup/memory.max"),
        PathBuf::from("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ];
    if let Some(group) = own.lines().find_map(|line| line.strip_prefix("0::/")) {
        // The groups around it bind, too.
        let groups = Path::new(group).ancestors().filter(|group| *group != Path::new(""));
        files
            .extend(groups.map(|group| Path::new("/sys/fs/cgroup").join(group).join("memory.max")));
    }
    let groups = files.iter().filter_map(|file| read(file)?.trim().parse().ok());
    machine.into_iter().chain(groups).min()
}

/// The memory of the machine.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

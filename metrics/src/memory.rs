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

/// Bytes of files that are in the memory of this process because it has read them where they are mapped: views of the
/// database, the program itself. Zero where nobody tells.
#[must_use]
pub fn mapped_memory_bytes() -> u64 {
    (crate::process::status_number("RssFile:") * 1024.0) as u64
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
    for (group, root, file) in own.lines().filter_map(group) {
        // The groups around it bind, too.
        let groups = Path::new(group).ancestors().filter(|group| *group != Path::new(""));
        files.extend(groups.map(|group| Path::new(root).join(group).join(file)));
    }
    let groups = files.iter().filter_map(|file| read(file)?.trim().parse().ok());
    machine.into_iter().chain(groups).min()
}

/// A group of this process by its line in the list of its groups, with the directory of such groups and the name of the
/// file that says how much memory one may use. The second version of control groups has one hierarchy without controllers
/// in its line, the first one hierarchy for memory.
fn group(line: &str) -> Option<(&str, &'static str, &'static str)> {
    let (_, line) = line.split_once(':')?;
    let (controllers, path) = line.split_once(":/")?;
    if controllers.is_empty() {
        return Some((path, "/sys/fs/cgroup", "memory.max"));
    }
    let is_memory = controllers.split(',').any(|controller| controller == "memory");
    is_memory.then_some((path, "/sys/fs/cgroup/memory", "memory.limit_in_bytes"))
}

/// The memory of the machine.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

//! What the operating system knows of this process, under the names of client_golang. Read from /proc; where that is
//! absent the metrics are absent.

use crate::Registry;
use std::fs;

/// Clock ticks of /proc: fixed at 100 a second for user space on every Linux architecture we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Declares `process_*`, `prometheus_build_info` (constant labels, value 1), and of `go_*` what dashboards show and
/// has a meaning here.
pub fn register_process(registry: &Registry, build_info: &[(&str, &str)]) {
    let (names, values): (Vec<&str>, Vec<&str>) = build_info.iter().copied().unzip();
    let help = "A metric with a constant '1' value labeled by version, revision, branch, goversion from which \
        prometheus was built, and the goos and goarch for the build.";
    registry.gauge_vec("prometheus_build_info", help, &names).with(&values).set(1.0);
    let go_version = build_info.iter().find(|(name, _)| *name == "goversion");
    registry
        .gauge_vec("go_info", "Information about the Go environment.", &["version"])
        .with(&[go_version.map_or("", |(_, version)| version)])
        .set(1.0);
    if !fs::exists("/proc/self/stat").unwrap_or(false) {
        return;
    }
    registry.counter_fn(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        || (stat_field(14) + stat_field(15)) / TICKS_PER_SECOND,
    );
    registry.gauge_fn("process_open_fds", "Number of open file descriptors.", || {
        fs::read_dir("/proc/self/fd").map_or(0.0, |entries| entries.count() as f64)
    });
    registry.gauge_fn("process_max_fds", "Maximum number of open file descriptors.", || {
        limit("Max open files")
    });
    registry.gauge_fn("process_virtual_memory_bytes", "Virtual memory size in bytes.", || {
        stat_field(23)
    });
    registry.gauge_fn(
        "process_virtual_memory_max_bytes",
        "Maximum amount of virtual memory available in bytes.",
        || limit("Max address space"),
    );
    registry.gauge_fn("process_resident_memory_bytes", "Resident memory size in bytes.", || {
        status_number("VmRSS:") * 1024.0
    });
    for (name, help, field) in [
        (
            "process_network_receive_bytes_total",
            "Number of bytes received by the process over the network.",
            "InOctets",
        ),
        (
            "process_network_transmit_bytes_total",
            "Number of bytes sent by the process over the network.",
            "OutOctets",
        ),
    ] {
        registry.counter_fn(name, help, move || network_number(field));
    }
    register_go(registry);
    let start = boot_seconds() + stat_field(22) / TICKS_PER_SECOND;
    registry.gauge_fn(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        move || start,
    );
}

/// Declares what of the runtime of Go has a counterpart.
fn register_go(registry: &Registry) {
    for (name, help) in [
        ("go_goroutines", "Number of goroutines that currently exist."),
        ("go_threads", "Number of OS threads created."),
    ] {
        registry.gauge_fn(name, help, || status_number("Threads:"));
    }
    for (name, help) in [
        (
            "go_memstats_alloc_bytes",
            "Number of bytes allocated in heap and currently in use. Equals to /memory/classes/heap/objects:bytes.",
        ),
        (
            "go_memstats_heap_alloc_bytes",
            "Number of heap bytes allocated and currently in use, same as go_memstats_alloc_bytes. Equals to \
             /memory/classes/heap/objects:bytes.",
        ),
        (
            "go_memstats_heap_inuse_bytes",
            "Number of heap bytes that are in use. Equals to /memory/classes/heap/objects:bytes + \
             /memory/classes/heap/unused:bytes",
        ),
    ] {
        // Private memory of the process, mapped files left out: what its heap holds.
        registry.gauge_fn(name, help, || status_number("RssAnon:") * 1024.0);
    }
    registry.gauge_fn(
        "go_memstats_sys_bytes",
        "Number of bytes obtained from system. Equals to /memory/classes/total:byte.",
        || status_number("VmData:") * 1024.0,
    );
}

/// Field `number` of /proc/self/stat, counted from one as in proc(5); zero if it cannot be read.
fn stat_field(number: usize) -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, field two, may hold spaces; nothing after its closing bracket does.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_ascii_whitespace().nth(number - 3).and_then(|f| f.parse().ok()).unwrap_or(0.0)
}

fn boot_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0.0)
}

/// The soft limit of this name in /proc/self/limits, with "unlimited" as the largest number of 64 bits.
fn limit(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    match line.split_ascii_whitespace().next() {
        Some("unlimited") => u64::MAX as f64,
        Some(number) => number.parse().unwrap_or(0.0),
        None => 0.0,
    }
}

/// The number behind `name` in /proc/self/status; sizes are in KiB.
pub(crate) fn status_number(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_ascii_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

/// A number of the IP statistics of the network that the process sees.
fn network_number(field: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/net/netstat").unwrap_or_default();
    column(&text, "IpExt:", field).unwrap_or(0.0)
}

/// The number below `field` in the pair of lines that begin with `prefix`: names, then values.
fn column(text: &str, prefix: &str, field: &str) -> Option<f64> {
    let mut lines = text.lines().filter(|line| line.starts_with(prefix));
    let names = lines.next()?.split_ascii_whitespace();
    let values = lines.next()?.split_ascii_whitespace();
    let (_, value) = names.zip(values).find(|(name, _)| *name == field)?;
    value.parse().ok()
}

#[cfg(test)]
mod tests;

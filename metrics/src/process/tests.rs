//! Tests that the facts are plausible for the process that runs them.

use super::*;

#[test]
fn facts_are_plausible() {
    let registry = Registry::new();
    register_process(&registry, &[("version", "1.2.3")]);
    let mut text = String::new();
    registry.encode_text(&mut text);
    assert!(text.contains("\nprometheus_build_info{version=\"1.2.3\"} 1\n"));
    if !fs::exists("/proc/self/stat").expect("stat") {
        return;
    }
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().parse().expect(name)
    };
    assert!(value("process_resident_memory_bytes ") > 100_000.0);
    assert!(value("process_virtual_memory_bytes ") >= value("process_resident_memory_bytes "));
    assert!(value("process_open_fds ") >= 3.0);
    assert!(value("process_max_fds ") >= value("process_open_fds "));
    assert!(value("process_start_time_seconds ") > 1.6e9);
    assert!(value("process_cpu_seconds_total ") >= 0.0);
}

#[test]
fn numbers_stand_below_their_names() {
    let text = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InPkts InOctets\nIpExt: 3 44\n";
    assert_eq!(column(text, "IpExt:", "InOctets"), Some(44.0));
    assert_eq!(column(text, "TcpExt:", "B"), Some(2.0));
    assert_eq!(column(text, "IpExt:", "OutOctets"), None);
    assert_eq!(column("", "IpExt:", "InOctets"), None);
}

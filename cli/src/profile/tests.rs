//! What the kernel tells of mappings, and a profile of this very process.

use super::*;

#[test]
fn mappings_are_summed_by_kind_and_name() {
    let text = "55d0-55d1 r--p 00000000 fe:00 1 /bin/with space\nSize: 8 kB\nRss: 4 kB\nVmFlags: rd\n\
        55d1-55d2 r-xp 00001000 fe:00 1 /bin/with space\nRss: 8 kB\n\
        7f00-7f01 rw-p 00000000 00:00 0\nRss: 16 kB\n7f02-7f03 rw-p 00000000 00:00 0 [stack]\nRss: 4 kB\n\
        7f04-7f05 r--p 00000000 fe:00 2 /unused\nRss: 0 kB\n";
    let key = |kind, name: &str| (kind, name.to_owned());
    let expected = BTreeMap::from([
        (key("anonymous memory", "[stack]"), 4096),
        (key("anonymous memory", "allocator"), 16_384),
        (key("mapped files", "/bin/with space"), 12_288),
    ]);
    assert_eq!(mappings(text), expected);
}

#[test]
fn this_process_uses_memory() {
    let profile = ProcessProfiler::default().memory().unwrap();
    let bytes: i64 = profile.samples.iter().map(|sample| sample.values[0]).sum();
    assert!(bytes > 1 << 20, "{bytes}");
}

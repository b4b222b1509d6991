//! What files are for.

use super::{FILE_KINDS, kind_of};
use std::path::Path;

#[test]
fn files_are_told_apart_by_their_place() {
    let cases = [
        ("wal/00000012", "log"),
        ("wal/checkpoint.00000011.tmp/00000000", "checkpoint"),
        ("chunks_head/000001", "head_chunks"),
        ("head_image.tmp/00000000", "head_image"),
        ("wbl/00000000", "late_log"),
        ("01HFJ6ZK5QJ9Z3V0D1N7RM2XYA.tmp-for-creation/chunks/000001", "block"),
        ("01HFJ6ZK5QJ9Z3V0D1N7RM2XYA/tombstones.tmp", "block"),
        ("unclean_starts.tmp", "other"),
        ("quarantine/1-segment/damaged", "other"),
    ];
    for (path, kind) in cases {
        assert_eq!(kind_of(Path::new("/data"), &Path::new("/data").join(path)), kind, "{path}");
        assert!(FILE_KINDS.contains(&kind));
    }
}

//! Which bound a query meets.

use super::{Bound, Memory, MemoryPool};
use std::sync::Arc;

const MIB: usize = 1 << 20;

/// In a control group of 1 GiB, where five million series took what they may, a query over all of them ended the server.
#[test]
fn queries_take_no_more_than_the_server_has_left_but_for_a_little() {
    let pool = MemoryPool::new(1 << 30, Some(Arc::new(|bytes| bytes <= 40 << 20)));
    let small = Memory::new(pool.clone(), 0);
    small.take(12 * MIB).expect("queries always have that");
    let large = Memory::new(pool.clone(), 0);
    large.take(36 * MIB).expect("the server has that left");
    let refusal = large.take(50 * MIB).expect_err("too much");
    assert_eq!(refusal.bound, Bound::Server);
    let said = refusal.to_string();
    let wanted = "the query needs at least 86.0MiB of memory, more than the server has left (--storage.tsdb.memory-budget), and others hold 12.0MiB: try again later, or select fewer";
    assert!(said.starts_with(wanted), "{said}");
    drop(large);
    assert_eq!(pool.used_bytes(), 12 << 20, "what was refused is not held");
    let none_left = MemoryPool::new(0, Some(Arc::new(|_| false)));
    let tiny = Memory::new(none_left, 0);
    tiny.take(MIB).expect("little is always taken");
    assert_eq!(tiny.take(16 * MIB).expect_err("too much").bound, Bound::Server);
}

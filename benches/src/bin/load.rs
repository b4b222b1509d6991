//! The load driver: the same work on us and on peers, side by side.
fn main() {}

//! Project chores in one language: `cargo xtask tidy`, `cargo xtask ci`, `cargo xtask conformance`.
fn main() {}

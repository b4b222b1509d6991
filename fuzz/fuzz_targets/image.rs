//! See the function in `targets`.
#![no_main]

#[allow(dead_code, reason = "one of its functions for each program")]
#[path = "../../tests/it/fuzz_seeds/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::image(bytes));

//! Any bytes as a configuration file: an error or a configuration that prints and loads again.
#![no_main]

use cli::config::{Context, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let environment = |_: &str| None;
    let context = Context::new(&environment);
    if let Ok(config) = load(bytes, "fuzzed.yml", &context) {
        let _text = config.to_yaml();
    }
});

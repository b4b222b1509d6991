//! Any bytes as the index of a block: an error or an index whose parts can be asked for, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tsdb::index::IndexReader;

fuzz_target!(|bytes: &[u8]| {
    let Ok(index) = IndexReader::open(bytes.to_vec().into(), "fuzzed") else { return };
    let _all = index.all();
    let names: Vec<String> = index.names().take(16).map(str::to_owned).collect();
    for name in names {
        let _list = index.list(&name, "x");
    }
    for reference in 0..8 {
        let _text = index.symbol(reference);
    }
});

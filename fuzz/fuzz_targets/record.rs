//! Any bytes as a record of the log: an error or rows, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wal::record::{self, Histograms, Samples, Tombstones};

fuzz_target!(|bytes: &[u8]| {
    let _kind = record::kind(bytes);
    if let Ok(rows) = record::decode_series(bytes) {
        let _count = rows.iter().count();
    }
    let _samples = record::decode_samples(bytes, &mut Samples::default());
    if let Ok(rows) = record::decode_exemplars(bytes) {
        let _count = rows.iter().count();
    }
    let _metadata = record::decode_metadata(bytes, &mut Vec::new());
    let _histograms = record::decode_histograms(bytes, &mut Histograms::default());
    let _stones = record::decode_tombstones(bytes, &mut Tombstones::default());
});

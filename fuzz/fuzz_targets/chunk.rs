//! Any bytes as a chunk of any announced length: an error or columns, no panic, no more samples than announced.
#![no_main]

use chunk::{ChunkMeta, Encoding, SampleColumns, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (num_samples, data) = input;
    for encoding in [Encoding::Raw, Encoding::Xor] {
        let num_samples = u32::from(num_samples);
        let meta = ChunkMeta { min_ms: 0, max_ms: 0, num_samples, encoding };
        let mut columns = SampleColumns::default();
        let decoded = decode(meta, data, &mut columns);
        assert!(columns.len() <= num_samples as usize);
        assert!(decoded.is_err() || columns.len() == num_samples as usize);
    }
});

//! Any bytes as a chunk of any announced length: an error or columns, no panic, no more samples than announced.
#![no_main]

use chunk::{ChunkMeta, Encoding, SampleColumns, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (num_samples, data) = input;
    let on_disk = (1..=6).filter_map(Encoding::from_disk);
    for encoding in on_disk.chain([Encoding::Raw, Encoding::RawHistogram]) {
        let num_samples = u32::from(num_samples);
        let meta = ChunkMeta { min_ms: 0, max_ms: 0, num_samples, encoding };
        let mut columns = SampleColumns::default();
        let decoded = decode(meta, data, &mut columns);
        let count = columns.len() + columns.histograms.len();
        assert!(count <= num_samples as usize);
        assert!(decoded.is_err() || count == num_samples as usize);
        let exact = chunk::exact::decode(meta, data, &mut Vec::new());
        assert_eq!(exact.is_ok(), decoded.is_ok());
    }
});

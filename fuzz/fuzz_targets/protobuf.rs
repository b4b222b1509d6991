//! Any bytes as a protobuf exposition, under options that its first byte chooses: the parser ends.
#![no_main]

use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{Entry, ParseOptions, Parser, ProtobufParser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let options = ParseOptions {
        start_timestamps: choice & 1 != 0,
        convert_classic: choice & 2 != 0,
        keep_classic: choice & 4 != 0,
        ignore_native: choice & 8 != 0,
    };
    let mut parser = ProtobufParser::new(body, options);
    let mut labels = LabelBuffer::default();
    while let Ok(Some(entry)) = parser.next() {
        if let Entry::Sample(sample) | Entry::Histogram(sample) = entry {
            split_series(sample.series, &Declared::default(), &mut labels);
        }
        if let Some(exemplar) = parser.exemplar(0) {
            exemplar.labels(&mut labels);
        }
    }
});

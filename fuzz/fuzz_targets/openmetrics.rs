//! Any bytes as OpenMetrics, with and without start timestamps and conversion: the parser ends, and what it gives out
//! can be split into labels.
#![no_main]

use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{ConvertClassic, Entry, OpenMetricsParser, ParseOptions, Parser};
use libfuzzer_sys::fuzz_target;

fn read(mut parser: impl Parser) {
    let mut labels = LabelBuffer::default();
    while let Ok(Some(entry)) = parser.next() {
        if let Entry::Sample(sample) | Entry::Histogram(sample) = entry {
            split_series(sample.series, &Declared::default(), &mut labels);
        }
        if let Some(exemplar) = parser.exemplar(0) {
            exemplar.labels(&mut labels);
        }
    }
}

fuzz_target!(|body: &[u8]| {
    let options = ParseOptions { start_timestamps: true, ..ParseOptions::default() };
    read(OpenMetricsParser::new(body, ParseOptions::default()));
    read(OpenMetricsParser::new(body, options));
    read(ConvertClassic::new(OpenMetricsParser::new(body, options), options));
});

//! Any bytes as a text exposition: the parser ends, with entries or with an error that names a line.
#![no_main]

use expfmt::{ConvertClassic, ParseOptions, Parser, TextParser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let mut parser = TextParser::new(body);
    while let Ok(Some(_)) = parser.next_entry() {}
    assert!(parser.position() <= body.len());
    let mut converted = ConvertClassic::new(TextParser::new(body), ParseOptions::default());
    while let Ok(Some(_)) = converted.next() {}
});

//! Any bytes as a text exposition: the parser ends, with entries or with an error that names a line.
#![no_main]

use expfmt::TextParser;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let mut parser = TextParser::new(body);
    while let Ok(Some(_)) = parser.next() {}
    assert!(parser.position() <= body.len());
});

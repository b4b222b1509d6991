//! Any bytes as a query: no panic; what parses prints to what parses to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use promql::{Features, parse, parse_selector, pretty};

fuzz_target!(|text: &[u8]| {
    let _selector = parse_selector(text);
    let Ok(expr) = parse(text, &Features::ALL) else { return };
    let printed = expr.to_string();
    // Ranges below a millisecond and empty selectors of info() print to what does not parse, as in Prometheus.
    let Ok(again) = parse(&printed, &Features::ALL) else { return };
    assert_eq!(again.to_string(), printed);
    let split = parse(pretty(&expr), &Features::ALL).expect("the pretty form parses if the other does");
    assert_eq!(split.to_string(), printed);
});

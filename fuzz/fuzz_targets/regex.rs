//! Any pattern and text: no panic, and fast paths agree with the same pattern forced through the automaton.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::regex::Regex;

fuzz_target!(|input: (&str, &str)| {
    let (pattern, text) = input;
    let Ok(regex) = Regex::new(pattern) else { return };
    let matched = regex.is_match(text);
    // A word boundary that may match anywhere keeps the pattern out of the fast paths and changes nothing.
    if let Ok(general) = Regex::new(&format!("(?:{pattern})(?:\\b|\\B)")) {
        assert_eq!(general.is_match(text), matched);
    }
    if let Some(prefix) = regex.prefix() {
        assert!(!matched || text.starts_with(prefix));
    }
    if let Some(set) = regex.set_matches() {
        assert_eq!(set.iter().any(|known| **known == *text), matched);
    }
    assert_eq!(regex.captures_expand(text, "$0$1${x}$", &mut String::new()), matched);
});

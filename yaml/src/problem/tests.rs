//! Problems as readers see them.

use super::*;

#[test]
fn the_caret_stands_under_the_place() {
    let problem = |line, column, length| Problem::new(Mark { line, column, length }, "wrong");
    let error = Error::new("f", "ab: \u{e9}x\n\tc: d\n", vec![problem(1, 5, 2), problem(2, 2, 99)]);
    let want =
        "f:1:5: wrong\n  1 | ab: \u{e9}x\n    |     ^^\nf:2:2: wrong\n  2 | \tc: d\n    | \t^^^^";
    assert_eq!(error.to_string(), want);
    assert_eq!(Error::whole("f", "gone").to_string(), "f: gone");
}

#[test]
fn near_words_are_suggested() {
    let words = ["scrape_interval", "scrape_timeout", "scheme"];
    assert_eq!(suggest("scrape_intervall", words), Some("scrape_interval"));
    assert_eq!(suggest("shceme", words), Some("scheme"));
    assert_eq!(suggest("targets", words), None);
}

//! Texts that are no JSON, with what Prometheus 3.14 says of them.

use super::*;

#[test]
fn faults_are_told_in_the_words_of_go() {
    for (text, said) in [
        ("{", END),
        ("", END),
        (" ", END),
        ("{\"a\":\"b\"", END),
        ("{\"a\":\"b", END),
        ("{\"a\":\"b\"} x", "invalid character 'x' after top-level value"),
        ("01", "invalid character '1' after top-level value"),
        ("{\"a\":\"b\",}", "invalid character '}' looking for beginning of object key string"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ("{\"a\" \"b\"}", "invalid character '\"' after object key"),
        ("{\"a\":\"b\" \"c\"}", "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{\"a\":\"\u{1}\"}", r"invalid character '\x01' in string literal"),
        ("{\"a\":\"\\q\"}", "invalid character 'q' in string escape code"),
        ("{\"a\":\"\\u12\"}", r#"invalid character '"' in \u hexadecimal character escape"#),
        ("nul", "invalid character ' ' in literal null (expecting 'l')"),
        ("tru", "invalid character ' ' in literal true (expecting 'e')"),
        ("{\"a\":-}", "invalid character '}' in numeric literal"),
        ("{\"a\":1.}", "invalid character '}' after decimal point in numeric literal"),
        ("1e", "invalid character ' ' in exponent of numeric literal"),
        ("\u{ff}", "invalid character '\u{c3}' looking for beginning of value"),
    ] {
        assert_eq!(fault(text.as_bytes()).as_deref(), Some(said), "{text}");
    }
    for good in
        [" null ", "{}", "[ ]", "{\"a\":[1,{\"b\":-1.5e+7},true,false],\"c\":\"\\u00e4\\n\"}"]
    {
        assert_eq!(fault(good.as_bytes()), None, "{good}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = "[".repeat(1_000_000);
    assert_eq!(fault(deep.as_bytes()).as_deref(), Some(END));
}

//! Texts of `entry`.

use super::*;

#[test]
fn help_escapes() {
    let help = r#"back\\slash new\nline quote\" t\t end\"#;
    assert_eq!(unescape_help(help, Escapes::Text), "back\\slash new\nline quote\\\" t\\t end\\");
    assert_eq!(
        unescape_help(help, Escapes::OpenMetrics),
        "back\\slash new\nline quote\" t\\t end\\"
    );
    assert_eq!(unescape_help(help, Escapes::No), help);
}

//! Fast paths against the automaton, expansion of templates; Go's own answers are in the integration tests.

use super::*;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect(pattern)
}

#[test]
fn shapes() {
    assert_eq!(regex("a|bc|(d|e)f").set_matches().map(<[_]>::len), Some(4));
    assert_eq!(regex("foo.*").prefix(), Some("foo"));
    assert_eq!(regex("foo[0-9]+").prefix(), Some("foo"));
    assert!(regex("a.*b.+").set_matches().is_none());
    for pattern in [".*a.+b", "(.*)", "a.*|b.*|cd", "x(a|b|cd.+)?y.*", "(?i)a.*"] {
        assert!(matches!(regex(pattern).shape, Shape::Globs(_)), "{pattern}");
    }
    for pattern in ["a+", "a.*[0-9]+", ".*a.*|.*b.*|.*c.*|.*d.*|.*e.*", "[a-z]?[a-z]?.*"] {
        assert!(matches!(regex(pattern).shape, Shape::General(_)), "{pattern}");
    }
    assert!(matches!(regex("(?i)a").shape, Shape::Set(_)));
    assert_eq!(regex("^(foo|bar)$").set_matches().map(<[_]>::len), Some(2));
}

#[test]
fn prefixes() {
    assert_eq!(
        regex("node_(cpu|disk|cpuset)_.+|up").prefixes(),
        ["node_cpu_", "node_cpuset_", "node_disk_", "up"]
    );
    assert_eq!(regex("abc.*|ab.*|abd").prefixes(), ["ab"]);
    assert_eq!(regex("abc.*|abd.+").prefix(), Some("ab"));
    assert_eq!(regex("\u{e9}a.*|\u{e8}.*").prefix(), None);
    assert_eq!(regex("a.*|.*b").prefixes(), [""]);
    assert_eq!(regex("b|a").prefixes(), ["a", "b"]);
    assert_eq!(regex("ab[0-9]+").prefixes(), ["ab"]);
    assert_eq!(regex("[0-9]+").prefixes(), [""]);
}

#[test]
fn expands_as_go() {
    let expand = |pattern: &str, input: &str, template: &str| {
        let mut out = String::new();
        regex(pattern).captures_expand(input, template, &mut out).then_some(out)
    };
    assert_eq!(expand("(.*)-(.*)", "a-b", "$2$1").as_deref(), Some("ba"));
    assert_eq!(expand("(.*)", "x", "$1y${1}y$$1$").as_deref(), Some("xy$1$"));
    assert_eq!(expand("(?P<n>a)(?P<n>b)?", "a", "${n}${m}").as_deref(), Some("a"));
    assert_eq!(expand("(.*)", "x", "${1").as_deref(), Some("${1"));
    assert_eq!(expand("a|b", "b", "<$0>").as_deref(), Some("<b>"));
    assert_eq!(expand("(a)", "b", "$1"), None);
    assert_eq!(expand("(a)", "a", "$01$9").as_deref(), Some(""));
}

#[test]
fn huge_patterns_are_refused() {
    assert!(matches!(
        Regex::new(r"(\pL{1000})(\pL{1000})(\pL{1000})"),
        Err(RegexError::TooLarge(_))
    ));
    let deep = format!("{}a{}", "(".repeat(5000), ")".repeat(5000));
    assert!(Regex::new(&deep).is_err());
}

proptest::proptest! {
    #[test]
    fn fast_paths_agree_with_the_automaton(
        pattern in r"(a|b|\.\*|\.\+|\.|ab|\(a\|b\)|\(a\.\+\|b\|\.\*c\)\??|\||a\?|\[ab\]|\n|c){0,6}",
        text in r"[ab\nc]{0,8}",
    ) {
        let regex = regex(&pattern);
        let parsed = parse::parse(&format!("^(?s:{pattern})$"), false).expect("parsed before");
        let program = compile(&parsed.hir, &pattern).expect("small");
        proptest::prop_assert_eq!(regex.is_match(&text), program.is_match(text.as_str()), "{}", pattern);
        if regex.is_match(&text) {
            proptest::prop_assert!(text.starts_with(regex.prefix().unwrap_or_default()));
            proptest::prop_assert!(regex.prefixes().iter().any(|prefix| text.starts_with(prefix)));
        }
    }

    #[test]
    fn never_panics(pattern in r"[a-c|()\[\]{}*+?.^$\\0-9,:PQEpxis<>-]{0,24}", text in "[a-c]{0,6}") {
        if let Ok(regex) = Regex::new(&pattern) {
            let _matched = regex.is_match(&text);
            regex.captures_expand(&text, "$1${x}$", &mut String::new());
        }
    }
}

#[test]
fn finders_match_anywhere_and_replace_all() {
    let replaced = |pattern: &str, template: &str, text: &str| {
        Finder::new(pattern).expect("a pattern").replace_all(text, template, 100)
    };
    assert_eq!(replaced("x*", "-", "abc").as_deref(), Some("-a-b-c-"));
    assert_eq!(replaced("a*", "-", "baaac").as_deref(), Some("-b-c-"));
    assert_eq!(replaced("(a)(?P<n>b)", "$2$n$$", "abab").as_deref(), Some("bb$bb$"));
    assert_eq!(replaced("a", "aaaa", &"a".repeat(26)), None);
    let finder = Finder::new("a.b").expect("a pattern");
    assert!(finder.is_match("xa-b") && !finder.is_match("a\nb"));
}

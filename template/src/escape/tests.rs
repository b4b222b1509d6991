//! Pages whose values stand in all kinds of places, and pages that are refused.

use crate::value::text_map;
use crate::{Host, Record, Sample, Template};

struct Nobody;

impl Host for Nobody {
    fn query(&self, _: &str) -> Result<Vec<Sample>, String> {
        Ok(Vec::new())
    }

    fn now_ms(&self) -> i64 {
        0
    }

    fn external_url(&self) -> &str {
        ""
    }

    fn go_on(&self) -> Result<(), String> {
        Ok(())
    }
}

fn page(text: &str) -> String {
    let none: [(&str, &str); 0] = [];
    let params = [("x".to_owned(), "a'b\"<c>&/".to_owned())];
    let data = Record::console(&params, "p", text_map(none));
    match Template::console("p", text, &[]).and_then(|page| page.expand(data, &Nobody)) {
        Ok(text) => text,
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_are_escaped_by_their_place() {
    let cases = [
        ("<p {{ `Title` }}=x {{ `onclick` }}=y>", "<p title=x ZgotmplZ=y>"),
        ("<p a={{ `` }}>", "<p a=ZgotmplZ>"),
        (
            "<a href='/{{ $params.x }}?{{ $params.x }}'>",
            "<a href='/a%27b%22%3cc%3e&amp;/?a%27b%22%3cc%3e%26%2f'>",
        ),
        (
            "<script>x = /{{ $params.x }}/</script>",
            "<script>x = /a\\u0027b\\u0022\\u003cc\\u003e\\u0026\\//</script>",
        ),
        ("<script>x = /{{ `` }}/</script>", "<script>x = /(?:)/</script>"),
        ("<script>x = `${ {{ 1 }} }{{ `$` }}`</script>", "<script>x = `${  1  }\\u0024`</script>"),
        ("<script>x = 1 / {{ 2 }}; // note {{ 3 }}\n</script>", "<script>x = 1 /  2 ; \n</script>"),
        (
            "<script>x = \"</script><script>\"</script>",
            "<script>x = \"\\x3C/script>\\x3Cscript>\"</script>",
        ),
        ("<script type=\"text/x\">{{ `<` }}</script>", "<script type=\"text/x\">&lt;</script>"),
        (
            "<script>{{ args 1 nil 1e-9 }}</script>",
            "<script>{\"arg0\":1,\"arg1\":null,\"arg2\":1e-9}</script>",
        ),
        (
            "<p style=\"color: {{ `red` }}; font: '{{ `a:b` }}'\">",
            "<p style=\"color: red; font: '#ZgotmplZ'\">",
        ),
        ("<p style=\"background: url({{ `a b` }})\">", "<p style=\"background: url(a%20b)\">"),
        ("<style>/* {{ 1 }} */ p {}</style>", "<style>   p {}</style>"),
        ("<p title=\"{{ safeHtml `<b>x</b> &amp; y` }}\">", "<p title=\"x &amp; y\">"),
        ("a < b <!doctype html>", "a &lt; b <!doctype html>"),
        ("{{ `<` | html }}{{ html 1 `<` }}", "&lt;1&lt;"),
        ("<img srcset=\"{{ `/a 1x, javascript:x 2x` }}\">", "<img srcset=\"/a 1x,#ZgotmplZ\">"),
        ("{{ range 2 }}{{ if . }}{{ continue }}{{ end }}<b>{{ end }}", "<b>"),
        (
            "{{ define `t` }}{{ . }}{{ end }}<script>{{ template `t` `x` }}</script>{{ template `t` `<` }}",
            "<script>\"x\"</script>&lt;",
        ),
        (
            "{{ define `t` }}{{ if . }}{{ template `t` }}{{ end }}<i>{{ end }}{{ template `t` 1 }}",
            "<i><i>",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(page(text), wanted, "{text}");
    }
}

#[test]
fn what_cannot_be_escaped_is_refused() {
    let cases = [
        ("<a href='{{ if true }}/x?{{ end }}{{ 1 }}'>", "ambiguous context within a URL"),
        ("<p a=x\"y>", "in unquoted attr"),
        ("<p \"x>", "in attribute name"),
        (
            "<script>{{ if true }}x{{ else }}={{ end }}/ 1</script>",
            "could start a division or regexp",
        ),
        ("<script>x = 'a\\{{ 1 }}'</script>", "unfinished escape sequence in JS string"),
        ("{{ 1 | html | print }}", "predefined escaper \"html\" disallowed in template"),
        ("<a onclick=\"f(&lpar;{{ 1 }})\">", "is not known here"),
        ("{{ range 3 }}<a href=\"{{ end }}", "on range loop re-entry"),
        (
            "{{ define `t` }}{{ template `t` }}<p {{ end }}{{ template `t` }}",
            "cannot compute output context",
        ),
    ];
    for (text, wanted) in cases {
        let got = page(text);
        assert!(got.contains(wanted), "{text}: {got}");
    }
}

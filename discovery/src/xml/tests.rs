//! What `xml` promises, case by case.

use super::*;

#[test]
fn elements_attributes_text() {
    let text = "<?xml version=\"1.0\"?><!-- c --><a x='1 &amp; 2' y = \"z\"> t&#65;<b/><c><![CDATA[<d>]]></c><b>2</b></a>\n";
    let root = parse(text).expect("good");
    assert_eq!((root.attribute("x"), root.attribute("y")), ("1 & 2", "z"));
    assert_eq!(root.text(), "tA");
    assert_eq!(root.at("c").text(), "<d>");
    assert_eq!(root.all("b").map(Element::text).collect::<Vec<_>>(), ["", "2"]);
    assert_eq!(root.at("none").at("none").text(), "");
    // Cut anywhere, it is refused and nothing panics.
    for length in (0..text.len() - 1).filter(|&length| text.is_char_boundary(length)) {
        assert!(parse(&text[..length]).is_err(), "{}", &text[..length]);
    }
    assert!(parse("<a></b>").is_err());
    assert!(parse("<a>&nope;</a>").is_err());
    assert!(parse(&"<a>".repeat(100_000)).is_err());
}

#[test]
fn damaged_documents_do_no_harm() {
    let seeds = [
        "<a x='1 &amp; 2'> t&#65;&#x10ffff;<b/><c><![CDATA[<d>]]></c><!-- c --></a>",
        "<?xml version=\"1.0\"?><applications><application><name>A</name></application></applications>",
    ];
    let seeds = seeds.map(|text| text.as_bytes().to_vec());
    ::tests::mutate::mutations(&seeds, 20_000, |bytes| {
        let _parsed = parse(&String::from_utf8_lossy(bytes));
    });
}

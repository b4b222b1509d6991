//! Tests of the merge of URL and form and of malformed pairs.

use super::*;

fn read(query: &str, content_type: &str, body: &str) -> Params {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, content_type.parse().expect("header"));
    Params::read(query, &headers, body.as_bytes())
}

const FORM: &str = "Application/x-www-form-urlencoded; charset=utf-8";

#[test]
fn form_comes_first_and_lists_add_up() {
    let params = read("a=2&m[]=x&b=%C3%BC+%2B", FORM, "a=1&m[]=y");
    assert_eq!((params.get("a"), params.get("b"), params.get("c")), ("1", "\u{fc} +", ""));
    assert_eq!(params.all("m[]").collect::<Vec<_>>(), ["y", "x"]);
    assert_eq!(params.insist(), Ok(()));
    assert_eq!(read("a=2", "text/plain", "a=1").get("a"), "2");
}

#[test]
fn malformed_pairs_are_dropped_and_remembered() {
    let text = |params: &Params| params.insist().expect_err("malformed").text;
    let params = read("a=%zz&b=1", FORM, "");
    assert_eq!((params.get("a"), params.get("b")), ("", "1"));
    assert_eq!(text(&params), "error parsing form values: invalid URL escape \"%zz\"");
    let params = read("a=1;b=2&c=3", FORM, "");
    assert_eq!((params.get("a"), params.get("c")), ("", "3"));
    assert_eq!(text(&params), "error parsing form values: invalid semicolon separator in query");
    assert_eq!(text(&read("a=%", FORM, "")), "error parsing form values: invalid URL escape \"%\"");
}

#[test]
fn multipart_forms_come_after_the_url() {
    let body = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\n\
        Content-Disposition: form-data; name=\"b\"\r\n\r\n2\r\n--B--\r\n";
    let params = read("a=9", "multipart/form-data; boundary=B", body);
    assert_eq!((params.get("a"), params.get("b")), ("9", "2"));
    assert_eq!(read("", "multipart/form-data; boundary=B", &body[..90]).get("a"), "");
    assert_eq!(read("", "multipart/form-data", body).get("a"), "");
}

#[test]
fn limits() {
    let limit = |text: &str| read(&format!("limit={text}"), FORM, "").limit().map_err(|e| e.text);
    assert_eq!(limit(""), Ok(0));
    assert_eq!(limit("%2B01"), Ok(1));
    let expect = "invalid parameter \"limit\": limit must be non-negative";
    assert_eq!(limit("-1"), Err(expect.to_owned()));
    let expect = "invalid parameter \"limit\": strconv.Atoi: parsing \"0x1\": invalid syntax";
    assert_eq!(limit("0x1"), Err(expect.to_owned()));
    assert!(limit("99999999999999999999").expect_err("huge").ends_with("value out of range"));
}

//! What `head` promises, case by case.

use super::*;

fn head(text: &str) -> Head {
    let bytes = format!("{text}\r\n\r\nrest");
    for length in 0..bytes.len() - 4 {
        assert_eq!(parse(&bytes.as_bytes()[..length]), Ok(None), "{text}: {length}");
    }
    let (head, length) = parse(bytes.as_bytes()).expect("a good head").expect("whole");
    assert_eq!(length, bytes.len() - 4);
    head
}

#[test]
fn what_matters_is_read() {
    let text = "HTTP/1.1 200 Fine\r\ncontent-TYPE: text/plain\r\nContent-Type: other\r\nContent-Encoding: gzip\r\n\
                Location: /x\r\nContent-Length: 12";
    let expected = Head {
        status: 200,
        reason: "Fine".into(),
        content_type: "text/plain".into(),
        location: Some(HeaderValue::from_static("/x")),
        is_gzip: true,
        framing: Framing::Length(12),
        goes_on: true,
    };
    assert_eq!(head(text), expected);
}

#[test]
fn bodies_end_as_they_are_told_to() {
    for (text, framing, goes_on) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 7", Framing::Length(7), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 7", Framing::Length(7), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: x, Close", Framing::Length(7), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 7", Framing::Length(7), false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 7\r\nConnection: Keep-Alive",
            Framing::Length(7),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 7",
            Framing::Chunked,
            true,
        ),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", Framing::UntilEnd, false),
        ("HTTP/1.1 200 OK\r\nX: y", Framing::UntilEnd, false),
        ("HTTP/1.1 204 No Content\r\nX: y", Framing::Length(0), true),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x", Framing::Length(0), false),
    ] {
        let head = head(text);
        assert_eq!((head.framing, head.goes_on), (framing, goes_on), "{text}");
        assert!(!head.is_interim());
    }
    assert!(head("HTTP/1.1 103 Early Hints\r\nX: y").is_interim());
}

#[test]
fn bad_heads_are_named_as_in_go() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
    for (text, said) in [
        ("\u{15}\u{3}\u{1}\r\n", "malformed HTTP response \"\\x15\\x03\\x01\""),
        ("hello you\r\n\r\n", "malformed HTTP status code \"you\""),
        ("HTTP/1.1 2x0 OK\r\n\r\n", "malformed HTTP status code \"2x0\""),
        ("HTTP/7.1 200 OK\r\n\r\n", "malformed HTTP version \"HTTP/7.1\""),
        ("HTTP/1.1 200 OK\r\nA: b\r\nbad header\r\n\r\n", "malformed MIME header line: bad header"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad Content-Length \"-1\""),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "http: message cannot contain multiple Content-Length headers",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "unsupported transfer encoding: \"gzip\"",
        ),
        (&many, "too many headers"),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(said.into()), "{text}");
    }
}

//! What `assertion` promises, case by case.

use super::*;

/// A key made for these tests, and what `openssl dgst -sign` makes with it.
const PEM: &[u8] = include_bytes!("tests/key.pem");

#[test]
fn signatures_are_those_of_others() {
    let key = RsaKey::from_pem("key", PEM).expect("a key");
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let signed = hex(key.sign(Algorithm::Rs256, b"firesteel").expect("a signature"));
    assert_eq!(signed, include_str!("tests/firesteel.rs256").trim());
    let signed = hex(key.sign(Algorithm::Rs512, b"firesteel").expect("a signature"));
    assert_eq!(signed, include_str!("tests/firesteel.rs512").trim());
}

#[test]
fn tokens_have_three_parts() {
    let key = RsaKey::from_pem("key", PEM).expect("a key");
    let token = key.token(Algorithm::Rs384, "k1", &json!({"iss": "me"})).expect("a token");
    let parts: Vec<&str> = token.split('.').collect();
    let text = |part: &str| {
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("UTF-8")
    };
    let header: Value = serde_json::from_str(&text(parts[0])).expect("JSON");
    assert_eq!(header, json!({"alg": "RS384", "kid": "k1", "typ": "JWT"}));
    assert_eq!(text(parts[1]), r#"{"iss":"me"}"#);
    let message = format!("{}.{}", parts[0], parts[1]);
    let signature = key.sign(Algorithm::Rs384, message.as_bytes()).expect("a signature");
    assert_eq!(parts[2], URL_SAFE_NO_PAD.encode(signature));
}

#[test]
fn what_is_no_key_is_refused() {
    let refused = |pem: &[u8]| RsaKey::from_pem("f.pem", pem).expect_err("refused").to_string();
    assert_eq!(refused(b"hello"), "f.pem: no private key in PEM form");
    let behind =
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    assert!(refused(behind).starts_with("f.pem: the key is behind a passphrase"));
}

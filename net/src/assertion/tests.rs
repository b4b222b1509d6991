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

/// A certificate of the key, and one of another.
const CERTIFICATE: &[u8] = include_bytes!("tests/certificate.pem");
const OTHER: &[u8] = include_bytes!("tests/other.pem");

#[test]
fn certificates_come_with_that_of_the_key_first() {
    let der = |mut pem: &[u8]| {
        let first = rustls_pemfile::certs(&mut pem).next();
        first.expect("one").expect("a certificate").to_vec()
    };
    let all = [OTHER, PEM, CERTIFICATE].concat();
    let certified = Certified::from_pem("c.pem", &all).expect("a pair");
    let chain: Vec<&[u8]> = certified.chain().collect();
    assert_eq!(chain, [der(CERTIFICATE), der(OTHER)]);
    let refused = |pem: &[u8]| Certified::from_pem("c.pem", pem).expect_err("refused").to_string();
    let none = "c.pem: no certificate of the private key in PEM form";
    assert_eq!(refused(&[OTHER, PEM].concat()), none);
    assert_eq!(refused(CERTIFICATE), "c.pem: no private key in PEM form");
}

#[test]
fn signatures_with_a_random_part_are_good() {
    let key = RsaKey::from_pem("key", PEM).expect("a key");
    let header = json!({"x5t#S256": "hash"});
    let token = key.token_headed(Algorithm::Ps256, header, &json!({"iss": "me"})).expect("a token");
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let head = message.split('.').next().expect("a header");
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).expect("base64")).expect("JSON");
    assert_eq!(header, json!({"alg": "PS256", "typ": "JWT", "x5t#S256": "hash"}));
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let (_, pss) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256)
        .expect("a verifier");
    let info = key.0.public_key().expect("a public key");
    // The key itself follows 24 bytes that say what it is.
    let public = &info[24..];
    let verified =
        pss.iter().any(|one| one.verify_signature(public, message.as_bytes(), &signature).is_ok());
    assert!(verified);
}

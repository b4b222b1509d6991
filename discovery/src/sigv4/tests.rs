//! What `sigv4` promises, against the published examples.

use super::*;

fn signature(method: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let credentials = Credentials {
        access_key: "AKIDEXAMPLE".to_owned(),
        secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: String::new(),
    };
    let request = Signed {
        method,
        host: "example.amazonaws.com",
        path: "/",
        query: "",
        headers,
        body,
        region: "us-east-1",
        service: "service",
        now_ms: 1_440_938_160_000,
    };
    let signed = sign(&credentials, &request);
    assert_eq!(signed[0], ("x-amz-date", "20150830T123600Z".to_owned()));
    signed[1].1.rsplit_once('=').expect("a signature").1.to_owned()
}

#[test]
fn published_examples() {
    assert_eq!(
        signature("GET", &[], b""),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
    assert_eq!(
        signature(
            "POST",
            &[("content-type", "application/x-www-form-urlencoded")],
            b"Param1=value1"
        ),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    );
}

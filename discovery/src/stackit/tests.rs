//! What `stackit` promises of accounts; its mapping is tested against recordings.

use super::*;
use crate::loopback::{Loopback, Surroundings, lines, section};

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../net/src/assertion/tests/key.pem");

#[tokio::test]
async fn an_account_signs_for_its_tokens() {
    let server = Loopback::start(|asked| match asked.line().as_str() {
        "POST /token" => (200, r#"{"access_token":"tok","expires_in":3600}"#.to_owned()),
        "GET /v1/projects/p/servers?details=true"
            if asked.header("authorization") == "Bearer tok" =>
        {
            (200, r#"{"items":[{"nics":[{"ipv4":"10.0.0.1","networkName":"n"}]}]}"#.to_owned())
        }
        other => (401, other.to_owned()),
    });
    let text = format!(
        "{{project: p, endpoint: '{}', private_key_path: '{KEY}', service_account_key: \
         '{{\"Credentials\": {{\"Aud\": \"a\", \"Iss\": \"i\", \"Kid\": \"k\", \"Sub\": \"s\"}}}}'}}",
        server.url()
    );
    let surroundings = Surroundings::new(&[]);
    let mut stackit =
        Stackit::new(&surroundings.context(), &section("stackit_sd_configs", &text)).expect("good");
    stackit.identity.as_mut().expect("an account").tokens = format!("{}/token", server.url());
    for _ in 0..2 {
        let found = lines(&stackit.refresh().await.expect("targets"));
        assert_eq!(found[0][0], "__address__=10.0.0.1:80");
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "one token is good for several requests");
    let begin = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    assert!(asked[0].body.starts_with(begin), "{}", asked[0].body);
}

#[test]
fn an_account_needs_its_key() {
    let surroundings = Surroundings::new(&[]);
    let text = "{project: p, service_account_key: '{}'}";
    let refused = Stackit::new(&surroundings.context(), &section("stackit_sd_configs", text));
    let error = refused.err().expect("no key").to_string();
    assert_eq!(error, "private_key: no private key in PEM form");
}

//! What `credentials` promises, case by case.

use super::*;
use crate::loopback::{Loopback, Surroundings, section};

#[test]
fn keys_of_a_profile() {
    let content = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[x]\naws_access_key_id=C\n# c\naws_secret_access_key = D\naws_session_token = E\n[half]\naws_access_key_id = F\n";
    let found = profile_keys(content, "default").expect("keys");
    assert_eq!((&*found.access_key, &*found.secret_key, &*found.session_token), ("A", "B", ""));
    let found = profile_keys(content, "x").expect("keys");
    assert_eq!((&*found.access_key, &*found.secret_key, &*found.session_token), ("C", "D", "E"));
    assert_eq!(profile_keys(content, "half"), None);
    assert_eq!(profile_keys(content, "none"), None);
    let content = "[profile x]\nregion = eu\n[y]\nregion=\n";
    assert_eq!(profile_value(content, "x", "region"), Some("eu"));
    assert_eq!(profile_value(content, "y", "region"), None);
}

/// What is found with these variables: access key, token, end.
async fn found(text: &str, variables: &[(&str, &str)]) -> Result<(String, String, i64), Error> {
    let surroundings = Surroundings::new(variables);
    let section = section("ec2_sd_configs", text);
    let context = surroundings.context();
    let api = Api::new(&context, &section, std::time::Duration::from_secs(20)).expect("a client");
    let source = Source::from_section(&section, context.environment);
    let (credentials, end_ms) = source.find(&api, "r").await?;
    Ok((credentials.access_key, credentials.session_token, end_ms))
}

const OWN: &str =
    r#"{"AccessKeyId":"M","SecretAccessKey":"S","Token":"T","Expiration":"2023-11-15T00:00:00Z"}"#;
const END_MS: i64 = 1_700_006_400_000;

#[tokio::test]
async fn the_configuration_wins_then_the_environment() {
    let keys = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "F")];
    let all = found("{access_key: C, secret_key: D}", &keys).await.expect("keys");
    assert_eq!(all, ("C".to_owned(), String::new(), i64::MAX));
    let all = found("{}", &keys).await.expect("keys");
    assert_eq!(all, ("E".to_owned(), String::new(), i64::MAX));
    let what = found("{profile: p}", &keys).await.expect_err("no file");
    assert!(matches!(what, Error::Config { .. }), "{what}");
}

#[tokio::test]
async fn the_machine_tells_its_role() {
    let server = Loopback::start(|asked| match asked.line().as_str() {
        "PUT /latest/api/token" => (200, "tok".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/" => (200, "role\n".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/role" => (200, OWN.to_owned()),
        other => panic!("{other}"),
    });
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*server.url())];
    let all = found("{}", &variables).await.expect("credentials");
    assert_eq!(all, ("M".to_owned(), "T".to_owned(), END_MS));
    let tokens: Vec<_> = server.asked();
    assert_eq!(tokens[1].header("x-aws-ec2-metadata-token"), "tok");
    let off = [variables[0], ("AWS_EC2_METADATA_DISABLED", "true")];
    found("{}", &off).await.expect_err("nothing is left");
}

#[tokio::test]
async fn an_old_machine_knows_no_tokens() {
    let server = Loopback::start(|asked| match asked.line().as_str() {
        "PUT /latest/api/token" => (404, String::new()),
        "GET /latest/meta-data/placement/region" => {
            assert_eq!(asked.header("x-aws-ec2-metadata-token"), "");
            (200, "eu-west-9".to_owned())
        }
        other => panic!("{other}"),
    });
    let surroundings = Surroundings::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url())]);
    let section = section("ec2_sd_configs", "{}");
    let context = surroundings.context();
    let api = Api::new(&context, &section, std::time::Duration::from_secs(20)).expect("a client");
    let source = Source::from_section(&section, context.environment);
    assert_eq!(source.region(&api).await.expect("a region"), "eu-west-9");
}

#[tokio::test]
async fn a_container_has_its_own_server() {
    let server = Loopback::start(|asked| {
        assert_eq!((&*asked.line(), asked.header("authorization")), ("GET /creds", "secret"));
        (200, OWN.to_owned())
    });
    let url = format!("{}/creds", server.url());
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret"),
    ];
    let all = found("{}", &variables).await.expect("credentials");
    assert_eq!(all, ("M".to_owned(), "T".to_owned(), END_MS));
}

#[tokio::test]
async fn a_pod_shows_its_token() {
    let answer = "<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>W</AccessKeyId>\
        <SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>\
        <Expiration>2023-11-15T00:00:00Z</Expiration></Credentials>\
        </AssumeRoleWithWebIdentityResult></R>";
    let server = Loopback::start(move |asked| {
        let form = "Action=AssumeRoleWithWebIdentity&RoleArn=arn&RoleSessionName=firesteel\
            &Version=2011-06-15&WebIdentityToken=tok";
        assert_eq!(asked.body, form);
        (200, answer.to_owned())
    });
    let path = std::env::temp_dir().join(format!("firesteel-aws-token-{}", std::process::id()));
    std::fs::write(&path, "tok\n").expect("written");
    let variables = [
        ("AWS_ENDPOINT_URL_STS", &*server.url()),
        ("AWS_ROLE_ARN", "arn"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().expect("a path")),
    ];
    let all = found("{}", &variables).await;
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(all.expect("credentials"), ("W".to_owned(), "T".to_owned(), END_MS));
}

//! What `aws` promises, case by case.

use super::*;
use crate::loopback::{Loopback, Surroundings, section};

#[test]
fn forms_are_sorted_and_escaped() {
    let form = form("Act", "1", &[("b", "x y*"), ("Z", "/~")]);
    assert_eq!(encoded(&form), "Action=Act&Version=1&Z=%2F%7E&b=x+y%2A");
}

#[test]
fn services_are_where_the_region_or_the_environment_says() {
    let nothing: Environment = Arc::new(|_| None);
    let url = |region| service_url(&nothing, "ecs", region);
    assert_eq!(url("eu-west-1"), "https://ecs.eu-west-1.amazonaws.com");
    assert_eq!(url("cn-north-1"), "https://ecs.cn-north-1.amazonaws.com.cn");
    let told: Environment = Arc::new(|name| match name {
        "AWS_ENDPOINT_URL" => Some("http://all/".to_owned()),
        "AWS_ENDPOINT_URL_STS" => Some("http://sts".to_owned()),
        _ => None,
    });
    assert_eq!(service_url(&told, "ecs", "r"), "http://all");
    assert_eq!(service_url(&told, "sts", "r"), "http://sts");
}

#[test]
fn times_lose_their_fractions() {
    assert_eq!(time("2024-05-06T07:08:09.123Z"), "2024-05-06T07:08:09Z");
    assert_eq!(time("05:00"), "05:00");
}

const ROLE: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A2</AccessKeyId>\
    <SecretAccessKey>S2</SecretAccessKey><SessionToken>T2</SessionToken>\
    <Expiration>2023-11-14T23:13:20Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

#[tokio::test]
async fn a_role_is_assumed_once_and_again_when_it_is_refused() {
    let server = Loopback::start(|asked| match asked.body.contains("Action=AssumeRole") {
        true => (200, ROLE.to_owned()),
        false => (403, "{\"__type\":\"AccessDeniedException\"}".to_owned()),
    });
    let surroundings = Surroundings::new(&[("AWS_ENDPOINT_URL_STS", &server.url())]);
    let text = format!(
        "{{region: r, endpoint: '{}', access_key: A1, secret_key: S1, \
         role_arn: 'arn:x', external_id: e}}",
        server.url()
    );
    let section = section("lightsail_sd_configs", &text);
    let mut account =
        Account::new(&surroundings.context(), &section, "lightsail").expect("an account");
    for _ in 0..2 {
        account.session().await.expect("a session");
    }
    let session = account.session().await.expect("a session");
    let refused = session.operation("lightsail", "X.Y", &Value::Null).await;
    account.checked(refused).expect_err("refused");
    account.session().await.expect("a session");
    let asked = server.asked();
    let assumed: Vec<bool> = asked.iter().map(|asked| asked.body.contains("AssumeRole")).collect();
    assert_eq!(assumed, [true, false, true]);
    assert!(asked[0].body.contains("ExternalId=e&RoleArn=arn%3Ax&RoleSessionName=firesteel-"));
    assert!(asked[0].header("authorization").contains("Credential=A1/20231114/r/sts/"));
    assert!(asked[1].header("authorization").contains("Credential=A2/20231114/r/lightsail/"));
    assert_eq!(asked[1].header("x-amz-security-token"), "T2");
    assert_eq!(asked[1].header("x-amz-target"), "X.Y");
}

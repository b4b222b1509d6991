//! What `gce` promises, case by case.

use super::*;
use crate::loopback::{Asked, Loopback, Surroundings, lines, section};
use serde_json::json;

const FIELDS: &str = "{project: p, zone: z, filter: 'name=a*', tag_separator: ';'}";

fn answer(asked: &Asked) -> (u16, String) {
    let instances = "/compute/v1/projects/p/zones/z/instances?alt=json&prettyPrint=false\
        &filter=name%3Da%2A";
    let answer = if asked.target == instances {
        json!({"nextPageToken": "n", "items": [
            {"id": "123", "name": "a", "zone": "zones/z", "status": "RUNNING",
             "machineType": "types/n1", "labels": {"l-1": "lv"},
             "tags": {"items": ["web", "db"]},
             "metadata": {"items": [{"key": "k.1", "value": "mv"}, {"key": "none"}]},
             "networkInterfaces": [
                {"name": "nic0", "network": "net", "subnetwork": "sub", "networkIP": "10.0.0.1",
                 "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "natIP": "1.2.3.4"}]},
                {"name": "nic1", "networkIP": "10.1.0.1"}]},
            {"id": "124", "name": "without network"}]})
    } else if asked.target == format!("{instances}&pageToken=n") {
        json!({"items": [{"networkInterfaces": [{"networkIP": "10.0.0.2"}]}]})
    } else {
        json!({"access_token": "tok", "expires_in": 3599})
    };
    (200, answer.to_string())
}

/// What is found, and what was asked.
async fn found(server: &Loopback, variables: &[(&str, &str)]) -> Vec<Vec<String>> {
    let surroundings = Surroundings::new(variables);
    let section = section("gce_sd_configs", FIELDS);
    let mut gce = Gce::new(&surroundings.context(), &section).expect("good");
    gce.base = server.url();
    let groups = gce.refresh().await.expect("targets");
    assert_eq!(&*groups[0].source, "GCE_p_z");
    lines(&groups)
}

#[tokio::test]
async fn instances_become_targets_with_the_token_of_the_machine() {
    let server = Loopback::start(answer);
    let host = server.address.to_string();
    let found = found(&server, &[("GCE_METADATA_HOST", &host)]).await;
    assert_eq!(
        found[0],
        [
            "__address__=10.0.0.1:80",
            "__meta_gce_instance_id=123",
            "__meta_gce_instance_name=a",
            "__meta_gce_instance_status=RUNNING",
            "__meta_gce_interface_ipv4_nic0=10.0.0.1",
            "__meta_gce_interface_ipv4_nic1=10.1.0.1",
            "__meta_gce_label_l_1=lv",
            "__meta_gce_machine_type=types/n1",
            "__meta_gce_metadata_k_1=mv",
            "__meta_gce_network=net",
            "__meta_gce_private_ip=10.0.0.1",
            "__meta_gce_project=p",
            "__meta_gce_public_ip=1.2.3.4",
            "__meta_gce_subnetwork=sub",
            "__meta_gce_tags=;web;db;",
            "__meta_gce_zone=zones/z",
        ]
    );
    assert_eq!(found.len(), 2);
    let asked = server.asked();
    assert_eq!(asked[0].header("metadata-flavor"), "Google");
    assert_eq!(asked.len(), 3, "one token is good for all pages");
    assert_eq!(asked[1].header("authorization"), "Bearer tok");
}

#[tokio::test]
async fn an_account_signs_for_its_token() {
    let server = Loopback::start(answer);
    let key = include_str!("../../../net/src/assertion/tests/key.pem");
    let file = json!({"type": "service_account", "client_email": "me@p", "private_key": key,
        "private_key_id": "k1", "token_uri": format!("{}/token", server.url())});
    let path = std::env::temp_dir().join(format!("firesteel-gce-{}.json", std::process::id()));
    std::fs::write(&path, file.to_string()).expect("written");
    let name = path.to_str().expect("a path");
    let found = found(&server, &[("GOOGLE_APPLICATION_CREDENTIALS", name)]).await;
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(found.len(), 2);
    let asked = &server.asked()[0];
    assert_eq!(asked.line(), "POST /token");
    let begin = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let token = asked.body.strip_prefix(begin).expect("an assertion");
    let claims = token.split('.').nth(1).expect("claims");
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = base64::Engine::decode(&engine, claims).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(
        claims,
        json!({"iss": "me@p", "aud": format!("{}/token", server.url()),
            "scope": "https://www.googleapis.com/auth/compute.readonly",
            "iat": 1_700_000_000, "exp": 1_700_003_600})
    );
}

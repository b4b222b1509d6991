//! What `oci` promises, case by case.

use super::signature::http_date;
use super::*;
use crate::loopback::{Asked, Loopback, Surroundings, lines, section};
use serde_json::json;

fn answer(asked: &Asked) -> (u16, String, String) {
    let mut next = String::new();
    let answer = match asked.target.as_str() {
        "/id/compartments?compartmentId=t&limit=100&accessLevel=ACCESSIBLE&compartmentIdInSubtree=false" =>
        {
            json!([{"id": "c1", "lifecycleState": "ACTIVE"}, {"id": "old", "lifecycleState": "DELETED"}])
        }
        "/id/compartments?compartmentId=c1&limit=100&accessLevel=ACCESSIBLE&compartmentIdInSubtree=false" =>
        {
            return (404, String::new(), "hidden".to_owned());
        }
        "/core/instances/?compartmentId=t&limit=100" => {
            next = "opc-next-page: p 2\r\n".to_owned();
            json!([{"id": "i1", "compartmentId": "t", "displayName": "one", "lifecycleState": "RUNNING",
                "shape": "E4", "availabilityDomain": "ad", "faultDomain": "fd", "region": "r", "imageId": "img",
                "freeformTags": {"a-b": "v"}, "definedTags": {"ns": {"n": 5, "on": true, "list": []}}}])
        }
        "/core/instances/?compartmentId=t&limit=100&page=p+2" => {
            json!([{"id": "refused", "compartmentId": "t"}, {"id": "none", "compartmentId": "t"}])
        }
        "/core/instances/?compartmentId=c1&limit=100" => {
            json!([{"id": "i2", "compartmentId": "c1"}])
        }
        "/core/vnicAttachments/?compartmentId=t&instanceId=i1&limit=100" => json!([
            {"vnicId": "gone", "lifecycleState": "DETACHED"}, {"vnicId": "second", "lifecycleState": "ATTACHED"},
            {"vnicId": "first", "lifecycleState": "ATTACHED"}]),
        "/core/vnicAttachments/?compartmentId=t&instanceId=none&limit=100" => json!([]),
        "/core/vnicAttachments/?compartmentId=c1&instanceId=i2&limit=100" => {
            json!([{"vnicId": "v6", "lifecycleState": "ATTACHED"}])
        }
        "/core/vnics/second" => json!({"isPrimary": false}),
        "/core/vnics/first" => json!({"isPrimary": true, "id": "first", "privateIp": "10.0.0.1",
            "publicIp": "1.2.3.4", "hostnameLabel": "h", "ipv6Addresses": ["fd00::2", "fd00::1"]}),
        "/core/vnics/v6" => json!({"isPrimary": true, "ipv6Addresses": ["fd00::9"]}),
        _ => return (404, String::new(), "refused".to_owned()),
    };
    (200, next, answer.to_string())
}

fn oci(server: &Loopback, surroundings: &Surroundings, key: &str) -> Result<Oci, Error> {
    let text = format!("{{tenancy: t, user: u, fingerprint: f, key_file: '{key}', region: r-1}}");
    let mut oci = Oci::new(&surroundings.context(), &section("oci_sd_configs", &text))?;
    oci.core = format!("{}/core", server.url());
    oci.identity = format!("{}/id", server.url());
    Ok(oci)
}

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../net/src/assertion/tests/key.pem");

#[tokio::test]
async fn instances_of_all_compartments_become_targets() {
    let server = Loopback::with_headers(answer);
    let surroundings = Surroundings::new(&[]);
    let mut oci = oci(&server, &surroundings, KEY).expect("good");
    let found = lines(&oci.refresh().await.expect("targets"));
    assert_eq!(
        found[0],
        [
            "__address__=10.0.0.1:80",
            "__meta_oci_availability_domain=ad",
            "__meta_oci_compartment_id=t",
            "__meta_oci_defined_tag_ns_n=5",
            "__meta_oci_defined_tag_ns_on=true",
            "__meta_oci_fault_domain=fd",
            "__meta_oci_hostname_label=h",
            "__meta_oci_image_id=img",
            "__meta_oci_instance_id=i1",
            "__meta_oci_instance_name=one",
            "__meta_oci_instance_shape=E4",
            "__meta_oci_instance_state=RUNNING",
            "__meta_oci_ipv6_addresses=,fd00::1,fd00::2,",
            "__meta_oci_private_ip=10.0.0.1",
            "__meta_oci_public_ip=1.2.3.4",
            "__meta_oci_region=r",
            "__meta_oci_tag_a_b=v",
            "__meta_oci_tenancy_id=t",
            "__meta_oci_vnic_id=first",
        ]
    );
    assert_eq!(found[1][0], "__address__=[fd00::9]:80");
    assert_eq!(found.len(), 2);
    let asked = &server.asked()[0];
    assert_eq!(asked.header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
    let message = format!(
        "date: Tue, 14 Nov 2023 22:13:20 GMT\n(request-target): get {}\nhost: {}",
        asked.target, server.address
    );
    let pem = std::fs::read(KEY).expect("a key");
    let key = net::assertion::RsaKey::from_pem("key", &pem).expect("a key");
    let signed = key.sign(net::assertion::Algorithm::Rs256, message.as_bytes()).expect("signed");
    let signed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signed);
    let want = format!(
        "Signature version=\"1\",headers=\"date (request-target) host\",keyId=\"t/u/f\",\
         algorithm=\"rsa-sha256\",signature=\"{signed}\""
    );
    assert_eq!(asked.header("authorization"), want);
}

#[tokio::test]
async fn what_passes_is_a_failure_of_all() {
    let server = Loopback::with_headers(|asked| match asked.target.contains("vnicAttachments") {
        true => (429, String::new(), "slow down".to_owned()),
        false => answer(asked),
    });
    let surroundings = Surroundings::new(&[]);
    let mut oci = oci(&server, &surroundings, KEY).expect("good");
    let error = oci.refresh().await.expect_err("too many requests");
    assert!(error.to_string().ends_with("HTTP status 429: slow down"), "{error}");
}

#[tokio::test]
async fn who_asks_must_have_a_key() {
    let surroundings = Surroundings::new(&[]);
    let server = Loopback::with_headers(answer);
    let mut missing = oci(&server, &surroundings, "/nowhere/key.pem").expect("good");
    missing.refresh().await.expect_err("no key");
    let text = "{auth: instance_principal, region: r}";
    let refused = Oci::new(&surroundings.context(), &section("oci_sd_configs", text));
    assert!(refused.err().expect("not built in").to_string().contains("instance_principal"));
}

#[test]
fn dates_are_those_of_http() {
    assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(http_date(1_709_210_096_000), "Thu, 29 Feb 2024 12:34:56 GMT");
}

//! What `lightsail` promises, case by case.

use super::*;
use crate::loopback::{Loopback, Surroundings, lines, section};

#[tokio::test]
async fn instances_become_targets_page_by_page() {
    let server = Loopback::start(|asked| {
        assert_eq!(asked.header("x-amz-target"), "Lightsail_20161128.GetInstances");
        assert_eq!(asked.header("content-type"), "application/x-amz-json-1.1");
        let answer = match asked.body.as_str() {
            "{}" => json!({"nextPageToken": "p2", "instances": [
                {"name": "a", "privateIpAddress": "10.0.0.1", "publicIpAddress": "1.2.3.4",
                 "ipv6Addresses": ["fd00::1", "fd00::2"], "supportCode": "s", "bundleId": "b",
                 "blueprintId": "bp", "location": {"availabilityZone": "z", "regionName": "r"},
                 "state": {"code": 16, "name": "running"},
                 "tags": [{"key": "a-b", "value": "v"}, {"key": "no value"}]},
                {"name": "without address"}]}),
            "{\"pageToken\":\"p2\"}" => json!({"instances": [{"privateIpAddress": "10.0.0.2"}]}),
            other => panic!("{other}"),
        };
        (200, answer.to_string())
    });
    let text = format!("{{region: r, endpoint: '{}', access_key: A, secret_key: S}}", server.url());
    let surroundings = Surroundings::new(&[]);
    let mut lightsail =
        Lightsail::new(&surroundings.context(), &section("lightsail_sd_configs", &text))
            .expect("good");
    let groups = lightsail.refresh().await.expect("targets");
    assert_eq!(&*groups[0].source, "r");
    let found = lines(&groups);
    assert_eq!(
        found[0],
        [
            "__address__=10.0.0.1:80",
            "__meta_lightsail_availability_zone=z",
            "__meta_lightsail_blueprint_id=bp",
            "__meta_lightsail_bundle_id=b",
            "__meta_lightsail_instance_name=a",
            "__meta_lightsail_instance_state=running",
            "__meta_lightsail_instance_support_code=s",
            "__meta_lightsail_ipv6_addresses=,fd00::1,fd00::2,",
            "__meta_lightsail_private_ip=10.0.0.1",
            "__meta_lightsail_public_ip=1.2.3.4",
            "__meta_lightsail_region=r",
            "__meta_lightsail_tag_a_b=v",
        ]
    );
    assert_eq!(found[1][0], "__address__=10.0.0.2:80");
    assert_eq!(found.len(), 2);
}

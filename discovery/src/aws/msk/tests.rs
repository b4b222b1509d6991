//! What `msk` promises, case by case.

use super::*;
use crate::loopback::{Loopback, Surroundings, lines, section};
use serde_json::json;

fn cluster() -> Value {
    json!({"clusterName": "c", "clusterArn": "arn:c/1", "state": "ACTIVE",
        "clusterType": "PROVISIONED", "currentVersion": "K1", "tags": {"a b": "v"},
        "provisioned": {"currentBrokerSoftwareInfo": {"kafkaVersion": "3.6",
            "configurationArn": "conf", "configurationRevision": 2},
            "openMonitoring": {"prometheus": {"jmxExporter": {"enabledInBroker": true},
                "nodeExporter": {"enabledInBroker": false}}}}})
}

fn answer(line: &str) -> Value {
    match line {
        "GET /api/v2/clusters?clusterTypeFilter=PROVISIONED&maxResults=100" => {
            json!({"clusterInfoList": [cluster()]})
        }
        "GET /api/v2/clusters/arn%3Ac%2F1" => json!({"clusterInfo": cluster()}),
        "GET /api/v2/clusters/serverless" => json!({"clusterInfo": {"clusterType": "SERVERLESS"}}),
        "GET /v1/clusters/arn%3Ac%2F1/nodes?maxResults=100" => json!({"nextToken": "n=",
            "nodeInfoList": [{"nodeARN": "n1", "addedToClusterTime": "t", "instanceType": "m5",
                "brokerNodeInfo": {"attachedENIId": "eni", "brokerId": 1.0, "clientSubnet": "s",
                    "clientVpcIpAddress": "10.0.0.1", "endpoints": ["b-1", "b-2"]}}]}),
        "GET /v1/clusters/arn%3Ac%2F1/nodes?maxResults=100&nextToken=n%3D" => json!({
            "nodeInfoList": [{"nodeARN": "n2", "controllerNodeInfo": {"endpoints": ["c-1"]}},
                {"nodeARN": "zookeeper"}]}),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn nodes_become_targets_by_endpoint() {
    let server = Loopback::start(|asked| (200, answer(&asked.line()).to_string()));
    let surroundings = Surroundings::new(&[]);
    let mut all = Vec::new();
    for clusters in ["", "clusters: ['arn:c/1', serverless],"] {
        let text = format!(
            "{{region: r, endpoint: '{}', {clusters} access_key: A, secret_key: S, port: 11001}}",
            server.url()
        );
        let section = section("msk_sd_configs", &text);
        let mut msk = Msk::new(&surroundings.context(), &section).expect("good");
        all.push(lines(&msk.refresh().await.expect("targets")));
    }
    assert_eq!(all[0], all[1]);
    let found = &all[0];
    assert_eq!(
        found[1],
        [
            "__address__=b-2:11001",
            "__meta_msk_broker_client_subnet=s",
            "__meta_msk_broker_client_vpc_ip=10.0.0.1",
            "__meta_msk_broker_endpoint_index=1",
            "__meta_msk_broker_id=1",
            "__meta_msk_broker_node_exporter_enabled=false",
            "__meta_msk_cluster_arn=arn:c/1",
            "__meta_msk_cluster_configuration_arn=conf",
            "__meta_msk_cluster_configuration_revision=2",
            "__meta_msk_cluster_jmx_exporter_enabled=true",
            "__meta_msk_cluster_kafka_version=3.6",
            "__meta_msk_cluster_name=c",
            "__meta_msk_cluster_state=ACTIVE",
            "__meta_msk_cluster_tag_a_b=v",
            "__meta_msk_cluster_type=PROVISIONED",
            "__meta_msk_cluster_version=K1",
            "__meta_msk_node_added_time=t",
            "__meta_msk_node_arn=n1",
            "__meta_msk_node_attached_eni=eni",
            "__meta_msk_node_instance_type=m5",
            "__meta_msk_node_type=BROKER",
        ]
    );
    assert_eq!(found.len(), 3);
    assert!(found[2].contains(&"__meta_msk_node_type=CONTROLLER".to_owned()));
    assert!(found[2].contains(&"__meta_msk_controller_endpoint_index=0".to_owned()));
}

//! What `ecs` promises, case by case.

use super::*;
use crate::loopback::{Asked, Loopback, Surroundings, lines, section};

fn tags(value: &str) -> Value {
    json!([{"key": "t", "value": value}])
}

fn of_ecs(operation: &str, input: &Value) -> Value {
    match operation {
        "ListClusters" if input["nextToken"].is_null() => {
            json!({"clusterArns": ["arn:c1"], "nextToken": "n"})
        }
        "ListClusters" => json!({"clusterArns": ["arn:c2"]}),
        "DescribeClusters" => json!({"clusters": [
            {"clusterArn": "arn:c1", "clusterName": "c1", "tags": tags("cluster")},
            {"clusterArn": "arn:c2", "clusterName": "c2"}]}),
        "ListServices" if input["cluster"] == "arn:c1" => json!({"serviceArns": ["arn:s"]}),
        "ListTasks" if input["cluster"] == "arn:c1" => json!({"taskArns": ["1", "2", "3"]}),
        "ListServices" | "ListTasks" => json!({}),
        "DescribeServices" => {
            assert_eq!(input["services"], json!(["arn:s"]));
            json!({"services": [{"serviceName": "s", "serviceArn": "arn:s", "status": "ACTIVE",
                "tags": tags("service")}]})
        }
        "DescribeTasks" => json!({"tasks": [
            {"taskArn": "1", "group": "service:s", "launchType": "FARGATE", "lastStatus": "RUNNING",
             "desiredStatus": "RUNNING", "healthStatus": "HEALTHY", "availabilityZone": "z",
             "taskDefinitionArn": "def", "platformFamily": "Linux", "platformVersion": "1.4.0",
             "tags": tags("task"),
             "attachments": [{"type": "ElasticNetworkInterface", "details": [
                {"name": "subnetId", "value": "sub"}, {"name": "networkInterfaceId", "value": "eni"},
                {"name": "privateIPv4Address", "value": "10.0.0.1"}]}]},
            {"taskArn": "2", "group": "family:f", "launchType": "EC2", "containerInstanceArn": "ci"},
            {"taskArn": "3", "group": "family:f", "containerInstanceArn": "unknown"}]}),
        "DescribeContainerInstances" => {
            assert_eq!(input["containerInstances"], json!(["ci", "unknown"]));
            json!({"containerInstances": [{"containerInstanceArn": "ci", "ec2InstanceId": "i-1"}]})
        }
        other => panic!("{other}"),
    }
}

fn of_ec2(form: &str) -> &'static str {
    match form {
        "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=eni&Version=2016-11-15" => {
            "<R><networkInterfaceSet><item><networkInterfaceId>eni</networkInterfaceId><association>\
             <publicIp>1.2.3.4</publicIp></association></item></networkInterfaceSet></R>"
        }
        "Action=DescribeInstances&InstanceId.1=i-1&Version=2016-11-15" => {
            "<R><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>\
             <privateIpAddress>10.1.0.1</privateIpAddress><ipAddress>5.6.7.8</ipAddress>\
             <subnetId>sub2</subnetId><instanceType>m5</instanceType><tagSet><item><key>t</key>\
             <value>machine</value></item></tagSet></item></instancesSet></item></reservationSet></R>"
        }
        other => panic!("{other}"),
    }
}

fn answer(asked: &Asked) -> (u16, String) {
    let operation = asked.header("x-amz-target");
    match operation.strip_prefix("AmazonEC2ContainerServiceV20141113.") {
        Some(operation) => {
            let input = serde_json::from_str(&asked.body).expect("JSON");
            (200, of_ecs(operation, &input).to_string())
        }
        None => (200, of_ec2(&asked.body).to_owned()),
    }
}

#[tokio::test]
async fn tasks_become_targets() {
    let server = Loopback::start(answer);
    let surroundings = Surroundings::new(&[("AWS_ENDPOINT_URL_EC2", &server.url())]);
    let text = format!("{{region: r, endpoint: '{}', access_key: A, secret_key: S}}", server.url());
    let section = section("ecs_sd_configs", &text);
    let mut ecs = Ecs::new(&surroundings.context(), &section).expect("good");
    let found = lines(&ecs.refresh().await.expect("targets"));
    assert_eq!(
        found[0],
        [
            "__address__=10.0.0.1:80",
            "__meta_ecs_availability_zone=z",
            "__meta_ecs_cluster=c1",
            "__meta_ecs_cluster_arn=arn:c1",
            "__meta_ecs_desired_status=RUNNING",
            "__meta_ecs_health_status=HEALTHY",
            "__meta_ecs_ip_address=10.0.0.1",
            "__meta_ecs_last_status=RUNNING",
            "__meta_ecs_launch_type=FARGATE",
            "__meta_ecs_network_mode=awsvpc",
            "__meta_ecs_platform_family=Linux",
            "__meta_ecs_platform_version=1.4.0",
            "__meta_ecs_public_ip=1.2.3.4",
            "__meta_ecs_region=r",
            "__meta_ecs_service=s",
            "__meta_ecs_service_arn=arn:s",
            "__meta_ecs_service_status=ACTIVE",
            "__meta_ecs_subnet_id=sub",
            "__meta_ecs_tag_cluster_t=cluster",
            "__meta_ecs_tag_service_t=service",
            "__meta_ecs_tag_task_t=task",
            "__meta_ecs_task_arn=1",
            "__meta_ecs_task_definition=def",
            "__meta_ecs_task_group=service:s",
        ]
    );
    assert_eq!(
        found[1],
        [
            "__address__=10.1.0.1:80",
            "__meta_ecs_cluster=c1",
            "__meta_ecs_cluster_arn=arn:c1",
            "__meta_ecs_container_instance_arn=ci",
            "__meta_ecs_ec2_instance_id=i-1",
            "__meta_ecs_ec2_instance_private_ip=10.1.0.1",
            "__meta_ecs_ec2_instance_public_ip=5.6.7.8",
            "__meta_ecs_ec2_instance_type=m5",
            "__meta_ecs_ip_address=10.1.0.1",
            "__meta_ecs_launch_type=EC2",
            "__meta_ecs_network_mode=bridge",
            "__meta_ecs_public_ip=5.6.7.8",
            "__meta_ecs_region=r",
            "__meta_ecs_subnet_id=sub2",
            "__meta_ecs_tag_cluster_t=cluster",
            "__meta_ecs_tag_ec2_t=machine",
            "__meta_ecs_task_arn=2",
            "__meta_ecs_task_group=family:f",
        ]
    );
    assert_eq!(found.len(), 2, "a task on an unknown machine is no target");
}

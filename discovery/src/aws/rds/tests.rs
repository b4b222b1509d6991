//! What `rds` promises, case by case.

use super::*;
use crate::loopback::{Loopback, Surroundings, lines, section};

const CLUSTERS: &str = "<R><DescribeDBClustersResult><DBClusters><DBCluster><DBClusterArn>arn:c</DBClusterArn>\
    <DBClusterIdentifier>c</DBClusterIdentifier><Endpoint>c.example</Endpoint><Engine>aurora</Engine>\
    <MultiAZ>true</MultiAZ><Port>3306</Port><ClusterCreateTime>2024-05-06T07:08:09.123Z</ClusterCreateTime>\
    <DBClusterMembers><DBClusterMember><DBInstanceIdentifier>i</DBInstanceIdentifier>\
    <IsClusterWriter>true</IsClusterWriter></DBClusterMember></DBClusterMembers>\
    <TagList><Tag><Key>k-1</Key><Value>v</Value></Tag></TagList></DBCluster></DBClusters>\
    </DescribeDBClustersResult></R>";
const INSTANCES: &str = "<R><DescribeDBInstancesResult><DBInstances><DBInstance>\
    <DBInstanceIdentifier>i</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus>\
    <Endpoint><Address>i.example</Address><Port>3306</Port></Endpoint><DbiResourceId>db-1</DbiResourceId>\
    <DBSubnetGroup><DBSubnetGroupName>sg</DBSubnetGroupName></DBSubnetGroup>\
    <TagList><Tag><Key>k2</Key><Value>w</Value></Tag></TagList></DBInstance>\
    <DBInstance><DBInstanceIdentifier>without endpoint</DBInstanceIdentifier></DBInstance></DBInstances>\
    </DescribeDBInstancesResult></R>";

#[tokio::test]
async fn instances_of_clusters_become_targets() {
    let server = Loopback::start(|asked| {
        let form = asked.body.as_str();
        let answer = match form {
            "Action=DescribeDBClusters&MaxRecords=100&Version=2014-10-31"
            | "Action=DescribeDBClusters&DBClusterIdentifier=c&MaxRecords=100&Version=2014-10-31" => {
                CLUSTERS
            }
            "Action=DescribeDBInstances&Filters.Filter.1.Name=db-cluster-id\
             &Filters.Filter.1.Values.Value.1=arn%3Ac&Filters.Filter.2.Name=engine\
             &Filters.Filter.2.Values.Value.1=aurora&MaxRecords=100&Version=2014-10-31" => {
                INSTANCES
            }
            other => panic!("{other}"),
        };
        (200, answer.to_owned())
    });
    let surroundings = Surroundings::new(&[]);
    let mut all = Vec::new();
    for clusters in ["", "clusters: [c],"] {
        let text = format!(
            "{{region: r, endpoint: '{}', {clusters} access_key: A, secret_key: S, \
             filters: [{{name: engine, values: [aurora]}}]}}",
            server.url()
        );
        let section = section("rds_sd_configs", &text);
        let mut rds = Rds::new(&surroundings.context(), &section).expect("good");
        all.push(lines(&rds.refresh().await.expect("targets")));
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(
        all[0],
        [[
            "__address__=i.example:80",
            "__meta_rds_cluster_arn=arn:c",
            "__meta_rds_cluster_cluster_create_time=2024-05-06T07:08:09Z",
            "__meta_rds_cluster_endpoint=c.example",
            "__meta_rds_cluster_engine=aurora",
            "__meta_rds_cluster_identifier=c",
            "__meta_rds_cluster_multi_az=true",
            "__meta_rds_cluster_port=3306",
            "__meta_rds_cluster_tag_k_1=v",
            "__meta_rds_instance_endpoint_address=i.example",
            "__meta_rds_instance_endpoint_port=3306",
            "__meta_rds_instance_identifier=i",
            "__meta_rds_instance_is_cluster_writer=true",
            "__meta_rds_instance_resource_id=db-1",
            "__meta_rds_instance_status=available",
            "__meta_rds_instance_subnet_group=sg",
            "__meta_rds_instance_tag_k2=w",
        ]]
    );
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_an_error() {
    let server = Loopback::start(|_| (200, "<R/>".to_owned()));
    let surroundings = Surroundings::new(&[]);
    let text = format!(
        "{{region: r, endpoint: '{}', clusters: [c], access_key: A, secret_key: S}}",
        server.url()
    );
    let section = section("rds_sd_configs", &text);
    let mut rds = Rds::new(&surroundings.context(), &section).expect("good");
    let error = rds.refresh().await.expect_err("no cluster");
    assert_eq!(error.to_string(), "c: there is no such database cluster");
}

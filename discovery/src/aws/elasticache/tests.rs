//! What `elasticache` promises, case by case.

use super::*;
use crate::loopback::{Loopback, Surroundings, lines, section};

const SERVERLESS_CACHES: &str = "<R><DescribeServerlessCachesResult><ServerlessCaches><member>\
    <ARN>arn:s</ARN><ServerlessCacheName>s</ServerlessCacheName><CreateTime>2024-05-06T07:08:09.5Z</CreateTime>\
    <Endpoint><Address>s.example</Address><Port>6379</Port></Endpoint>\
    <SecurityGroupIds><SecurityGroupId>g0</SecurityGroupId><SecurityGroupId>g1</SecurityGroupId></SecurityGroupIds>\
    <CacheUsageLimits><DataStorage><Maximum>5</Maximum><Unit>GB</Unit></DataStorage></CacheUsageLimits>\
    </member><member><ServerlessCacheName>without endpoint</ServerlessCacheName></member>\
    </ServerlessCaches></DescribeServerlessCachesResult></R>";
const CACHE_CLUSTERS: &str = "<R><DescribeCacheClustersResult><CacheClusters><CacheCluster>\
    <ARN>arn:c</ARN><CacheClusterId>c</CacheClusterId><Engine>redis</Engine>\
    <PendingModifiedValues><CacheNodeIdsToRemove><CacheNodeId>1</CacheNodeId><CacheNodeId>2</CacheNodeId>\
    </CacheNodeIdsToRemove></PendingModifiedValues>\
    <LogDeliveryConfigurations><LogDeliveryConfiguration><LogType>slow-log</LogType><DestinationDetails>\
    <CloudWatchLogsDetails><LogGroup>lg</LogGroup></CloudWatchLogsDetails></DestinationDetails>\
    </LogDeliveryConfiguration></LogDeliveryConfigurations>\
    <CacheNodes><CacheNode><CacheNodeId>0001</CacheNodeId><Endpoint><Address>c.example</Address>\
    <Port>11211</Port></Endpoint></CacheNode><CacheNode><CacheNodeId>0002</CacheNodeId></CacheNode>\
    </CacheNodes></CacheCluster></CacheClusters></DescribeCacheClustersResult></R>";

fn answer(form: &str) -> String {
    let has = |pair: &str| form.split('&').any(|have| have == pair);
    if has("Action=DescribeServerlessCaches") {
        assert!(has("MaxResults=50") && has("Version=2015-02-02"), "{form}");
        return SERVERLESS_CACHES.to_owned();
    }
    if has("Action=DescribeCacheClusters") {
        assert!(has("ShowCacheNodeInfo=true") && has("MaxRecords=100"), "{form}");
        let is_alone = has("ShowCacheClustersNotInReplicationGroups=true");
        let page =
            "<R><DescribeCacheClustersResult><Marker>m</Marker></DescribeCacheClustersResult></R>";
        return match (is_alone, has("Marker=m")) {
            (true, _) => "<R/>".to_owned(),
            (false, false) => page.to_owned(),
            (false, true) => CACHE_CLUSTERS.to_owned(),
        };
    }
    assert!(has("Action=ListTagsForResource"), "{form}");
    let value = if has("ResourceName=arn%3As") { "of-s" } else { "of-c" };
    format!(
        "<R><ListTagsForResourceResult><TagList><Tag><Key>k</Key><Value>{value}</Value></Tag>\
         </TagList></ListTagsForResourceResult></R>"
    )
}

#[tokio::test]
async fn caches_of_both_kinds_become_targets() {
    let server = Loopback::start(|asked| (200, answer(&asked.body)));
    let surroundings = Surroundings::new(&[]);
    let text = format!("{{region: r, endpoint: '{}', access_key: A, secret_key: S}}", server.url());
    let section = section("elasticache_sd_configs", &text);
    let mut elasticache = Elasticache::new(&surroundings.context(), &section).expect("good");
    let found = lines(&elasticache.refresh().await.expect("targets"));
    assert_eq!(
        found,
        [
            vec![
                "__address__=s.example:6379",
                "__meta_elasticache_deployment_option=serverless",
                "__meta_elasticache_serverless_cache_arn=arn:s",
                "__meta_elasticache_serverless_cache_cache_usage_limit_data_storagemaximum=5",
                "__meta_elasticache_serverless_cache_cache_usage_limit_data_storageunit=GB",
                "__meta_elasticache_serverless_cache_create_time=2024-05-06T07:08:09Z",
                "__meta_elasticache_serverless_cache_endpoint_address=s.example",
                "__meta_elasticache_serverless_cache_endpoint_port=6379",
                "__meta_elasticache_serverless_cache_name=s",
                "__meta_elasticache_serverless_cache_security_group_id_0=g0",
                "__meta_elasticache_serverless_cache_security_group_id_1=g1",
                "__meta_elasticache_serverless_cache_tag_k=of-s",
            ],
            vec![
                "__address__=c.example:11211",
                "__meta_elasticache_cache_cluster_arn=arn:c",
                "__meta_elasticache_cache_cluster_cache_cluster_id=c",
                "__meta_elasticache_cache_cluster_engine=redis",
                "__meta_elasticache_cache_cluster_log_delivery_configuration_log_group_0=lg",
                "__meta_elasticache_cache_cluster_log_delivery_configuration_log_type_0=slow-log",
                "__meta_elasticache_cache_cluster_node_endpoint_address=c.example",
                "__meta_elasticache_cache_cluster_node_endpoint_port=11211",
                "__meta_elasticache_cache_cluster_node_id=0001",
                "__meta_elasticache_cache_cluster_pending_modified_values_cache_node_ids_to_remove=1,2",
                "__meta_elasticache_cache_cluster_tag_k=of-c",
                "__meta_elasticache_deployment_option=node",
            ],
        ]
    );
}

#[tokio::test]
async fn caches_are_asked_for_by_name() {
    let server = Loopback::start(|_| (200, "<R/>".to_owned()));
    let surroundings = Surroundings::new(&[]);
    let text = format!(
        "{{region: r, endpoint: '{}', access_key: A, secret_key: S, request_concurrency: 1, clusters: \
         ['arn:aws:elasticache:r:1:serverlesscache:s1', 'arn:aws:elasticache:r:1:replicationgroup:g1', x]}}",
        server.url()
    );
    let section = section("elasticache_sd_configs", &text);
    let mut elasticache = Elasticache::new(&surroundings.context(), &section).expect("good");
    assert_eq!(lines(&elasticache.refresh().await.expect("nothing")), Vec::<Vec<String>>::new());
    let forms: Vec<String> = server.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(forms.len(), 3);
    assert!(forms[0].contains("ServerlessCacheName=s1"), "{forms:?}");
    assert!(forms[1].contains("CacheClusterId=g1&") && forms[2].contains("CacheClusterId=g1&"));
}

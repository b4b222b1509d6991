//! Labels of caches, and the elements of answers that they come from.

use crate::aws::Table;

/// Labels of a cache without servers.
pub(super) const SERVERLESS: &Table = &[
    ("serverless_cache_arn", "ARN"),
    ("serverless_cache_name", "ServerlessCacheName"),
    ("serverless_cache_status", "Status"),
    ("serverless_cache_engine", "Engine"),
    ("serverless_cache_full_engine_version", "FullEngineVersion"),
    ("serverless_cache_major_engine_version", "MajorEngineVersion"),
    ("serverless_cache_description", "Description"),
    ("serverless_cache_create_time", "CreateTime"),
    ("serverless_cache_kms_key_id", "KmsKeyId"),
    ("serverless_cache_user_group_id", "UserGroupId"),
    ("serverless_cache_daily_snapshot_time", "DailySnapshotTime"),
    ("serverless_cache_snapshot_retention_limit", "SnapshotRetentionLimit"),
    ("serverless_cache_endpoint_address", "Endpoint.Address"),
    ("serverless_cache_endpoint_port", "Endpoint.Port"),
    ("serverless_cache_endpoint_reader_address", "ReaderEndpoint.Address"),
    ("serverless_cache_endpoint_reader_port", "ReaderEndpoint.Port"),
    (
        "serverless_cache_cache_usage_limit_data_storagemaximum",
        "CacheUsageLimits.DataStorage.Maximum",
    ),
    (
        "serverless_cache_cache_usage_limit_data_storageminimum",
        "CacheUsageLimits.DataStorage.Minimum",
    ),
    ("serverless_cache_cache_usage_limit_data_storageunit", "CacheUsageLimits.DataStorage.Unit"),
    (
        "serverless_cache_cache_usage_limit_ecpu_per_secondmaximum",
        "CacheUsageLimits.ECPUPerSecond.Maximum",
    ),
    (
        "serverless_cache_cache_usage_limit_ecpu_per_secondminimum",
        "CacheUsageLimits.ECPUPerSecond.Minimum",
    ),
];

/// Labels of a cache cluster.
pub(super) const CLUSTER: &Table = &[
    ("cache_cluster_arn", "ARN"),
    ("cache_cluster_cache_cluster_id", "CacheClusterId"),
    ("cache_cluster_cache_cluster_status", "CacheClusterStatus"),
    ("cache_cluster_at_rest_encryption_enabled", "AtRestEncryptionEnabled"),
    ("cache_cluster_auth_token_enabled", "AuthTokenEnabled"),
    ("cache_cluster_auth_token_last_modified", "AuthTokenLastModifiedDate"),
    ("cache_cluster_auto_minor_version_upgrade", "AutoMinorVersionUpgrade"),
    ("cache_cluster_cache_cluster_create_time", "CacheClusterCreateTime"),
    ("cache_cluster_cache_node_type", "CacheNodeType"),
    ("cache_cluster_cache_parameter_group", "CacheParameterGroup.CacheParameterGroupName"),
    ("cache_cluster_cache_subnet_group_name", "CacheSubnetGroupName"),
    ("cache_cluster_client_download_landing_page", "ClientDownloadLandingPage"),
    ("cache_cluster_configuration_endpoint_address", "ConfigurationEndpoint.Address"),
    ("cache_cluster_configuration_endpoint_port", "ConfigurationEndpoint.Port"),
    ("cache_cluster_engine", "Engine"),
    ("cache_cluster_engine_version", "EngineVersion"),
    ("cache_cluster_ip_discovery", "IpDiscovery"),
    ("cache_cluster_network_type", "NetworkType"),
    ("cache_cluster_notification_topic_arn", "NotificationConfiguration.TopicArn"),
    ("cache_cluster_notification_topic_status", "NotificationConfiguration.TopicStatus"),
    ("cache_cluster_num_cache_nodes", "NumCacheNodes"),
    ("cache_cluster_preferred_availability_zone", "PreferredAvailabilityZone"),
    ("cache_cluster_preferred_maintenance_window", "PreferredMaintenanceWindow"),
    ("cache_cluster_preferred_outpost_arn", "PreferredOutpostArn"),
    ("cache_cluster_replication_group_id", "ReplicationGroupId"),
    ("cache_cluster_replication_group_log_delivery_enabled", "ReplicationGroupLogDeliveryEnabled"),
    ("cache_cluster_snapshot_retention_limit", "SnapshotRetentionLimit"),
    ("cache_cluster_snapshot_window", "SnapshotWindow"),
    ("cache_cluster_transit_encryption_enabled", "TransitEncryptionEnabled"),
    ("cache_cluster_transit_encryption_mode", "TransitEncryptionMode"),
    (
        "cache_cluster_pending_modified_values_auth_token_status",
        "PendingModifiedValues.AuthTokenStatus",
    ),
    (
        "cache_cluster_pending_modified_values_cache_node_type",
        "PendingModifiedValues.CacheNodeType",
    ),
    ("cache_cluster_pending_modified_values_engine_version", "PendingModifiedValues.EngineVersion"),
    (
        "cache_cluster_pending_modified_values_num_cache_nodes",
        "PendingModifiedValues.NumCacheNodes",
    ),
    (
        "cache_cluster_pending_modified_values_transit_encryption_enabled",
        "PendingModifiedValues.TransitEncryptionEnabled",
    ),
    (
        "cache_cluster_pending_modified_values_transit_encryption_mode",
        "PendingModifiedValues.TransitEncryptionMode",
    ),
];

/// Labels of a node of a cluster.
pub(super) const NODE: &Table = &[
    ("cache_cluster_node_id", "CacheNodeId"),
    ("cache_cluster_node_status", "CacheNodeStatus"),
    ("cache_cluster_node_create_time", "CacheNodeCreateTime"),
    ("cache_cluster_node_availability_zone", "CustomerAvailabilityZone"),
    ("cache_cluster_node_customer_outpost_arn", "CustomerOutpostArn"),
    ("cache_cluster_node_source_cache_node_id", "SourceCacheNodeId"),
    ("cache_cluster_node_parameter_group_status", "ParameterGroupStatus"),
    ("cache_cluster_node_endpoint_address", "Endpoint.Address"),
    ("cache_cluster_node_endpoint_port", "Endpoint.Port"),
];

/// Labels of where logs go, which are numbered.
pub(super) const LOG_DELIVERY: &Table = &[
    ("cache_cluster_log_delivery_configuration_destination_type", "DestinationType"),
    ("cache_cluster_log_delivery_configuration_log_format", "LogFormat"),
    ("cache_cluster_log_delivery_configuration_log_type", "LogType"),
    ("cache_cluster_log_delivery_configuration_status", "Status"),
    ("cache_cluster_log_delivery_configuration_message", "Message"),
    (
        "cache_cluster_log_delivery_configuration_log_group",
        "DestinationDetails.CloudWatchLogsDetails.LogGroup",
    ),
    (
        "cache_cluster_log_delivery_configuration_delivery_stream",
        "DestinationDetails.KinesisFirehoseDetails.DeliveryStream",
    ),
];

/// Labels of security groups, which are numbered.
pub(super) const SECURITY_GROUP: &Table = &[
    ("cache_cluster_security_group_membership_id", "SecurityGroupId"),
    ("cache_cluster_security_group_membership_status", "Status"),
];

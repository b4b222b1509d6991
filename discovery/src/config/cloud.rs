//! Sections of discovery by the interfaces of cloud providers: their fields, defaults and checks.

use super::check::{either, needs, one_of, role_and_http, url};
use net::config::{HTTP_FIELDS, TLS, check_http, http_fields};
use yaml::{Field, Kind, Problem, Schema, Section, Value, no_check};

const PORT: Field = Field::new("port", Kind::Int).or("80").always();
const REFRESH: Field = Field::new("refresh_interval", Kind::Duration).or("1m");

static FILTER: Schema = Schema {
    name: "filters",
    parts: &[&[Field::new("name", Kind::Text).always(), Field::new("values", Kind::List).always()]],
    check: |section| match section.list("values") {
        [] => Err(section.problem("values", "a filter needs at least one of values")),
        _ => Ok(()),
    },
};

static AWS_FILTER: Schema = Schema { name: "filters", parts: FILTER.parts, check: no_check };

/// Who asks the AWS.
const AWS_IDENTITY: &[Field] = &[
    Field::new("access_key", Kind::Text),
    Field::new("secret_key", Kind::Secret),
    Field::new("profile", Kind::Text),
    Field::new("role_arn", Kind::Text),
    Field::new("external_id", Kind::Text),
];

const ENDPOINT_THEN_REGION: &[Field] =
    &[Field::new("endpoint", Kind::Text).always(), Field::new("region", Kind::Text).always()];

const REGION_THEN_ENDPOINT: &[Field] =
    &[Field::new("region", Kind::Text).always(), Field::new("endpoint", Kind::Text).always()];

const CLUSTERS: &[Field] = &[Field::new("clusters", Kind::List), PORT, REFRESH];

pub(super) static AWS: Schema = Schema {
    name: "aws_sd_configs",
    parts: &[
        &[
            Field::new("role", Kind::Word(check_aws_role)).always(),
            Field::new("region", Kind::Text),
            Field::new("endpoint", Kind::Text),
        ],
        AWS_IDENTITY,
        &[Field::new("refresh_interval", Kind::Duration), Field::new("port", Kind::Int)],
        &http_fields("", ""),
        &[Field::new("filters", Kind::Many(&AWS_FILTER)), Field::new("clusters", Kind::List)],
    ],
    check: role_and_http,
};

fn check_aws_role(text: &str) -> Result<(), String> {
    one_of(text, &["ec2", "ecs", "elasticache", "lightsail", "msk", "rds"])
}

pub(super) static EC2: Schema = Schema {
    name: "ec2_sd_configs",
    parts: &[
        ENDPOINT_THEN_REGION,
        AWS_IDENTITY,
        &[REFRESH, PORT, Field::new("filters", Kind::Many(&FILTER)).always()],
        HTTP_FIELDS,
    ],
    check: check_http,
};

pub(super) static LIGHTSAIL: Schema = Schema {
    name: "lightsail_sd_configs",
    parts: &[ENDPOINT_THEN_REGION, AWS_IDENTITY, &[REFRESH, PORT], HTTP_FIELDS],
    check: check_http,
};

pub(super) static ECS: Schema = Schema {
    name: "ecs_sd_configs",
    parts: &[
        REGION_THEN_ENDPOINT,
        AWS_IDENTITY,
        CLUSTERS,
        &[Field::new("request_concurrency", Kind::Int).or("20")],
        HTTP_FIELDS,
    ],
    check: check_http,
};

pub(super) static ELASTICACHE: Schema = Schema {
    name: "elasticache_sd_configs",
    parts: &[
        REGION_THEN_ENDPOINT,
        AWS_IDENTITY,
        CLUSTERS,
        &[Field::new("request_concurrency", Kind::Int).or("10")],
        HTTP_FIELDS,
    ],
    check: check_http,
};

pub(super) static MSK: Schema =
    Schema { name: "msk_sd_configs", parts: ELASTICACHE.parts, check: check_http };

pub(super) static RDS: Schema = Schema {
    name: "rds_sd_configs",
    parts: &[
        REGION_THEN_ENDPOINT,
        AWS_IDENTITY,
        CLUSTERS,
        &[
            Field::new("filters", Kind::Many(&AWS_FILTER)).always(),
            Field::new("request_concurrency", Kind::Int).or("10"),
        ],
        HTTP_FIELDS,
    ],
    check: check_http,
};

pub(super) static AZURE: Schema = Schema {
    name: "azure_sd_configs",
    parts: &[
        &[
            Field::new("environment", Kind::Text).or("AzurePublicCloud"),
            PORT,
            Field::new("subscription_id", Kind::Text).always(),
            Field::new("tenant_id", Kind::Text),
            Field::new("client_id", Kind::Text),
            Field::new("client_secret", Kind::Secret),
            Field::new("refresh_interval", Kind::Duration).or("5m"),
            Field::new("authentication_method", Kind::Text).or("OAuth"),
            Field::new("resource_group", Kind::Text),
        ],
        HTTP_FIELDS,
    ],
    check: |section| {
        needs(section, &["subscription_id"])?;
        let method = section.text("authentication_method");
        if method == "OAuth" {
            needs(section, &["tenant_id", "client_id", "client_secret"])?;
        }
        one_of(method, &["OAuth", "ManagedIdentity", "SDK", "WorkloadIdentity"])
            .map_err(|what| section.problem("authentication_method", what))?;
        check_http(section)
    },
};

pub(super) static DIGITALOCEAN: Schema = Schema {
    name: "digitalocean_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            REFRESH.always(),
            PORT,
            Field::new("role", Kind::Word(|text| one_of(text, &["droplets", "databases"])))
                .or("droplets")
                .always(),
            // Prometheus shows a field of its own here.
            Field::new("httpclient", Kind::Any).always(),
        ],
    ],
    check: role_and_http,
};

pub(super) static GCE: Schema = Schema {
    name: "gce_sd_configs",
    parts: &[&[
        Field::new("project", Kind::Text).always(),
        Field::new("zone", Kind::Text).always(),
        Field::new("filter", Kind::Text),
        REFRESH,
        PORT,
        Field::new("tag_separator", Kind::Text).or(","),
    ]],
    check: |section| needs(section, &["project", "zone"]),
};

pub(super) static HETZNER: Schema = Schema {
    name: "hetzner_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            REFRESH.always(),
            PORT,
            Field::new("role", Kind::Word(|text| one_of(text, &["robot", "hcloud"]))).always(),
            Field::new("label_selector", Kind::Text),
        ],
    ],
    check: role_and_http,
};

pub(super) static IONOS: Schema = Schema {
    name: "ionos_sd_configs",
    parts: &[
        &[Field::new("datacenter_id", Kind::Text).always()],
        HTTP_FIELDS,
        &[REFRESH.always(), PORT],
    ],
    check: |section| {
        needs(section, &["datacenter_id"])?;
        check_http(section)
    },
};

pub(super) static LINODE: Schema = Schema {
    name: "linode_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            REFRESH.always(),
            PORT,
            Field::new("tag_separator", Kind::Text).or(","),
            Field::new("region", Kind::Text),
        ],
    ],
    check: check_http,
};

pub(super) static OCI: Schema = Schema {
    name: "oci_sd_configs",
    parts: &[
        &[
            Field::new("auth", Kind::Text).or("api_key"),
            Field::new("tenancy", Kind::Text),
            Field::new("user", Kind::Text),
            Field::new("fingerprint", Kind::Text),
            Field::new("key_file", Kind::Path),
            Field::new("key_passphrase", Kind::Secret),
            Field::new("key_passphrase_file", Kind::Path),
            Field::new("region", Kind::Text).always(),
            Field::new("compartments", Kind::List),
        ],
        HTTP_FIELDS,
        &[PORT, REFRESH.always()],
    ],
    check: check_oci,
};

fn check_oci(section: &mut Section) -> Result<(), Problem> {
    needs(section, &["region"])?;
    match section.text("auth") {
        "api_key" => {
            needs(section, &["tenancy", "user", "fingerprint", "key_file"])?;
            either(section, "key_passphrase", "key_passphrase_file", false)?;
        }
        "instance_principal" => {
            let foreign = [
                "tenancy",
                "user",
                "fingerprint",
                "key_file",
                "key_passphrase",
                "key_passphrase_file",
            ];
            if let Some(name) = foreign.into_iter().find(|name| section.has(name)) {
                let what = format!("oci_sd_configs: auth instance_principal takes no {name}");
                return Err(section.problem(name, what));
            }
        }
        _ => {
            let what = "oci_sd_configs: auth is api_key or instance_principal";
            return Err(section.problem("auth", what));
        }
    }
    if section.list("compartments").iter().any(String::is_empty) {
        return Err(
            section.problem("compartments", "oci_sd_configs: an entry of compartments is empty")
        );
    }
    if section.int("refresh_interval") == 0 {
        return Err(
            section.problem("refresh_interval", "oci_sd_configs: refresh_interval is above 0")
        );
    }
    check_http(section)
}

pub(super) static OPENSTACK: Schema = Schema {
    name: "openstack_sd_configs",
    parts: &[&[
        Field::new("identity_endpoint", Kind::Text).always(),
        Field::new("username", Kind::Text).always(),
        Field::new("userid", Kind::Text).always(),
        Field::new("password", Kind::Secret).always(),
        Field::new("project_name", Kind::Text).always(),
        Field::new("project_id", Kind::Text).always(),
        Field::new("domain_name", Kind::Text).always(),
        Field::new("domain_id", Kind::Text).always(),
        Field::new("application_credential_name", Kind::Text).always(),
        Field::new("application_credential_id", Kind::Text).always(),
        Field::new("application_credential_secret", Kind::Secret).always(),
        Field::new(
            "role",
            Kind::Word(|text| one_of(text, &["hypervisor", "instance", "loadbalancer"])),
        )
        .always(),
        Field::new("region", Kind::Text).always(),
        REFRESH.always(),
        PORT,
        Field::new("all_tenants", Kind::Bool),
        Field::new("tls_config", Kind::One(&TLS)),
        Field::new(
            "availability",
            Kind::Word(|text| one_of(text, &["public", "internal", "admin"])),
        )
        .or("public"),
    ]],
    check: |section| needs(section, &["availability", "role", "region"]),
};

pub(super) static OUTSCALE: Schema = Schema {
    name: "outscale_sd_configs",
    parts: &[
        &[
            Field::new("endpoint", Kind::Text),
            Field::new("region", Kind::Text).or("eu-west-2").always(),
            Field::new("access_key", Kind::Text).always(),
            Field::new("secret_key", Kind::Secret).always(),
            Field::new("secret_key_file", Kind::Path).always(),
            REFRESH,
            PORT,
        ],
        HTTP_FIELDS,
    ],
    check: |section| {
        needs(section, &["region", "access_key"])?;
        either(section, "secret_key", "secret_key_file", true)?;
        if !section.has("endpoint") {
            let endpoint = format!("https://api.{}.outscale.com/api/v1", section.text("region"));
            section.set("endpoint", Value::Text(endpoint));
        }
        check_http(section)
    },
};

pub(super) static OVHCLOUD: Schema = Schema {
    name: "ovhcloud_sd_configs",
    parts: &[&[
        Field::new("endpoint", Kind::Text).or("ovh-eu").always(),
        Field::new("application_key", Kind::Text).always(),
        Field::new("application_secret", Kind::Secret).always(),
        Field::new("consumer_key", Kind::Secret).always(),
        REFRESH.always(),
        Field::new("service", Kind::Word(|text| one_of(text, &["dedicated_server", "vps"])))
            .always(),
    ]],
    check: |section| {
        needs(
            section,
            &["endpoint", "application_key", "application_secret", "consumer_key", "service"],
        )
    },
};

pub(super) static SCALEWAY: Schema = Schema {
    name: "scaleway_sd_configs",
    parts: &[
        &[
            Field::new("project_id", Kind::Text).always(),
            Field::new("api_url", Kind::Text).or("https://api.scaleway.com"),
            Field::new("zone", Kind::Text).or("fr-par-1").always(),
            Field::new("access_key", Kind::Text).always(),
            Field::new("secret_key", Kind::Secret).always(),
            Field::new("secret_key_file", Kind::Path).always(),
            Field::new("name_filter", Kind::Text),
            Field::new("tags_filter", Kind::List),
        ],
        HTTP_FIELDS,
        &[
            REFRESH.always(),
            PORT,
            Field::new("role", Kind::Word(|text| one_of(text, &["instance", "baremetal"])))
                .always(),
        ],
    ],
    check: |section| {
        needs(section, &["role", "project_id"])?;
        either(section, "secret_key", "secret_key_file", true)?;
        needs(section, &["access_key"])?;
        check_http(section)
    },
};

pub(super) static STACKIT: Schema = Schema {
    name: "stackit_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            Field::new("project", Kind::Text).always(),
            REFRESH,
            Field::new("port", Kind::Int).or("80"),
            Field::new("region", Kind::Text).or("eu01"),
            Field::new("endpoint", Kind::Text),
            Field::new("service_account_key", Kind::Secret),
            Field::new("private_key", Kind::Secret),
            Field::new("service_account_key_path", Kind::Text),
            Field::new("private_key_path", Kind::Text),
            Field::new("credentials_file_path", Kind::Text),
        ],
    ],
    check: |section| {
        if !section.has("endpoint") {
            needs(section, &["region"])?;
        }
        url(section, "endpoint")?;
        check_http(section)
    },
};

pub(super) static TRITON: Schema = Schema {
    name: "triton_sd_configs",
    parts: &[&[
        Field::new("account", Kind::Text).always(),
        Field::new("role", Kind::Word(|text| one_of(text, &["container", "cn"])))
            .or("container")
            .always(),
        Field::new("dns_suffix", Kind::Text).always(),
        Field::new("endpoint", Kind::Text).always(),
        Field::new("groups", Kind::List),
        Field::new("port", Kind::Int).or("9163").always(),
        REFRESH,
        Field::new("tls_config", Kind::One(&TLS)),
        Field::new("version", Kind::Int).or("1").always(),
    ]],
    check: |section| {
        needs(section, &["role", "account", "dns_suffix", "endpoint"])?;
        match section.int("refresh_interval") {
            0 => Err(section
                .problem("refresh_interval", "triton_sd_configs: refresh_interval is above 0")),
            _ => Ok(()),
        }
    },
};

pub(super) static VULTR: Schema = Schema {
    name: "vultr_sd_configs",
    parts: &[HTTP_FIELDS, &[REFRESH.always(), PORT]],
    check: check_http,
};

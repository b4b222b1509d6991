//! The sections `remote_write` and `remote_read`: their fields and what must hold among them.

use md5::{Digest, Md5};
use net::config::{HTTP_FIELDS, check_http, http_fields, reserved_header};
use yaml::relabel::RULE;
use yaml::{Field, Kind, Problem, Schema, Section, no_check};

/// What tells an entry from others: the hash of how it is printed, which Prometheus makes names of queues from.
pub(crate) fn hash(section: &Section) -> String {
    let sum = Md5::digest(section.to_yaml().as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name of an entry in metrics: its own, or the begin of its hash.
pub(crate) fn name(section: &Section) -> String {
    match section.text("name") {
        "" => hash(section)[..6].to_owned(),
        name => name.to_owned(),
    }
}

/// An entry of `remote_write`.
pub static REMOTE_WRITE: Schema = Schema {
    name: "remote_write",
    parts: &[
        &[
            Field::new("url", Kind::Url).always(),
            Field::new("remote_timeout", Kind::Duration).or("30s"),
            Field::new("headers", Kind::Map),
            Field::new("write_relabel_configs", Kind::Many(&RULE)),
            Field::new("name", Kind::Text),
            Field::new("send_exemplars", Kind::Bool),
            Field::new("send_native_histograms", Kind::Bool),
            Field::new("round_robin_dns", Kind::Bool),
            Field::new("protobuf_message", Kind::Word(check_message)).or(MESSAGES[0]),
            Field::new("failed_request_logging", Kind::Bool),
        ],
        &http_fields("true", ""),
        &[
            Field::new("queue_config", Kind::One(&QUEUE)),
            Field::new("metadata_config", Kind::One(&METADATA)),
            Field::new("sigv4", Kind::Maybe(&SIGV4)),
            Field::new("azuread", Kind::Maybe(&AZURE_AD)),
            Field::new("google_iam", Kind::Maybe(&GOOGLE_IAM)),
        ],
    ],
    check: check_write,
};

/// An entry of `remote_read`.
pub static REMOTE_READ: Schema = Schema {
    name: "remote_read",
    parts: &[
        &[
            Field::new("url", Kind::Url).always(),
            Field::new("remote_timeout", Kind::Duration).or("1m"),
            Field::new("chunked_read_limit", Kind::Uint).or("50000000"),
            Field::new("headers", Kind::Map),
            Field::new("read_recent", Kind::Bool),
            Field::new("name", Kind::Text),
        ],
        HTTP_FIELDS,
        &[
            Field::new("required_matchers", Kind::Map),
            Field::new("filter_external_labels", Kind::Bool).or("true"),
        ],
    ],
    check: check_read,
};

static QUEUE: Schema = Schema {
    name: "queue_config",
    parts: &[&[
        Field::new("capacity", Kind::Int).or("10000"),
        Field::new("max_shards", Kind::Int).or("50"),
        Field::new("min_shards", Kind::Int).or("1"),
        Field::new("max_samples_per_send", Kind::Int).or("2000"),
        Field::new("batch_send_deadline", Kind::Duration).or("5s"),
        Field::new("min_backoff", Kind::Duration).or("30ms"),
        Field::new("max_backoff", Kind::Duration).or("5s"),
        Field::new("retry_on_http_429", Kind::Bool),
        Field::new("sample_age_limit", Kind::Duration),
    ]],
    check: no_check,
};

static METADATA: Schema = Schema {
    name: "metadata_config",
    parts: &[&[
        Field::new("send", Kind::Bool).or("true").always(),
        Field::new("send_interval", Kind::Duration).or("1m").always(),
        Field::new("max_samples_per_send", Kind::Int).or("2000"),
    ]],
    check: no_check,
};

/// Requests signed for AWS.
pub static SIGV4: Schema = Schema {
    name: "sigv4",
    parts: &[&[
        Field::new("region", Kind::Text),
        Field::new("access_key", Kind::Text),
        Field::new("secret_key", Kind::Secret),
        Field::new("profile", Kind::Text),
        Field::new("role_arn", Kind::Text),
        Field::new("external_id", Kind::Text),
        Field::new("use_fips_sts_endpoint", Kind::Bool),
        Field::new("service_name", Kind::Text),
    ]],
    check: |section| match (section.has("access_key"), section.has("secret_key")) {
        (true, false) => Err(section.problem("access_key", "sigv4: access_key needs a secret_key")),
        (false, true) => {
            Err(section.problem("secret_key", "sigv4: secret_key needs an access_key"))
        }
        _ => Ok(()),
    },
};

const CLIENT_ID: Field = Field::new("client_id", Kind::Text);
const TENANT_ID: Field = Field::new("tenant_id", Kind::Text);

static MANAGED_IDENTITY: Schema = Schema {
    name: "managed_identity",
    parts: &[&[CLIENT_ID]],
    check: |section| uuids(section, &["client_id"]),
};

static WORKLOAD_IDENTITY: Schema = Schema {
    name: "workload_identity",
    parts: &[&[CLIENT_ID, TENANT_ID, Field::new("token_file_path", Kind::Text)]],
    check: |section| {
        needs(section, &["client_id", "tenant_id"])?;
        uuids(section, &["client_id", "tenant_id"])
    },
};

static AZURE_OAUTH: Schema = Schema {
    name: "oauth",
    parts: &[&[CLIENT_ID, Field::new("client_secret", Kind::Secret), TENANT_ID]],
    check: |section| {
        needs(section, &["client_id", "client_secret", "tenant_id"])?;
        uuids(section, &["client_id"])
    },
};

static AZURE_SDK: Schema = Schema { name: "sdk", parts: &[&[TENANT_ID]], check: no_check };

static CERTIFICATE: Schema = Schema {
    name: "certificate",
    parts: &[&[
        CLIENT_ID,
        TENANT_ID,
        Field::new("certificate_path", Kind::Text),
        Field::new("certificate_key_path", Kind::Text),
        Field::new("certificate_password", Kind::Secret),
        Field::new("send_certificate_chain", Kind::Bool),
    ]],
    check: |section| {
        needs(section, &["client_id", "tenant_id", "certificate_path"])?;
        uuids(section, &["client_id"])
    },
};

/// The ways to prove who asks, of which `azuread` takes one.
const AZURE_METHODS: [&str; 5] =
    ["managed_identity", "workload_identity", "oauth", "sdk", "certificate"];

static AZURE_AD: Schema = Schema {
    name: "azuread",
    parts: &[&[
        Field::new(AZURE_METHODS[0], Kind::Maybe(&MANAGED_IDENTITY)),
        Field::new(AZURE_METHODS[1], Kind::Maybe(&WORKLOAD_IDENTITY)),
        Field::new(AZURE_METHODS[2], Kind::Maybe(&AZURE_OAUTH)),
        Field::new(AZURE_METHODS[3], Kind::Maybe(&AZURE_SDK)),
        Field::new(AZURE_METHODS[4], Kind::Maybe(&CERTIFICATE)),
        Field::new("cloud", Kind::Text).or("AzurePublic"),
        Field::new("scope", Kind::Text),
    ]],
    check: check_azure,
};

static GOOGLE_IAM: Schema = Schema {
    name: "google_iam",
    parts: &[&[Field::new("credentials_file", Kind::Text)]],
    check: no_check,
};

const MESSAGES: [&str; 2] = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

fn check_message(text: &str) -> Result<(), String> {
    if MESSAGES.contains(&text) {
        return Ok(());
    }
    Err(format!("there is no message {text:?}; there are {}", MESSAGES.join(" and ")))
}

fn needs(section: &Section, names: &[&'static str]) -> Result<(), Problem> {
    match names.iter().find(|name| !section.has(name)) {
        Some(name) => {
            Err(section.problem(name, format!("{} needs a {name}", section.schema().name)))
        }
        None => Ok(()),
    }
}

/// Refuses identifiers that are not of the form 8-4-4-4-12; braces, `urn:uuid:` and bare digits are fine too.
fn uuids(section: &Section, names: &[&'static str]) -> Result<(), Problem> {
    let is_uuid = |text: &str| {
        let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
        let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        let digits = text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        digits && (lengths == [8, 4, 4, 4, 12] || lengths == [32])
    };
    match names.iter().find(|name| section.has(name) && !is_uuid(section.text(name))) {
        Some(name) => {
            Err(section.problem(name, format!("{}: {name} is not a UUID", section.schema().name)))
        }
        None => Ok(()),
    }
}

fn check_azure(section: &mut Section) -> Result<(), Problem> {
    if !section.has("cloud") {
        section.set("cloud", yaml::Value::Text(String::from("AzurePublic")));
    }
    if !matches!(section.text("cloud"), "AzurePublic" | "AzureChina" | "AzureGovernment") {
        let what = "azuread: the cloud is AzurePublic, AzureChina or AzureGovernment";
        return Err(section.problem("cloud", what));
    }
    let mut given = AZURE_METHODS.into_iter().filter(|name| section.section(name).is_some());
    let methods = AZURE_METHODS.join(", ");
    match (given.next(), given.next()) {
        (None, _) => Err(section.problem("cloud", format!("azuread needs one of {methods}"))),
        (_, Some(second)) => {
            Err(section.problem(second, format!("azuread: give only one of {methods}")))
        }
        _ => Ok(()),
    }?;
    let is_good =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "_:/.-".contains(c);
    if section.text("scope").chars().all(is_good) {
        Ok(())
    } else {
        Err(section.problem("scope", "azuread: the scope holds characters that cannot stand in it"))
    }
}

/// Refuses headers that the client or its authentication sets.
fn check_headers(section: &Section) -> Result<(), Problem> {
    let Some((name, _)) = section.map("headers").iter().find(|(name, _)| reserved_header(name))
    else {
        return Ok(());
    };
    let what = if name.eq_ignore_ascii_case("authorization") {
        format!(
            "header {name:?} is set by basic_auth, authorization, oauth2, sigv4, azuread or google_iam"
        )
    } else {
        format!("header {name:?} is set by the client itself")
    };
    Err(section.problem("headers", what))
}

fn check_url(section: &Section) -> Result<(), Problem> {
    if section.is_given("url") {
        return Ok(());
    }
    Err(section.problem("url", format!("{} needs a url", section.schema().name)))
}

fn check_write(section: &mut Section) -> Result<(), Problem> {
    check_url(section)?;
    check_headers(section)?;
    check_http(section)?;
    check_queue(section.one("queue_config"))?;
    let methods = ["basic_auth", "authorization", "oauth2", "sigv4", "azuread", "google_iam"];
    match methods.iter().filter(|name| section.section(name).is_some()).nth(1) {
        Some(second) => {
            let what = format!("remote_write: give at most one of {}", methods.join(", "));
            Err(section.problem(second, what))
        }
        None => Ok(()),
    }
}

fn check_queue(queue: &Section) -> Result<(), Problem> {
    for name in ["max_shards", "min_shards", "max_samples_per_send", "capacity"] {
        if queue.int(name) <= 0 {
            return Err(queue.problem(name, format!("queue_config: {name} is above 0")));
        }
    }
    for (low, high) in [("min_shards", "max_shards"), ("min_backoff", "max_backoff")] {
        if queue.int(low) > queue.int(high) {
            return Err(queue.problem(low, format!("queue_config: {low} is above {high}")));
        }
    }
    Ok(())
}

fn check_read(section: &mut Section) -> Result<(), Problem> {
    check_url(section)?;
    check_headers(section)?;
    if let Some((name, _)) =
        section.map("required_matchers").iter().find(|(name, _)| name.is_empty())
    {
        let what = format!("required_matchers: {name:?} cannot be a label name");
        return Err(section.problem("required_matchers", what));
    }
    check_http(section)
}

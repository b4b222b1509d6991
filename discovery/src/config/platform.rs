//! Sections of discovery by schedulers, registries and orchestrators: their fields, defaults and checks.

use super::check::{absolute_url, either, needs, one_of, url};
use net::config::{HTTP_FIELDS, check_http};
use yaml::{Field, Kind, Problem, Schema, Section, no_check};

pub(super) static CONSUL: Schema = Schema {
    name: "consul_sd_configs",
    parts: &[
        &[
            Field::new("server", Kind::Text).or("localhost:8500"),
            Field::new("path_prefix", Kind::Text),
            Field::new("token", Kind::Secret),
            Field::new("datacenter", Kind::Text),
            Field::new("namespace", Kind::Text),
            Field::new("partition", Kind::Text),
            Field::new("tag_separator", Kind::Text).or(","),
            Field::new("scheme", Kind::Text).or("http"),
            Field::new("username", Kind::Text),
            Field::new("password", Kind::Secret),
            Field::new("allow_stale", Kind::Bool).or("true").always(),
            Field::new("refresh_interval", Kind::Duration).or("30s"),
            Field::new("services", Kind::List),
            Field::new("tags", Kind::List),
            Field::new("node_meta", Kind::Map),
            Field::new("filter", Kind::Text),
            Field::new("health_filter", Kind::Text),
        ],
        HTTP_FIELDS,
    ],
    check: check_consul,
};

fn check_consul(section: &mut Section) -> Result<(), Problem> {
    needs(section, &["server"])?;
    if section.has("username") || section.has("password") {
        if section.section("basic_auth").is_some() {
            let what = "consul_sd_configs: give either username and password or basic_auth";
            return Err(section.problem("basic_auth", what));
        }
        let mut basic = Section::zero(&net::config::BASIC_AUTH, section.mark);
        basic.set("username", section.value("username").clone());
        basic.set("password", section.value("password").clone());
        section.set("basic_auth", yaml::Value::Section(Box::new(basic)));
    }
    let other =
        ["authorization", "oauth2"].into_iter().find(|name| section.section(name).is_some());
    if let (true, Some(other)) = (section.has("token"), other) {
        return Err(
            section.problem(other, format!("consul_sd_configs: give either token or {other}"))
        );
    }
    check_http(section)
}

pub(super) static DNS: Schema = Schema {
    name: "dns_sd_configs",
    parts: &[&[
        Field::new("names", Kind::List).always(),
        Field::new("refresh_interval", Kind::Duration).or("30s"),
        Field::new("type", Kind::Text).or("SRV").always(),
        Field::new("port", Kind::Int).always(),
    ]],
    check: |section| {
        if section.list("names").is_empty() {
            return Err(section.problem("names", "dns_sd_configs needs at least one name in names"));
        }
        match section.text("type").to_uppercase().as_str() {
            "SRV" => Ok(()),
            "A" | "AAAA" | "MX" | "NS" if section.int("port") != 0 => Ok(()),
            "A" | "AAAA" | "MX" | "NS" => {
                Err(section.problem("port", "dns_sd_configs needs a port, except for type SRV"))
            }
            _ => Err(section.problem("type", "dns_sd_configs: the type is SRV, A, AAAA, MX or NS")),
        }
    },
};

static FILTER: Schema = Schema {
    name: "filters",
    parts: &[&[Field::new("name", Kind::Text).always(), Field::new("values", Kind::List).always()]],
    check: no_check,
};

pub(super) static DOCKER: Schema = Schema {
    name: "docker_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            Field::new("host", Kind::Text).always(),
            Field::new("port", Kind::Int).or("80").always(),
            Field::new("filters", Kind::Many(&FILTER)).always(),
            Field::new("host_networking_host", Kind::Text).or("localhost").always(),
            Field::new("refresh_interval", Kind::Duration).or("1m").always(),
            Field::new("match_first_network", Kind::Bool).or("true").always(),
        ],
    ],
    check: |section| {
        needs(section, &["host"])?;
        url(section, "host")?;
        check_http(section)
    },
};

pub(super) static DOCKERSWARM: Schema = Schema {
    name: "dockerswarm_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            Field::new("host", Kind::Text).always(),
            Field::new("role", Kind::Word(|text| one_of(text, &["services", "tasks", "nodes"])))
                .always(),
            Field::new("port", Kind::Int).or("80").always(),
            Field::new("filters", Kind::Many(&FILTER)).always(),
            Field::new("refresh_interval", Kind::Duration).or("1m").always(),
        ],
    ],
    check: |section| {
        needs(section, &["host", "role"])?;
        url(section, "host")?;
        check_http(section)
    },
};

pub(super) static EUREKA: Schema = Schema {
    name: "eureka_sd_configs",
    parts: &[
        &[Field::new("server", Kind::Text)],
        HTTP_FIELDS,
        &[Field::new("refresh_interval", Kind::Duration).or("30s")],
    ],
    check: |section| {
        absolute_url(section, "server", false)?;
        check_http(section)
    },
};

pub(super) static HTTP: Schema = Schema {
    name: "http_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            Field::new("refresh_interval", Kind::Duration).or("1m"),
            Field::new("url", Kind::Text).always(),
        ],
    ],
    check: |section| {
        absolute_url(section, "url", true)?;
        check_http(section)
    },
};

pub(super) static KUMA: Schema = Schema {
    name: "kuma_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            Field::new("refresh_interval", Kind::Duration).or("15s"),
            Field::new("fetch_timeout", Kind::Duration).or("2m"),
            Field::new("server", Kind::Text),
            Field::new("client_id", Kind::Text),
        ],
    ],
    check: |section| {
        absolute_url(section, "server", false)?;
        check_http(section)
    },
};

pub(super) static MARATHON: Schema = Schema {
    name: "marathon_sd_configs",
    parts: &[
        &[
            Field::new("servers", Kind::List),
            Field::new("refresh_interval", Kind::Duration).or("30s"),
            Field::new("auth_token", Kind::Secret),
            Field::new("auth_token_file", Kind::Path),
        ],
        HTTP_FIELDS,
    ],
    check: check_marathon,
};

fn check_marathon(section: &mut Section) -> Result<(), Problem> {
    if section.list("servers").is_empty() {
        return Err(section.problem("servers", "marathon_sd_configs needs at least one of servers"));
    }
    either(section, "auth_token", "auth_token_file", false)?;
    if section.has("auth_token") || section.has("auth_token_file") {
        let sections = ["basic_auth", "authorization"].into_iter();
        let texts = ["bearer_token", "bearer_token_file"].into_iter();
        let other = sections
            .filter(|name| section.section(name).is_some())
            .chain(texts.filter(|name| section.has(name)))
            .next();
        if let Some(other) = other {
            let what = format!("marathon_sd_configs: give either auth_token or {other}");
            return Err(section.problem(other, what));
        }
    }
    check_http(section)
}

/// Fields of discovery by ZooKeeper.
const ZOOKEEPER_FIELDS: &[Field] = &[
    Field::new("servers", Kind::List).always(),
    Field::new("paths", Kind::List).always(),
    Field::new("timeout", Kind::Duration).or("10s"),
];

pub(super) static NERVE: Schema =
    Schema { name: "nerve_sd_configs", parts: &[ZOOKEEPER_FIELDS], check: check_zookeeper };

pub(super) static SERVERSET: Schema =
    Schema { name: "serverset_sd_configs", parts: &[ZOOKEEPER_FIELDS], check: check_zookeeper };

fn check_zookeeper(section: &mut Section) -> Result<(), Problem> {
    for name in ["servers", "paths"] {
        if section.list(name).is_empty() {
            let what = format!("{} needs at least one of {name}", section.schema().name);
            return Err(section.problem(name, what));
        }
    }
    match section.list("paths").iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(section.problem("paths", format!("{path:?} does not begin with /"))),
        None => Ok(()),
    }
}

pub(super) static NOMAD: Schema = Schema {
    name: "nomad_sd_configs",
    parts: &[
        &[Field::new("allow_stale", Kind::Bool).or("true").always()],
        HTTP_FIELDS,
        &[
            Field::new("namespace", Kind::Text).or("default").always(),
            Field::new("refresh_interval", Kind::Duration).or("1m").always(),
            Field::new("region", Kind::Text).or("global").always(),
            Field::new("server", Kind::Text).or("http://localhost:4646").always(),
            Field::new("tag_separator", Kind::Text).or(","),
        ],
    ],
    check: |section| {
        needs(section, &["server"])?;
        check_http(section)
    },
};

pub(super) static PUPPETDB: Schema = Schema {
    name: "puppetdb_sd_configs",
    parts: &[
        HTTP_FIELDS,
        &[
            Field::new("refresh_interval", Kind::Duration).or("1m"),
            Field::new("url", Kind::Text).always(),
            Field::new("query", Kind::Text).always(),
            Field::new("include_parameters", Kind::Bool).always(),
            Field::new("port", Kind::Int).or("80").always(),
        ],
    ],
    check: |section| {
        absolute_url(section, "url", true)?;
        needs(section, &["query"])?;
        check_http(section)
    },
};

pub(super) static UYUNI: Schema = Schema {
    name: "uyuni_sd_configs",
    parts: &[
        &[
            Field::new("server", Kind::Text).always(),
            Field::new("username", Kind::Text).always(),
            Field::new("password", Kind::Secret).always(),
        ],
        HTTP_FIELDS,
        &[
            Field::new("entitlement", Kind::Text).or("monitoring_entitled"),
            Field::new("separator", Kind::Text).or(","),
            Field::new("refresh_interval", Kind::Duration).or("1m"),
        ],
    ],
    check: |section| {
        needs(section, &["server"])?;
        url(section, "server")?;
        needs(section, &["username", "password"])?;
        check_http(section)
    },
};

/// The roles of Kubernetes discovery, each with the roles whose selectors it takes.
const ROLES: &[(&str, &[&str])] = &[
    ("pod", &["pod", "node"]),
    ("service", &["service"]),
    ("endpoints", &["pod", "service", "endpoints"]),
    ("endpointslice", &["pod", "service", "endpointslice"]),
    ("node", &["node"]),
    ("ingress", &["ingress"]),
];

fn check_role(text: &str) -> Result<(), String> {
    one_of(text, &["pod", "service", "endpoints", "endpointslice", "node", "ingress"])
}

static NAMESPACES: Schema = Schema {
    name: "namespaces",
    parts: &[&[
        Field::new("own_namespace", Kind::Bool).always(),
        Field::new("names", Kind::List).always(),
    ]],
    check: no_check,
};

static SELECTOR: Schema = Schema {
    name: "selectors",
    parts: &[&[
        Field::new("role", Kind::Word(check_role)),
        Field::new("label", Kind::Text),
        Field::new("field", Kind::Text),
    ]],
    check: |section| {
        let terms = section.text("field").split(',').filter(|term| !term.trim().is_empty());
        match terms.into_iter().find(|term| !term.contains('=')) {
            Some(term) => {
                Err(section.problem("field", format!("{term:?} is not of the form name=value")))
            }
            None => check_label_selector(section),
        }
    },
};

/// A rough check of label selectors: parentheses belong to `in` and `notin` and are closed.
fn check_label_selector(section: &Section) -> Result<(), Problem> {
    let text = section.text("label");
    let wrong = || Err(section.problem("label", format!("{text:?} is not a label selector")));
    let mut open = false;
    for c in text.chars() {
        match (c, open) {
            ('(', false) => open = true,
            (')', true) => open = false,
            ('(', true) | (')', false) => return wrong(),
            _ => {}
        }
    }
    if open { wrong() } else { Ok(()) }
}

static ATTACH_METADATA: Schema = Schema {
    name: "attach_metadata",
    parts: &[&[
        Field::new("node", Kind::Bool).always(),
        Field::new("namespace", Kind::Bool).always(),
        Field::new("deployment", Kind::Bool).always(),
        Field::new("job", Kind::Bool).always(),
        Field::new("cronjob", Kind::Bool).always(),
    ]],
    check: no_check,
};

pub(super) static KUBERNETES: Schema = Schema {
    name: "kubernetes_sd_configs",
    parts: &[
        &[
            Field::new("api_server", Kind::Url),
            Field::new("role", Kind::Word(check_role)).always(),
            Field::new("kubeconfig_file", Kind::Path).always(),
        ],
        HTTP_FIELDS,
        &[
            Field::new("namespaces", Kind::One(&NAMESPACES)),
            Field::new("selectors", Kind::Many(&SELECTOR)),
            Field::new("attach_metadata", Kind::One(&ATTACH_METADATA)),
        ],
    ],
    check: check_kubernetes,
};

fn check_kubernetes(section: &mut Section) -> Result<(), Problem> {
    needs(section, &["role"])?;
    check_http(section)?;
    let refuse = |name: &str, what: &str| {
        Err(section.problem(name, format!("kubernetes_sd_configs: {what}")))
    };
    let (server, file) = (section.is_given("api_server"), section.has("kubeconfig_file"));
    if server && file {
        return refuse("kubeconfig_file", "give either api_server or kubeconfig_file");
    }
    let custom = net::config::HttpClientConfig::from_section(section)
        != net::config::HttpClientConfig::default();
    if file && custom {
        return refuse("kubeconfig_file", "the HTTP client is configured in the kubeconfig_file");
    }
    if !server && custom {
        return refuse("api_server", "HTTP client settings need the URL in api_server");
    }
    if (server || file) && section.one("namespaces").bool("own_namespace") {
        return refuse("namespaces", "own_namespace works only inside the cluster");
    }
    let role = section.text("role");
    let allowed = ROLES.iter().find(|(name, _)| *name == role).map_or(&[][..], |(_, roles)| *roles);
    let mut seen: Vec<&str> = Vec::new();
    for selector in section.sections("selectors") {
        let name = selector.text("role");
        if seen.contains(&name) {
            return Err(
                selector.problem("role", format!("there is a selector for role {name:?} already"))
            );
        }
        if !allowed.contains(&name) {
            let what = format!("role {role:?} takes selectors for {} only", allowed.join(", "));
            return Err(selector.problem("role", what));
        }
        seen.push(name);
    }
    Ok(())
}

//! The section `oauth2` as a table of fields, what must hold among them, and the typed form made of it.

use super::section::{PROXY_FIELDS, TLS, at_most_one, check_proxy, secret, text};
use super::{Assertion, OAuth2, ProxyConfig, TlsConfig};
use crate::assertion::Algorithm;
use serde_json::{Map, Number};
use yaml::{Content, Field, Kind, Node, Problem, Scalar, Schema, Section, Value};

pub(super) static OAUTH2: Schema = Schema {
    name: "oauth2",
    parts: &[
        &[
            Field::new("client_id", Kind::Text),
            Field::new("client_secret", Kind::Secret),
            Field::new("client_secret_file", Kind::Path),
            Field::new("client_secret_ref", Kind::Text),
            Field::new("client_certificate_key_id", Kind::Text),
            Field::new("client_certificate_key", Kind::Secret),
            Field::new("client_certificate_key_file", Kind::Text),
            Field::new("client_certificate_key_ref", Kind::Text),
            Field::new("grant_type", Kind::Text),
            Field::new("signature_algorithm", Kind::Text),
            Field::new("iss", Kind::Text),
            Field::new("audience", Kind::Text),
            Field::new("claims", Kind::Any),
            Field::new("scopes", Kind::List),
            Field::new("token_url", Kind::Text),
            Field::new("endpoint_params", Kind::Map),
            Field::new("tls_config", Kind::One(&TLS)),
        ],
        PROXY_FIELDS,
    ],
    check: check_oauth2,
};

/// The grant whose assertion is signed by a key of the client.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn check_oauth2(section: &mut Section) -> Result<(), Problem> {
    for needed in ["client_id", "token_url"] {
        if !section.has(needed) {
            return Err(section.problem(needed, format!("oauth2 needs a {needed}")));
        }
    }
    if let Value::Any(claims) = section.value("claims")
        && !claims.is_null()
        && !matches!(claims.content, Content::Map(_))
    {
        return Err(section.problem("claims", "oauth2: claims are names with values"));
    }
    if section.text("grant_type") == JWT_BEARER {
        let key = "client_certificate_key";
        let names = [key, "client_certificate_key_file", "client_certificate_key_ref"];
        at_most_one(section, &names)?;
        if !matches!(section.text("signature_algorithm"), "" | "RS256" | "RS384" | "RS512") {
            let what = "oauth2: the signature_algorithm is RS256, RS384 or RS512";
            return Err(section.problem("signature_algorithm", what));
        }
    } else {
        at_most_one(section, &["client_secret", "client_secret_file", "client_secret_ref"])?;
    }
    check_proxy(section)
}

impl OAuth2 {
    pub(super) fn from_section(section: &Section) -> Self {
        Self {
            client_id: text(section, "client_id"),
            client_secret: secret(section, "client_secret"),
            client_secret_file: text(section, "client_secret_file"),
            scopes: section.list("scopes").to_vec(),
            token_url: text(section, "token_url"),
            endpoint_params: section.map("endpoint_params").to_vec(),
            assertion: (section.text("grant_type") == JWT_BEARER).then(|| Assertion {
                key: secret(section, "client_certificate_key"),
                key_file: text(section, "client_certificate_key_file"),
                key_id: text(section, "client_certificate_key_id"),
                algorithm: Algorithm::from_name(section.text("signature_algorithm"))
                    .expect("checked when it was read"),
                issuer: text(section, "iss"),
                audience: text(section, "audience"),
                claims: claims(section),
            }),
            tls_config: TlsConfig::from_section(section.one("tls_config")),
            proxy: ProxyConfig::from_section(section),
        }
    }
}

fn claims(section: &Section) -> Map<String, serde_json::Value> {
    match section.value("claims") {
        Value::Any(node) => match json(node) {
            serde_json::Value::Object(claims) => claims,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

/// A value of YAML as JSON; what JSON has no number for is a text.
fn json(node: &Node) -> serde_json::Value {
    match &node.content {
        Content::List(list) => list.iter().map(json).collect(),
        Content::Map(pairs) => {
            let name = |key: &Node| match &key.content {
                Content::Scalar { text, .. } => text.clone(),
                Content::Bytes | Content::List(_) | Content::Map(_) => key.describe(),
            };
            pairs.iter().map(|(key, value)| (name(key), json(value))).collect()
        }
        Content::Bytes => serde_json::Value::Null,
        Content::Scalar { text, .. } => match node.meaning().unwrap_or(Scalar::Null) {
            Scalar::Null => serde_json::Value::Null,
            Scalar::Bool(value) => value.into(),
            Scalar::Int(value) => {
                Number::from_i128(value).map_or_else(|| text.as_str().into(), Into::into)
            }
            Scalar::Float(value) => {
                Number::from_f64(value).map_or_else(|| text.as_str().into(), Into::into)
            }
            Scalar::Text => text.as_str().into(),
        },
    }
}

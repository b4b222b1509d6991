//! What members of services write into their nodes, and the labels it makes.

use crate::target::Target;
use model::Labels;
use serde_json::Value;

/// From the content of a node to a target; `None` if it holds no member.
pub(super) type Parse = fn(data: &[u8], path: &str) -> Option<Labels>;

/// A field, whatever the case of its name; null if there is none.
fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    let mut fields = object.as_object().into_iter().flatten();
    let found = fields.find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map_or(&Value::Null, |(_, value)| value)
}

/// A text; empty if there is none, `None` if it is something else.
fn text_of<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    match field(object, name) {
        Value::Null => Some(""),
        value => value.as_str(),
    }
}

/// An integer; 0 if there is none, `None` if it is something else.
fn number_of(object: &Value, name: &str) -> Option<i64> {
    match field(object, name) {
        Value::Null => Some(0),
        value => value.as_i64(),
    }
}

fn parse(data: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(data).ok()?;
    (value.is_object() || value.is_null()).then_some(value)
}

/// Host and port of an endpoint.
fn endpoint(object: &Value) -> Option<(&str, i64)> {
    (object.is_object() || object.is_null())
        .then(|| Some((text_of(object, "host")?, number_of(object, "port")?)))
        .flatten()
}

/// A member of a service that Nerve watches.
pub(super) fn nerve(data: &[u8], path: &str) -> Option<Labels> {
    let member = parse(data)?;
    let (host, port) = endpoint(&member)?;
    let mut target = Target::new("__meta_nerve_");
    target.address(host, port);
    target.set("path", path);
    target.set("endpoint_host", host);
    target.set("endpoint_port", &port.to_string());
    target.set("endpoint_name", text_of(&member, "name")?);
    Some(target.labels())
}

/// A member of a serverset.
pub(super) fn serverset(data: &[u8], path: &str) -> Option<Labels> {
    let member = parse(data)?;
    let (host, port) = endpoint(field(&member, "serviceEndpoint"))?;
    let mut target = Target::new("__meta_serverset_");
    target.address(host, port);
    target.set("path", path);
    target.set("endpoint_host", host);
    target.set("endpoint_port", &port.to_string());
    let additional = field(&member, "additionalEndpoints").as_object().into_iter().flatten();
    for (name, own) in additional {
        let (host, port) = endpoint(own)?;
        target.keyed("endpoint_host_", name, host);
        target.keyed("endpoint_port_", name, &port.to_string());
    }
    target.set("status", text_of(&member, "status")?);
    target.set("shard", &number_of(&member, "shard")?.to_string());
    Some(target.labels())
}

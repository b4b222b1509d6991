//! Addresses and links.

use crate::value::Value;
use core::net::IpAddr;
use std::fmt::Write;

/// A text as a value of a query: all but letters, digits and `-_.~` become `%XX`, spaces `+`.
pub(crate) fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char);
            }
            b' ' => out.push('+'),
            _ => write!(out, "%{byte:02X}").expect("writing to memory cannot fail"),
        }
    }
    out
}

/// The page of an expression: its graph, or its table in tab 1.
pub(super) fn link(expression: &str, tab: u8) -> Result<Value, String> {
    let expression = query_escape(expression);
    Ok(Value::text(format!("/graph?g0.expr={expression}&g0.tab={tab}")))
}

/// Host and port, as Go tells them apart; `None` if there is no port or no sense.
fn split(address: &str) -> Option<(&str, &str)> {
    let colon = address.rfind(':')?;
    let (host, port) = (&address[..colon], &address[colon + 1..]);
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_odd = |text: &str| text.contains(['[', ']']);
    (!is_odd(host) && !is_odd(port)).then_some((host, port))
}

pub(super) fn strip_port(address: &str) -> Value {
    Value::text(split(address).map_or(address, |(host, _)| host))
}

pub(super) fn strip_domain(address: &str) -> Value {
    let (host, port) = split(address).unwrap_or((address, ""));
    if is_ip(host) {
        return Value::text(address);
    }
    let name = host.split('.').next().unwrap_or_default();
    Value::text(match port {
        "" => name.to_owned(),
        port if name.contains(':') => format!("[{name}]:{port}"),
        port => format!("{name}:{port}"),
    })
}

fn is_ip(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

//! Which remote-write messages are taken, by the headers of a request. Compared as they are, as Prometheus does.

use super::Error;

const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";

fn unsupported(text: String) -> Error {
    Error::Unsupported(text.into())
}

/// Accepts a remote-write 1.0 message packed with snappy; the encoding is checked before the type.
/// Absent headers are empty texts.
pub fn check(content_type: &str, content_encoding: &str) -> Result<(), Error> {
    if !matches!(content_encoding, "" | "snappy") {
        return Err(unsupported(format!(
            "{content_encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
        )));
    }
    let mut parts = content_type.split(';');
    let media = parts.next().unwrap_or_default();
    if content_type.is_empty() {
        return Ok(());
    }
    if media.trim() != "application/x-protobuf" {
        return Err(unsupported(format!(
            "expected application/x-protobuf as the first (media) part, got {content_type} content-type"
        )));
    }
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            return Err(unsupported(format!(
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, \
                 got {part} in {content_type} content-type"
            )));
        };
        match (name, value) {
            ("proto", V1) => {}
            ("proto", V2) => {
                return Err(unsupported(format!(
                    "{V2} protobuf message is not accepted by this server; only accepts {V1}"
                )));
            }
            ("proto", other) => {
                return Err(unsupported(format!(
                    "got {content_type} content type; unknown type for remote write protobuf message {other}, \
                     supported: {V1}, {V2}"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

//! Which remote-write messages are taken, by the headers of a request. Compared as they are, as Prometheus does.

use super::Error;

/// The messages of remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Remote write 1.0.
    V1,
    /// Remote write 2.0.
    V2,
}

impl Message {
    /// The full name of the message.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "prometheus.WriteRequest",
            Self::V2 => "io.prometheus.write.v2.Request",
        }
    }

    /// The message with this full name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|message| message.name() == name)
    }
}

fn unsupported(text: String) -> Error {
    Error::Unsupported(text.into())
}

/// The message of a request, packed with snappy; the encoding is checked before the type. Absent headers are empty
/// texts. Fails if it is none of `accepted`.
pub fn check(
    content_type: &str,
    content_encoding: &str,
    accepted: &[Message],
) -> Result<Message, Error> {
    if !matches!(content_encoding, "" | "snappy") {
        return Err(unsupported(format!(
            "{content_encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
        )));
    }
    let message = message(content_type)?;
    if !accepted.contains(&message) {
        let names: Vec<&str> = accepted.iter().map(|accepted| accepted.name()).collect();
        return Err(unsupported(format!(
            "{} protobuf message is not accepted by this server; only accepts {}",
            message.name(),
            names.join(", ")
        )));
    }
    Ok(message)
}

fn message(content_type: &str) -> Result<Message, Error> {
    let mut parts = content_type.split(';');
    let media = parts.next().unwrap_or_default();
    if content_type.is_empty() {
        return Ok(Message::V1);
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
        if name == "proto" {
            return Message::from_name(value).ok_or_else(|| {
                unsupported(format!(
                    "got {content_type} content type; unknown type for remote write protobuf message {value}, \
                     supported: {}, {}",
                    Message::V1.name(),
                    Message::V2.name()
                ))
            });
        }
    }
    Ok(Message::V1)
}

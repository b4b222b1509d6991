//! The endpoints that take past samples: the body goes to the thread that keeps it, piece by piece.

use super::State;
use crate::call::{self, Done, Form};
use crate::compress::Encoding;
use crate::error::{ApiError, Kind};
use crate::import::{self, Kept, Part};
use crate::json::Out;
use crate::params::Params;
use crate::response::Answer;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderName};
use http::request::Parts;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use storage::Cancel;
use tokio::sync::mpsc;

/// Pieces of a body that wait for the disk.
const MAX_WAITING_PIECES: usize = 4;

/// `/api/v1/import/openmetrics` and `/api/v1/import/remote-write`.
pub(super) async fn import<B>(state: &Arc<State>, kept: Kept, parts: &Parts, body: B) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let params = Params::read(parts.uri.query().unwrap_or_default(), &HeaderMap::new(), &[]);
    let value = |name: HeaderName| {
        let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let headers = (value(header::CONTENT_TYPE), value(header::CONTENT_ENCODING));
    let importer = state.api.import.as_ref();
    let importer = importer.ok_or_else(|| ApiError::new(Kind::Unavailable, "admin APIs disabled"));
    let asked = importer.and_then(|importer| {
        import::format(kept, &params, headers).map(|format| (Arc::clone(importer), format))
    });
    let (sender, mut pieces) = mpsc::channel(MAX_WAITING_PIECES);
    if asked.is_ok() {
        tokio::spawn(feed(body, sender, state.api.options.read_timeout));
    }
    let handler = move |_: &Cancel, out: &mut Out<'_>| -> crate::error::Result<Done> {
        let (importer, format) = asked?;
        import::import(&*importer, format, &mut pieces, out)
    };
    let form = Form::of("application/x-ndjson; charset=utf-8");
    let ran = call::run((form.clone(), Encoding::Identity), &state.readers, None, handler).await;
    ran.unwrap_or_else(|call::Panicked| {
        state.observer.panics.inc();
        call::panicked((&form, Encoding::Identity))
    })
}

/// Hands a body on until it ends, fails, or nobody takes it. A piece without bytes is the end.
async fn feed<B>(body: B, sender: mpsc::Sender<Part>, patience: Duration)
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = Box::pin(body);
    loop {
        let piece = match tokio::time::timeout(patience, body.frame()).await {
            Err(_elapsed) => Err("it comes too slowly".to_owned()),
            Ok(None) => Ok(Bytes::new()),
            Ok(Some(Err(error))) => Err(error.into().to_string()),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => Ok(bytes),
                _ => continue,
            },
        };
        let is_end = !matches!(&piece, Ok(bytes) if !bytes.is_empty());
        if sender.send(piece).await.is_err() || is_end {
            return;
        }
    }
}

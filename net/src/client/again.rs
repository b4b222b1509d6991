//! Requests without effect are sent again where a kept connection ends before it answers: servers close idle connections
//! at any moment, also at the one in which they are asked.

use super::Inner;
use crate::traffic::Traffic;
use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Error;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

impl Inner {
    /// Sends `request`, which must be one that may come twice. Each failure takes a kept connection away, and a new one
    /// is not tried twice: this ends.
    pub(super) async fn ask_again(
        &self,
        request: &Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Error> {
        loop {
            let mut attempt = request.clone();
            let connection = capture_connection(&mut attempt);
            match self.client.request(attempt).await {
                Err(_) if was_closed(&connection) => {}
                result => return result,
            }
        }
    }
}

/// Whether the connection was used before and ended without a word.
fn was_closed(connection: &CaptureConnection) -> bool {
    let mut extras = Extensions::new();
    if let Some(connected) = &*connection.connection_metadata() {
        connected.get_extras(&mut extras);
    }
    extras.get::<Traffic>().is_some_and(Traffic::is_silent_again)
}

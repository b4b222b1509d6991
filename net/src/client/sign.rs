//! Headers that somebody else makes for a request when it is about to be sent: signatures of it, and tokens that end.

use crate::Error;
use http::header::HeaderMap;
use std::future::Future;
use std::pin::Pin;

/// A request that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The whole URL, without a user.
    pub url: &'a str,
    /// All other headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// The headers to come: names in lower case, values.
pub type Signing<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<(&'static str, String)>, Error>> + Send + 'a>>;

/// Makes such headers.
pub trait Signer: Send + Sync {
    /// The headers of this request. An error is a request that failed and may be tried again.
    fn sign<'a>(&'a self, request: Unsigned<'a>) -> Signing<'a>;
}

//! Requests of any method whose answer is read in pieces or whole, with its headers: what discovery asks of interfaces.
//! A `GET` follows redirects; bodies are not uncompressed, as none are asked for.

use super::{Client, is_same_host, parse_url, redirect_target, redirection};
use crate::Error;
use crate::auth;
use crate::error::chain;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::time::Duration;
use url::Url;

const MAX_REDIRECTS: usize = 10;

/// A request.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// `GET`, `POST`, ...
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// Further headers: names in any case, values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty for none.
    pub body: Bytes,
}

/// The answer to a [`Call`], its body not read yet.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    url: Box<str>,
    body: Incoming,
}

/// The answer to a [`Call`] with its body.
#[derive(Clone, Debug)]
pub struct WholeAnswer {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|e| {
                Error::Body(format!("reading the answer of {}: {}", self.url, chain(&e)).into())
            })?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The rest of the body; an error beyond `limit` bytes.
    pub async fn whole(mut self, limit: usize) -> Result<WholeAnswer, Error> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if body.len() + bytes.len() > limit {
                return Err(Error::BodyTooLarge);
            }
            body.extend_from_slice(&bytes);
        }
        Ok(WholeAnswer { status: self.status, headers: self.headers, body })
    }
}

impl Client {
    /// Sends a request and reads the whole answer, of at most `limit` bytes, within `timeout`.
    pub async fn call(
        &self,
        call: &Call<'_>,
        timeout: Duration,
        limit: usize,
    ) -> Result<WholeAnswer, Error> {
        let whole = async { self.open(call).await?.whole(limit).await };
        match tokio::time::timeout(timeout, whole).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { url: call.url.into() }),
        }
    }

    /// Sends a request and waits for the head of the answer, for as long as that takes.
    pub async fn open(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let first = parse_url(call.url)?;
        let mut url = first.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask_once(call, &url, &first).await?;
            let location = answer.headers().get(header::LOCATION);
            let follows = self.0.config.follow_redirects && call.method == "GET";
            match redirection(answer.status().as_u16(), location).filter(|_| follows) {
                Some(location) => url = redirect_target(&url, location)?,
                None => {
                    let (parts, body) = answer.into_parts();
                    let status = parts.status.as_u16();
                    let url = url.as_str().into();
                    return Ok(Answer { status, headers: parts.headers, url, body });
                }
            }
        }
        let what = format!("stopped after {MAX_REDIRECTS} redirects").into();
        Err(Error::Request { url: url.as_str().into(), what })
    }

    async fn ask_once(
        &self,
        call: &Call<'_>,
        url: &Url,
        first: &Url,
    ) -> Result<http::Response<Incoming>, Error> {
        let same_host = is_same_host(first, url);
        let failed = |what: Box<str>| Error::Request { url: url.as_str().into(), what };
        let mut headers = self.0.headers(same_host).await?;
        let mut all = HeaderMap::with_capacity(headers.len() + call.headers.len() + 2);
        all.insert(header::USER_AGENT, self.0.user_agent.clone());
        for &(name, value) in call.headers {
            let name = HeaderName::try_from(name).map_err(|e| failed(chain(&e)))?;
            let value = HeaderValue::try_from(value).map_err(|e| failed(chain(&e)))?;
            // Credentials among them go where those of the configuration go.
            if same_host || name != header::AUTHORIZATION {
                all.insert(name, value);
            }
        }
        if !url.username().is_empty() && !headers.contains_key(header::AUTHORIZATION) && same_host {
            let text = auth::basic_value(url.username(), url.password().unwrap_or_default());
            let value = HeaderValue::try_from(text).map_err(|e| failed(chain(&e)))?;
            headers.insert(header::AUTHORIZATION, value);
        }
        all.extend(headers);
        self.0.add_proxy_headers(url, &mut all);
        let exact = if url == first && url.username().is_empty() { call.url } else { url.as_str() };
        let request = http::Request::builder().method(call.method).uri(exact);
        let request = request.body(Full::new(call.body.clone()));
        let mut request = request.map_err(|e| failed(chain(&e)))?;
        *request.headers_mut() = all;
        let answer = match call.method {
            "GET" | "HEAD" | "OPTIONS" => self.0.ask_again(&request).await,
            _ => self.0.client.request(request).await,
        };
        answer.map_err(|e| failed(chain(&e)))
    }
}

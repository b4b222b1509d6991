//! Requests with a body, for those who push: remote write, alerts. No redirects, answers read only as far as they explain
//! a failure.

use super::sign::Unsigned;
use super::{Client, parse_url};
use crate::Error;
use crate::auth;
use crate::error::chain;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use std::time::Duration;

/// A `POST` request.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// The whole URL.
    pub url: &'a str,
    /// Further headers: names in lower case, values.
    pub headers: &'a [(&'static str, &'a str)],
    /// The body.
    pub body: Bytes,
    /// Time limit of everything, the answer included.
    pub timeout: Duration,
    /// How much of the answer is kept; what is beyond is not read.
    pub max_answer_bytes: usize,
}

/// The answer to a [`Post`].
#[derive(Clone, Debug)]
pub struct Posted {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// The beginning of its body.
    pub body: Bytes,
}

fn failure(url: &str, what: &str) -> Error {
    Error::Body(format!("Post {url:?}: {what}").into())
}

impl Client {
    /// Sends a body and reads the answer.
    pub async fn post(&self, post: &Post<'_>) -> Result<Posted, Error> {
        match tokio::time::timeout(post.timeout, self.send(post)).await {
            Ok(result) => result,
            Err(_) => {
                let limit = post.timeout;
                Err(failure(post.url, &format!("no complete answer within {limit:?}")))
            }
        }
    }

    async fn send(&self, post: &Post<'_>) -> Result<Posted, Error> {
        let url = parse_url(post.url)?;
        let failed = |what: Box<str>| failure(post.url, &what);
        let mut headers = self.0.headers(true).await?;
        let mut all = HeaderMap::with_capacity(headers.len() + post.headers.len() + 2);
        all.insert(header::USER_AGENT, self.0.user_agent.clone());
        for &(name, value) in post.headers {
            let value = HeaderValue::try_from(value).map_err(|e| failed(chain(&e)))?;
            all.insert(HeaderName::from_static(name), value);
        }
        if !url.username().is_empty() && !headers.contains_key(header::AUTHORIZATION) {
            let text = auth::basic_value(url.username(), url.password().unwrap_or_default());
            let value = HeaderValue::try_from(text).map_err(|e| failed(chain(&e)))?;
            headers.insert(header::AUTHORIZATION, value);
        }
        all.extend(headers);
        self.0.add_proxy_headers(&url, &mut all);
        if let Some(signer) = &self.0.signer {
            let request =
                Unsigned { method: "POST", url: post.url, headers: &all, body: &post.body };
            for (name, value) in signer.sign(request).await? {
                let value = HeaderValue::try_from(value).map_err(|e| failed(chain(&e)))?;
                all.insert(HeaderName::from_static(name), value);
            }
        }
        let target = if url.username().is_empty() { post.url } else { url.as_str() };
        let request = http::Request::post(target).body(Full::new(post.body.clone()));
        let mut request = request.map_err(|e| failed(chain(&e)))?;
        *request.headers_mut() = all;
        let answer = self.0.client.request(request).await.map_err(|e| failed(chain(&e)))?;
        let (parts, mut incoming) = answer.into_parts();
        let mut body = Vec::new();
        while body.len() < post.max_answer_bytes
            && let Some(frame) = incoming.frame().await
        {
            let frame = frame.map_err(|e| failed(chain(&e)))?;
            if let Some(bytes) = frame.data_ref() {
                let left = post.max_answer_bytes - body.len();
                body.extend_from_slice(&bytes[..bytes.len().min(left)]);
            }
        }
        let status = parts.status.as_u16();
        Ok(Posted { status, headers: parts.headers, body: Bytes::from(body) })
    }
}

//! Tokens of OAuth 2.0 by client credentials: asked for when the first request needs one, kept until shortly before they
//! expire, renewed when the secret changes.

use crate::Error;
use crate::auth::{basic_value, read_secret};
use crate::client::{Client, ClientOptions, Post, Posted};
use crate::config::{HttpClientConfig, OAuth2};
use bytes::Bytes;
use http::header::HeaderValue;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded;

/// A token this close to its end is renewed.
const MARGIN: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// How the client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identification {
    Header,
    Parameters,
}

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    expires: Option<Instant>,
    /// The secret it was given for.
    secret: String,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// What the server accepted before.
    identification: Option<Identification>,
}

/// Where a client gets its tokens.
#[derive(Debug)]
pub(crate) struct TokenSource {
    config: OAuth2,
    client: Client,
    state: Mutex<State>,
}

impl TokenSource {
    pub(crate) fn new(config: &OAuth2, user_agent: &str) -> Result<Self, Error> {
        if !matches!(config.grant_type.as_str(), "" | "client_credentials") {
            return Err(Error::Unsupported("oauth2 with a signed assertion (jwt-bearer)"));
        }
        let http = HttpClientConfig {
            tls_config: config.tls_config.clone(),
            proxy: config.proxy.clone(),
            ..HttpClientConfig::default()
        };
        let options = ClientOptions { user_agent: user_agent.into(), ..ClientOptions::default() };
        let client = Client::new(&http, options)?;
        Ok(Self { config: config.clone(), client, state: Mutex::default() })
    }

    /// The `Authorization` header for a request that is sent now.
    pub(crate) async fn header(&self) -> Result<HeaderValue, Error> {
        let secret = match self.config.client_secret_file.as_str() {
            "" => self.config.client_secret.clone(),
            path => read_secret("oauth2 client secret", path).await?,
        };
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && token.secret == secret.expose()
            && token.expires.is_none_or(|expires| Instant::now() + MARGIN < expires)
        {
            return Ok(token.header.clone());
        }
        let token = self.fetch(secret.expose(), &mut state.identification).await?;
        let header = token.header.clone();
        state.token = Some(token);
        Ok(header)
    }

    async fn fetch(
        &self,
        secret: &str,
        identification: &mut Option<Identification>,
    ) -> Result<Token, Error> {
        if let Some(known) = *identification {
            return self.ask(secret, known).await;
        }
        // Servers accept one or the other, and nothing says which.
        for attempt in [Identification::Header, Identification::Parameters] {
            match self.ask(secret, attempt).await {
                Ok(token) => {
                    *identification = Some(attempt);
                    return Ok(token);
                }
                Err(error) if attempt == Identification::Parameters => return Err(error),
                Err(_) => {}
            }
        }
        unreachable!("the last attempt ends the loop")
    }

    /// The body of a request for a token.
    fn form(&self, parameters: &[(&str, &str)]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.config.scopes.is_empty() {
            form.append_pair("scope", &self.config.scopes.join(" "));
        }
        form.extend_pairs(self.config.endpoint_params.iter());
        form.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
        form.finish()
    }

    async fn ask(&self, secret: &str, identification: Identification) -> Result<Token, Error> {
        let config = &self.config;
        let encoded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = basic_value(&encoded(&config.client_id), &encoded(secret));
        let form_type = ("content-type", "application/x-www-form-urlencoded");
        let parameters = [("client_id", config.client_id.as_str()), ("client_secret", secret)];
        let (headers, form) = match identification {
            Identification::Header => {
                (&[form_type, ("authorization", basic.as_str())][..], self.form(&[]))
            }
            Identification::Parameters => (&[form_type][..], self.form(&parameters)),
        };
        let post = Post {
            url: &config.token_url,
            headers,
            body: Bytes::from(form),
            timeout: TIMEOUT,
            max_answer_bytes: MAX_ANSWER_BYTES,
        };
        // The client of the token server has no tokens itself; the box ends the recursion of types.
        let answer = Box::pin(self.client.post(&post)).await?;
        let (kind, token, lifetime) = read(&answer).map_err(|what| {
            Error::Body(
                format!("oauth2: cannot fetch token from {}: {what}", config.token_url).into(),
            )
        })?;
        let header = HeaderValue::try_from(format!("{kind} {token}"));
        let mut header =
            header.map_err(|_| Error::Body("oauth2: the token is no header".into()))?;
        header.set_sensitive(true);
        let expires = lifetime.map(|lifetime| Instant::now() + lifetime);
        Ok(Token { header, expires, secret: secret.to_owned() })
    }
}

/// Type, token and lifetime of an answer.
fn read(answer: &Posted) -> Result<(String, String, Option<Duration>), String> {
    if !(200..300).contains(&answer.status) {
        return Err(format!("status {}: {}", answer.status, String::from_utf8_lossy(&answer.body)));
    }
    let content_type = answer.headers.get(http::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let field: Box<dyn Fn(&str) -> String> = match media_type {
        "application/x-www-form-urlencoded" | "text/plain" => {
            let pairs: Vec<(String, String)> =
                form_urlencoded::parse(&answer.body).into_owned().collect();
            Box::new(move |name| {
                let found = pairs.iter().find(|(own, _)| own == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            })
        }
        _ => {
            let object: serde_json::Value =
                serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
            Box::new(move |name| match &object[name] {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => number.to_string(),
                _ => String::new(),
            })
        }
    };
    let token = field("access_token");
    if token.is_empty() {
        return Err("server response missing access_token".into());
    }
    let kind = match field("token_type").to_ascii_lowercase().as_str() {
        "" | "bearer" => "Bearer".to_owned(),
        "mac" => "MAC".to_owned(),
        "basic" => "Basic".to_owned(),
        _ => field("token_type"),
    };
    let seconds: Option<f64> = field("expires_in").parse().ok();
    let lifetime = seconds.filter(|seconds| *seconds > 0.0);
    Ok((kind, token, lifetime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())))
}

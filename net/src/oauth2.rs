//! Tokens of OAuth 2.0 by client credentials or signed assertions: asked for when the first request needs one, kept until
//! shortly before they expire, renewed when the secret or the key changes.

use crate::Error;
use crate::assertion::RsaKey;
use crate::auth::{basic_value, read_secret};
use crate::client::{Client, ClientOptions, Post, Posted};
use crate::config::{Assertion, HttpClientConfig, OAuth2, Secret};
use bytes::Bytes;
use http::header::HeaderValue;
use rustls::crypto::ring;
use rustls::pki_types::UnixTime;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded;

/// A token this close to its end is renewed.
const MARGIN: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// How long an assertion holds.
const ASSERTION_SECONDS: u64 = 600;
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const FORM_TYPE: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

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
        let secret = self.secret().await?;
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && token.secret == secret.expose()
            && token.expires.is_none_or(|expires| Instant::now() + MARGIN < expires)
        {
            return Ok(token.header.clone());
        }
        let token = match &self.config.assertion {
            Some(assertion) => self.ask_by(assertion, secret.expose()).await?,
            None => self.fetch(secret.expose(), &mut state.identification).await?,
        };
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

    /// What the client shows for itself: its secret, or the key it signs with.
    async fn secret(&self) -> Result<Secret, Error> {
        let config = &self.config;
        let (what, place, text, file) = match &config.assertion {
            Some(assertion) => (
                "oauth2 client certificate key",
                "client_certificate_key",
                &assertion.key,
                assertion.key_file.as_str(),
            ),
            None => (
                "oauth2 client secret",
                "client_secret",
                &config.client_secret,
                config.client_secret_file.as_str(),
            ),
        };
        match file {
            "" if text.is_empty() => {
                let what = format!("oauth2 needs a {place} or {place}_file").into();
                Err(Error::Config { place: place.into(), what })
            }
            "" => Ok(text.clone()),
            path => read_secret(what, path).await,
        }
    }

    /// The body of a request for a token: `own` and the parameters of the configuration, which may replace the grant type
    /// but nothing else of `own`.
    fn form(&self, own: &[(&str, &str)], identity: &[(&str, &str)]) -> Result<String, Error> {
        let scopes = self.config.scopes.join(" ");
        let mut all: BTreeMap<&str, &str> = own.iter().copied().collect();
        if !scopes.is_empty() {
            all.insert("scope", &scopes);
        }
        for (name, value) in &self.config.endpoint_params {
            if all.insert(name, value).is_some() && name != "grant_type" {
                let what = format!("the parameter {name:?} is set by the client itself");
                return Err(Error::Config { place: "endpoint_params".into(), what: what.into() });
            }
        }
        all.extend(identity.iter().copied().filter(|(_, value)| !value.is_empty()));
        Ok(form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish())
    }

    /// Asks by an assertion that `key` signs.
    async fn ask_by(&self, assertion: &Assertion, key: &str) -> Result<Token, Error> {
        let place = match assertion.key_file.as_str() {
            "" => "client_certificate_key",
            path => path,
        };
        let claims = Value::Object(self.claims(assertion)?);
        let signed = RsaKey::from_pem(place, key.as_bytes())?.token(
            assertion.algorithm,
            &assertion.key_id,
            &claims,
        )?;
        let form = self.form(&[("grant_type", JWT_BEARER), ("assertion", &signed)], &[])?;
        self.send(key, &[FORM_TYPE], form).await
    }

    fn claims(&self, assertion: &Assertion) -> Result<Map<String, Value>, Error> {
        let config = &self.config;
        let or = |text: &String, other: &String| {
            Value::from(if text.is_empty() { other.as_str() } else { text.as_str() })
        };
        // The clock by which certificates are judged.
        let now_seconds = UnixTime::now().as_secs();
        let mut claims = Map::new();
        claims.insert("iss".into(), or(&assertion.issuer, &config.client_id));
        claims.insert("sub".into(), config.client_id.as_str().into());
        claims.insert("jti".into(), random_uuid()?.into());
        claims.insert("aud".into(), or(&assertion.audience, &config.token_url));
        claims.insert("iat".into(), now_seconds.into());
        claims.insert("exp".into(), (now_seconds + ASSERTION_SECONDS).into());
        if !config.scopes.is_empty() {
            claims.insert("scope".into(), config.scopes.join(" ").into());
        }
        claims.extend(assertion.claims.clone());
        Ok(claims)
    }

    async fn ask(&self, secret: &str, identification: Identification) -> Result<Token, Error> {
        let config = &self.config;
        let encoded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = basic_value(&encoded(&config.client_id), &encoded(secret));
        let grant = [("grant_type", "client_credentials")];
        let parameters = [("client_id", config.client_id.as_str()), ("client_secret", secret)];
        let (headers, form) = match identification {
            Identification::Header => {
                (&[FORM_TYPE, ("authorization", basic.as_str())][..], self.form(&grant, &[])?)
            }
            Identification::Parameters => (&[FORM_TYPE][..], self.form(&grant, &parameters)?),
        };
        self.send(secret, headers, form).await
    }

    async fn send(
        &self,
        secret: &str,
        headers: &[(&'static str, &str)],
        form: String,
    ) -> Result<Token, Error> {
        let config = &self.config;
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

/// A random name for an assertion, as text of a UUID of version 4.
fn random_uuid() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let filled = ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Error::Body("oauth2: no random numbers".into()))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
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
            let object: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
            Box::new(move |name| match &object[name] {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
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

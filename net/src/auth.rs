//! Request headers by configuration: credentials and further headers. Files are read for each request, so that rotated
//! secrets work at once.

use crate::Error;
use crate::config::{HttpClientConfig, Secret};
use base64::Engine as _;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// The credentials and headers for one request. `same_host` is false after a redirect to another host: then nothing
/// secret is sent.
pub(crate) async fn headers(
    config: &HttpClientConfig,
    same_host: bool,
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if same_host && let Some(value) = authorization(config).await? {
        headers.insert(AUTHORIZATION, value);
    }
    for header in &config.http_headers {
        let is_secret = !header.secrets.is_empty() || !header.files.is_empty();
        if is_secret && !same_host {
            continue;
        }
        let name = HeaderName::try_from(header.name.as_str())
            .map_err(|_| config_error("http_headers", &header.name))?;
        let secrets = header.secrets.iter().map(Secret::expose);
        for value in header.values.iter().map(String::as_str).chain(secrets) {
            headers.append(name.clone(), header_value("http_headers", value)?);
        }
        for path in &header.files {
            let text = read_secret("headers file", path).await?;
            headers.append(name.clone(), header_value("http_headers", text.expose())?);
        }
    }
    Ok(headers)
}

async fn authorization(config: &HttpClientConfig) -> Result<Option<HeaderValue>, Error> {
    let text = if let Some(basic) = &config.basic_auth {
        let username = match basic.username_file.as_str() {
            "" => basic.username.clone(),
            path => read_secret("basic auth username", path).await?.expose().to_owned(),
        };
        let password = match basic.password_file.as_str() {
            "" => basic.password.clone(),
            path => read_secret("basic auth password", path).await?,
        };
        basic_value(&username, password.expose())
    } else if let Some(authorization) = &config.authorization {
        let credentials = match authorization.credentials_file.as_str() {
            "" => authorization.credentials.clone(),
            path => read_secret("authorization credentials", path).await?,
        };
        format!("{} {}", authorization.kind, credentials.expose())
    } else {
        return Ok(None);
    };
    let mut value = header_value("authorization", &text)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The value of a basic `Authorization` header.
pub(crate) fn basic_value(username: &str, password: &str) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
    format!("Basic {text}")
}

/// The text of a secret file, without blanks around it.
pub(crate) async fn read_secret(what: &'static str, path: &str) -> Result<Secret, Error> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(Secret::new(text.trim())),
        Err(source) => Err(Error::File { what, path: path.into(), source }),
    }
}

fn header_value(place: &'static str, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(text).map_err(|_| config_error(place, "a value with control characters"))
}

fn config_error(place: &str, what: &str) -> Error {
    Error::Config { place: place.into(), what: what.into() }
}

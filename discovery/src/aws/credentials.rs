//! Where credentials of AWS come from: the configuration, the environment, a profile, a token of a pod, the container
//! or the machine we run on, in this order.

use super::{Form, answer, encoded};
use crate::Error;
use crate::api::{Api, good, json};
use crate::sigv4::Credentials;
use crate::target::text;
use crate::xml::Element;
use bytes::Bytes;
use serde_json::Value;
use yaml::Section;

const MACHINE: &str = "http://169.254.169.254/latest";
const CONTAINER: &str = "http://169.254.170.2";

/// What the configuration says of credentials.
pub(super) struct Source {
    access_key: String,
    secret_key: String,
    profile: String,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn read(path: &str) -> Result<String, Error> {
    tokio::fs::read_to_string(path).await.map_err(|error| Error::config(path, error))
}

impl Source {
    pub(super) fn from_section(section: &Section) -> Self {
        let own = |name: &str| section.text(name).to_owned();
        Self {
            access_key: own("access_key"),
            secret_key: own("secret_key"),
            profile: own("profile"),
        }
    }

    /// Credentials and when they end.
    pub(super) async fn find(&self, api: &Api, region: &str) -> Result<(Credentials, i64), Error> {
        let lasting = |access_key: String, secret_key: String, session_token: String| {
            (Credentials { access_key, secret_key, session_token }, i64::MAX)
        };
        if !self.access_key.is_empty() && !self.secret_key.is_empty() {
            let (access_key, secret_key) = (self.access_key.clone(), self.secret_key.clone());
            return Ok(lasting(access_key, secret_key, String::new()));
        }
        if self.profile.is_empty()
            && let (Some(access_key), Some(secret_key)) =
                (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        {
            let token = variable("AWS_SESSION_TOKEN").unwrap_or_default();
            return Ok(lasting(access_key, secret_key, token));
        }
        if let Some(found) = self.profile_found().await? {
            return Ok((found, i64::MAX));
        }
        if let (Some(role), Some(file)) =
            (variable("AWS_ROLE_ARN"), variable("AWS_WEB_IDENTITY_TOKEN_FILE"))
        {
            return from_web_identity(api, region, &role, &file).await;
        }
        match container_url() {
            Some(url) => from_container(api, &url).await,
            None => from_machine(api).await,
        }
    }

    /// The keys of a profile; `None` if there is no such file and no profile is asked for.
    async fn profile_found(&self) -> Result<Option<Credentials>, Error> {
        let path = variable("AWS_SHARED_CREDENTIALS_FILE")
            .or_else(|| Some(format!("{}/.aws/credentials", variable("HOME")?)));
        let wanted = Some(self.profile.clone()).filter(|profile| !profile.is_empty());
        let (path, is_wanted) = (path.unwrap_or_default(), wanted.is_some());
        let content = match read(&path).await {
            Ok(content) => content,
            Err(error) if is_wanted => return Err(error),
            Err(_) => return Ok(None),
        };
        let profile = wanted.or_else(|| variable("AWS_PROFILE")).unwrap_or("default".to_owned());
        let found = profile_keys(&content, &profile);
        if found.is_none() && is_wanted {
            return Err(Error::config(&path, format!("no keys of profile {profile:?}")));
        }
        Ok(found)
    }
}

/// The keys that a file of profiles has for one of them.
fn profile_keys(content: &str, profile: &str) -> Option<Credentials> {
    let mut is_wanted = false;
    let mut found = Credentials {
        access_key: String::new(),
        secret_key: String::new(),
        session_token: String::new(),
    };
    for line in content.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_wanted = name.trim() == profile;
        } else if let (true, Some((name, value))) = (is_wanted, line.split_once('=')) {
            let value = value.trim().to_owned();
            match name.trim() {
                "aws_access_key_id" => found.access_key = value,
                "aws_secret_access_key" => found.secret_key = value,
                "aws_session_token" => found.session_token = value,
                _ => {}
            }
        }
    }
    Some(found).filter(|found| !found.access_key.is_empty() && !found.secret_key.is_empty())
}

/// What an answer of the token service holds.
pub(super) fn from_answer(url: &str, found: &Element) -> Result<(Credentials, i64), Error> {
    let own = |name: &str| found.at(name).text().to_owned();
    let credentials = Credentials {
        access_key: own("AccessKeyId"),
        secret_key: own("SecretAccessKey"),
        session_token: own("SessionToken"),
    };
    let end_ms = model::timestamp::parse_rfc3339(&own("Expiration"));
    end_ms
        .filter(|_| !credentials.access_key.is_empty())
        .map(|end_ms| (credentials, end_ms))
        .ok_or_else(|| Error::answer(url, "the answer holds no credentials"))
}

async fn from_web_identity(
    api: &Api,
    region: &str,
    role: &str,
    file: &str,
) -> Result<(Credentials, i64), Error> {
    let token = read(file).await?;
    let session = variable("AWS_ROLE_SESSION_NAME").unwrap_or("firesteel".to_owned());
    let pairs = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", role),
        ("RoleSessionName", &session),
        ("Version", "2011-06-15"),
        ("WebIdentityToken", token.trim()),
    ];
    let form: Form = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let url = format!("https://sts.{region}.amazonaws.com/");
    let headers = [("content-type", super::FORM)];
    let root = answer(&url, &api.call("POST", &url, &headers, encoded(&form)).await?)?;
    from_answer(&url, root.at("AssumeRoleWithWebIdentityResult").at("Credentials"))
}

fn container_url() -> Option<String> {
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let relative = relative.map(|path| format!("{CONTAINER}{path}"));
    relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
}

/// What a container or a machine tells, in JSON.
fn from_json(url: &str, found: &Value) -> Result<(Credentials, i64), Error> {
    let own = |name: &str| text(&found[name]).into_owned();
    let credentials = Credentials {
        access_key: own("AccessKeyId"),
        secret_key: own("SecretAccessKey"),
        session_token: own("Token"),
    };
    if credentials.access_key.is_empty() {
        return Err(Error::answer(url, "the answer holds no credentials"));
    }
    let end_ms = model::timestamp::parse_rfc3339(&own("Expiration")).unwrap_or(i64::MAX);
    Ok((credentials, end_ms))
}

async fn from_container(api: &Api, url: &str) -> Result<(Credentials, i64), Error> {
    let token = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => read(&file).await?.trim().to_owned(),
        None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap_or_default(),
    };
    let headers: &[(&str, &str)] =
        if token.is_empty() { &[] } else { &[("authorization", &token)] };
    let answer = good(url, api.call("GET", url, headers, Bytes::new()).await?)?;
    from_json(url, &json(url, &answer.body)?)
}

/// What the machine tells under a path.
async fn machine(api: &Api, path: &str) -> Result<String, Error> {
    let url = format!("{MACHINE}/api/token");
    let headers = [("x-aws-ec2-metadata-token-ttl-seconds", "300")];
    let token = good(&url, api.call("PUT", &url, &headers, Bytes::new()).await?)?;
    let token = String::from_utf8_lossy(&token.body).into_owned();
    let url = format!("{MACHINE}/{path}");
    let headers = [("x-aws-ec2-metadata-token", token.as_str())];
    let answer = good(&url, api.call("GET", &url, &headers, Bytes::new()).await?)?;
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

async fn from_machine(api: &Api) -> Result<(Credentials, i64), Error> {
    let path = "meta-data/iam/security-credentials/";
    let roles = machine(api, path).await?;
    let role = roles.lines().next().unwrap_or_default().trim();
    let found = machine(api, &format!("{path}{role}")).await?;
    from_json(path, &json(path, found.as_bytes())?)
}

/// The region of the environment, or of the machine.
pub(super) async fn region(api: &Api) -> Result<String, Error> {
    if let Some(region) = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")) {
        return Ok(region);
    }
    Ok(machine(api, "meta-data/placement/region").await?.trim().to_owned())
}

#[cfg(test)]
mod tests;

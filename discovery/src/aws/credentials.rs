//! Where credentials of AWS come from: the configuration, the environment, a token of a pod, a profile, the container or
//! the machine we run on, in this order.

use super::{element, encoded, form, service_url};
use crate::Error;
use crate::api::{Api, good, json};
use crate::provider::Environment;
use crate::sigv4::Credentials;
use crate::target::text;
use crate::xml::Element;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use yaml::Section;

const MACHINE: &str = "http://169.254.169.254";
const CONTAINER: &str = "http://169.254.170.2";

/// What the configuration says of credentials, and the environment that completes it.
pub(super) struct Source {
    access_key: String,
    secret_key: String,
    profile: String,
    environment: Environment,
}

async fn read(path: &str) -> Result<String, Error> {
    tokio::fs::read_to_string(path).await.map_err(|error| Error::config(path, error))
}

/// Credentials that do not end.
fn lasting(access_key: String, secret_key: String, session_token: String) -> (Credentials, i64) {
    (Credentials { access_key, secret_key, session_token }, i64::MAX)
}

impl Source {
    pub(super) fn from_section(section: &Section, environment: &Environment) -> Self {
        let own = |name: &str| section.text(name).to_owned();
        Self {
            access_key: own("access_key"),
            secret_key: own("secret_key"),
            profile: own("profile"),
            environment: Arc::clone(environment),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name)
    }

    /// Credentials and when they end.
    pub(super) async fn find(&self, api: &Api, region: &str) -> Result<(Credentials, i64), Error> {
        if !self.access_key.is_empty() && !self.secret_key.is_empty() {
            let (access_key, secret_key) = (self.access_key.clone(), self.secret_key.clone());
            return Ok(lasting(access_key, secret_key, String::new()));
        }
        if self.profile.is_empty() {
            if let (Some(access_key), Some(secret_key)) =
                (self.variable("AWS_ACCESS_KEY_ID"), self.variable("AWS_SECRET_ACCESS_KEY"))
            {
                let token = self.variable("AWS_SESSION_TOKEN").unwrap_or_default();
                return Ok(lasting(access_key, secret_key, token));
            }
            if let (Some(role), Some(file)) =
                (self.variable("AWS_ROLE_ARN"), self.variable("AWS_WEB_IDENTITY_TOKEN_FILE"))
            {
                return self.by_web_identity(api, region, &role, &file).await;
            }
        }
        if let Some(found) = self.profile_found().await? {
            return Ok((found, i64::MAX));
        }
        match self.container_url() {
            Some(url) => self.by_container(api, &url).await,
            None => self.by_machine(api).await,
        }
    }

    /// The file of a variable, or else the one of this name in the home directory.
    fn file(&self, variable: &str, name: &str) -> String {
        let at_home = || Some(format!("{}/.aws/{name}", self.variable("HOME")?));
        self.variable(variable).or_else(at_home).unwrap_or_default()
    }

    /// The profile that holds if none is configured.
    fn usual_profile(&self) -> String {
        self.variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())
    }

    /// The keys of a profile; `None` if there is no such file and no profile is asked for.
    async fn profile_found(&self) -> Result<Option<Credentials>, Error> {
        let path = self.file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let wanted = Some(self.profile.clone()).filter(|profile| !profile.is_empty());
        let is_wanted = wanted.is_some();
        let content = match read(&path).await {
            Ok(content) => content,
            Err(error) if is_wanted => return Err(error),
            Err(_) => return Ok(None),
        };
        let profile = wanted.unwrap_or_else(|| self.usual_profile());
        let found = profile_keys(&content, &profile);
        if found.is_none() && is_wanted {
            return Err(Error::config(&path, format!("no keys of profile {profile:?}")));
        }
        Ok(found)
    }

    async fn by_web_identity(
        &self,
        api: &Api,
        region: &str,
        role: &str,
        file: &str,
    ) -> Result<(Credentials, i64), Error> {
        let token = read(file).await?;
        let session = self.variable("AWS_ROLE_SESSION_NAME");
        let session = session.unwrap_or_else(|| "firesteel".to_owned());
        let pairs =
            [("RoleArn", role), ("RoleSessionName", &session), ("WebIdentityToken", token.trim())];
        let form = form("AssumeRoleWithWebIdentity", "2011-06-15", &pairs);
        let url = format!("{}/", service_url(&self.environment, "sts", region));
        let headers = [("content-type", super::FORM)];
        let root = element(&url, &api.call("POST", &url, &headers, encoded(&form)).await?)?;
        from_answer(&url, root.at("AssumeRoleWithWebIdentityResult").at("Credentials"))
    }

    fn container_url(&self) -> Option<String> {
        let relative = self.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let relative = relative.map(|path| format!("{CONTAINER}{path}"));
        relative.or_else(|| self.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
    }

    async fn by_container(&self, api: &Api, url: &str) -> Result<(Credentials, i64), Error> {
        let token = match self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => read(&file).await?.trim().to_owned(),
            None => self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap_or_default(),
        };
        let headers: &[(&str, &str)] =
            if token.is_empty() { &[] } else { &[("authorization", &token)] };
        let answer = good(url, api.call("GET", url, headers, Bytes::new()).await?)?;
        from_json(url, &json(url, &answer.body)?)
    }

    /// What the machine tells under a path, by a token where it gives one.
    async fn machine(&self, api: &Api, path: &str) -> Result<String, Error> {
        let base = self.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let base = base.unwrap_or_else(|| MACHINE.to_owned());
        let base = base.trim_end_matches('/');
        if self.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value == "true") {
            return Err(Error::config("AWS_EC2_METADATA_DISABLED", "nothing else has credentials"));
        }
        let url = format!("{base}/latest/api/token");
        let headers = [("x-aws-ec2-metadata-token-ttl-seconds", "300")];
        let token = api.call("PUT", &url, &headers, Bytes::new()).await?;
        // Machines of old know no tokens.
        let token = match token.status {
            403..=405 => String::new(),
            _ => String::from_utf8_lossy(&good(&url, token)?.body).into_owned(),
        };
        let url = format!("{base}/latest/{path}");
        let headers = [("x-aws-ec2-metadata-token", token.as_str())];
        let headers = if token.is_empty() { &[][..] } else { &headers[..] };
        let answer = good(&url, api.call("GET", &url, headers, Bytes::new()).await?)?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn by_machine(&self, api: &Api) -> Result<(Credentials, i64), Error> {
        let path = "meta-data/iam/security-credentials/";
        let roles = self.machine(api, path).await?;
        let role = roles.lines().next().unwrap_or_default().trim();
        let found = self.machine(api, &format!("{path}{role}")).await?;
        from_json(path, &json(path, found.as_bytes())?)
    }

    /// The region of the environment, of a profile, or of the machine.
    pub(super) async fn region(&self, api: &Api) -> Result<String, Error> {
        let told = self.variable("AWS_REGION").or_else(|| self.variable("AWS_DEFAULT_REGION"));
        if let Some(region) = told {
            return Ok(region);
        }
        let content = read(&self.file("AWS_CONFIG_FILE", "config")).await.unwrap_or_default();
        if let Some(region) = profile_value(&content, &self.usual_profile(), "region") {
            return Ok(region.to_owned());
        }
        Ok(self.machine(api, "meta-data/placement/region").await?.trim().to_owned())
    }
}

/// A value that a file of profiles has for one of them.
fn profile_value<'a>(content: &'a str, profile: &str, key: &str) -> Option<&'a str> {
    let mut is_wanted = false;
    let mut found = None;
    for line in content.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            // One of the two files puts a word before the names.
            let name = name.trim();
            is_wanted = name.strip_prefix("profile ").unwrap_or(name).trim() == profile;
        } else if let (true, Some((name, value))) = (is_wanted, line.split_once('='))
            && name.trim() == key
        {
            found = Some(value.trim()).filter(|value| !value.is_empty());
        }
    }
    found
}

/// The keys that a file of profiles has for one of them.
fn profile_keys(content: &str, profile: &str) -> Option<Credentials> {
    let own = |key: &str| profile_value(content, profile, key).map(str::to_owned);
    Some(Credentials {
        access_key: own("aws_access_key_id")?,
        secret_key: own("aws_secret_access_key")?,
        session_token: own("aws_session_token").unwrap_or_default(),
    })
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

#[cfg(test)]
mod tests;

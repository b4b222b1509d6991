//! The identity service of OpenStack, third version: credentials in, a token and the catalog of services out.

use crate::Error;
use crate::api::{Api, good, header_of, json};
use crate::target::items;
use serde_json::{Map, Value, json as object};
use yaml::Section;

/// Who logs in, and where.
pub(super) struct Identity {
    endpoint: String,
    username: String,
    user_id: String,
    password: String,
    project_name: String,
    project_id: String,
    domain_name: String,
    domain_id: String,
    credential_name: String,
    credential_id: String,
    credential_secret: String,
}

/// A token, and where services are.
pub(super) struct Session {
    pub(super) token: String,
    catalog: Value,
}

impl Identity {
    /// From the configuration or, if it names no identity service, from the environment.
    pub(super) fn from_section(section: &Section) -> Result<Self, Error> {
        let from_environment = !section.has("identity_endpoint");
        let own = |name: &str, variables: &[&str]| {
            if !from_environment {
                return section.text(name).to_owned();
            }
            let found = variables.iter().filter_map(|variable| std::env::var(variable).ok());
            found.into_iter().find(|value| !value.is_empty()).unwrap_or_default()
        };
        let identity = Self {
            endpoint: own("identity_endpoint", &["OS_AUTH_URL"]),
            username: own("username", &["OS_USERNAME"]),
            user_id: own("userid", &["OS_USERID", "OS_USER_ID"]),
            password: own("password", &["OS_PASSWORD"]),
            project_name: own("project_name", &["OS_PROJECT_NAME", "OS_TENANT_NAME"]),
            project_id: own("project_id", &["OS_PROJECT_ID", "OS_TENANT_ID"]),
            domain_name: own("domain_name", &["OS_DOMAIN_NAME", "OS_USER_DOMAIN_NAME"]),
            domain_id: own("domain_id", &["OS_DOMAIN_ID", "OS_USER_DOMAIN_ID"]),
            credential_name: own(
                "application_credential_name",
                &["OS_APPLICATION_CREDENTIAL_NAME"],
            ),
            credential_id: own("application_credential_id", &["OS_APPLICATION_CREDENTIAL_ID"]),
            credential_secret: own(
                "application_credential_secret",
                &["OS_APPLICATION_CREDENTIAL_SECRET"],
            ),
        };
        if identity.endpoint.is_empty() {
            let what = "neither configured nor in the environment as OS_AUTH_URL";
            return Err(Error::config("identity_endpoint", what));
        }
        Ok(identity)
    }

    fn domain(&self) -> Value {
        match self.domain_id.as_str() {
            "" => object!({"name": self.domain_name}),
            id => object!({"id": id}),
        }
    }

    fn user(&self) -> Map<String, Value> {
        let mut user = Map::new();
        if self.user_id.is_empty() {
            user.insert("name".to_owned(), self.username.as_str().into());
            user.insert("domain".to_owned(), self.domain());
        } else {
            user.insert("id".to_owned(), self.user_id.as_str().into());
        }
        user
    }

    /// What is sent to log in.
    fn question(&self) -> Value {
        if !self.credential_secret.is_empty() {
            let mut credential = Map::new();
            credential.insert("secret".to_owned(), self.credential_secret.as_str().into());
            if self.credential_id.is_empty() {
                credential.insert("name".to_owned(), self.credential_name.as_str().into());
                credential.insert("user".to_owned(), self.user().into());
            } else {
                credential.insert("id".to_owned(), self.credential_id.as_str().into());
            }
            let methods = ["application_credential"];
            let identity = object!({"methods": methods, "application_credential": credential});
            return object!({"auth": {"identity": identity}});
        }
        let mut user = self.user();
        user.insert("password".to_owned(), self.password.as_str().into());
        let identity = object!({"methods": ["password"], "password": {"user": user}});
        let mut question = object!({"auth": {"identity": identity}});
        if !self.project_id.is_empty() {
            question["auth"]["scope"] = object!({"project": {"id": self.project_id}});
        } else if !self.project_name.is_empty() {
            let project = object!({"name": self.project_name, "domain": self.domain()});
            question["auth"]["scope"] = object!({"project": project});
        }
        question
    }

    /// Where the third version is, with a slash at the end.
    async fn third_version(&self, api: &Api) -> Result<String, Error> {
        let endpoint = self.endpoint.trim_end_matches('/');
        if endpoint.ends_with("/v3") {
            return Ok(format!("{endpoint}/"));
        }
        // Servers answer a list of versions with 300, too.
        let url = format!("{endpoint}/");
        let answer = api.call("GET", &url, &[], "").await?;
        let answer = if answer.status == 300 { answer } else { good(&url, answer)? };
        let versions = json(&url, &answer.body)?;
        let mut versions = items(&versions["versions"]["values"]).iter();
        let is_third =
            |version: &&Value| version["id"].as_str().is_some_and(|id| id.starts_with("v3"));
        let third = versions.find(is_third).and_then(|version| {
            let link = items(&version["links"]).iter().find(|link| link["rel"] == "self")?;
            link["href"].as_str()
        });
        let third = third.ok_or_else(|| Error::answer(&url, "there is no version 3"))?;
        Ok(format!("{}/", third.trim_end_matches('/')))
    }

    pub(super) async fn log_in(&self, api: &Api) -> Result<Session, Error> {
        let url = format!("{}auth/tokens", self.third_version(api).await?);
        let headers = [("Content-Type", "application/json")];
        let body = self.question().to_string();
        let answer = good(&url, api.call("POST", &url, &headers, body).await?)?;
        let token = header_of(&answer, "x-subject-token").to_owned();
        if token.is_empty() {
            return Err(Error::answer(&url, "the answer holds no token"));
        }
        let catalog = json(&url, &answer.body)?["token"]["catalog"].take();
        Ok(Session { token, catalog })
    }
}

impl Session {
    /// Where a service is in a region, with a slash at the end.
    pub(super) fn endpoint(
        &self,
        service: &str,
        region: &str,
        availability: &str,
    ) -> Result<String, Error> {
        let services = items(&self.catalog).iter().filter(|entry| entry["type"] == service);
        let mut endpoints = services.flat_map(|entry| items(&entry["endpoints"]));
        let found = endpoints.find(|endpoint| {
            let is_there = endpoint["region"] == region || endpoint["region_id"] == region;
            endpoint["interface"] == availability && (is_there || region.is_empty())
        });
        let url = found.and_then(|endpoint| endpoint["url"].as_str()).ok_or_else(|| {
            let what = format!("no {availability} endpoint in region {region:?}");
            Error::answer(&format!("catalog of {service}"), what)
        })?;
        Ok(format!("{}/", url.trim_end_matches('/')))
    }
}

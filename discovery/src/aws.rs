//! Who asks AWS, and how: regions, credentials from wherever they are, and calls of the three kinds of interface: forms
//! answered in XML, JSON under the name of an operation, and REST. What is asked is for the roles to know.

mod credentials;
pub(crate) mod ecs;
pub(crate) mod elasticache;
pub(crate) mod lightsail;
pub(crate) mod msk;
pub(crate) mod rds;
pub(crate) mod role;

use crate::Error;
use crate::api::{Api, escaped, good, json};
use crate::provider::{Clock, Context, Environment};
use crate::sigv4::{Credentials, Signed, hex, sign};
use crate::target::{Target, items};
use crate::xml::{self, Element};
use credentials::Source;
use net::client::WholeAnswer;
use serde_json::Value;
use std::sync::Arc;
use url::{Position, Url};
use yaml::Section;

/// A form, as the query interface takes it.
pub(crate) type Form = Vec<(String, String)>;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/x-amz-json-1.1";
/// Credentials that end are renewed this long before.
const MARGIN_MS: i64 = 5 * 60 * 1000;

/// An account at AWS, in one region, that asks one service and sometimes others that it refers to.
pub(crate) struct Account {
    api: Arc<Api>,
    clock: Clock,
    environment: Environment,
    service: &'static str,
    region: String,
    endpoint: String,
    source: Source,
    role_arn: String,
    external_id: String,
    /// The credentials in use and when they end; `i64::MAX` for never.
    current: Option<(Credentials, i64)>,
}

/// An account with its region and credentials found. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Session(Arc<Inner>);

struct Inner {
    api: Arc<Api>,
    clock: Clock,
    environment: Environment,
    service: &'static str,
    region: String,
    endpoint: String,
    credentials: Credentials,
}

impl Account {
    /// The account that `section` describes; its `endpoint` is one of `service`.
    pub(crate) fn new(
        context: &Context<'_>,
        section: &Section,
        service: &'static str,
    ) -> Result<Self, Error> {
        let own = |name: &str| section.text(name).to_owned();
        let api = Api::new(context, section, section.duration("refresh_interval"))?;
        Ok(Self {
            api: Arc::new(api),
            clock: Arc::clone(context.clock),
            environment: Arc::clone(context.environment),
            service,
            region: own("region"),
            endpoint: own("endpoint"),
            source: Source::from_section(section, context.environment),
            role_arn: own("role_arn"),
            external_id: own("external_id"),
            current: None,
        })
    }

    /// The account of a section that only says who signs what others send.
    pub(crate) fn for_signing(context: &Context<'_>, section: &Section, api: Api) -> Self {
        let own = |name: &str| section.text(name).to_owned();
        Self {
            api: Arc::new(api),
            clock: Arc::clone(context.clock),
            environment: Arc::clone(context.environment),
            service: "sts",
            region: own("region"),
            endpoint: match section.bool("use_fips_sts_endpoint") {
                true => format!("https://sts-fips.{}.amazonaws.com", section.text("region")),
                false => String::new(),
            },
            source: Source::from_section(section, context.environment),
            role_arn: own("role_arn"),
            external_id: own("external_id"),
            current: None,
        }
    }

    /// Finds the region, if it is not configured, and credentials, if there are none that hold on.
    pub(crate) async fn session(&mut self) -> Result<Session, Error> {
        if self.region.is_empty() {
            self.region = self.source.region(&self.api).await?;
        }
        let now_ms = (self.clock)();
        if self
            .current
            .as_ref()
            .is_none_or(|(_, end_ms)| now_ms >= end_ms.saturating_sub(MARGIN_MS))
        {
            let mut found = self.source.find(&self.api, &self.region).await?;
            if !self.role_arn.is_empty() {
                found = self.assume_role(found.0).await?;
            }
            self.current = Some(found);
        }
        let credentials = self.current.as_ref().map(|(credentials, _)| credentials.clone());
        Ok(self.with(credentials.unwrap_or_default()))
    }

    fn with(&self, credentials: Credentials) -> Session {
        Session(Arc::new(Inner {
            api: Arc::clone(&self.api),
            clock: Arc::clone(&self.clock),
            environment: Arc::clone(&self.environment),
            service: self.service,
            region: self.region.clone(),
            endpoint: self.endpoint.clone(),
            credentials,
        }))
    }

    async fn assume_role(&self, own: Credentials) -> Result<(Credentials, i64), Error> {
        let session = format!("firesteel-{}", (self.clock)());
        let mut form = form("AssumeRole", "2011-06-15", &[]);
        form.push(("RoleArn".to_owned(), self.role_arn.clone()));
        form.push(("RoleSessionName".to_owned(), session));
        if !self.external_id.is_empty() {
            form.push(("ExternalId".to_owned(), self.external_id.clone()));
        }
        let answer = self.with(own).query("sts", &form).await?;
        credentials::from_answer("sts", answer.at("AssumeRoleResult").at("Credentials"))
    }

    /// Hands `result` on; credentials that it says are refused are found anew next time.
    pub(crate) fn checked<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Status { status, body, .. }) = &result
            && (matches!(status, 401 | 403) || body.contains("ExpiredToken"))
        {
            self.current = None;
        }
        result
    }
}

/// The URL of a service in a region, if nothing else is configured.
pub(crate) fn service_url(environment: &Environment, service: &str, region: &str) -> String {
    let variable = format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase());
    if let Some(url) = environment(&variable).or_else(|| environment("AWS_ENDPOINT_URL")) {
        return url.trim_end_matches('/').to_owned();
    }
    let domain = match region {
        region if region.starts_with("cn-") => "amazonaws.com.cn",
        region if region.starts_with("us-iso-") => "c2s.ic.gov",
        region if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ => "amazonaws.com",
    };
    format!("https://{service}.{region}.{domain}")
}

/// A request that is to be signed.
struct Question<'a> {
    service: &'a str,
    method: &'a str,
    /// Path and query.
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: String,
}

impl Session {
    pub(crate) fn region(&self) -> &str {
        &self.0.region
    }

    /// The headers by which a request that somebody else sends is a signed one.
    pub(crate) fn signed(
        &self,
        service: &str,
        method: &str,
        host: &str,
        (path, query): (&str, &str),
        body: &[u8],
        now_ms: i64,
    ) -> Vec<(&'static str, String)> {
        let region = &self.0.region;
        let headers = &[];
        sign(
            &self.0.credentials,
            &Signed { method, host, path, query, headers, body, region, service, now_ms },
        )
    }

    /// Calls an action of a service that takes forms.
    pub(crate) async fn query(&self, service: &str, form: &Form) -> Result<Element, Error> {
        let question = Question {
            service,
            method: "POST",
            target: "/",
            headers: &[("content-type", FORM)],
            body: encoded(form),
        };
        let (url, answer) = self.ask(question).await?;
        element(&url, &answer)
    }

    /// Calls an operation (`Prefix.Name`) of a service that takes JSON.
    pub(crate) async fn operation(
        &self,
        service: &str,
        operation: &str,
        input: &Value,
    ) -> Result<Value, Error> {
        let question = Question {
            service,
            method: "POST",
            target: "/",
            headers: &[("content-type", JSON), ("x-amz-target", operation)],
            body: input.to_string(),
        };
        let (url, answer) = self.ask(question).await?;
        json(&url, &good(&url, answer)?.body)
    }

    /// The JSON under a path; the pairs of its query are sorted by their names.
    pub(crate) async fn get(&self, service: &str, target: &str) -> Result<Value, Error> {
        let question =
            Question { service, method: "GET", target, headers: &[], body: String::new() };
        let (url, answer) = self.ask(question).await?;
        json(&url, &good(&url, answer)?.body)
    }

    async fn ask(&self, question: Question<'_>) -> Result<(String, WholeAnswer), Error> {
        let Question { service, method, target, headers, body } = question;
        let inner = &*self.0;
        let base = match inner.endpoint.trim_end_matches('/') {
            given if !given.is_empty() && service == inner.service => given.to_owned(),
            _ => service_url(&inner.environment, service, &inner.region),
        };
        let url = format!("{base}{target}");
        let parsed = Url::parse(&url).map_err(|error| Error::config(&url, error))?;
        let signed = sign(
            &inner.credentials,
            &Signed {
                method,
                host: &parsed[Position::BeforeHost..Position::AfterPort],
                path: parsed.path(),
                query: parsed.query().unwrap_or_default(),
                headers,
                body: body.as_bytes(),
                region: &inner.region,
                service,
                now_ms: (inner.clock)(),
            },
        );
        let mut all = headers.to_vec();
        all.extend(signed.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = inner.api.call(method, &url, &all, body).await?;
        Ok((url, answer))
    }
}

/// The form of an action.
pub(crate) fn form(action: &str, version: &str, pairs: &[(&str, &str)]) -> Form {
    let all = [("Action", action), ("Version", version)];
    let all = all.iter().chain(pairs);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A form as it is sent: sorted by names.
fn encoded(form: &Form) -> String {
    let mut pairs: Vec<&(String, String)> = form.iter().collect();
    pairs.sort();
    let pairs = pairs.into_iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The XML of an answer, or the error that it tells.
fn element(url: &str, answer: &WholeAnswer) -> Result<Element, Error> {
    let parsed = xml::parse(&String::from_utf8_lossy(&answer.body));
    if answer.status == 200 {
        return parsed.map_err(|what| Error::answer(url, what));
    }
    let told = parsed.ok().map(|root| {
        let errors = if root.find("Errors").is_some() { root.at("Errors") } else { &root };
        let error = errors.at("Error");
        format!("{}: {}", error.at("Code").text(), error.at("Message").text())
    });
    let body = told.unwrap_or_else(|| hex(&answer.body[..answer.body.len().min(16)])).into();
    Err(Error::Status { url: url.into(), status: answer.status, body })
}

/// Sets a label for each tag of a list in JSON.
pub(crate) fn tags(target: &mut Target, name: &str, list: &Value) {
    for tag in items(list) {
        if let (Some(key), Some(value)) = (tag["key"].as_str(), tag["value"].as_str()) {
            target.keyed(name, key, value);
        }
    }
}

/// Sets a label for each tag of a list in XML.
pub(crate) fn tag_elements(target: &mut Target, name: &str, list: &Element) {
    for tag in &list.children {
        target.keyed(name, tag.at("Key").text(), tag.at("Value").text());
    }
}

/// How many requests a section wants to have under way.
pub(crate) fn concurrency(section: &Section) -> usize {
    usize::try_from(section.int("request_concurrency")).unwrap_or(1).max(1)
}

/// Labels, and the elements that they come from; dots lead from an element into it.
pub(crate) type Table = [(&'static str, &'static str)];

/// Sets the labels of a table whose elements are there.
pub(crate) fn set_all(target: &mut Target, table: &Table, element: &Element) {
    for (label, path) in table {
        let text = path.split('.').fold(element, |element, name| element.at(name)).text();
        match path.ends_with("Time") || path.ends_with("Date") {
            true => target.set(label, &time(text)),
            false => target.set(label, text),
        }
    }
}

/// A time of an answer as labels show it: in seconds, as RFC 3339.
fn time(text: &str) -> String {
    match model::timestamp::parse_rfc3339(text) {
        Some(ms) => model::timestamp::format_rfc3339(ms - ms.rem_euclid(1000)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;

//! Who asks AWS, and how: regions, credentials from wherever they are, and calls of the query interface. What is asked
//! is for the mechanisms to know.

mod credentials;

use crate::Error;
use crate::api::{Api, escaped};
use crate::provider::{Clock, Context};
use crate::sigv4::{Credentials, Signed, hex, sign};
use crate::xml::{self, Element};
use credentials::Source;
use std::sync::Arc;
use url::Url;
use yaml::Section;

/// A form, as the query interface takes it.
pub(crate) type Form = Vec<(String, String)>;

const FORM: &str = "application/x-www-form-urlencoded";
/// Credentials that end are renewed this long before.
const MARGIN_MS: i64 = 5 * 60 * 1000;

/// An account at AWS, in one region.
pub(crate) struct Account {
    api: Api,
    clock: Clock,
    pub(crate) region: String,
    endpoint: String,
    source: Source,
    role_arn: String,
    external_id: String,
    /// The credentials in use and when they end; `i64::MAX` for never.
    current: Option<(Credentials, i64)>,
}

impl Account {
    pub(crate) fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let own = |name: &str| section.text(name).to_owned();
        Ok(Self {
            api: Api::new(context, section, section.duration("refresh_interval"))?,
            clock: Arc::clone(context.clock),
            region: own("region"),
            endpoint: own("endpoint"),
            source: Source::from_section(section),
            role_arn: own("role_arn"),
            external_id: own("external_id"),
            current: None,
        })
    }

    /// Fills in the region, if it is not configured.
    pub(crate) async fn find_region(&mut self) -> Result<(), Error> {
        if self.region.is_empty() {
            self.region = credentials::region(&self.api).await?;
        }
        Ok(())
    }

    /// Forgets the credentials, which are found anew.
    pub(crate) fn forget(&mut self) {
        self.current = None;
    }

    async fn credentials(&mut self) -> Result<Credentials, Error> {
        let now_ms = (self.clock)();
        if let Some((credentials, end_ms)) = &self.current
            && now_ms < end_ms.saturating_sub(MARGIN_MS)
        {
            return Ok(credentials.clone());
        }
        let mut found = self.source.find(&self.api, &self.region).await?;
        if !self.role_arn.is_empty() {
            found = self.assume_role(&found.0).await?;
        }
        self.current = Some(found.clone());
        Ok(found.0)
    }

    async fn assume_role(&self, own: &Credentials) -> Result<(Credentials, i64), Error> {
        let session = format!("firesteel-{}", (self.clock)());
        let mut form = vec![
            ("Action".to_owned(), "AssumeRole".to_owned()),
            ("RoleArn".to_owned(), self.role_arn.clone()),
            ("RoleSessionName".to_owned(), session),
            ("Version".to_owned(), "2011-06-15".to_owned()),
        ];
        if !self.external_id.is_empty() {
            form.insert(1, ("ExternalId".to_owned(), self.external_id.clone()));
        }
        let url = format!("https://sts.{}.amazonaws.com/", self.region);
        let answer = self.signed(own, "sts", &url, &form).await?;
        credentials::from_answer(&url, answer.at("AssumeRoleResult").at("Credentials"))
    }

    /// Calls an action of a service.
    pub(crate) async fn query(&mut self, service: &str, form: &Form) -> Result<Element, Error> {
        let credentials = self.credentials().await?;
        let url = match self.endpoint.as_str() {
            "" => format!("https://{service}.{}.amazonaws.com/", self.region),
            given => format!("{}/", given.trim_end_matches('/')),
        };
        self.signed(&credentials, service, &url, form).await
    }

    async fn signed(
        &self,
        credentials: &Credentials,
        service: &str,
        url: &str,
        form: &Form,
    ) -> Result<Element, Error> {
        let parsed = Url::parse(url).map_err(|error| Error::config(url, error))?;
        let body = encoded(form);
        let signed = sign(
            credentials,
            &Signed {
                method: "POST",
                host: &parsed[url::Position::BeforeHost..url::Position::AfterPort],
                path: parsed.path(),
                headers: &[("content-type", FORM)],
                body: body.as_bytes(),
                region: &self.region,
                service,
                now_ms: (self.clock)(),
            },
        );
        let mut headers = vec![("content-type", FORM)];
        headers.extend(signed.iter().map(|(name, value)| (*name, value.as_str())));
        answer(url, &self.api.call("POST", url, &headers, body).await?)
    }
}

fn encoded(form: &Form) -> String {
    let pairs: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    pairs.join("&")
}

/// The XML of an answer, or the error that it tells.
fn answer(url: &str, answer: &net::client::WholeAnswer) -> Result<Element, Error> {
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

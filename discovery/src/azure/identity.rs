//! Who asks Azure: an application with its secret, its certificate or the token of a pod, or the machine we run on.

use super::Cloud;
use super::certificate::Certificate;
use crate::Error;
use crate::api::{Api, escaped, good, json};
use crate::provider::{Clock, Context, Environment};
use crate::target::text;
use serde_json::Value;
use std::sync::Arc;
use yaml::Section;

const MACHINE: &str = "http://169.254.169.254";
const BY_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Tokens are renewed this long before they end.
const MARGIN_MS: i64 = 5 * 60 * 1000;

/// How tokens are come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Secret,
    Pod,
    Machine,
    Certificate,
    /// The first of these for which the environment has what is needed.
    Any,
}

/// Whoever asks.
pub(crate) struct Identity {
    clock: Clock,
    environment: Environment,
    method: Method,
    tenant: String,
    client: String,
    secret: String,
    /// The file with the token of a pod; empty where the environment names it.
    token_file: String,
    /// What the application shows instead of a secret.
    certificate: Option<Certificate>,
    /// For remote write.
    is_for_signing: bool,
    /// What a token is good for, as the machine is asked for it.
    resources: String,
    /// The same as the login server is asked.
    scope: String,
    login: String,
    /// The header in use and when it ends.
    current: Option<(String, i64)>,
}

impl Identity {
    pub(super) fn new(
        context: &Context<'_>,
        section: &Section,
        cloud: &Cloud,
    ) -> Result<Self, Error> {
        let method = match section.text("authentication_method") {
            "OAuth" => Method::Secret,
            "WorkloadIdentity" => Method::Pod,
            "ManagedIdentity" => Method::Machine,
            "SDK" => Method::Any,
            other => {
                let what = format!("there is no method {other:?}");
                return Err(Error::config("authentication_method", what));
            }
        };
        let own = |name: &str| section.text(name).to_owned();
        let login = (context.environment)("AZURE_AUTHORITY_HOST");
        let login = login.unwrap_or_else(|| cloud.login.clone());
        Ok(Self {
            clock: Arc::clone(context.clock),
            environment: Arc::clone(context.environment),
            method,
            tenant: own("tenant_id"),
            client: own("client_id"),
            secret: own("client_secret"),
            token_file: String::new(),
            certificate: None,
            is_for_signing: false,
            resources: cloud.resources.clone(),
            scope: format!("{}/.default", cloud.resources),
            login: login.trim_end_matches('/').to_owned(),
            current: None,
        })
    }

    /// Whoever `azuread` of remote write names.
    pub(crate) fn for_signing(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let (end, login) = match section.text("cloud") {
            "AzureChina" => ("cn", "https://login.chinacloudapi.cn"),
            "AzureGovernment" => ("us", "https://login.microsoftonline.us"),
            _ => ("com", "https://login.microsoftonline.com"),
        };
        let methods = [
            ("managed_identity", Method::Machine),
            ("oauth", Method::Secret),
            ("workload_identity", Method::Pod),
            ("certificate", Method::Certificate),
            ("sdk", Method::Any),
        ];
        let asked = methods
            .into_iter()
            .find_map(|(name, method)| section.section(name).map(|section| (section, method)));
        let Some((own, method)) = asked else {
            return Err(Error::config("azuread", "names nobody who could ask"));
        };
        let text = |name: &str| match own.schema().fields().any(|field| field.name == name) {
            true => own.text(name).to_owned(),
            false => String::new(),
        };
        let given = Some(section.text("scope").to_owned()).filter(|scope| !scope.is_empty());
        let scope = given.unwrap_or_else(|| format!("https://monitor.azure.{end}//.default"));
        let resources = scope.strip_suffix("/.default").unwrap_or(&scope).to_owned();
        let authority = (context.environment)("AZURE_AUTHORITY_HOST");
        let login = authority.unwrap_or_else(|| login.to_owned());
        Ok(Self {
            clock: Arc::clone(context.clock),
            environment: Arc::clone(context.environment),
            method,
            tenant: text("tenant_id"),
            client: text("client_id"),
            secret: text("client_secret"),
            token_file: text("token_file_path"),
            certificate: section.section("certificate").map(Certificate::new),
            is_for_signing: true,
            resources,
            scope,
            login: login.trim_end_matches('/').to_owned(),
            current: None,
        })
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name)
    }

    /// Forgets the token, which is asked for anew.
    pub(super) fn forget(&mut self) {
        self.current = None;
    }

    /// The `Authorization` header of a request that is sent now.
    pub(crate) async fn header(&mut self, api: &Api) -> Result<String, Error> {
        let now_ms = (self.clock)();
        if let Some((header, end_ms)) = &self.current
            && now_ms < end_ms.saturating_sub(MARGIN_MS)
        {
            return Ok(header.clone());
        }
        let answer = match self.method {
            Method::Secret => self.by_secret(api, &self.tenant, &self.client, &self.secret).await?,
            Method::Pod => self.by_pod(api).await?,
            Method::Machine => self.by_machine(api).await?,
            Method::Certificate => self.by_certificate(api, now_ms).await?,
            Method::Any => self.by_any(api).await?,
        };
        let token = text(&answer["access_token"]);
        if token.is_empty() {
            return Err(Error::answer("the token server of Azure", "no access_token"));
        }
        let header = format!("Bearer {token}");
        // Numbers are texts in some of the answers.
        let number = |name: &str| text(&answer[name]).parse::<i64>().ok();
        let end_ms = match (number("expires_in"), number("expires_on")) {
            (Some(seconds), _) => now_ms.saturating_add(seconds.saturating_mul(1000)),
            (None, Some(seconds)) => seconds.saturating_mul(1000),
            (None, None) => now_ms,
        };
        self.current = Some((header.clone(), end_ms));
        Ok(header)
    }

    async fn by_any(&self, api: &Api) -> Result<Value, Error> {
        let (tenant, client, secret) = (
            self.variable("AZURE_TENANT_ID"),
            self.variable("AZURE_CLIENT_ID"),
            self.variable("AZURE_CLIENT_SECRET"),
        );
        if let (Some(tenant), Some(client), Some(secret)) = (&tenant, &client, &secret) {
            return self.by_secret(api, tenant, client, secret).await;
        }
        match self.variable("AZURE_FEDERATED_TOKEN_FILE") {
            Some(_) => self.by_pod(api).await,
            None => self.by_machine(api).await,
        }
    }

    async fn by_secret(
        &self,
        api: &Api,
        tenant: &str,
        client: &str,
        secret: &str,
    ) -> Result<Value, Error> {
        self.by_form(api, tenant, &[("client_id", client), ("client_secret", secret)]).await
    }

    async fn by_certificate(&self, api: &Api, now_ms: i64) -> Result<Value, Error> {
        let certificate = self.certificate.as_ref().expect("the method comes with its section");
        let url = self.token_url(&self.tenant);
        let assertion = certificate.assertion(&url, &self.client, now_ms).await?;
        let pairs = [
            ("client_id", self.client.as_str()),
            ("client_assertion_type", BY_ASSERTION),
            ("client_assertion", &assertion),
        ];
        self.by_form(api, &self.tenant, &pairs).await
    }

    async fn by_pod(&self, api: &Api) -> Result<Value, Error> {
        let needed = |configured: &str, name: &str| {
            // Discovery goes by the environment alone, remote write by what is configured first.
            let configured = Some(configured.to_owned()).filter(|text| !text.is_empty());
            let configured = configured.filter(|_| self.is_for_signing);
            configured.or_else(|| self.variable(name)).ok_or_else(|| {
                Error::config(name, "WorkloadIdentity needs this variable of the environment")
            })
        };
        let path = needed(&self.token_file, "AZURE_FEDERATED_TOKEN_FILE")?;
        let tenant = needed(&self.tenant, "AZURE_TENANT_ID")?;
        let client = needed(&self.client, "AZURE_CLIENT_ID")?;
        let token = tokio::fs::read_to_string(&path).await;
        let token = token.map_err(|error| Error::config(&path, error))?;
        let pairs = [
            ("client_id", client.as_str()),
            ("client_assertion_type", BY_ASSERTION),
            ("client_assertion", token.trim()),
        ];
        self.by_form(api, &tenant, &pairs).await
    }

    fn token_url(&self, tenant: &str) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.login, escaped(tenant))
    }

    /// What the login server answers to a form.
    async fn by_form(
        &self,
        api: &Api,
        tenant: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Value, Error> {
        let url = self.token_url(tenant);
        let all = [("grant_type", "client_credentials"), ("scope", self.scope.as_str())];
        let pairs = all.iter().chain(pairs);
        let pairs = pairs.map(|(name, value)| format!("{name}={}", escaped(value)));
        let form = pairs.collect::<Vec<_>>().join("&");
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = api.call("POST", &url, &headers, form).await?;
        json(&url, &good(&url, answer)?.body)
    }

    async fn by_machine(&self, api: &Api) -> Result<Value, Error> {
        let (base, version, header) =
            match (self.variable("IDENTITY_ENDPOINT"), self.variable("IDENTITY_HEADER")) {
                (Some(url), Some(secret)) => (url, "2019-08-01", ("X-IDENTITY-HEADER", secret)),
                _ => {
                    let base = self.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                    let base = base.unwrap_or_else(|| MACHINE.to_owned());
                    let url =
                        format!("{}/metadata/identity/oauth2/token", base.trim_end_matches('/'));
                    (url, "2018-02-01", ("Metadata", "true".to_owned()))
                }
            };
        let resource = escaped(&self.resources);
        let mut url = format!("{base}?api-version={version}&resource={resource}");
        if !self.client.is_empty() {
            url = format!("{url}&client_id={}", escaped(&self.client));
        }
        let headers = [(header.0, header.1.as_str())];
        let answer = api.call("GET", &url, &headers, "").await?;
        json(&url, &good(&url, answer)?.body)
    }
}

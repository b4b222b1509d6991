//! Who asks Google: the credentials that its programs find by default, in a file that is named, in the file of the user,
//! or with the machine, and the tokens they are worth.

use crate::Error;
use crate::api::{Api, escaped, good, json};
use crate::provider::{Clock, Context, Environment};
use crate::target::text;
use net::assertion::{Algorithm, RsaKey};
use net::config::HttpClientConfig;
use serde_json::{Value, json as object};
use std::sync::Arc;
use std::time::Duration;

const OF_DISCOVERY: &str = "https://www.googleapis.com/auth/compute.readonly";
const OF_REMOTE_WRITE: &str = "https://www.googleapis.com/auth/monitoring.write";
const TOKENS: &str = "https://oauth2.googleapis.com/token";
const MACHINE: &str = "169.254.169.254";
const BY_ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Tokens are renewed this long before they end.
const MARGIN_MS: i64 = 60 * 1000;
/// How long an assertion holds.
const ASSERTION_SECONDS: i64 = 3600;

/// Whoever asks.
pub(crate) struct Identity {
    /// For the machine we run on, which is behind no proxy.
    direct: Api,
    clock: Clock,
    environment: Environment,
    /// What tokens are good for.
    scope: &'static str,
    /// The file with credentials; empty for the usual ones.
    named: String,
    /// The header in use and when it ends.
    current: Option<(String, i64)>,
}

impl Identity {
    pub(super) fn new(context: &Context<'_>, timeout: Duration) -> Result<Self, Error> {
        Ok(Self {
            direct: Api::with_config(context, &HttpClientConfig::default(), timeout, None)?,
            clock: Arc::clone(context.clock),
            environment: Arc::clone(context.environment),
            scope: OF_DISCOVERY,
            named: String::new(),
            current: None,
        })
    }

    /// Whoever `google_iam` of remote write names, by a file or, where that is empty, as usual.
    pub(crate) fn for_signing(
        context: &Context<'_>,
        file: &str,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let own = Self::new(context, timeout)?;
        Ok(Self { scope: OF_REMOTE_WRITE, named: file.to_owned(), ..own })
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
        let answer = match self.file().await? {
            Some((path, file)) => self.by_file(api, &path, &file).await?,
            None => self.by_machine().await?,
        };
        let token = text(&answer["access_token"]);
        if token.is_empty() {
            return Err(Error::answer("the token server of Google", "no access_token"));
        }
        let header = format!("Bearer {token}");
        let lifetime = answer["expires_in"].as_i64().unwrap_or(0).clamp(0, 86_400);
        self.current = Some((header.clone(), now_ms + lifetime * 1000));
        Ok(header)
    }

    /// The file with credentials, if there is one.
    async fn file(&self) -> Result<Option<(String, Value)>, Error> {
        let named = Some(self.named.clone()).filter(|path| !path.is_empty());
        let named = named.or_else(|| (self.environment)("GOOGLE_APPLICATION_CREDENTIALS"));
        let is_named = named.is_some();
        let at_home = || {
            let directory = (self.environment)("CLOUDSDK_CONFIG").or_else(|| {
                (self.environment)("HOME").map(|home| format!("{home}/.config/gcloud"))
            })?;
            Some(format!("{directory}/application_default_credentials.json"))
        };
        let Some(path) = named.or_else(at_home) else { return Ok(None) };
        match tokio::fs::read(&path).await {
            Ok(content) => Ok(Some((path.clone(), json(&path, &content)?))),
            Err(error) if is_named => Err(Error::config(&path, error)),
            Err(_) => Ok(None),
        }
    }

    async fn by_file(&self, api: &Api, path: &str, file: &Value) -> Result<Value, Error> {
        let own = |name: &str| text(&file[name]).into_owned();
        let tokens = Some(own("token_uri")).filter(|url| !url.is_empty());
        let tokens = tokens.unwrap_or_else(|| TOKENS.to_owned());
        match own("type").as_str() {
            "service_account" => {
                let key = RsaKey::from_pem(path, own("private_key").as_bytes())?;
                let now_seconds = (self.clock)().div_euclid(1000);
                let claims = object!({
                    "iss": own("client_email"),
                    "scope": self.scope,
                    "aud": tokens,
                    "iat": now_seconds,
                    "exp": now_seconds + ASSERTION_SECONDS,
                });
                let assertion = key.token(Algorithm::Rs256, &own("private_key_id"), &claims)?;
                let pairs = [("grant_type", BY_ASSERTION), ("assertion", &assertion)];
                ask(api, &tokens, &pairs).await
            }
            "authorized_user" => {
                let pairs = [
                    ("grant_type", "refresh_token"),
                    ("client_id", &own("client_id")),
                    ("client_secret", &own("client_secret")),
                    ("refresh_token", &own("refresh_token")),
                ];
                ask(api, &tokens, &pairs).await
            }
            other => {
                let what = format!(
                    "credentials of type {other:?} are not built in: \
                     there are service_account and authorized_user"
                );
                Err(Error::config(path, what))
            }
        }
    }

    async fn by_machine(&self) -> Result<Value, Error> {
        let host = (self.environment)("GCE_METADATA_HOST").unwrap_or_else(|| MACHINE.to_owned());
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        let url = format!("http://{host}/{path}?scopes={}", escaped(self.scope));
        let answer = self.direct.call("GET", &url, &[("Metadata-Flavor", "Google")], "").await?;
        json(&url, &good(&url, answer)?.body)
    }
}

/// What a token server answers to a form.
async fn ask(api: &Api, url: &str, pairs: &[(&str, &str)]) -> Result<Value, Error> {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    let form = pairs.collect::<Vec<_>>().join("&");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = api.call("POST", url, &headers, form).await?;
    json(url, &good(url, answer)?.body)
}

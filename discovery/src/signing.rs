//! The accounts at AWS, Azure and Google that discovery finds, for requests of others: remote write to receivers there.
//! Which section asks for what; how accounts are found is with the mechanisms.

use crate::api::Api;
use crate::provider::{Clock, Context, Environment};
use crate::{Error, aws, azure, gce};
use metrics::Registry;
use net::client::{Signer, Signing, Unsigned};
use net::config::HttpClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use url::{Position, Url};
use yaml::Section;

/// How long a server of tokens may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// The service of AWS that takes remote write.
const SERVICE: &str = "aps";

/// What a signer is built with, beside its section.
#[derive(Clone)]
pub struct SignerOptions {
    /// The `User-Agent` of its own requests.
    pub user_agent: Box<str>,
    /// The time, for signatures.
    pub clock: Clock,
    /// Where credentials are told.
    pub environment: Environment,
}

impl std::fmt::Debug for SignerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignerOptions")
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

/// Whoever a section names.
enum Account {
    Aws { account: aws::Account, service: String, clock: Clock },
    Azure { identity: azure::Identity, api: Api },
    Google { identity: gce::Identity, api: Api },
}

/// An account that signs one request after the other.
struct Shared(Mutex<Account>);

/// The signer of `sigv4`, `azuread` or `google_iam` in `section`; `None` if it has none of them. Fails on what is not
/// built in.
pub fn signer(
    section: &Section,
    options: &SignerOptions,
) -> Result<Option<Arc<dyn Signer>>, Error> {
    let registry = Registry::new();
    let context = Context {
        registry: &registry,
        user_agent: &options.user_agent,
        mechanism: "signing",
        job: "",
        clock: &options.clock,
        environment: &options.environment,
    };
    let api = || Api::with_config(&context, &HttpClientConfig::default(), TIMEOUT, None);
    let account = if let Some(sigv4) = section.section("sigv4") {
        let service = Some(sigv4.text("service_name")).filter(|name| !name.is_empty());
        Account::Aws {
            account: aws::Account::for_signing(&context, sigv4, api()?),
            service: service.unwrap_or(SERVICE).to_owned(),
            clock: Arc::clone(&options.clock),
        }
    } else if let Some(azuread) = section.section("azuread") {
        let identity = azure::Identity::for_signing(&context, azuread)?;
        Account::Azure { identity, api: api()? }
    } else if let Some(google) = section.section("google_iam") {
        let file = google.text("credentials_file");
        let identity = gce::Identity::for_signing(&context, file, TIMEOUT)?;
        Account::Google { identity, api: api()? }
    } else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Shared(Mutex::new(account)))))
}

impl Account {
    async fn headers(
        &mut self,
        request: Unsigned<'_>,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        match self {
            Self::Aws { account, service, clock } => {
                let session = account.session().await?;
                let url =
                    Url::parse(request.url).map_err(|error| Error::config(request.url, error))?;
                Ok(session.signed(
                    service,
                    request.method,
                    &url[Position::BeforeHost..Position::AfterPort],
                    (url.path(), url.query().unwrap_or_default()),
                    request.body,
                    clock(),
                ))
            }
            Self::Azure { identity, api } => {
                Ok(vec![("authorization", identity.header(api).await?)])
            }
            Self::Google { identity, api } => {
                Ok(vec![("authorization", identity.header(api).await?)])
            }
        }
    }
}

impl Signer for Shared {
    fn sign<'a>(&'a self, request: Unsigned<'a>) -> Signing<'a> {
        Box::pin(async move {
            let mut account = self.0.lock().await;
            let headers = account.headers(request).await;
            headers.map_err(|error| match error {
                Error::Net(error) => error,
                other => net::Error::Body(other.to_string().into()),
            })
        })
    }
}

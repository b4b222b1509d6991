//! Who asks STACKIT: an account with its key, which signs for tokens. Without a key, the client is as configured.

use crate::Error;
use crate::api::{Api, escaped, good, json};
use crate::provider::{Clock, Context};
use crate::sigv4::hex;
use crate::target::text;
use net::assertion::{Algorithm, RsaKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json as object};
use std::sync::Arc;
use yaml::Section;

const TOKENS: &str = "https://service-account.api.stackit.cloud/token";
const BY_ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long an assertion holds.
const ASSERTION_SECONDS: i64 = 600;
/// Tokens are renewed this long before they end.
const MARGIN_MS: i64 = 5 * 60 * 1000;

/// An account with its key.
pub(super) struct Identity {
    clock: Clock,
    pub(super) tokens: String,
    issuer: String,
    subject: String,
    audience: String,
    key_id: String,
    key: RsaKey,
    /// The header in use and when it ends.
    current: Option<(String, i64)>,
}

/// A field, whatever the case of its name; null if there is none.
fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    let mut fields = object.as_object().into_iter().flatten();
    let found = fields.find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map_or(&Value::Null, |(_, value)| value)
}

/// The text of a field, or of the file that another field names; empty if neither is given.
fn given(section: &Section, name: &str, path: &str) -> Result<String, Error> {
    match (section.text(name), section.text(path)) {
        ("", "") => Ok(String::new()),
        ("", path) => std::fs::read_to_string(path).map_err(|error| Error::config(path, error)),
        (text, _) => Ok(text.to_owned()),
    }
}

impl Identity {
    /// The account that `section` names; `None` if it names none.
    pub(super) fn new(context: &Context<'_>, section: &Section) -> Result<Option<Self>, Error> {
        let place = "service_account_key";
        let account = given(section, place, "service_account_key_path")?;
        if account.is_empty() {
            return Ok(None);
        }
        let account = json(place, account.as_bytes())?;
        let credentials = field(&account, "credentials");
        let own = |name: &str| text(field(credentials, name)).into_owned();
        let pem = match given(section, "private_key", "private_key_path")? {
            none if none.is_empty() => own("privateKey"),
            pem => pem,
        };
        Ok(Some(Self {
            clock: Arc::clone(context.clock),
            tokens: TOKENS.to_owned(),
            issuer: own("iss"),
            subject: own("sub"),
            audience: own("aud"),
            key_id: own("kid"),
            key: RsaKey::from_pem("private_key", pem.as_bytes())?,
            current: None,
        }))
    }

    /// Forgets the token, which is asked for anew.
    pub(super) fn forget(&mut self) {
        self.current = None;
    }

    /// The `Authorization` header of a request that is sent now.
    pub(super) async fn header(&mut self, api: &Api) -> Result<String, Error> {
        let now_ms = (self.clock)();
        if let Some((header, end_ms)) = &self.current
            && now_ms < end_ms.saturating_sub(MARGIN_MS)
        {
            return Ok(header.clone());
        }
        let mut unique = [0; 16];
        let filled = SystemRandom::new().fill(&mut unique);
        filled.map_err(|_| Error::config("service_account_key", "no random numbers"))?;
        let now_seconds = now_ms.div_euclid(1000);
        let claims = object!({
            "iss": self.issuer,
            "sub": self.subject,
            "aud": self.audience,
            "jti": hex(&unique),
            "iat": now_seconds,
            "exp": now_seconds + ASSERTION_SECONDS,
        });
        let assertion = self.key.token(Algorithm::Rs512, &self.key_id, &claims)?;
        let form = format!("grant_type={}&assertion={assertion}", escaped(BY_ASSERTION));
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = good(&self.tokens, api.call("POST", &self.tokens, &headers, form).await?)?;
        let answer = json(&self.tokens, &answer.body)?;
        let token = text(&answer["access_token"]);
        if token.is_empty() {
            return Err(Error::answer(&self.tokens, "no access_token"));
        }
        let header = format!("Bearer {token}");
        let lifetime = answer["expires_in"].as_i64().unwrap_or(0).clamp(0, 86_400);
        self.current = Some((header.clone(), now_ms + lifetime * 1000));
        Ok(header)
    }
}

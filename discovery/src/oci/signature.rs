//! Who asks the Oracle cloud: requests are signed with the key of a user.

use crate::Error;
use crate::provider::{Clock, Context};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use net::assertion::{Algorithm, RsaKey};
use std::sync::Arc;
use url::{Position, Url};
use yaml::Section;

/// The key of a user.
pub(super) struct Signer {
    clock: Clock,
    key_file: String,
    key_id: String,
}

impl Signer {
    pub(super) fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        if section.text("auth") != "api_key" {
            let what = "instance_principal is not built in: use api_key";
            return Err(Error::config("auth", what));
        }
        let own = |name: &str| section.text(name);
        Ok(Self {
            clock: Arc::clone(context.clock),
            key_file: own("key_file").to_owned(),
            key_id: format!("{}/{}/{}", own("tenancy"), own("user"), own("fingerprint")),
        })
    }

    /// The headers that make a `GET` of `url` a signed one. The key is read each time, so that it may be replaced.
    pub(super) async fn headers(&self, url: &str) -> Result<[(&'static str, String); 2], Error> {
        let pem = tokio::fs::read(&self.key_file).await;
        let pem = pem.map_err(|error| Error::config(&self.key_file, error))?;
        let key = RsaKey::from_pem(&self.key_file, &pem)?;
        let parsed = Url::parse(url).map_err(|error| Error::config(url, error))?;
        let host = &parsed[Position::BeforeHost..Position::AfterPort];
        let target = &parsed[Position::BeforePath..Position::AfterQuery];
        let date = http_date((self.clock)());
        let message = format!("date: {date}\n(request-target): get {target}\nhost: {host}");
        let signature = STANDARD.encode(key.sign(Algorithm::Rs256, message.as_bytes())?);
        let authorization = format!(
            "Signature version=\"1\",headers=\"date (request-target) host\",keyId=\"{}\",\
             algorithm=\"rsa-sha256\",signature=\"{signature}\"",
            self.key_id
        );
        Ok([("date", date), ("authorization", authorization)])
    }
}

/// `Tue, 14 Nov 2023 22:13:20 GMT`.
pub(super) fn http_date(now_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = model::timestamp::format_rfc3339(now_ms);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    // The era began on a Thursday.
    let day = now_ms.div_euclid(86_400_000).rem_euclid(7);
    let day = usize::try_from(day).map_or("", |day| DAYS[day]);
    let month = part(5..7).parse::<usize>().ok().and_then(|month| month.checked_sub(1));
    let month = month.and_then(|month| MONTHS.get(month)).copied().unwrap_or_default();
    format!("{day}, {} {month} {} {} GMT", part(8..10), part(0..4), part(11..19))
}

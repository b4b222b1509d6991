//! An application that shows a certificate: it signs an assertion with the private key of it (RFC 7521, RFC 7523; the
//! members of the header are those that Microsoft documents for certificate credentials).

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use net::assertion::{Algorithm, Certified};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use yaml::Section;

/// How long an assertion holds.
const VALID_S: i64 = 600;

/// Where certificate and key lie.
pub(super) struct Certificate {
    path: String,
    /// The file of the key; empty if it stands beside the certificate.
    key_path: String,
    sends_chain: bool,
}

impl Certificate {
    pub(super) fn new(section: &Section) -> Self {
        Self {
            path: section.text("certificate_path").to_owned(),
            key_path: section.text("certificate_key_path").to_owned(),
            sends_chain: section.bool("send_certificate_chain"),
        }
    }

    /// What the application shows to the server at `audience`. The files are read each time, so that they may be
    /// replaced.
    pub(super) async fn assertion(
        &self,
        audience: &str,
        client: &str,
        now_ms: i64,
    ) -> Result<String, Error> {
        let mut pem = read(&self.path).await?;
        if !self.key_path.is_empty() {
            pem.push(b'\n');
            pem.extend(read(&self.key_path).await?);
        }
        if !pem.windows(10).any(|word| word == b"-----BEGIN") {
            let what =
                "the certificate is not in PEM form (openssl pkcs12 -in FILE -nodes -out PEM)";
            return Err(Error::config(&self.path, what));
        }
        let certified = Certified::from_pem(&self.path, &pem)?;
        let own = certified.chain().next().unwrap_or_default();
        let mut header = json!({"x5t#S256": STANDARD.encode(digest(&SHA256, own))});
        if self.sends_chain {
            let chain = certified.chain().map(|one| STANDARD.encode(one));
            header["x5c"] = chain.collect::<Value>();
        }
        let now_s = now_ms.div_euclid(1000);
        let claims = json!({
            "aud": audience,
            "exp": now_s + VALID_S,
            "iss": client,
            "jti": unique()?,
            "nbf": now_s,
            "sub": client,
        });
        Ok(certified.key().token_headed(Algorithm::Ps256, header, &claims)?)
    }
}

async fn read(path: &str) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path).await.map_err(|error| Error::config(path, error))
}

/// A name that no other assertion has.
fn unique() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::config("jti", "the system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

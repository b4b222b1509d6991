//! Signatures with RSA keys, and the signed assertions (JSON web tokens) by which clients say who they are. Who is told
//! what is for the callers to know.

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use serde_json::{Value, json};
use std::sync::Arc;

/// Signatures of PKCS #1, by the hash they begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Rs256,
    /// SHA-384.
    Rs384,
    /// SHA-512.
    Rs512,
}

impl Algorithm {
    /// The algorithm of a name; empty for the usual one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "RS256" => Some(Self::Rs256),
            "RS384" => Some(Self::Rs384),
            "RS512" => Some(Self::Rs512),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    fn scheme(self) -> SignatureScheme {
        match self {
            Self::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
            Self::Rs384 => SignatureScheme::RSA_PKCS1_SHA384,
            Self::Rs512 => SignatureScheme::RSA_PKCS1_SHA512,
        }
    }
}

/// A private RSA key.
#[derive(Clone, Debug)]
pub struct RsaKey(Arc<dyn rustls::sign::SigningKey>);

impl RsaKey {
    /// The key in `pem`, in the form of PKCS #1 or #8; `place` is the field or file it comes from. A key behind a
    /// passphrase is an error.
    pub fn from_pem(place: &str, pem: &[u8]) -> Result<Self, Error> {
        let wrong =
            |what: &str| Error::Config { place: place.into(), what: what.to_owned().into() };
        if pem.windows(9).any(|word| word == b"ENCRYPTED") {
            let what = "the key is behind a passphrase: \
                store it without (openssl rsa -in KEY -out PLAIN)";
            return Err(wrong(what));
        }
        let key = rustls_pemfile::private_key(&mut &*pem).map_err(|e| wrong(&e.to_string()))?;
        let key = key.ok_or_else(|| wrong("no private key in PEM form"))?;
        let key = any_supported_type(&key).map_err(|e| wrong(&e.to_string()))?;
        match key.algorithm() {
            rustls::SignatureAlgorithm::RSA => Ok(Self(key)),
            _ => Err(wrong("the key is none of RSA")),
        }
    }

    /// The signature of `message`.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signer = self.0.choose_scheme(&[algorithm.scheme()]);
        let signed = signer.map(|signer| signer.sign(message));
        match signed {
            Some(Ok(signature)) => Ok(signature),
            _ => Err(Error::Config {
                place: "the private key".into(),
                what: format!("does not sign with {}", algorithm.name()).into(),
            }),
        }
    }

    /// `claims` as a signed token; `key_id` names the key, empty for no name.
    pub fn token(
        &self,
        algorithm: Algorithm,
        key_id: &str,
        claims: &Value,
    ) -> Result<String, Error> {
        let mut header = json!({"alg": algorithm.name(), "typ": "JWT"});
        if !key_id.is_empty() {
            header["kid"] = json!(key_id);
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self.sign(algorithm, message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests;

//! Signatures with RSA keys, and the signed assertions (JSON web tokens) by which clients say who they are. Who is told
//! what is for the callers to know.

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use std::sync::Arc;

/// Signatures with RSA keys: those of PKCS #1 by the hash they begin with, and one with a random part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Rs256,
    /// SHA-384.
    Rs384,
    /// SHA-512.
    Rs512,
    /// The scheme PSS over SHA-256.
    Ps256,
}

impl Algorithm {
    /// The algorithm of a name as configurations have it; empty for the usual one.
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
            Self::Ps256 => "PS256",
        }
    }

    fn scheme(self) -> SignatureScheme {
        match self {
            Self::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
            Self::Rs384 => SignatureScheme::RSA_PKCS1_SHA384,
            Self::Rs512 => SignatureScheme::RSA_PKCS1_SHA512,
            Self::Ps256 => SignatureScheme::RSA_PSS_SHA256,
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
        let header = if key_id.is_empty() { json!({}) } else { json!({"kid": key_id}) };
        self.token_headed(algorithm, header, claims)
    }

    /// The same with these members of the header beside the usual ones.
    pub fn token_headed(
        &self,
        algorithm: Algorithm,
        mut header: Value,
        claims: &Value,
    ) -> Result<String, Error> {
        header["alg"] = json!(algorithm.name());
        header["typ"] = json!("JWT");
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self.sign(algorithm, message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Certificates and the private key of the first of them.
#[derive(Clone, Debug)]
pub struct Certified {
    key: RsaKey,
    chain: Vec<CertificateDer<'static>>,
}

impl Certified {
    /// Certificates and key in `pem`, in any order; `place` is the file they come from.
    pub fn from_pem(place: &str, pem: &[u8]) -> Result<Self, Error> {
        let wrong =
            |what: &str| Error::Config { place: place.into(), what: what.to_owned().into() };
        let key = RsaKey::from_pem(place, pem)?;
        let certificates = rustls_pemfile::certs(&mut &*pem).collect::<Result<Vec<_>, _>>();
        let mut chain = certificates.map_err(|error| wrong(&error.to_string()))?;
        let is_own = |one: &CertificateDer<'static>| {
            CertifiedKey::new(vec![one.clone()], Arc::clone(&key.0)).keys_match().is_ok()
        };
        let own = chain.iter().position(is_own);
        let own = own.ok_or_else(|| wrong("no certificate of the private key in PEM form"))?;
        chain[..=own].rotate_right(1);
        Ok(Self { key, chain })
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> &RsaKey {
        &self.key
    }

    /// The certificates in DER form, that of the key first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.chain.iter().map(|certificate| &**certificate)
    }
}

#[cfg(test)]
mod tests;

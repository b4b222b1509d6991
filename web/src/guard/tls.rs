//! TLS of the server: identity, versions, what is asked of clients. Built anew when the files changed.

use super::ciphers;
use super::config::{ClientAuth, TlsSection};
use parking_lot::Mutex;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::sync::Arc;

/// What a setting was built from.
#[derive(Clone, PartialEq, Eq)]
struct Material {
    section: TlsSection,
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Vec<u8>,
}

/// The settings, kept until what they come from changes.
pub(super) struct Settings {
    http2: bool,
    built: Mutex<Option<(Material, Arc<ServerConfig>)>>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("http2", &self.http2).finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = rustls_pemfile::certs(&mut &*pem).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => Err("no certificate in PEM form".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(error.to_string()),
    }
}

/// Certificate and key, if they belong together.
pub(super) fn identity(cert: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let chain = certificates(cert).map_err(|error| format!("cert: {error}"))?;
    let key: PrivateKeyDer<'static> = match rustls_pemfile::private_key(&mut &*key) {
        Ok(Some(key)) => key,
        Ok(None) => return Err("key: no private key in PEM form".to_owned()),
        Err(error) => return Err(format!("key: {error}")),
    };
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| format!("cert and key: {error}"))
}

impl Settings {
    pub(super) fn new(http2: bool) -> Self {
        Self { http2, built: Mutex::default() }
    }

    /// The settings for a new connection.
    pub(super) fn server_config(&self, section: &TlsSection) -> Result<Arc<ServerConfig>, String> {
        let material = Material {
            cert: section.cert.read()?,
            key: section.key.read()?,
            client_ca: section.client_ca.read()?,
            section: section.clone(),
        };
        let mut built = self.built.lock();
        if let Some((known, config)) = &*built
            && *known == material
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(build(&material, self.http2)?);
        *built = Some((material, Arc::clone(&config)));
        Ok(config)
    }
}

fn build(material: &Material, http2: bool) -> Result<ServerConfig, String> {
    let section = &material.section;
    let mut provider = ring::default_provider();
    provider.cipher_suites = ciphers::choose(provider.cipher_suites, &section.ciphers);
    provider.kx_groups = ciphers::choose_curves(provider.kx_groups, &section.curves);
    if provider.kx_groups.is_empty() {
        return Err("curve_preferences: none of these curves is spoken; X25519, CurveP256 and \
                    CurveP384 are"
            .to_owned());
    }
    let versions = ciphers::versions(section.versions);
    if versions.is_empty() {
        return Err("min_version, max_version: TLS 1.2 and 1.3 are spoken".to_owned());
    }
    let provider = Arc::new(provider);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| error.to_string())?;
    let builder = match verifier(material, provider)? {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let identity = identity(&material.cert, &material.key)?;
    let mut config =
        builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity)));
    config.ignore_client_order = section.own_order;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

fn verifier(
    material: &Material,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let (verifies, is_required) = match material.section.client_auth {
        ClientAuth::None => return Ok(None),
        ClientAuth::Request => (false, false),
        ClientAuth::RequireAny => (false, true),
        ClientAuth::VerifyIfGiven => (true, false),
        ClientAuth::RequireAndVerify => (true, true),
    };
    let by_authority: Option<Arc<dyn ClientCertVerifier>> = if verifies {
        let mut roots = RootCertStore::empty();
        for certificate in
            certificates(&material.client_ca).map_err(|error| format!("client_ca: {error}"))?
        {
            roots.add(certificate).map_err(|error| format!("client_ca: {error}"))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Some(builder.build().map_err(|error| format!("client_ca: {error}"))?)
    } else {
        None
    };
    let allowed_sans = material.section.allowed_sans.clone();
    Ok(Some(Arc::new(Clients { by_authority, is_required, allowed_sans, provider })))
}

/// Checks the certificates of clients. Signatures are always checked.
#[derive(Debug)]
struct Clients {
    /// Who vouches for them; `None` if nobody has to.
    by_authority: Option<Arc<dyn ClientCertVerifier>>,
    is_required: bool,
    /// Names of which a certificate has to have one; none listed means any.
    allowed_sans: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl Clients {
    fn check_names(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        if self.allowed_sans.is_empty() {
            return Ok(());
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let fits = self.allowed_sans.iter().any(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok())
        });
        if fits { Ok(()) } else { Err(CertificateError::NotValidForName.into()) }
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.by_authority.as_ref().map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if let Some(verifier) = &self.by_authority {
            verifier.verify_client_cert(end_entity, intermediates, now)?;
        }
        self.check_names(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

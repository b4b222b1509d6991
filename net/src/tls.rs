//! TLS of a client by configuration: trust, identity, versions. Files are read again for each new connection and the
//! settings rebuilt when they changed.

use crate::Error;
use crate::config::{HttpClientConfig, TlsConfig, TlsVersion};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Certificates and key as last read.
#[derive(Clone, Default, PartialEq, Eq)]
struct Material {
    ca: Vec<u8>,
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// The TLS settings of a client.
pub(crate) struct TlsSettings {
    config: TlsConfig,
    enable_http2: bool,
    built: Mutex<Option<(Material, Arc<ClientConfig>)>>,
}

impl TlsSettings {
    /// Checks what can be checked without reading files.
    pub(crate) fn new(config: &HttpClientConfig) -> Result<Self, Error> {
        versions(&config.tls_config)?;
        let enable_http2 = config.enable_http2;
        Ok(Self { config: config.tls_config.clone(), enable_http2, built: Mutex::default() })
    }

    /// The name that the server of `host` must prove.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, Error> {
        let name = match self.config.server_name.as_str() {
            "" => host.trim_start_matches('[').trim_end_matches(']'),
            name => name,
        };
        ServerName::try_from(name.to_owned()).map_err(|e| error("server_name", &e))
    }

    /// The settings for a new connection.
    pub(crate) async fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        let material = self.read().await?;
        let mut built = self.built.lock().await;
        if let Some((known, config)) = &*built
            && *known == material
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.build(&material)?);
        *built = Some((material, Arc::clone(&config)));
        Ok(config)
    }

    /// The settings for a connection to a proxy, which is spoken to in HTTP/1.1.
    pub(crate) async fn proxy_config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut config = (*self.client_config().await?).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    async fn read(&self) -> Result<Material, Error> {
        let config = &self.config;
        Ok(Material {
            ca: text_or_file("CA certificates", &config.ca, &config.ca_file).await?,
            cert: text_or_file("certificate", &config.cert, &config.cert_file).await?,
            key: text_or_file("private key", config.key.expose(), &config.key_file).await?,
        })
    }

    fn build(&self, material: &Material) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(&self.config)?)
            .map_err(|e| error("tls_config", &e))?;
        let builder = if self.config.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
        } else if material.ca.is_empty() {
            hyper_rustls::ConfigBuilderExt::with_native_roots(builder)
                .map_err(|e| error("system certificates", &e))?
        } else {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("ca", &material.ca)? {
                roots.add(certificate).map_err(|e| error("ca", &e))?;
            }
            builder.with_root_certificates(roots)
        };
        let mut config = if material.cert.is_empty() {
            builder.with_no_client_auth()
        } else {
            let chain = certificates("cert", &material.cert)?;
            builder
                .with_client_auth_cert(chain, private_key(&material.key)?)
                .map_err(|e| error("cert and key", &e))?
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if self.enable_http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Ok(config)
    }
}

async fn text_or_file(what: &'static str, text: &str, path: &str) -> Result<Vec<u8>, Error> {
    if path.is_empty() {
        return Ok(text.as_bytes().to_vec());
    }
    let read = tokio::fs::read(path).await;
    read.map_err(|source| Error::File { what, path: path.into(), source })
}

fn certificates(place: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = rustls_pemfile::certs(&mut &*pem).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => {
            Err(Error::Config { place: place.into(), what: "no certificate in PEM form".into() })
        }
        Ok(certificates) => Ok(certificates),
        Err(e) => Err(error(place, &e)),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    match rustls_pemfile::private_key(&mut &*pem) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => {
            Err(Error::Config { place: "key".into(), what: "no private key in PEM form".into() })
        }
        Err(e) => Err(error("key", &e)),
    }
}

/// The versions between the configured bounds; 1.0 and 1.1 are not offered any more.
fn versions(config: &TlsConfig) -> Result<Vec<&'static rustls::SupportedProtocolVersion>, Error> {
    let offered = [
        (TlsVersion::Tls12, &rustls::version::TLS12),
        (TlsVersion::Tls13, &rustls::version::TLS13),
    ];
    let min = config.min_version.unwrap_or(TlsVersion::Tls12);
    let max = config.max_version.unwrap_or(TlsVersion::Tls13);
    let versions: Vec<_> = offered
        .into_iter()
        .filter(|(version, _)| min <= *version && *version <= max)
        .map(|(_, version)| version)
        .collect();
    if versions.is_empty() {
        let what = "no version left: TLS 1.2 and 1.3 are supported".into();
        return Err(Error::Config { place: "min_version, max_version".into(), what });
    }
    Ok(versions)
}

fn error(place: &str, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::Config { place: place.into(), what: crate::error::chain(cause) }
}

/// Accepts any certificate: `insecure_skip_verify`. Signatures are still checked.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

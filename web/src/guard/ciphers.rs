//! Names of cipher suites, curves and versions as Go has them, and what of it is spoken here.

use rustls::crypto::SupportedKxGroup;
use rustls::{CipherSuite, NamedGroup, SupportedCipherSuite, SupportedProtocolVersion};

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl Version {
    pub(super) fn from_name(name: &str, default: Self) -> Self {
        match name {
            "TLS10" => Self::Tls10,
            "TLS11" => Self::Tls11,
            "TLS12" => Self::Tls12,
            "TLS13" => Self::Tls13,
            _ => default,
        }
    }
}

/// The versions from `min` to `max` that are spoken here: 1.0 and 1.1 are not.
pub(super) fn versions((min, max): (Version, Version)) -> Vec<&'static SupportedProtocolVersion> {
    let spoken =
        [(Version::Tls12, &rustls::version::TLS12), (Version::Tls13, &rustls::version::TLS13)];
    let within = spoken.into_iter().filter(|(version, _)| min <= *version && *version <= max);
    within.map(|(_, version)| version).collect()
}

/// The suites that are spoken here. Those of version 1.3 are not subject to the configuration, as in Go.
const SPOKEN: &[(&str, CipherSuite)] = &[
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Further suites that Go knows.
const KNOWN: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

/// Whether Go knows a suite of this name.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || SPOKEN.iter().any(|(known, _)| *known == name)
}

/// Whether Go knows a curve of this name.
pub(super) fn is_known_curve(name: &str) -> bool {
    matches!(name, "CurveP256" | "CurveP384" | "CurveP521" | "X25519" | "X25519MLKEM768")
}

/// Those of `all` that the configuration allows, in its order; all if it lists none.
pub(super) fn choose(
    all: Vec<SupportedCipherSuite>,
    names: &[String],
) -> Vec<SupportedCipherSuite> {
    if names.is_empty() {
        return all;
    }
    let wanted: Vec<CipherSuite> = names
        .iter()
        .filter_map(|name| SPOKEN.iter().find(|(known, _)| known == name))
        .map(|(_, suite)| *suite)
        .collect();
    let is_newest = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    let mut chosen: Vec<_> = all.iter().copied().filter(is_newest).collect();
    chosen.extend(wanted.iter().filter_map(|w| all.iter().find(|s| s.suite() == *w).copied()));
    chosen
}

/// Those of `all` that the configuration allows, in its order; all if it lists none.
pub(super) fn choose_curves(
    all: Vec<&'static dyn SupportedKxGroup>,
    names: &[String],
) -> Vec<&'static dyn SupportedKxGroup> {
    if names.is_empty() {
        return all;
    }
    let wanted = names.iter().filter_map(|name| match name.as_str() {
        "CurveP256" => Some(NamedGroup::secp256r1),
        "CurveP384" => Some(NamedGroup::secp384r1),
        "X25519" => Some(NamedGroup::X25519),
        _ => None,
    });
    wanted.filter_map(|w| all.iter().find(|group| group.name() == w).copied()).collect()
}

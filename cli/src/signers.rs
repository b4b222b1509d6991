//! Who signs the requests of remote write to receivers of clouds: the accounts that discovery finds.

use crate::clock;
use crate::status::PROMETHEUS_VERSION;
use discovery::signing::{SignerOptions, signer};
use remote::send::SignerFactory;
use std::sync::Arc;

/// Makes the signer that an entry of `remote_write` asks for.
pub(crate) fn factory() -> SignerFactory {
    let options = SignerOptions {
        user_agent: format!("Prometheus/{PROMETHEUS_VERSION}").into(),
        clock: Arc::new(clock::now_ms),
        environment: discovery::process_environment(),
    };
    Arc::new(move |section| {
        signer(section, &options).map_err(|error| match error {
            discovery::Error::Net(error) => error,
            other => net::Error::Body(other.to_string().into()),
        })
    })
}

//! Who signs the requests of remote write to receivers of clouds.

use net::Error;
use net::client::Signer;
use std::sync::Arc;
use yaml::Section;

/// The signer that an entry of `remote_write` asks for, if it asks for one.
pub(crate) fn signer(section: &Section) -> Result<Option<Arc<dyn Signer>>, Error> {
    let asked = ["sigv4", "azuread", "google_iam"];
    match asked.into_iter().find(|name| section.section(name).is_some()) {
        Some(name) => Err(Error::Unsupported(name)),
        None => Ok(None),
    }
}

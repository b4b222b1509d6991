//! What other servers may ask of this one, by flags and features.

use crate::late::LateDb;
use crate::settings::Settings;
use arc_swap::ArcSwap;
use metrics::Registry;
use model::Labels;
use remote::{Endpoints, Receiver, otlp, read, receive};
use std::sync::Arc;

/// What a reload changes for them.
#[derive(Clone, Debug)]
pub(crate) struct Reloadable {
    /// The external labels.
    pub(crate) external_labels: Arc<ArcSwap<Labels>>,
    /// How OTLP is translated.
    pub(crate) otlp: Arc<ArcSwap<otlp::Config>>,
}

impl Default for Reloadable {
    fn default() -> Self {
        Self {
            external_labels: Arc::new(ArcSwap::from_pointee(Labels::empty())),
            otlp: Arc::default(),
        }
    }
}

/// The endpoints that are switched on.
pub(crate) fn endpoints(
    settings: &Settings,
    reloadable: &Reloadable,
    db: &Arc<LateDb>,
    registry: &Registry,
) -> Endpoints {
    let flags = &settings.flags;
    let features = &flags.features;
    let accepted = flags.accepted_messages.iter();
    let options = receive::Options {
        accepted: accepted.filter_map(|name| receive::Message::from_name(name)).collect(),
        type_and_unit_labels: features.type_and_unit_labels,
        zero_samples: features.zero_samples,
        start_timestamps: features.start_timestamps,
        metadata: features.metadata_records,
    };
    let write = flags
        .enable_remote_write_receiver
        .then(|| Arc::new(Receiver::new(Arc::<LateDb>::clone(db), options, registry)));
    let limits = read::Limits {
        max_samples: flags.read_max_samples,
        max_concurrent: flags.read_max_concurrent,
        max_frame_bytes: flags.read_max_frame_bytes,
    };
    let external_labels = Arc::clone(&reloadable.external_labels);
    let read = read::Server::new(Arc::<LateDb>::clone(db), limits, external_labels, registry);
    let options = otlp::Options {
        type_and_unit_labels: features.type_and_unit_labels,
        zero_samples: features.zero_samples,
        start_timestamps: features.start_timestamps,
        metadata: features.metadata_records,
        native_delta: features.otlp_native_delta,
        lookback_ms: i64::try_from(flags.lookback_delta.as_millis()).unwrap_or(i64::MAX),
    };
    let otlp = flags.enable_otlp_receiver.then(|| {
        let config = Arc::clone(&reloadable.otlp);
        Arc::new(otlp::Receiver::new(Arc::<LateDb>::clone(db), options, config, registry))
    });
    Endpoints { write, read: Some(Arc::new(read)), otlp }
}

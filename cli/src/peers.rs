//! What other servers may ask of this one, by flags and features, and what it sends to them.

use crate::clock;
use crate::late::LateDb;
use crate::settings::Settings;
use crate::status::PROMETHEUS_VERSION;
use arc_swap::ArcSwap;
use metrics::Registry;
use model::Labels;
use model::metadata::Metadata;
use remote::read_client::{ReadClient, ReadConfig, ReadThrough};
use remote::send::{MetadataSource, Sender, SenderOptions};
use remote::{Endpoints, Receiver, otlp, read, receive};
use std::collections::BTreeMap;
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

/// What scraping knows of metrics, each family once.
struct ScrapedMetadata(scrape::Manager);

impl MetadataSource for ScrapedMetadata {
    fn families(&self) -> Vec<(String, Metadata)> {
        let mut families: BTreeMap<Box<str>, Metadata> = BTreeMap::new();
        for target in self.0.metadata() {
            families.extend(target.entries);
        }
        families.into_iter().map(|(family, metadata)| (family.into(), metadata)).collect()
    }
}

/// The sender of remote write, without receivers yet. The database is open.
pub(crate) fn sender(
    settings: &Settings,
    scraping: &scrape::Manager,
    registry: &Registry,
) -> Arc<Sender> {
    let options = SenderOptions {
        disk: Arc::new(disk::RealDisk),
        log: settings.storage_path.join("wal"),
        dir: settings.storage_path.join("remote_write"),
        registry: registry.clone(),
        user_agent: format!("Prometheus/{PROMETHEUS_VERSION}").into(),
        now_ms: clock::now_ms,
        flush_deadline: settings.flags.remote_flush_deadline,
        signers: crate::signers::factory(),
        metadata: Some(Arc::new(ScrapedMetadata(scraping.clone()))),
    };
    Arc::new(Sender::new(options, tokio::runtime::Handle::current()))
}

/// Queries over the database and other servers.
pub(crate) struct Reads {
    through: Arc<ReadThrough>,
    db: Arc<LateDb>,
    registry: Registry,
    /// How long after its first sample the database counts as complete.
    margin_ms: i64,
}

impl Reads {
    /// The database alone, at first.
    pub(crate) fn new(settings: &Settings, db: &Arc<LateDb>, registry: &Registry) -> Self {
        let margin = settings.flags.min_block_duration * 2;
        Self {
            through: Arc::new(ReadThrough::new(Arc::<LateDb>::clone(db))),
            db: Arc::clone(db),
            registry: registry.clone(),
            margin_ms: i64::try_from(margin.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// What queries ask.
    pub(crate) fn queryable(&self) -> Arc<ReadThrough> {
        Arc::clone(&self.through)
    }

    /// Asks these servers from now on. Tells whether all could be set up.
    pub(crate) fn apply(&self, configs: &[ReadConfig], external_labels: &Labels) -> bool {
        let mut clients = Vec::new();
        for config in configs {
            let (db, margin_ms) = (Arc::clone(&self.db), self.margin_ms);
            let start = move || {
                let first = db.get().and_then(|db| db.min_time());
                first.map_or(i64::MAX, |first| first.saturating_add(margin_ms))
            };
            let client = ReadClient::new(
                config.clone(),
                external_labels,
                Arc::new(start),
                &format!("Prometheus/{PROMETHEUS_VERSION}"),
                tokio::runtime::Handle::current(),
                &self.registry,
            );
            match client {
                Ok(client) => clients.push(Arc::new(client)),
                Err(error) => {
                    tracing::error!(component = "remote", url = config.url, err = %error, "A server of remote_read could not be set up");
                }
            }
        }
        let is_whole = clients.len() == configs.len();
        self.through.set_clients(clients);
        is_whole
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
        sums_deltas: features.otlp_delta_sums,
        lookback_ms: i64::try_from(flags.lookback_delta.as_millis()).unwrap_or(i64::MAX),
    };
    let otlp = flags.enable_otlp_receiver.then(|| {
        let config = Arc::clone(&reloadable.otlp);
        Arc::new(otlp::Receiver::new(Arc::<LateDb>::clone(db), options, config, registry))
    });
    Endpoints { write, read: Some(Arc::new(read)), otlp }
}

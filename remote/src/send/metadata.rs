//! Metadata of metric families in 1.0: all of it, from time to time, in requests of its own.

use super::encode::Encoder;
use super::shard::{self, Context};
use crate::receive::Message;
use bytes::Bytes;
use model::metadata::Metadata;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How often a request is made.
const MAX_ATTEMPTS: u32 = 3;

/// What is known of metrics now.
pub trait MetadataSource: Send + Sync {
    /// Each metric family once.
    fn families(&self) -> Vec<(String, Metadata)>;
}

/// Sends metadata until `stop`, if the receiver wants it.
pub(super) fn spawn(
    runtime: &Handle,
    context: &Arc<Context>,
    stop: &CancellationToken,
    source: &Arc<dyn MetadataSource>,
) {
    let config = &context.config;
    if config.message != Message::V1 || !config.metadata.send {
        return;
    }
    let (context, source, stop) = (Arc::clone(context), Arc::clone(source), stop.clone());
    runtime.spawn(async move {
        let mut encoder = Encoder::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(context.config.metadata.send_interval) => {}
            }
            for families in source.families().chunks(context.config.metadata.max_samples_per_send) {
                let body = Bytes::copy_from_slice(encoder.encode_metadata(families));
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = send(&context, &body, families.len() as u64) => {}
                }
            }
        }
    });
}

async fn send(context: &Context, body: &Bytes, count: u64) {
    let mut backoff = context.config.queue.min_backoff;
    for attempt in 0..MAX_ATTEMPTS {
        context.metrics.metadata_bytes.inc_by(body.len() as u64);
        let why = match shard::post(context, body.clone(), attempt).await {
            Ok(posted) if (200..300).contains(&posted.status) => {
                context.metrics.metadata_sent.inc_by(count);
                return;
            }
            Ok(posted) if posted.status < 500 => {
                tracing::error!(
                    component = "remote",
                    status = posted.status,
                    count,
                    "non-recoverable error while sending metadata"
                );
                context.metrics.metadata_failed.inc_by(count);
                return;
            }
            Ok(posted) => format!("server returned HTTP status {}", posted.status),
            Err(error) => error.to_string(),
        };
        if let Some(times) = context.retries.note((context.now_ms)()) {
            tracing::warn!(component = "remote", err = why, times, "Failed to send metadata");
        }
        context.metrics.metadata_retried.inc_by(count);
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(context.config.queue.max_backoff);
    }
    context.metrics.metadata_failed.inc_by(count);
}

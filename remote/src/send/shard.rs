//! One shard: takes items in their order, sends them in batches, tries again as long as it makes sense.

use super::answer::{self, Outcome};
use super::config::WriteConfig;
use super::encode::Encoder;
use super::item::{Counts, Doubt, Item};
use super::ledger::Ledger;
use super::metrics::{Drop, QueueMetrics};
use super::place::PlaceFiles;
use super::push;
use super::queue;
use super::quiet::Quiet;
use super::repeated;
use crate::receive::Message;
use bytes::Bytes;
use metrics::Stopwatch;
use net::client::{Client, Post, Posted};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How much of an answer is kept for the log.
const MAX_ANSWER_BYTES: usize = 256;

/// How long a request at hand may go on after we were told to stop.
const GRACE: Duration = Duration::from_secs(3);

/// How often a batch that a receiver of 1.0 refuses as a whole is split to save what is good in it. What may be a
/// repetition is split as often as it takes, where `repeated` does not find out sooner.
const MAX_SPLITS: u32 = 32;

/// What servers of Prometheus' kind say of a sample that is older than the newest of its series.
const OUT_OF_ORDER: &str = "out of order sample";

/// How many samples of a refused request are shown.
const MAX_LOGGED: usize = 20;

/// What all shards of a queue share.
pub(super) struct Context {
    pub(super) config: WriteConfig,
    pub(super) client: Client,
    pub(super) ledger: Ledger,
    pub(super) metrics: QueueMetrics,
    /// It counts for all queues what comes in.
    pub(super) counts_all: AtomicBool,
    /// What is worth a line now and then.
    pub(super) retries: Quiet,
    pub(super) failures: Quiet,
    pub(super) readings: Quiet,
    pub(super) now_ms: fn() -> i64,
    /// Where to go on after a restart.
    pub(super) places: PlaceFiles,
}

impl Context {
    /// Items are sent, or dropped for good.
    fn done<'i>(&self, items: impl Iterator<Item = &'i Item>) {
        self.ledger.done(items.map(|item| item.number));
        self.places.note(&self.ledger);
    }

    /// The receiver has these items already.
    pub(super) fn repeated(&self, items: &[&Item]) {
        let counts = Counts::of(items.iter().copied());
        if counts.total() > 0 {
            self.metrics.dropped(counts, Drop::Repeated, true);
            self.done(items.iter().copied());
        }
    }
}

/// Sends what comes out of `items` until they end, or until `stop`; answers what it did not send.
pub(super) async fn run(
    context: Arc<Context>,
    mut items: queue::Receiver,
    stop: CancellationToken,
) -> Vec<Item> {
    let queue = &context.config.queue;
    let most = queue.max_samples_per_send;
    let mut line = Line { context: &context, encoder: Encoder::default(), stop: &stop };
    let mut waiting: VecDeque<Item> = VecDeque::new();
    let mut deadline = Instant::now();
    let mut is_over = false;
    while !is_over {
        let is_waiting = !waiting.is_empty();
        let mut is_due = false;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            handful = items.take() => match handful {
                None => is_over = true,
                Some(handful) if is_waiting => waiting.extend(handful),
                Some(handful) => {
                    waiting = handful.into();
                    deadline = Instant::now() + queue.batch_send_deadline;
                }
            },
            () = tokio::time::sleep_until(deadline), if is_waiting => is_due = true,
        }
        is_due |= is_over;
        while (waiting.len() >= most || is_due && !waiting.is_empty()) && !stop.is_cancelled() {
            let mut batch: Vec<Item> = waiting.drain(..most.min(waiting.len())).collect();
            send_all(&mut line, &mut batch).await;
            deadline = Instant::now() + queue.batch_send_deadline;
            // Told to stop: what was not sent stays the first.
            batch.into_iter().rev().for_each(|item| waiting.push_front(item));
        }
    }
    let mut left = waiting.into();
    items.drain(&mut left);
    left
}

/// Sends the batch and empties it, unless told to stop.
async fn send_all(line: &mut Line<'_>, batch: &mut Vec<Item>) {
    let mut pieces = vec![std::mem::take(batch)];
    let mut splits = 0;
    while let Some(mut piece) = pieces.pop() {
        match line.send(&mut piece, splits < MAX_SPLITS).await {
            Sent::Settled | Sent::Refused { .. } => {}
            Sent::Split { is_out_of_order: true } if repeated::is_ordered(&piece) => {
                repeated::leave_out(line, &mut piece).await;
                pieces.push(piece);
            }
            Sent::Split { .. } => {
                splits += 1;
                let second = piece.split_off(piece.len() / 2);
                pieces.extend([second, piece]);
            }
            Sent::Stopped => {
                batch.append(&mut piece);
                pieces.into_iter().rev().for_each(|mut piece| batch.append(&mut piece));
                return;
            }
        }
    }
}

/// What became of a piece of a batch.
#[derive(Debug)]
pub(super) enum Sent {
    /// Sent, or dropped for its age.
    Settled,
    /// Refused, and dropped for good. `is_out_of_order`: because the receiver has newer samples.
    Refused { is_out_of_order: bool },
    /// Refused as a whole, perhaps for little of it: to be sent in parts.
    Split { is_out_of_order: bool },
    /// Told to stop: it is still to be sent.
    Stopped,
}

/// What a shard sends with.
pub(super) struct Line<'a> {
    pub(super) context: &'a Context,
    encoder: Encoder,
    stop: &'a CancellationToken,
}

impl Line<'_> {
    /// Sends items in one request, again and again while that may help. `may_split`: a request that is refused as a whole
    /// may be taken in parts, even where nothing in it may be a repetition.
    pub(super) async fn send(&mut self, items: &mut Vec<Item>, may_split: bool) -> Sent {
        let Self { context, encoder, stop } = self;
        let queue = &context.config.queue;
        let mut backoff = queue.min_backoff;
        let mut attempt = 0;
        loop {
            drop_old(context, items);
            if items.is_empty() {
                return Sent::Settled;
            }
            if stop.is_cancelled() {
                return Sent::Stopped;
            }
            let counts = Counts::of(items.iter());
            let body = Bytes::copy_from_slice(encoder.encode(context.config.message, items));
            let outcome = tokio::select! {
                outcome = request(context, body, attempt, counts) => outcome,
                () = given_up(stop) => {
                    note_doubt(items);
                    return Sent::Stopped;
                }
            };
            let (what, pause) = match outcome {
                Outcome::Taken { written } => {
                    settle(context, items, written, None);
                    return Sent::Settled;
                }
                Outcome::Refused { status, what, written } => {
                    let is_v1 = context.config.message == Message::V1;
                    let is_out_of_order = status == 400 && what.contains(OUT_OF_ORDER);
                    let may_split = may_split || items.iter().any(|item| item.doubt != Doubt::None);
                    if is_v1 && status == 400 && items.len() > 1 && may_split {
                        return Sent::Split { is_out_of_order };
                    }
                    settle(context, items, written, Some((status, &what)));
                    return Sent::Refused { is_out_of_order };
                }
                Outcome::Again { what, pause, is_open } => {
                    if is_open {
                        note_doubt(items);
                    }
                    (what, pause)
                }
            };
            tell_retry(context, &what);
            context.metrics.retried(counts);
            let pause = pause.unwrap_or(backoff);
            backoff = (backoff * 2).min(queue.max_backoff);
            attempt += 1;
            tokio::select! {
                () = stop.cancelled() => return Sent::Stopped,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// Nobody knows whether these were stored: all, or none, as far as the receiver takes requests as a whole.
fn note_doubt(items: &mut [Item]) {
    items.iter_mut().for_each(|item| item.doubt = item.doubt.max(Doubt::InOrder));
}

fn tell_retry(context: &Context, what: &str) {
    if let Some(times) = context.retries.note((context.now_ms)()) {
        tracing::warn!(
            component = "remote",
            remote_name = context.config.queue_name(),
            url = context.config.url,
            err = what,
            times,
            "Failed to send batch, retrying"
        );
    }
}

/// Waits until whoever told us to stop has waited long enough for the request at hand.
async fn given_up(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// The items are done with: as many as `written` were taken, the others refused with this status and text.
fn settle(context: &Context, items: &[Item], written: Counts, refused: Option<(u16, &str)>) {
    let newest_ms = items.iter().map(|item| item.timestamp_ms).max().unwrap_or(0);
    context.metrics.sent(written, newest_ms);
    let left = Counts::of(items).without(written);
    match refused {
        None if left.total() == 0 => {}
        None => {
            log_failure(
                context,
                left,
                "the receiver was content and counts less as written than was sent",
            );
            context.metrics.failed(left);
        }
        Some((400, _)) if items.iter().all(|item| item.doubt != Doubt::None) => {
            context.metrics.dropped(left, Drop::Repeated, true);
        }
        Some((_, what)) => {
            log_failure(context, left, what);
            if context.config.logs_failed_requests {
                log_items(context, items);
            }
            context.metrics.failed(left);
        }
    }
    context.done(items.iter());
}

fn log_failure(context: &Context, left: Counts, what: &str) {
    if let Some(times) = context.failures.note((context.now_ms)()) {
        tracing::error!(
            component = "remote",
            remote_name = context.config.queue_name(),
            url = context.config.url,
            count = left.total(),
            err = what,
            times,
            "non-recoverable error"
        );
    }
}

/// Says what was in a request that was refused, as far as that fits.
fn log_items(context: &Context, items: &[Item]) {
    for item in items.iter().take(MAX_LOGGED) {
        let labels: Vec<String> =
            item.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        tracing::error!(
            component = "remote",
            remote_name = context.config.queue_name(),
            series = format!("{{{}}}", labels.join(", ")),
            timestamp_ms = item.timestamp_ms,
            of = items.len(),
            "in the refused request"
        );
    }
}

/// Drops what is older than it may be.
fn drop_old(context: &Context, items: &mut Vec<Item>) {
    let limit_ms = context.config.queue.sample_age_limit.as_millis();
    let Ok(limit_ms @ 1..) = i64::try_from(limit_ms) else { return };
    let oldest_ms = (context.now_ms)().saturating_sub(limit_ms);
    let (old, young): (Vec<Item>, Vec<Item>) =
        std::mem::take(items).into_iter().partition(|item| item.timestamp_ms < oldest_ms);
    *items = young;
    if !old.is_empty() {
        context.metrics.dropped(Counts::of(old.iter()), Drop::TooOld, true);
        context.done(old.iter());
    }
}

async fn request(context: &Context, body: Bytes, attempt: u32, counts: Counts) -> Outcome {
    let len = body.len();
    let clock = Stopwatch::start();
    let posted = post(context, body, attempt).await;
    context.metrics.requested(len, clock.elapsed());
    match posted {
        Ok(posted) => answer::judge(&context.config, &posted, counts, (context.now_ms)()),
        Err(error) => Outcome::Again { what: error.to_string(), pause: None, is_open: true },
    }
}

/// Sends a packed message.
pub(super) async fn post(
    context: &Context,
    body: Bytes,
    attempt: u32,
) -> Result<Posted, net::Error> {
    let attempt = attempt.to_string();
    let mut headers = push::headers(context.config.message).to_vec();
    if attempt != "0" {
        headers.push(("retry-attempt", &attempt));
    }
    let post = Post {
        url: &context.config.url,
        headers: &headers,
        body,
        timeout: context.config.timeout,
        max_answer_bytes: MAX_ANSWER_BYTES,
    };
    context.client.post(&post).await
}

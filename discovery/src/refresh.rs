//! The loop of mechanisms that ask at intervals: at once, then on every tick. A failure is counted and keeps what was
//! found before.

use crate::provider::{Context, Provider, Publisher, Running};
use crate::{Error, TargetGroup, target};
use metrics::{
    Counter, CounterVec, Histogram, HistogramVec, Registry, Stopwatch, Summary, SummaryVec,
};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use yaml::Section;

/// A mechanism that is asked for all its groups now and then.
pub(crate) trait Mechanism: Send + 'static {
    /// All groups there are; those that are not among them any more are gone.
    fn refresh(&mut self) -> impl Future<Output = Result<Vec<TargetGroup>, Error>> + Send;
}

/// A mechanism with its interval and its metrics.
#[derive(Debug)]
pub(crate) struct Refresher<M> {
    mechanism: M,
    name: &'static str,
    job: Box<str>,
    interval: Duration,
    failures: Counter,
    seconds: Summary,
    histogram: Histogram,
}

/// The metrics of all refreshers.
struct Families {
    failures: CounterVec,
    seconds: SummaryVec,
    histogram: HistogramVec,
}

fn families(registry: &Registry) -> Families {
    let labels = &["mechanism", "config"];
    Families {
        failures: registry.counter_vec(
            "prometheus_sd_refresh_failures_total",
            "Number of refresh failures for the given SD mechanism.",
            labels,
        ),
        seconds: registry.summary_vec(
            "prometheus_sd_refresh_duration_seconds",
            "The duration of a refresh in seconds for the given SD mechanism.",
            labels,
            &[0.5, 0.9, 0.99],
        ),
        histogram: registry.histogram_vec(
            "prometheus_sd_refresh_duration_histogram_seconds",
            "The duration of a refresh for the given SD mechanism.",
            &["mechanism"],
            &[0.01, 0.1, 1.0, 10.0],
        ),
    }
}

/// Takes the metrics of a job that is gone away.
pub(crate) fn forget(registry: &Registry, name: &str, job: &str) {
    let families = families(registry);
    families.failures.remove(&[name, job]);
    families.seconds.remove(&[name, job]);
}

/// `mechanism` as a provider that asks at the `refresh_interval` of its section.
pub(crate) fn every<M: Mechanism>(
    context: &Context<'_>,
    name: &'static str,
    section: &Section,
    mechanism: M,
) -> Box<dyn Provider> {
    let families = families(context.registry);
    Box::new(Refresher {
        mechanism,
        name,
        job: context.job.into(),
        interval: section.duration("refresh_interval").max(Duration::from_millis(1)),
        failures: families.failures.with(&[name, context.job]),
        seconds: families.seconds.with(&[name, context.job]),
        histogram: families.histogram.with(&[name]),
    })
}

impl<M: Mechanism> Refresher<M> {
    async fn refresh_for_ever(mut self, publisher: Publisher) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut known: BTreeSet<Box<str>> = BTreeSet::new();
        loop {
            ticks.tick().await;
            let stopwatch = Stopwatch::start();
            let refreshed = self.mechanism.refresh().await;
            let seconds = stopwatch.elapsed_seconds();
            self.seconds.observe(seconds);
            self.histogram.observe(seconds);
            match refreshed {
                Ok(mut groups) => {
                    let found = groups.iter().map(|group| group.source.clone()).collect();
                    let before = std::mem::replace(&mut known, found);
                    let gone = before.difference(&known);
                    groups.extend(gone.map(|source| target::group(source, Vec::new())));
                    publisher.publish(groups);
                }
                Err(error) => {
                    self.failures.inc();
                    tracing::error!(discovery = self.name, config = &*self.job, err = %error,
                        "Unable to refresh target groups");
                }
            }
        }
    }
}

impl<M: Mechanism> Provider for Refresher<M> {
    fn run(self: Box<Self>, publisher: Publisher) -> Running {
        Box::pin(self.refresh_for_ever(publisher))
    }
}

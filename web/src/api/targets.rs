//! `/api/v1/targets`, `/api/v1/targets/metadata`, `/api/v1/metadata` and `/api/v1/scrape_pools`.

use super::{Object, answer_object, begin, end, push_array, push_labels};
use crate::call::{Done, done};
use crate::error::{ApiError, Result};
use crate::json::{Out, push_html_text};
use crate::params::{Params, parse_int};
use crate::{Options, TargetsSource};
use model::metadata::Metadata;
use model::{Labels, Matcher, duration, timestamp};
use scrape::{ActiveTarget, PoolStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What Go shows for a time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// `/api/v1/targets`.
pub(crate) fn targets(
    source: &dyn TargetsSource,
    options: &Options,
    params: &Params,
    out: &mut Out<'_>,
) -> Result<Done> {
    let state = params.get("state").to_lowercase();
    let shows = |what: &str| matches!(state.as_str(), "" | "any") || state == what;
    let pools = source.pools();
    let asked = params.get("scrapePool");
    let shown = |pool: &&PoolStatus| asked.is_empty() || *pool.scrape_pool == *asked;
    answer_object(out, |data| {
        let active = pools.iter().filter(shown).filter(|_| shows("active"));
        data.list("activeTargets", active.flat_map(|pool| &pool.active), |out, target| {
            Object::write(out, |object| active_target(object, target, options));
        });
        let dropped = pools.iter().filter(shown).filter(|_| shows("dropped"));
        data.list("droppedTargets", dropped.flat_map(|pool| &pool.dropped), |out, target| {
            Object::write(out, |object| {
                object.labels("discoveredLabels", &target.discovered_labels);
                object.text("scrapePool", &target.scrape_pool);
            });
        });
        if shows("dropped") {
            data.object("droppedTargetCounts", |counts| {
                for pool in &pools {
                    let number = itoa::Buffer::new().format(pool.num_dropped).to_owned();
                    counts.foreign_key(&pool.scrape_pool).extend_from_slice(number.as_bytes());
                }
            });
        } else {
            data.plain("droppedTargetCounts", "null");
        }
    })
}

fn active_target(object: &mut Object<'_>, target: &ActiveTarget, options: &Options) {
    let at = target.last_scrape_ms.map_or_else(|| NEVER.to_owned(), timestamp::format_rfc3339);
    let interval = |ms: u64| duration::format(i64::try_from(ms).unwrap_or(i64::MAX));
    object.labels("discoveredLabels", &target.discovered_labels);
    object.labels("labels", &target.labels);
    object.text("scrapePool", &target.scrape_pool);
    object.text("scrapeUrl", &target.scrape_url);
    object.text("globalUrl", &global_url(&target.scrape_url, options));
    object.text("lastError", &target.last_error);
    object.text("lastScrape", &at);
    object.plain("lastScrapeDuration", target.last_scrape_duration_seconds);
    object.text("health", target.health.as_str());
    object.text("scrapeInterval", &interval(target.scrape_interval_ms));
    object.text("scrapeTimeout", &interval(target.scrape_timeout_ms));
}

/// The URL of a target as others may reach it: this machine goes by the name of our external URL.
fn global_url(url: &str, options: &Options) -> String {
    let (external_scheme, external_host) = &options.external;
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (address, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Some((host, port)) = address.rsplit_once(':') else { return url.to_owned() };
    if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
        return url.to_owned();
    }
    if options.listen.iter().map(SocketAddr::port).any(|own| port.parse() == Ok(own)) {
        return format!("{external_scheme}://{external_host}{path}");
    }
    let external_name = match external_host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => external_host,
    };
    format!("{scheme}://{external_name}:{port}{path}")
}

/// `/api/v1/scrape_pools`.
pub(crate) fn pools(source: &dyn TargetsSource, out: &mut Out<'_>) -> Result<Done> {
    answer_object(out, |data| {
        data.list("scrapePools", source.pools(), |out, pool| {
            push_html_text(out, &pool.scrape_pool);
        });
    })
}

fn push_metadata(object: &mut Object<'_>, metadata: &Metadata, unit_first: bool) {
    object.text("type", metadata.metric_type.as_str());
    if unit_first {
        object.text("unit", &metadata.unit);
        object.text("help", &metadata.help);
    } else {
        object.text("help", &metadata.help);
        object.text("unit", &metadata.unit);
    }
}

/// An optional limit; negative means none.
fn limit(params: &Params, name: &str) -> Result<Option<usize>> {
    match params.get(name) {
        "" => Ok(None),
        text => match parse_int(text) {
            Ok(number) => Ok(usize::try_from(number).ok()),
            Err(_) => Err(ApiError::bad_data(format!("{name} must be a number"))),
        },
    }
}

/// `/api/v1/metadata`.
pub(crate) fn metadata(
    source: &dyn TargetsSource,
    params: &Params,
    out: &mut Out<'_>,
) -> Result<Done> {
    let limit = limit(params, "limit")?.unwrap_or(usize::MAX);
    let per_metric = self::limit(params, "limit_per_metric")?.filter(|&n| n > 0);
    let asked = params.get("metric");
    let mut by_name: BTreeMap<Box<str>, BTreeSet<Metadata>> = BTreeMap::new();
    for target in source.metadata() {
        for (name, metadata) in target.entries {
            if asked.is_empty() || *name == *asked {
                by_name.entry(name).or_default().insert(metadata);
            }
        }
    }
    answer_object(out, |data| {
        for (name, entries) in by_name.iter().take(limit) {
            let out = data.foreign_key(name);
            out.push(b'[');
            for (index, entry) in entries.iter().take(per_metric.unwrap_or(usize::MAX)).enumerate()
            {
                if index > 0 {
                    out.push(b',');
                }
                Object::write(out, |object| push_metadata(object, entry, true));
            }
            out.push(b']');
        }
    })
}

/// `/api/v1/targets/metadata`.
pub(crate) fn target_metadata(
    source: &dyn TargetsSource,
    params: &Params,
    out: &mut Out<'_>,
) -> Result<Done> {
    let limit = limit(params, "limit")?.unwrap_or(usize::MAX);
    let asked = params.get("metric");
    let matchers = match params.get("match_target") {
        "" => Vec::new(),
        text => promql::parse_selector(text)
            .map_err(|error| ApiError::parameter("match_target", error))?,
    };
    let mut found: Vec<(Labels, Box<str>, Metadata)> = Vec::new();
    for target in source.metadata() {
        if found.len() >= limit {
            break;
        }
        if !matches(&matchers, &target.labels) {
            continue;
        }
        let entries = target.entries.into_iter();
        let entries = entries.filter(|(name, _)| asked.is_empty() || **name == *asked);
        found.extend(entries.map(|(name, metadata)| (target.labels.clone(), name, metadata)));
    }
    begin(out);
    let written = push_array(out, found, |out, (labels, name, metadata)| {
        Object::write(out, |object| {
            push_labels(object.key("target"), &labels);
            if asked.is_empty() {
                object.text("metric", &name);
            }
            push_metadata(object, &metadata, false);
        });
    });
    if written.is_err() {
        return done(written);
    }
    end(out)
}

fn matches(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
}

#[cfg(test)]
mod tests;

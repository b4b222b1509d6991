//! `/api/v1/features`: what this server can do, by category. Clients decide by it what they may use.

use super::{Object, answer_object};
use crate::Api;
use crate::call::Done;
use crate::error::Result;
use crate::json::Out;
use promql::functions::FUNCTIONS;
use std::collections::BTreeMap;

/// What is always there, besides functions.
const ALWAYS: &[(&str, &[&str])] = &[
    (
        "api",
        &[
            "exclude_alerts",
            "label_values_match",
            "openapi_3.1",
            "openapi_3.2",
            "query_stats",
            "query_warnings",
            "search_fuzz_alg_jarowinkler",
            "search_fuzz_alg_subsequence",
            "time_range_labels",
            "time_range_series",
        ],
    ),
    (
        "promql",
        &[
            "at_modifier",
            "bool",
            "by",
            "duration_expr",
            "group_left",
            "group_right",
            "ignoring",
            "negative_offset",
            "offset",
            "on",
            "per_query_lookback_delta",
            "subqueries",
            "without",
        ],
    ),
    (
        "promql_operators",
        &[
            "!=",
            "!~",
            "%",
            "*",
            "+",
            "-",
            "/",
            "<",
            "</",
            "<=",
            "==",
            "=~",
            ">",
            ">/",
            ">=",
            "@",
            "^",
            "and",
            "atan2",
            "avg",
            "bottomk",
            "count",
            "count_values",
            "group",
            "max",
            "min",
            "or",
            "quantile",
            "stddev",
            "stdvar",
            "sum",
            "topk",
            "unless",
        ],
    ),
    ("tsdb", &["isolation"]),
];

/// The categories that an agent has no part in.
const NOT_FOR_AGENTS: &[&str] =
    &["promql", "promql_functions", "promql_operators", "rules", "tsdb"];

/// `/api/v1/features`.
pub(crate) fn features(api: &Api, out: &mut Out<'_>) -> Result<Done> {
    let options = &api.options;
    let mut all: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
    let mut set = |category, name, is_on| {
        all.entry(category).or_default().insert(name, is_on);
    };
    for (category, names) in ALWAYS {
        names.iter().for_each(|name| set(category, name, true));
    }
    set("api", "admin", api.admin.is_some() || (options.agent && options.admin_asked));
    set("api", "lifecycle", api.lifecycle.is_some());
    set("api", "otlp_write_receiver", api.remote.otlp.is_some());
    set("api", "remote_write_receiver", api.remote.write.is_some());
    set("api", "search", options.search_max_limit.is_some());
    set("prometheus", "agent_mode", options.agent);
    set("prometheus", "server_mode", !options.agent);
    let engine = api.engine.load();
    let promql = engine.options();
    let experimental = promql.features.experimental_functions;
    let switches = [
        ("anchored", promql.features.extended_range_selectors),
        ("smoothed", promql.features.extended_range_selectors),
        ("fill", promql.features.binop_fill_modifiers),
        ("fill_left", promql.features.binop_fill_modifiers),
        ("fill_right", promql.features.binop_fill_modifiers),
        ("delayed_name_removal", promql.delayed_name_removal),
        ("per_step_stats", options.per_step_stats),
        ("type_and_unit_labels", promql.type_and_unit_labels),
    ];
    switches.into_iter().for_each(|(name, is_on)| set("promql", name, is_on));
    set("promql_operators", "limitk", experimental);
    set("promql_operators", "limit_ratio", experimental);
    for function in FUNCTIONS {
        set("promql_functions", function.name, experimental || !function.experimental);
    }
    template::functions().for_each(|name| set("templating_functions", name, true));
    for (category, name, is_on) in &options.switches {
        set(category, name, *is_on);
    }
    if options.agent {
        all.retain(|category, _| !NOT_FOR_AGENTS.contains(category));
    }
    answer_object(out, |data| {
        for (category, names) in &all {
            Object::write(data.key(category), |object| {
                names.iter().for_each(|(name, is_on)| object.plain(name, is_on));
            });
        }
    })
}

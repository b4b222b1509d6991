//! The table of operations: path, parameters, what is sent, what comes back. One entry for each path and method.

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Texts,
    Count,
    Flag,
    Time,
    Duration,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
    pub(super) in_path: bool,
    pub(super) what: &'static str,
}

const fn param(name: &'static str, shape: Shape, what: &'static str) -> Param {
    Param { name, shape, required: false, in_path: false, what }
}

const fn required(param: Param) -> Param {
    Param { required: true, ..param }
}

const fn in_path(param: Param) -> Param {
    Param { required: true, in_path: true, ..param }
}

/// What a request has besides parameters in its path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// Parameters in the query string only.
    Nothing,
    /// Parameters in a form.
    Form,
    /// A body of one of these media types, and parameters in the query string.
    Body(&'static [&'static str]),
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// An envelope whose data has the schema of this name, or any data.
    Envelope(&'static str),
    /// Nothing but the status.
    NoContent,
    /// A body of this media type.
    Other(&'static str),
}

impl Answers {
    /// Status, media type and schema.
    pub(super) fn success(self) -> (u16, Option<&'static str>, String) {
        match self {
            Self::Envelope(name) => {
                let schema = format!("{{$ref: '#/components/schemas/{name}'}}");
                (200, Some("application/json"), schema)
            }
            Self::NoContent => (204, None, String::new()),
            Self::Other(media) => (200, Some(media), "{type: string}".to_owned()),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NoContent => "Done; there is nothing to say.",
            _ => "What was asked for.",
        }
    }
}

/// A path and a method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) params: &'static [Param],
    pub(super) takes: Takes,
    pub(super) answers: Answers,
}

const fn get(path: &'static str, id: &'static str, tag: &'static str) -> Operation {
    Operation {
        path,
        method: "get",
        id,
        tag,
        summary: "",
        params: &[],
        takes: Takes::Nothing,
        answers: Answers::Envelope("Success"),
    }
}

const fn post(path: &'static str, id: &'static str, tag: &'static str) -> Operation {
    Operation { method: "post", takes: Takes::Form, ..get(path, id, tag) }
}

impl Operation {
    const fn about(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    const fn with(self, params: &'static [Param]) -> Self {
        Self { params, ..self }
    }

    const fn answering(self, answers: Answers) -> Self {
        Self { answers, ..self }
    }

    const fn taking(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }
}

use Shape::{Count, Duration, Flag, Text, Texts, Time};

const QUERY: Param = required(param("query", Text, "The PromQL expression."));
const LIMIT: Param = param("limit", Count, "The most elements of the answer; zero means all.");
const START: Param = param("start", Time, "The earliest time.");
const END: Param = param("end", Time, "The latest time.");
const MATCH: Param = param("match[]", Texts, "Selectors of series; any of them may match.");
const TIMEOUT: Param = param("timeout", Duration, "How long the query may take.");
const LOOKBACK: Param = param("lookback_delta", Duration, "How long a sample counts.");
const STATS: Param = param("stats", Text, "true or all: statistics of the query.");
const EXPLAIN: Param = param(
    "explain",
    Text,
    "true: the plan instead of the answer; analyze: what each operator took, beside it.",
);

const INSTANT: &[Param] = &[
    QUERY,
    param("time", Time, "When to evaluate; now unless given."),
    LIMIT,
    TIMEOUT,
    LOOKBACK,
    STATS,
    EXPLAIN,
];
const RANGE: &[Param] = &[
    QUERY,
    required(START),
    required(END),
    required(param("step", Duration, "The time between two evaluations.")),
    LIMIT,
    TIMEOUT,
    LOOKBACK,
    STATS,
    EXPLAIN,
];
const EXEMPLARS: &[Param] = &[QUERY, START, END];
const FORMAT: &[Param] = &[QUERY];
const SELECT: &[Param] = &[MATCH, START, END, LIMIT];
const SERIES: &[Param] = &[required(MATCH), START, END, LIMIT];
const VALUES: &[Param] =
    &[in_path(param("name", Text, "The name of the label.")), MATCH, START, END, LIMIT];
const SEARCH: &[Param] = &[
    MATCH,
    param("search[]", Texts, "What names should look like; any of them may match."),
    param("fuzz_threshold", Count, "How alike names have to be, of 100."),
    param("fuzz_alg", Text, "How likeness is measured: jarowinkler or subsequence."),
    param("case_sensitive", Flag, "Whether upper and lower case differ."),
    param("sort_by", Text, "What the answer is sorted by: alpha or score."),
    param("sort_dir", Text, "asc or dsc."),
    param("include_score", Flag, "Whether the answer tells how alike names are."),
    param("include_metadata", Flag, "Whether the answer tells type, help and unit of metrics."),
    START,
    END,
    LIMIT,
    param("batch_size", Count, "How many names there are in a line."),
];
const SEARCH_VALUES: &[Param] = &[
    required(param("label", Text, "The name of the label.")),
    MATCH,
    param("search[]", Texts, "What values should look like; any of them may match."),
    param("fuzz_threshold", Count, "How alike values have to be, of 100."),
    param("fuzz_alg", Text, "How likeness is measured: jarowinkler or subsequence."),
    param("case_sensitive", Flag, "Whether upper and lower case differ."),
    param("sort_by", Text, "What the answer is sorted by: alpha or score."),
    param("sort_dir", Text, "asc or dsc."),
    param("include_score", Flag, "Whether the answer tells how alike values are."),
    START,
    END,
    LIMIT,
    param("batch_size", Count, "How many values there are in a line."),
];
const POOL: Param = required(param("scrapePool", Text, "The name of the scrape job."));
const TARGETS: &[Param] = &[
    param("state", Text, "active, dropped or any."),
    param("scrapePool", Text, "The name of the only scrape job to show."),
];
const TARGET_METADATA: &[Param] = &[
    param("match_target", Text, "A selector of targets."),
    param("metric", Text, "The only metric to show."),
    LIMIT,
];
const METADATA: &[Param] = &[
    param("metric", Text, "The only metric to show."),
    LIMIT,
    param("limit_per_metric", Count, "The most entries for each metric."),
];
const RELABEL: &[Param] =
    &[POOL, required(param("labels", Text, "The labels of a target before, as a JSON object."))];
const RULES: &[Param] = &[
    param("type", Text, "alert or record: the only kind of rules to show."),
    param("rule_name[]", Texts, "Names of the rules to show."),
    param("rule_group[]", Texts, "Names of the groups to show."),
    param("file[]", Texts, "Files of the groups to show."),
    param("exclude_alerts", Flag, "Leaves the alerts of rules out."),
    MATCH,
    param("group_limit", Count, "The most groups of a page."),
    param("group_next_token", Text, "Where the next page begins, as the one before said."),
];
const DELETE: &[Param] = &[required(MATCH), START, END];
const SNAPSHOT: &[Param] = &[param("skip_head", Flag, "Leaves out what is in no block yet.")];
const IMPORT: &[Param] = &[
    param("extra_label", Texts, "Labels that every series gets, as name=value."),
    param("max_block_duration", Text, "How long blocks may be, as in 24h."),
];
const TOP: &[Param] = &[
    param("topN", Count, "The most queries of each list."),
    param("maxLifetime", Duration, "How far back to look."),
];

const TEXTS: Answers = Answers::Envelope("TextsSuccess");
const LABELS: Answers = Answers::Envelope("LabelsSuccess");
const RESULT: Answers = Answers::Envelope("QuerySuccess");
const LINES: Answers = Answers::Other("application/x-ndjson");
const PROTOBUF: &[&str] = &["application/x-protobuf"];

/// All of them; those of one path follow each other.
pub(super) const OPERATIONS: &[Operation] = &[
    get("/query", "query", "query")
        .about("Evaluates an expression at one time.")
        .with(INSTANT)
        .answering(RESULT),
    post("/query", "query-post", "query")
        .about("Evaluates an expression at one time.")
        .with(INSTANT)
        .answering(RESULT),
    get("/query_range", "query-range", "query")
        .about("Evaluates an expression over time.")
        .with(RANGE)
        .answering(RESULT),
    post("/query_range", "query-range-post", "query")
        .about("Evaluates an expression over time.")
        .with(RANGE)
        .answering(RESULT),
    get("/query_exemplars", "query-exemplars", "query")
        .about("Lists exemplars of the series of an expression.")
        .with(EXEMPLARS),
    post("/query_exemplars", "query-exemplars-post", "query")
        .about("Lists exemplars of the series of an expression.")
        .with(EXEMPLARS),
    get("/format_query", "format-query", "query").about("Formats an expression.").with(FORMAT),
    post("/format_query", "format-query-post", "query")
        .about("Formats an expression.")
        .with(FORMAT),
    get("/parse_query", "parse-query", "query")
        .about("Answers the tree of an expression.")
        .with(FORMAT),
    post("/parse_query", "parse-query-post", "query")
        .about("Answers the tree of an expression.")
        .with(FORMAT),
    get("/labels", "labels", "labels")
        .about("Lists names of labels.")
        .with(SELECT)
        .answering(TEXTS),
    post("/labels", "labels-post", "labels")
        .about("Lists names of labels.")
        .with(SELECT)
        .answering(TEXTS),
    get("/label/{name}/values", "label-values", "labels")
        .about("Lists values of a label.")
        .with(VALUES)
        .answering(TEXTS),
    get("/series", "series", "series")
        .about("Lists label sets of series.")
        .with(SERIES)
        .answering(LABELS),
    post("/series", "series-post", "series")
        .about("Lists label sets of series.")
        .with(SERIES)
        .answering(LABELS),
    get("/search/metric_names", "search-metric-names", "search")
        .about("Finds names of metrics; behind a feature flag.")
        .with(SEARCH)
        .answering(LINES),
    post("/search/metric_names", "search-metric-names-post", "search")
        .about("Finds names of metrics; behind a feature flag.")
        .with(SEARCH)
        .answering(LINES),
    get("/search/label_names", "search-label-names", "search")
        .about("Finds names of labels; behind a feature flag.")
        .with(SEARCH)
        .answering(LINES),
    post("/search/label_names", "search-label-names-post", "search")
        .about("Finds names of labels; behind a feature flag.")
        .with(SEARCH)
        .answering(LINES),
    get("/search/label_values", "search-label-values", "search")
        .about("Finds values of a label; behind a feature flag.")
        .with(SEARCH_VALUES)
        .answering(LINES),
    post("/search/label_values", "search-label-values-post", "search")
        .about("Finds values of a label; behind a feature flag.")
        .with(SEARCH_VALUES)
        .answering(LINES),
    get("/metadata", "metadata", "metadata")
        .about("Lists type, help and unit of metrics.")
        .with(METADATA),
    get("/targets", "targets", "targets")
        .about("Lists targets and how their scrapes went.")
        .with(TARGETS),
    get("/targets/metadata", "targets-metadata", "targets")
        .about("Lists metadata of metrics by target.")
        .with(TARGET_METADATA),
    get("/targets/relabel_steps", "targets-relabel-steps", "targets")
        .about("Shows what relabelling does to a target, step by step.")
        .with(RELABEL),
    get("/scrape_pools", "scrape-pools", "targets").about("Lists the names of scrape jobs."),
    get("/scrape_pools/config", "scrape-pools-config", "targets")
        .about("Shows the configuration of a scrape job.")
        .with(&[POOL]),
    get("/rules", "rules", "rules").about("Lists rules.").with(RULES),
    get("/alerts", "alerts", "alerts").about("Lists alerts."),
    get("/alertmanagers", "alertmanagers", "alerts").about("Lists Alertmanagers."),
    get("/status/config", "status-config", "status").about("Shows the configuration in force."),
    get("/status/flags", "status-flags", "status").about("Shows the flags in force."),
    get("/status/buildinfo", "status-buildinfo", "status").about("Says what was built."),
    get("/status/runtimeinfo", "status-runtimeinfo", "status").about("Says how the server runs."),
    get("/status/tsdb", "status-tsdb", "status")
        .about("Shows what the head is made of.")
        .with(&[LIMIT]),
    get("/status/tsdb/blocks", "status-tsdb-blocks", "status").about("Lists blocks."),
    get("/status/tsdb/limits", "status-tsdb-limits", "status")
        .about("Shows bounds on memory and series, and what they refuse."),
    get("/status/tsdb/quarantine", "status-tsdb-quarantine", "status")
        .about("Lists damaged data that was moved aside, and what was lost with it."),
    get("/status/walreplay", "status-walreplay", "status").about("Says how far the log is read."),
    get("/status/self_metrics", "status-self-metrics", "status")
        .about("Shows the server's own metrics as JSON.")
        .with(&[param("metric_name_pattern", Text, "A regular expression for names of metrics.")]),
    get("/status/active_queries", "status-active-queries", "status")
        .about("Lists queries under way."),
    Operation {
        method: "delete",
        ..get("/status/active_queries/{id}", "status-active-queries-cancel", "status")
    }
    .about("Ends a query.")
    .with(&[in_path(param("id", Count, "Its number."))])
    .answering(Answers::NoContent),
    get("/status/top_queries", "status-top-queries", "status")
        .about("Lists the most expensive queries.")
        .with(TOP),
    get("/features", "features", "status").about("Lists what the server can do."),
    get("/notifications", "notifications", "notifications")
        .about("Lists what whoever looks at the pages should know."),
    get("/notifications/live", "notifications-live", "notifications")
        .about("Sends notifications as they come.")
        .answering(Answers::Other("text/event-stream")),
    post("/admin/tsdb/delete_series", "admin-delete-series", "admin")
        .about("Deletes samples.")
        .with(DELETE)
        .answering(Answers::NoContent),
    Operation {
        method: "put",
        ..post("/admin/tsdb/delete_series", "admin-delete-series-put", "admin")
    }
    .about("Deletes samples.")
    .with(DELETE)
    .answering(Answers::NoContent),
    post("/admin/tsdb/clean_tombstones", "admin-clean-tombstones", "admin")
        .about("Frees the space of deleted samples.")
        .taking(Takes::Nothing)
        .answering(Answers::NoContent),
    Operation {
        method: "put",
        ..post("/admin/tsdb/clean_tombstones", "admin-clean-tombstones-put", "admin")
    }
    .about("Frees the space of deleted samples.")
    .taking(Takes::Nothing)
    .answering(Answers::NoContent),
    post("/admin/tsdb/snapshot", "admin-snapshot", "admin")
        .about("Copies all data below the data directory.")
        .with(SNAPSHOT),
    Operation { method: "put", ..post("/admin/tsdb/snapshot", "admin-snapshot-put", "admin") }
        .about("Copies all data below the data directory.")
        .with(SNAPSHOT),
    post("/import/openmetrics", "import-openmetrics", "admin")
        .about("Stores samples of any past time.")
        .with(IMPORT)
        .taking(Takes::Body(&["application/openmetrics-text"]))
        .answering(LINES),
    post("/import/remote-write", "import-remote-write", "admin")
        .about("Stores samples of any past time.")
        .taking(Takes::Body(&["application/x-protobuf", "application/x-streamed-protobuf"]))
        .answering(LINES),
    post("/write", "remote-write", "remote")
        .about("Stores samples of another server.")
        .taking(Takes::Body(PROTOBUF))
        .answering(Answers::NoContent),
    post("/read", "remote-read", "remote")
        .about("Answers samples to another server.")
        .taking(Takes::Body(PROTOBUF))
        .answering(Answers::Other("application/x-protobuf")),
    post("/otlp/v1/metrics", "otlp-metrics", "otlp")
        .about("Stores metrics of OpenTelemetry.")
        .taking(Takes::Body(&["application/x-protobuf", "application/json"]))
        .answering(Answers::Other("application/octet-stream")),
    get("/openapi.yaml", "openapi", "status")
        .about("Answers this document.")
        .with(&[param("openapi_version", Text, "3.1 or 3.2.")])
        .answering(Answers::Other("application/yaml")),
];

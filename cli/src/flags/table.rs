//! All flags of the server as data: name, what it takes, default, who may use it, whether it does something.

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: `--x` or `--no-x`.
    Switch,
    /// A text.
    Text,
    /// Texts; the flag may be repeated.
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, once each; the flag may be repeated.
    Words(&'static [&'static str]),
    /// An integer; `5e7` is one too.
    Int,
    /// A number.
    Float,
    /// A duration such as `1h30m`.
    Duration,
    /// A size such as `512MB`.
    Size,
}

/// Who may use a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Everybody.
    Both,
    /// Not the agent.
    Server,
    /// Only the agent.
    Agent,
}

/// A flag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    /// The name without dashes.
    pub name: &'static str,
    pub kind: Kind,
    /// What holds unless given; for lists the members after commas.
    pub default: &'static str,
    pub mode: Mode,
    /// Left out of the help.
    pub hidden: bool,
    /// Prometheus has no such flag: shown by the API only if it was given.
    pub ours: bool,
    /// Accepted and shown, but nothing follows from it yet.
    pub inert: bool,
    /// One sentence for the help.
    pub help: &'static str,
}

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, default, mode: Mode::Both, hidden: false, ours: false, inert: false, help }
}

impl Flag {
    const fn server(mut self) -> Self {
        self.mode = Mode::Server;
        self
    }

    const fn agent(mut self) -> Self {
        self.mode = Mode::Agent;
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    const fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    const fn inert(mut self) -> Self {
        self.inert = true;
        self
    }
}

use Kind::{Duration, Float, Int, Size, Switch, Text, Texts, Word, Words};

/// Messages of remote write that a receiver may accept.
pub(super) const MESSAGES: &[&str] = &["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

const COMPRESSIONS: &[&str] = &["snappy", "zstd"];

/// The flags in the order of the help.
pub(super) const FLAGS: &[Flag] = &[
    flag("config.file", Text, "prometheus.yml", "The configuration file."),
    flag(
        "config.auto-reload",
        Switch,
        "",
        "Reload the configuration when one of its files changes.",
    ),
    flag("config.auto-reload-interval", Duration, "30s", "How often files are compared for it."),
    flag("web.listen-address", Texts, "0.0.0.0:9090", "Address to serve on; may be repeated."),
    flag(
        "auto-gomaxprocs",
        Switch,
        "true",
        "Accepted for compatibility; threads follow the processors.",
    )
    .inert(),
    flag("auto-gomemlimit", Switch, "true", "Accepted for compatibility.").inert(),
    flag("auto-gomemlimit.ratio", Float, "0.9", "Accepted for compatibility; above 0, at most 1.")
        .inert(),
    flag("auto-gomemlimit.refresh-interval", Duration, "0s", "Accepted for compatibility.").inert(),
    flag("web.config.file", Text, "", "File with TLS and users of this server."),
    flag(
        "web.read-timeout",
        Duration,
        "5m",
        "Longest time to read a request or to keep an idle connection.",
    ),
    flag("web.max-connections", Int, "512", "Most connections at one time, over all addresses."),
    flag("web.max-notifications-subscribers", Int, "16", "Most pages that follow notifications."),
    flag(
        "web.external-url",
        Text,
        "",
        "URL under which others reach this server; its path prefixes all routes.",
    ),
    flag(
        "web.route-prefix",
        Text,
        "",
        "Where the routes begin inside; the path of the external URL unless given.",
    ),
    flag("web.user-assets", Text, "", "Directory served under /user."),
    flag("web.enable-lifecycle", Switch, "", "Allow reload and quit by HTTP."),
    flag("web.enable-admin-api", Switch, "", "Allow deletes and snapshots by HTTP."),
    flag("web.enable-remote-write-receiver", Switch, "", "Accept remote write."),
    flag(
        "web.remote-write-receiver.accepted-protobuf-messages",
        Words(MESSAGES),
        "prometheus.WriteRequest,io.prometheus.write.v2.Request",
        "Messages of remote write to accept; may be repeated.",
    ),
    flag("web.enable-otlp-receiver", Switch, "", "Accept OTLP metrics."),
    flag("web.console.templates", Text, "consoles", "Directory of console templates."),
    flag("web.console.libraries", Text, "console_libraries", "Directory of console libraries."),
    flag(
        "web.page-title",
        Text,
        "Prometheus Time Series Collection and Processing Server",
        "Title of the pages.",
    ),
    flag(
        "web.cors.origin",
        Text,
        ".*",
        "Origins that scripts may ask from, an anchored regular expression.",
    ),
    flag("storage.tsdb.path", Text, "data/", "Directory of the data.").server(),
    flag(
        "storage.tsdb.min-block-duration",
        Duration,
        "2h",
        "Range of the first blocks, for tests.",
    )
    .server()
    .hidden(),
    flag(
        "storage.tsdb.max-block-duration",
        Duration,
        "",
        "Longest range of a block, a tenth of the retention unless given.",
    )
    .server()
    .hidden(),
    flag(
        "storage.tsdb.max-block-chunk-segment-size",
        Size,
        "",
        "Largest file of chunks in a block.",
    )
    .server()
    .hidden()
    .inert(),
    flag("storage.tsdb.wal-segment-size", Size, "", "Size of a segment of the log, 10MB to 256MB.")
        .server()
        .hidden(),
    flag(
        "storage.tsdb.retention.time",
        Duration,
        "",
        "How long data is kept; better set in the configuration.",
    )
    .server(),
    flag(
        "storage.tsdb.retention.size",
        Size,
        "",
        "How much data is kept; better set in the configuration.",
    )
    .server(),
    flag(
        "storage.tsdb.wal-sync-delay",
        Duration,
        "",
        "Answer writes once they are on the disk; each waits so long for others to be flushed with it.",
    )
    .server().ours(),
    flag(
        "storage.tsdb.head-image",
        Switch,
        "true",
        "Keep an image of the head beside the log, so that a start need not read all of it.",
    )
    .server()
    .ours(),
    flag(
        "storage.tsdb.disk-reserve",
        Size,
        "64MB",
        "Length of a file that is removed when the disk is full, so that the log can go on; 0 keeps none.",
    )
    .server()
    .ours(),
    flag(
        "storage.tsdb.disk-low-water",
        Size,
        "",
        "Free room on the disk below which the oldest blocks go before their time; 0 is never.",
    )
    .server()
    .ours(),
    flag(
        "storage.tsdb.memory-budget",
        Size,
        "",
        "Memory of the server: at three quarters series that are done with leave memory early, at nine tenths new \
         ones are refused. Nine tenths of what there is if not given; 0 is without bound.",
    )
    .server()
    .ours(),
    flag(
        "storage.tsdb.safe-mode-crashes",
        Int,
        "4",
        "After so many starts within fifteen minutes that did not end in good order, new series are refused for \
         fifteen minutes; 0 is never.",
    )
    .server()
    .ours(),
    flag("storage.tsdb.no-lockfile", Switch, "", "Do not lock the data directory.").server(),
    flag("storage.tsdb.allow-overlapping-compaction", Switch, "true", "Merge blocks that overlap.")
        .server()
        .hidden()
        .inert(),
    flag("storage.tsdb.wal-compression", Switch, "true", "Compress the log.").server().hidden(),
    flag(
        "storage.tsdb.wal-compression-type",
        Word(COMPRESSIONS),
        "snappy",
        "How the log is compressed.",
    )
    .server()
    .hidden(),
    flag("storage.tsdb.head-chunks-write-queue-size", Int, "0", "Accepted for compatibility.")
        .server()
        .inert(),
    flag("storage.tsdb.samples-per-chunk", Int, "120", "Samples a chunk is meant to hold.")
        .server()
        .hidden(),
    flag(
        "storage.tsdb.delayed-compaction.max-percent",
        Int,
        "10",
        "Longest random delay of compaction, in percent of a block.",
    )
    .server()
    .hidden()
    .inert(),
    flag(
        "storage.tsdb.delay-compact-file.path",
        Text,
        "",
        "File that lists uploaded blocks; others are not merged.",
    )
    .server(),
    flag(
        "storage.tsdb.block-reload-interval",
        Duration,
        "1m",
        "How often the data directory is searched for new blocks.",
    )
    .server()
    .hidden(),
    flag("storage.agent.path", Text, "data-agent/", "Directory of the log of the agent.").agent(),
    flag("storage.agent.wal-segment-size", Size, "", "Size of a segment of the log.")
        .agent()
        .hidden(),
    flag("storage.agent.wal-compression", Switch, "true", "Compress the log.").agent(),
    flag(
        "storage.agent.wal-compression-type",
        Word(COMPRESSIONS),
        "snappy",
        "How the log is compressed.",
    )
    .agent()
    .hidden(),
    flag("storage.agent.wal-truncate-frequency", Duration, "", "How often the log is cut.")
        .agent()
        .hidden(),
    flag("storage.agent.retention.min-time", Duration, "5m", "Least age at which samples may go.")
        .agent(),
    flag(
        "storage.agent.retention.max-time",
        Duration,
        "4h",
        "Age at which samples go in any case.",
    )
    .agent(),
    flag(
        "storage.agent.checkpoint-from-in-memory-series",
        Switch,
        "",
        "Write checkpoints from memory.",
    )
    .agent()
    .inert(),
    flag("storage.agent.checkpoint-batch-size", Int, "1000", "Records written at once for it.")
        .agent()
        .inert(),
    flag("storage.agent.no-lockfile", Switch, "", "Do not lock the data directory.").agent(),
    flag(
        "storage.remote.flush-deadline",
        Duration,
        "1m",
        "How long to wait for remote storage at the end.",
    ),
    flag(
        "storage.remote.read-sample-limit",
        Int,
        "50000000",
        "Most samples of one remote read; 0 is no limit.",
    )
    .server(),
    flag(
        "storage.remote.read-concurrent-limit",
        Int,
        "10",
        "Most remote reads at one time; 0 is no limit.",
    )
    .server(),
    flag(
        "storage.remote.read-max-bytes-in-frame",
        Int,
        "1048576",
        "Largest frame of a streamed remote read.",
    )
    .server(),
    flag("web.search.max-limit", Int, "10000", "Largest limit of a search; 0 is no bound.")
        .server(),
    flag(
        "rules.alert.for-outage-tolerance",
        Duration,
        "1h",
        "Longest outage after which pending alerts go on.",
    )
    .server()
    .inert(),
    flag(
        "rules.alert.for-grace-period",
        Duration,
        "10m",
        "Least time from a restart to a restored alert.",
    )
    .server()
    .inert(),
    flag(
        "rules.alert.resend-delay",
        Duration,
        "1m",
        "Least time between two sendings of an alert.",
    )
    .server()
    .inert(),
    flag("rules.max-concurrent-evals", Int, "4", "Most rules evaluated at one time.")
        .server()
        .inert(),
    flag(
        "scrape.adjust-timestamps",
        Switch,
        "true",
        "Round timestamps of scrapes to the schedule.",
    )
    .hidden(),
    flag("scrape.timestamp-tolerance", Duration, "2ms", "How far they are rounded.").hidden(),
    flag(
        "alertmanager.notification-queue-capacity",
        Int,
        "10000",
        "Most alerts that wait for an Alertmanager.",
    )
    .server()
    .inert(),
    flag("alertmanager.notification-batch-size", Int, "256", "Most alerts of one notification.")
        .server()
        .inert(),
    flag(
        "alertmanager.drain-notification-queue-on-shutdown",
        Switch,
        "true",
        "Send waiting alerts at the end.",
    )
    .server()
    .inert(),
    flag(
        "query.lookback-delta",
        Duration,
        "5m",
        "How far back a query looks for the newest sample.",
    )
    .server(),
    flag("query.timeout", Duration, "2m", "Longest time of a query.").server(),
    flag("query.log-slower-than", Duration, "10s", "Log queries that take longer; 0s logs none.")
        .server().ours(),
    flag("query.max-concurrency", Int, "20", "Most queries at one time.").server(),
    flag("query.max-samples", Int, "50000000", "Most samples a query holds in memory.").server(),
    flag(
        "query.max-memory-bytes",
        Size,
        "",
        "Most memory of a query; a quarter of what there is if not given.",
    )
    .server().ours(),
    flag(
        "query.max-total-memory-bytes",
        Size,
        "",
        "Most memory of all queries together; half of what there is if not given.",
    )
    .server().ours(),
    flag(
        "scrape.discovery-reload-interval",
        Duration,
        "5s",
        "Least time between two updates of targets.",
    )
    .hidden(),
    flag("enable-feature", Texts, "", "Features to enable, after commas; may be repeated."),
    flag("agent", Switch, "", "Run as agent: scrape and forward, no queries."),
    flag(
        "log.level",
        Word(&["debug", "info", "warn", "error"]),
        "info",
        "Least severity of messages.",
    ),
    flag("log.format", Word(&["logfmt", "json"]), "logfmt", "How messages are written."),
    flag("write-documentation", Switch, "", "Accepted for compatibility.").hidden().inert(),
];

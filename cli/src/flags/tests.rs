//! The command line as users type it.

use super::*;

fn run(args: &[&str]) -> Result<Start, FlagError> {
    let args = std::iter::once("firesteel").chain(args.iter().copied());
    parse(args.map(OsString::from), "host")
}

fn flags(args: &[&str]) -> Flags {
    match run(args) {
        Ok(Start::Serve(flags)) => *flags,
        other => panic!("{args:?}: {other:?}"),
    }
}

fn error(args: &[&str]) -> FlagError {
    run(args).expect_err("a bad command line")
}

#[test]
fn defaults_are_those_of_prometheus() {
    let flags = flags(&[]);
    assert_eq!(flags.config_file, "prometheus.yml");
    assert_eq!(flags.listen_addresses, ["0.0.0.0:9090"]);
    assert_eq!(flags.external_url, "http://host:9090");
    assert_eq!(flags.route_prefix, "/");
    assert_eq!(flags.retention_time, Duration::from_secs(15 * 86_400));
    assert_eq!(flags.max_block_duration, Duration::from_secs(36 * 3_600));
    assert_eq!(flags.wal_compression.as_deref(), Some("snappy"));
    assert!(flags.warnings.is_empty(), "{:?}", flags.warnings);
}

#[test]
fn switches_go_on_and_off() {
    assert!(flags(&["--web.enable-lifecycle"]).enable_lifecycle);
    assert_eq!(flags(&[]).timestamp_tolerance, Duration::from_millis(2));
    assert_eq!(flags(&["--no-scrape.adjust-timestamps"]).timestamp_tolerance, Duration::ZERO);
    assert_eq!(flags(&["--no-storage.tsdb.wal-compression"]).wal_compression, None);
    assert_eq!(error(&["--web.enable-lifecycle=true"]).code, 1);
}

#[test]
fn the_log_is_compressed_as_asked_for() {
    let compression = |args: &[&str]| {
        let storage = StorageConfig::default();
        crate::settings::database(&flags(args), &storage).wal_compression
    };
    assert_eq!(compression(&[]), wal::Compression::Snappy);
    let zstd = "--storage.tsdb.wal-compression-type=zstd";
    assert_eq!(compression(&[zstd]), wal::Compression::Zstd);
    assert_eq!(compression(&[zstd, "--no-storage.tsdb.wal-compression"]), wal::Compression::None);
}

#[test]
fn mistakes_are_told_apart_by_exit_code() {
    let unknown = error(&["--web.lisen-address=:1"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.message.contains("--web.listen-address"), "{}", unknown.message);
    assert_eq!(error(&["stray"]).code, 1);
    assert_eq!(error(&["--query.timeout=5"]).code, 2);
    assert_eq!(error(&["--log.level=loud"]).code, 2);
    assert_eq!(error(&["--web.listen-address=host"]).code, 2);
    assert_eq!(error(&["--web.listen-address=host:x"]).code, 2);
    assert_eq!(error(&["--web.external-url='http://a'"]).code, 2);
    assert_eq!(error(&["--query.timeout=5m", "--query.timeout=6m"]).code, 2);
    assert_eq!(error(&["--web.enable-lifecycle", "--no-web.enable-lifecycle"]).code, 2);
    assert_eq!(error(&["--web.page-title"]).code, 1);
    assert_eq!(flags(&["--log.level=DEBUG"]).log_level, "debug");
    assert_eq!(error(&["--web.cors.origin=("]).code, 2);
    let server_only = error(&["--agent", "--query.timeout=5m", "--storage.tsdb.path=x"]);
    assert_eq!(server_only.code, 3);
    let flags = r#"["--query.timeout" "--storage.tsdb.path"]"#;
    assert!(server_only.message.ends_with(&format!("can not be used in agent mode: {flags}")));
    let agent_only = error(&["--storage.agent.path=x"]);
    assert_eq!(agent_only.code, 3);
    let text = r#"The following flag(s) can only be used in agent mode: ["--storage.agent.path"]"#;
    assert_eq!(agent_only.message, text);
    assert_eq!(error(&["--agent", "--storage.agent.wal-segment-size=1MB"]).code, 1);
    assert_eq!(error(&["--auto-gomemlimit.ratio=2"]).code, 1);
    let both = "otlp-deltatocumulative,otlp-native-delta-ingestion";
    assert_eq!(error(&["--enable-feature", both]).code, 1);
    let message = "--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest";
    assert_eq!(error(&[message, message]).code, 2);
}

#[test]
fn arguments_may_stand_in_a_file() {
    let file = std::env::temp_dir().join(format!("firesteel-arguments-{}", std::process::id()));
    std::fs::write(&file, "--query.timeout=7m\n# nothing\n--web.enable-lifecycle\n").expect("file");
    let flags = flags(&[&format!("@{}", file.display()), "--query.max-samples=9"]);
    assert_eq!((flags.query_timeout, flags.max_samples), (Duration::from_secs(420), 9));
    assert!(flags.enable_lifecycle);
    assert_eq!(error(&["@none"]).code, 1);
    std::fs::remove_file(&file).expect("removed");
}

#[test]
fn values_print_in_their_normal_form() {
    let flags = flags(&[
        "--query.timeout=120s",
        "--storage.tsdb.retention.size=2048MB",
        "--storage.remote.read-sample-limit=5e3",
        "--web.listen-address=:1",
        "--web.listen-address=[::1]:2",
        "--web.external-url=http://prom.example:9090/base/",
    ]);
    let all = flags.all();
    let get = |name: &str| all.iter().find(|flag| flag.0 == name).expect("a flag").1.as_str();
    assert_eq!(get("query.timeout"), "2m");
    assert_eq!(get("storage.tsdb.retention.size"), "2GiB");
    assert_eq!(get("storage.tsdb.retention.time"), "0s");
    assert_eq!(get("storage.tsdb.max-block-duration"), "31d");
    assert_eq!(get("storage.remote.read-sample-limit"), "5000");
    assert_eq!(get("web.listen-address"), ":1,[::1]:2");
    assert_eq!(get("web.external-url"), "http://prom.example:9090/base/");
    assert_eq!(get("web.route-prefix"), "/base");
    assert_eq!(flags.external_url, "http://prom.example:9090/base");
}

#[test]
fn the_configuration_wins_over_the_flags() {
    let mut flags = flags(&["--storage.tsdb.retention.size=1GB"]);
    flags.apply_storage(&StorageConfig {
        retention_time: Some(Duration::from_secs(86_400)),
        ..StorageConfig::default()
    });
    assert_eq!(flags.retention_size_bytes, 0);
    let all = flags.all();
    assert!(all.contains(&("storage.tsdb.retention.time", String::from("1d"))));
    assert!(all.contains(&("storage.tsdb.max-block-duration", String::from("2h24m"))));
}

#[test]
fn what_does_nothing_is_said() {
    let flags = flags(&[
        "--enable-feature=old-ui,nope,st-storage,exemplar-storage",
        "--auto-gomemlimit.ratio=0.5",
        "--enable-feature=promql-per-step-stats",
    ]);
    assert!(flags.features.promql_per_step_stats);
    assert_eq!(
        flags.warnings,
        [
            "feature old-ui does nothing yet",
            "there is no feature nope",
            "flag --auto-gomemlimit.ratio does nothing yet"
        ]
    );
}

#[test]
fn help_lists_flags_and_hides_some() {
    let Ok(Start::Print(help)) = run(&["--help"]) else { panic!("help prints") };
    assert!(help.contains("--storage.tsdb.path"));
    assert!(!help.contains("--storage.tsdb.samples-per-chunk"));
    let Ok(Start::Print(version)) = run(&["--version"]) else { panic!("version prints") };
    assert!(version.starts_with("firesteel, version "));
}

#[test]
fn the_log_of_an_agent_is_kept_from_one_cut_to_the_next() {
    let flags = flags(&["--agent", "--storage.agent.wal-truncate-frequency=6h"]);
    assert!(flags.all().contains(&("storage.tsdb.max-block-duration", String::from("0s"))));
    let storage = flags.agent_storage;
    assert_eq!(storage.truncate_frequency, Duration::from_secs(6 * 3600));
    assert_eq!(storage.max_age, storage.truncate_frequency);
    assert_eq!(storage.min_age, Duration::from_secs(300));
    assert_eq!(
        (storage.path.as_str(), storage.wal_compression.as_deref()),
        ("data-agent/", Some("snappy"))
    );
}

/// By the library's measure a flag that shares a letter elsewhere was likelier.
#[test]
fn a_mistyped_flag_is_told_of_the_nearest() {
    for (typed, meant) in [
        ("--storage.tsdb.retension.time=1d", "--storage.tsdb.retention.time"),
        ("--storage.tsdb.retention.tim=1d", "--storage.tsdb.retention.time"),
        ("--web.listen-adress=:1", "--web.listen-address"),
    ] {
        let told = error(&[typed]).message;
        assert!(told.contains(&format!("'{meant}'")), "{told}");
        assert!(!told.contains("retention.size"), "{told}");
    }
}

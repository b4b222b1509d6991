//! What recorded configurations do not cover: hostile texts, patterns of files, printing and reading again.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    load(text.as_bytes(), "prometheus.yml", &Context::new(&|_| None))
}

#[test]
fn what_is_printed_reads_back() {
    let text = "
global: {scrape_interval: 20s, external_labels: {a: b}}
rule_files: [x.yml]
scrape_configs:
- job_name: j
  params: {q: [a, b]}
  relabel_configs:
  - {source_labels: [a, b], regex: '(x)', target_label: c}
  - {action: labeldrop, regex: ''}
  static_configs:
  - {targets: ['a:1'], labels: {x: y}}
  file_sd_configs:
  - files: [a.json]
remote_write:
- url: http://r/w
storage: {tsdb: {out_of_order_time_window: 5m}}
";
    let printed = read(text).expect("good").to_yaml();
    assert_eq!(read(&printed).expect("printed form").to_yaml(), printed);
}

#[test]
fn typed_values_are_those_of_the_file() {
    let text = "
global: {sample_limit: 9, external_labels: {a: '$X'}}
scrape_configs:
- job_name: j
  scrape_interval: 5s
  bearer_token: t
  label_limit: 3
storage: {tsdb: {retention: {size: 1MB}}}
";
    let environment = |name: &str| (name == "X").then(|| String::from("y"));
    let config =
        load(text.as_bytes(), "dir/prometheus.yml", &Context::new(&environment)).expect("good");
    let jobs = config.scrape_configs().expect("no further files");
    let job = &jobs[0];
    assert_eq!(job.scrape_interval, Duration::from_secs(5));
    assert_eq!(job.scrape_timeout, Duration::from_secs(5));
    assert_eq!((job.limits.sample_limit, job.limits.label_limit), (9, 3));
    let authorization = job.http_client.authorization.as_ref().expect("from bearer_token");
    assert_eq!((authorization.kind.as_str(), authorization.credentials.expose()), ("Bearer", "t"));
    assert_eq!(config.global.external_labels.get("a"), Some("y"));
    assert_eq!(config.storage.retention_size_bytes, Some(1 << 20));
    assert_eq!(config.storage.retention_time, None);
}

#[test]
fn patterns_match_as_go_matches_them() {
    let root = std::env::temp_dir().join(format!("firesteel-glob-{}", std::process::id()));
    std::fs::create_dir_all(root.join("a1")).expect("directory");
    for file in ["x.yml", "y.yml", "z.txt", "a1/w.yml", "[.yml"] {
        std::fs::write(root.join(file), "").expect("file");
    }
    let root_text = root.to_str().expect("UTF-8");
    let names = |pattern: &str| -> Vec<String> {
        let found = glob(&format!("{root_text}/{pattern}")).expect("a good pattern");
        found.iter().map(|path| path[root_text.len() + 1..].to_owned()).collect()
    };
    assert_eq!(names("*.yml"), ["[.yml", "x.yml", "y.yml"]);
    assert_eq!(names("[xy].yml"), ["x.yml", "y.yml"]);
    assert_eq!(names("[^x-y].*"), ["[.yml", "z.txt"]);
    assert_eq!(names("\\[.yml"), ["[.yml"]);
    assert_eq!(names("a?/*"), ["a1/w.yml"]);
    assert_eq!(names("x.yml"), ["x.yml"]);
    assert!(names("none.yml").is_empty());
    assert!(glob("a[.yml").is_err());
    assert!(glob("a\\").is_err());
    std::fs::remove_dir_all(&root).expect("removed");
}

/// A valid configuration with many kinds of fields, to be damaged.
const WHOLE: &str = "global: {scrape_interval: 5s}\nscrape_configs:\n- job_name: j\n  params: {a: [b]}\n  basic_auth: {username: u}\n  relabel_configs: [{regex: a(b), target_label: c}]\n  static_configs: [{targets: [a], labels: {x: y}}]\nremote_write: [{url: http://a}]\n";

proptest! {
    #[test]
    fn damaged_files_do_not_panic(at in 0..WHOLE.len(), text in "[ -~\n]{0,6}", cut in 0_usize..8) {
        let end = (at + cut).min(WHOLE.len());
        let damaged = format!("{}{text}{}", &WHOLE[..at], &WHOLE[end..]);
        match read(&damaged) {
            Ok(config) => prop_assert!(!config.to_yaml().is_empty()),
            Err(error) => prop_assert!(error.to_string().starts_with("prometheus.yml")),
        }
    }
}

//! `firesteel tool check service-discovery`: the targets of a job in promtool's form, and what it refuses.

use cli::tool::{Streams, run};
use serde_json::{Value, json};

fn check(args: &[&str]) -> (u8, String, String) {
    let words = ["check", "service-discovery"].iter().chain(args);
    let args: Vec<String> = words.map(|&arg| arg.to_owned()).collect();
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let mut streams = Streams {
        input: &mut std::io::empty(),
        output: &mut output,
        error: &mut error,
        environment: &|_| None,
    };
    let code = run(&args, &mut streams);
    (code, String::from_utf8(output).unwrap(), String::from_utf8(error).unwrap())
}

const CONFIG: &str = "
scrape_configs:
- job_name: j
  file_sd_configs: [{files: ['*.json']}]
  static_configs: [{targets: [c, c], labels: {drop: me}}]
  relabel_configs:
  - {source_labels: [drop], regex: me, action: drop}
  - {source_labels: [__meta_filepath], regex: '.*/(.*)[.]json', target_label: from}
- job_name: other
";

fn labels(address: &str, further: &[(&str, &str)]) -> Value {
    let mut all = json!({
        "__address__": address, "__always_scrape_classic_histograms__": "false",
        "__convert_classic_histograms_to_nhcb__": "false", "__metrics_path__": "/metrics",
        "__scheme__": "http", "__scrape_interval__": "1m", "__scrape_native_histograms__": "false",
        "__scrape_timeout__": "10s", "job": "j",
    });
    for (name, value) in further {
        all[*name] = json!(value);
    }
    all
}

#[test]
fn targets_of_a_job_are_shown_as_promtool_shows_them() {
    let scratch = tests::Scratch::new("service-discovery");
    let config = scratch.path().join("prometheus.yml");
    std::fs::write(&config, CONFIG).unwrap();
    let file = scratch.path().join("targets.json");
    std::fs::write(&file, r#"[{"targets":["a:1","b/c","a:1"],"labels":{"x":"y"}}]"#).unwrap();
    let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
    let (code, output, error) = check(&["--timeout=500ms", config, "j"]);
    assert_eq!((code, &*error), (0, ""));
    let found: Value = serde_json::from_str(&output).expect("JSON");
    let of_file = [("__meta_filepath", file), ("x", "y")];
    let after = [("from", "targets"), ("instance", "a:1"), ("x", "y")];
    let want = json!([
        {"discoveredLabels": labels("a:1", &of_file), "labels": labels("a:1", &after)},
        {"discoveredLabels": labels("b/c", &of_file), "labels": {},
         "error": "\"b/c\" is not a valid hostname"},
        {"discoveredLabels": labels("c", &[("drop", "me")]), "labels": {}},
    ]);
    assert_eq!(found, want);
    let begin = "[\n  {\n    \"discoveredLabels\": {\n      \"__address__\": \"a:1\",\n";
    assert!(output.starts_with(begin) && output.ends_with("}\n]"), "{output}");
    let (code, output, error) = check(&[config, "k"]);
    let want = "Job k not found. Select one of:\n\tj\n\tother\n";
    assert_eq!((code, &*output, &*error), (1, "", want));
    let (code, _, error) = check(&["/nowhere.yml", "j"]);
    assert!(code == 1 && error.starts_with("Cannot load config "), "{error}");
}

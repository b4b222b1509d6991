//! Recorded configurations: good ones print as Prometheus prints them, bad ones are refused at the right line.

use base64::Engine as _;
use cli::config::{Config, ConfigError, Context, load, load_file};
use serde_json::Value;

fn bytes(line: &Value) -> Vec<u8> {
    match line["yaml"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => base64::engine::general_purpose::STANDARD
            .decode(line["yaml_b64"].as_str().expect("yaml or yaml_b64"))
            .expect("base64"),
    }
}

fn with_context<T>(line: &Value, run: impl FnOnce(&Context<'_>) -> T) -> T {
    let environment = |name: &str| line["env"][name].as_str().map(str::to_owned);
    run(&Context { agent: line["agent"] == true, ..Context::new(&environment) })
}

/// The lines that Go's YAML library names in an error about fields.
fn recorded_lines(error: &str) -> Vec<u32> {
    if !error.contains("unmarshal errors") {
        return Vec::new();
    }
    let numbers = error.split("  line ").skip(1);
    numbers.filter_map(|rest| rest.split(':').next()?.parse().ok()).collect()
}

fn compare(line: &Value, loaded: Result<Config, ConfigError>) -> Result<(), String> {
    match (loaded, line["error"].as_str(), line["config"].as_str()) {
        (Ok(config), None, Some(want)) => {
            let got = config.to_yaml();
            if got != want {
                let differs = got.lines().zip(want.lines()).find(|(a, b)| a != b);
                return Err(format!("prints {differs:?}, {} and {} bytes", got.len(), want.len()));
            }
            let warnings = line["warnings"].as_array().map_or(0, Vec::len);
            if config.empty_variables.len() != warnings {
                return Err(format!("warns of {:?}", config.empty_variables));
            }
            Ok(())
        }
        (Ok(_), error, _) => Err(format!("accepted, want {error:?}")),
        (Err(error), Some(want), _) => {
            let want = recorded_lines(want);
            let mut got: Vec<u32> =
                error.problems.iter().map(|problem| problem.mark.line).collect();
            got.truncate(want.len());
            if want.is_empty() || got == want {
                Ok(())
            } else {
                Err(format!("lines {want:?}: {error}"))
            }
        }
        (Err(_), None, None) => Ok(()),
        (Err(error), None, Some(_)) => Err(format!("refused: {error}")),
    }
}

fn check_all(name: &str, lines: &[Value]) {
    let mut wrong = Vec::new();
    let mut total = 0;
    for line in lines.iter().filter(|line| line.get("only_content").is_none()) {
        total += 1;
        let file = line["file"].as_str().expect("a file name");
        let loaded = with_context(line, |context| load(&bytes(line), file, context));
        if let Err(what) = compare(line, loaded) {
            wrong.push(format!("{file}: {what}"));
        }
    }
    println!("{name} {}/{total}", total - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn own_configurations_agree() {
    check_all("own.jsonl", &tests::golden("config/own.jsonl"));
}

#[test]
fn upstream_configurations_agree() {
    let Some(shared) = tests::shared() else { return };
    let bytes =
        std::fs::read(shared.join("golden/config/upstream.jsonl")).expect("shared golden data");
    check_all("upstream.jsonl", &tests::json_lines(&bytes));
}

/// Writes the files of `lines` below a scratch directory, loads each and compares the jobs of all its files.
fn check_jobs(lines: &[Value]) {
    let scratch = tests::Scratch::new("config");
    let write = |file: &str, bytes: &[u8]| {
        let path = scratch.path().join(file);
        std::fs::create_dir_all(path.parent().expect("below scratch")).expect("directory");
        std::fs::write(path, bytes).expect("file");
    };
    for line in lines {
        let file = line["file"].as_str().expect("a file name");
        write(file, &bytes(line));
        let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
        for (name, text) in line["files"].as_object().into_iter().flatten() {
            write(&format!("{directory}/{name}"), text.as_str().expect("text").as_bytes());
        }
    }
    let mut seen = 0;
    for line in lines {
        let (jobs, error) = (line.get("scrape_jobs"), line.get("scrape_configs_error"));
        if jobs.is_none() && error.is_none() {
            continue;
        }
        seen += 1;
        let file = scratch.path().join(line["file"].as_str().expect("a file name"));
        let file = file.to_str().expect("UTF-8");
        let config =
            with_context(line, |context| load_file(file, context)).expect("the main file is good");
        match (config.scrape_configs(), jobs) {
            (Ok(got), Some(want)) => {
                let got: Vec<&str> = got.iter().map(|job| job.job_name.as_str()).collect();
                assert_eq!(serde_json::json!(got), *want, "{file}");
            }
            (Err(got), None) => {
                let want = recorded_lines(error.and_then(Value::as_str).unwrap_or_default());
                assert!(want.iter().all(|&want| got.problems[0].mark.line == want), "{got}");
            }
            (got, want) => panic!("{file}: {got:?}, want {want:?}"),
        }
    }
    assert!(seen > 0, "some lines have further files");
    println!("scrape_config_files {seen}/{seen}");
}

#[test]
fn further_scrape_files_agree() {
    check_jobs(&tests::golden("config/own.jsonl"));
    let Some(shared) = tests::shared() else { return };
    let bytes =
        std::fs::read(shared.join("golden/config/upstream.jsonl")).expect("shared golden data");
    check_jobs(&tests::json_lines(&bytes));
}

fn error_of(text: &str) -> String {
    let context = Context::new(&|_| None);
    load(text.as_bytes(), "prometheus.yml", &context).expect_err("a bad configuration").to_string()
}

#[test]
fn errors_show_the_place_and_what_was_meant() {
    let error = error_of("global:\n  scrape_intervall: 5s\n");
    let want = "prometheus.yml:2:3: unknown field \"scrape_intervall\" in global; did you mean \"scrape_interval\"?
  2 |   scrape_intervall: 5s
    |   ^^^^^^^^^^^^^^^^";
    assert_eq!(error, want);
    let error = error_of("scrape_configs:\n- job_name: a\n- job_name: b\n  scrape_interval: 5\n");
    assert!(error.starts_with("prometheus.yml:4:20: scrape_interval: "), "{error}");
    assert!(error.ends_with("\n  4 |   scrape_interval: 5\n    |                    ^"), "{error}");
    let error = error_of("global:\n  scrape_interval: [5s]\n");
    let want =
        "prometheus.yml:2:20: scrape_interval wants a duration such as 15s or 1h30m, got a list";
    assert!(error.starts_with(want), "{error}");
}

#[test]
fn what_does_nothing_yet_is_listed() {
    let text = "rule_files: [a.yml]\nscrape_configs:\n- job_name: j\n  gce_sd_configs:\n  - {project: a, zone: b}\n";
    let context = Context::new(&|_| None);
    let config = load(text.as_bytes(), "prometheus.yml", &context).expect("a good configuration");
    assert_eq!(config.inactive(), ["rule_files"]);
}

#[test]
fn flags_print_as_recorded() {
    for line in tests::golden("http/flags.jsonl") {
        let args = line["flags"].as_array().expect("flags").iter();
        let args = args.map(|flag| std::ffi::OsString::from(flag.as_str().expect("text")));
        let args = std::iter::once(std::ffi::OsString::from("firesteel")).chain(args);
        let Ok(cli::flags::Start::Serve(mut flags)) = cli::flags::parse(args, "host") else {
            panic!("{line}: good flags")
        };
        let environment = |_: &str| None;
        let config =
            load(b"", "prometheus.yml", &flags.context(&environment)).expect("an empty file");
        flags.apply_storage(&config.storage);
        let mut want = line["data"].clone();
        want["web.listen-address"] = Value::from("0.0.0.0:9090");
        let got: serde_json::Map<String, Value> = flags
            .all()
            .into_iter()
            .map(|(name, text)| (name.to_owned(), Value::from(text)))
            .collect();
        assert_eq!(Value::from(got), want);
        assert_eq!(Value::from(config.to_yaml()), line["config"]);
    }
}

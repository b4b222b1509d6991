//! `firesteel tool ...`: work on files without a server. So far it checks configurations.

use crate::config::{Context, load_file};

/// What a tool ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For the standard output.
    pub output: String,
    /// For the standard error.
    pub error: String,
    /// The exit code of the process.
    pub code: u8,
}

/// Runs the tool that `args`, the words after `tool`, ask for.
#[must_use]
pub fn run(args: &[String], environment: &dyn Fn(&str) -> Option<String>) -> Outcome {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check", "config", files @ ..] if !files.is_empty() => check_config(files, environment),
        _ => Outcome {
            output: String::new(),
            error: format!(
                "error: there is no tool {:?}; there is: firesteel tool check config FILE...\n",
                words.join(" ")
            ),
            code: 1,
        },
    }
}

fn check_config(files: &[&str], environment: &dyn Fn(&str) -> Option<String>) -> Outcome {
    let mut outcome = Outcome { output: String::new(), error: String::new(), code: 0 };
    let context = Context::new(environment);
    for file in files {
        outcome.output.push_str("Checking ");
        outcome.output.push_str(file);
        outcome.output.push('\n');
        let checked = load_file(file, &context).and_then(|config| {
            config.scrape_configs()?;
            Ok(config)
        });
        match checked {
            Ok(config) => {
                outcome.output.push_str(" SUCCESS: the configuration is good\n");
                for name in config.inactive() {
                    outcome.output.push_str("  WARNING: does nothing yet: ");
                    outcome.output.push_str(&name);
                    outcome.output.push('\n');
                }
            }
            Err(error) => {
                outcome.error.push_str("  FAILED: ");
                outcome.error.push_str(&error.to_string());
                outcome.error.push('\n');
                outcome.code = 1;
            }
        }
    }
    outcome
}

//! The public test scripts of Prometheus on the in-memory storage: how many evaluations of each file pass, and that the
//! files that need nothing unbuilt pass whole.

use promql::script::{Case, Database, Outcome, Script, engine, run};
use storage::MemoryStorage;
use storage::{Appendable, Queryable};

struct Memory(MemoryStorage);

impl Database for Memory {
    fn clear(&mut self) -> storage::Result<()> {
        self.0.clear();
        Ok(())
    }

    fn appendable(&self) -> &dyn Appendable {
        &self.0
    }

    fn queryable(&self) -> &dyn Queryable {
        &self.0
    }
}

/// Files in which every evaluation passes but those that need native histograms or start timestamps.
const WHOLE: &[&str] = &[
    "aggregators",
    "at_modifier",
    "collision",
    "duration_expression",
    "functions",
    "limit",
    "literals",
    "name_label_dropping",
    "operators",
    "range_queries",
    "selectors",
    "staleness",
    "subquery",
    "trig_functions",
];

fn cases(text: &str) -> Vec<Case> {
    let script = Script::parse(text).expect("a script");
    run(&script, &engine(), &mut Memory(MemoryStorage::new())).expect("the storage works")
}

#[test]
fn public_scripts() {
    let Some(shared) = tests::shared() else { return };
    let mut paths: Vec<_> = std::fs::read_dir(shared.join("promqltest"))
        .expect("the scripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "test"))
        .collect();
    paths.sort();
    let (mut passed_all, mut total_all) = (0, 0);
    let mut broken = Vec::new();
    for path in paths {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let cases = cases(&std::fs::read_to_string(&path).expect("a text"));
        let passed = cases.iter().filter(|case| case.outcome == Outcome::Passed).count();
        let mut failed = 0;
        for case in &cases {
            let (label, what) = match &case.outcome {
                Outcome::Passed => continue,
                Outcome::Failed(what) => ("FAILED", what),
                Outcome::NotBuilt(what) => ("not built", what),
            };
            failed += usize::from(label == "FAILED");
            println!("{label} {name}.test:{} {}\n    {what}", case.line, case.query);
        }
        println!(
            "{name}.test {passed}/{} passed, {failed} failed, {} not built",
            cases.len(),
            cases.len() - passed - failed
        );
        passed_all += passed;
        total_all += cases.len();
        if failed > 0 && WHOLE.contains(&&*name) {
            broken.push(format!("{name}: {failed}"));
        }
    }
    println!("promqltest {passed_all}/{total_all}");
    assert!(broken.is_empty(), "failures in {}", broken.join(", "));
}

#[test]
fn our_own_script() {
    let text = "\
load 1m
  up{job=\"a\"} 1 0 _ 1 stale
  n 0+10x10

eval instant at 3m up
  up{job=\"a\"} 1

eval instant at 4m up

eval range from 0 to 3m step 1m sum(rate(n[2m]))
  {} _ 0.08333333333333333 0.16666666666666666 0.16666666666666666

eval instant at 5m n + 1
  expect no_warn
  {} 51

eval instant at 5m n + 1
  {} 52

eval_fail instant at 5m up + on(nothing) up offset 1m group_left

eval instant at 0 \"a\"
  expect string 'a'
";
    let outcomes: Vec<bool> =
        cases(text).iter().map(|case| case.outcome == Outcome::Passed).collect();
    assert_eq!(outcomes, [true, true, true, true, false, true, true]);
}

//! The public test scripts of Prometheus on the in-memory storage: every evaluation passes. Also scripts of our own.

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
        for case in &cases {
            if let Outcome::Failed(what) = &case.outcome {
                broken.push(format!("{name}.test:{} {}\n    {what}", case.line, case.query));
            }
        }
        println!("{name}.test {passed}/{} passed", cases.len());
        passed_all += passed;
        total_all += cases.len();
    }
    println!("promqltest {passed_all}/{total_all}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
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

#[test]
fn counters_begin_where_their_samples_say() {
    // Both count on until they begin again at 30 s before the third sample; the second begins inside the window, too.
    let text = "\
load 1m
  c_total{x=\"a\"}@st _ _ -90s -30s -30s-1mx3
  c_total{x=\"a\"} 2 4 6 8 10+2x3
  c_total{x=\"b\"}@st _ -30s -90s
  c_total{x=\"b\"} _ 5 5

eval instant at 3m resets(c_total[4m])
  {x=\"a\"} 1
  {x=\"b\"} 0

eval instant at 2m increase(c_total{x=\"b\"}[2m])
  {x=\"b\"} 5

eval instant at 1m increase(c_total{x=\"b\"}[1m])
  {x=\"b\"} 5

eval instant at 3m irate(c_total{x=\"a\"}[4m])
  {x=\"a\"} 0.13333333333333333

eval instant at 2m start_timestamp(c_total)
  {x=\"a\"} 30
  {x=\"b\"} 30
";
    for case in cases(text) {
        assert_eq!(case.outcome, Outcome::Passed, "{}", case.query);
    }
}

//! What `sample_labels` promises, case by case.

use super::*;
use expfmt::labels::{Declared, split_series};

fn rules(honor_labels: bool, target_labels: &[(&str, &str)]) -> LabelRules {
    LabelRules {
        target_labels: Labels::from_pairs(target_labels.iter().copied()),
        honor_labels,
        metric_relabel: Arc::new([]),
        validation_scheme: NameValidation::Utf8,
        limits: Limits::default(),
    }
}

fn apply(rules: &LabelRules, series: &str) -> Result<String> {
    let (mut exposed, mut builder) = (LabelBuffer::default(), LabelsBuilder::new());
    split_series(series.as_bytes(), &Declared::default(), &mut exposed);
    rules.apply(&exposed, &mut builder, &mut Scratch::default())?;
    Ok(builder.labels().to_string())
}

#[test]
fn conflicting_labels_give_way_or_win() {
    let target = [("instance", "i"), ("job", "j")];
    let exposed = "a{job=\"mine\",exported_job=\"taken\",instance=\"\"}";
    assert_eq!(
        apply(&rules(false, &target), exposed).expect("valid"),
        "{__name__=\"a\", exported_exported_job=\"mine\", exported_job=\"taken\", instance=\"i\", job=\"j\"}"
    );
    assert_eq!(
        apply(&rules(true, &target), exposed).expect("valid"),
        "{__name__=\"a\", exported_job=\"taken\", job=\"mine\"}"
    );
}

#[test]
fn what_cannot_be_stored_fails() {
    let mut rules = rules(false, &[("job", "j")]);
    let error = apply(&rules, "a{b=\"1\",b=\"2\"}").expect_err("repeated");
    assert_eq!(error.to_string(), "label name \"b\" is not unique: invalid sample");
    assert!(matches!(apply(&rules, "{\"\"}"), Err(Error::MissingName)));
    rules.validation_scheme = NameValidation::Legacy;
    let error = apply(&rules, "{\"a.b\"}").expect_err("not a legacy name");
    assert_eq!(
        error.to_string(),
        "invalid metric name or label names: {__name__=\"a.b\", job=\"j\"}"
    );
    rules.limits.label_limit = 2;
    assert!(matches!(apply(&rules, "a{c=\"1\"}"), Err(Error::LabelLimit(_))));
}

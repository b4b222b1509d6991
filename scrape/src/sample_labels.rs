//! From exposed labels to stored ones: target labels, conflicts, relabelling, checks. Runs once for each new line of a
//! target, not once for each sample.

use crate::config::Limits;
use crate::limits::check_labels;
use crate::{Error, Result};
use expfmt::labels::LabelBuffer;
use model::relabel::{Rule, Scratch, process};
use model::validate::NameValidation;
use model::{Labels, LabelsBuilder, METRIC_NAME};
use std::sync::Arc;

const EXPORTED_PREFIX: &str = "exported_";

/// What makes stored labels out of exposed ones.
#[derive(Clone, Debug)]
pub(crate) struct LabelRules {
    pub(crate) target_labels: Labels,
    pub(crate) honor_labels: bool,
    pub(crate) metric_relabel: Arc<[Rule]>,
    pub(crate) validation_scheme: NameValidation,
    pub(crate) limits: Limits,
}

impl LabelRules {
    /// Puts the stored labels into `out`; `false` if relabelling drops the series.
    pub(crate) fn apply(
        &self,
        exposed: &LabelBuffer,
        out: &mut LabelsBuilder,
        scratch: &mut Scratch,
    ) -> Result<bool> {
        let pairs = self.texts(exposed)?;
        out.clear();
        let mut repeated = None;
        for &(name, value) in &pairs {
            if repeated.is_none() && pairs.iter().filter(|(other, _)| *other == name).count() > 1 {
                repeated = Some(name);
            }
            out.set(name, value);
        }
        self.add_target_labels(&pairs, out);
        if !process(&self.metric_relabel, out, scratch) || out.iter().next().is_none() {
            return Ok(false);
        }
        self.check(out)?;
        match repeated {
            Some(name) if !out.get(name).is_empty() => Err(Error::DuplicateLabel(name.into())),
            _ => Ok(true),
        }
    }

    /// The exposed pairs as text. Only quoted names can be something else.
    fn texts<'a>(&self, exposed: &'a LabelBuffer) -> Result<Vec<(&'a str, &'a str)>> {
        let pairs: Result<Vec<_>, std::str::Utf8Error> = exposed
            .iter()
            .map(|(name, value)| Ok((std::str::from_utf8(name)?, std::str::from_utf8(value)?)))
            .collect();
        pairs.map_err(|_| {
            let mut shown = LabelsBuilder::new();
            for (name, value) in exposed.iter() {
                shown.set(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
            }
            Error::InvalidNames(shown.labels().to_string().into())
        })
    }

    fn add_target_labels(&self, exposed: &[(&str, &str)], out: &mut LabelsBuilder) {
        let find = |name: &str| exposed.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        if self.honor_labels {
            for (name, value) in &self.target_labels {
                // An exposed empty value wins too: it removes the label.
                if find(name).is_none() {
                    out.set(name, value);
                }
            }
            return;
        }
        let mut conflicts = Vec::new();
        for (name, value) in &self.target_labels {
            if let Some(exposed) = find(name).filter(|value| !value.is_empty()) {
                conflicts.push((name, exposed));
            }
            out.set(name, value);
        }
        // Shorter names first, so that a name which already has the prefix finds its place taken.
        conflicts.sort_by_key(|(name, _)| name.len());
        for (name, value) in conflicts {
            let mut renamed = format!("{EXPORTED_PREFIX}{name}");
            while !out.get(&renamed).is_empty() {
                renamed.insert_str(0, EXPORTED_PREFIX);
            }
            out.set(&renamed, value);
        }
    }

    fn check(&self, labels: &LabelsBuilder) -> Result<()> {
        let metric = labels.get(METRIC_NAME);
        if metric.is_empty() {
            return Err(Error::MissingName);
        }
        let scheme = self.validation_scheme;
        if !scheme.is_metric_name(metric)
            || labels.iter().any(|(name, _)| !scheme.is_label_name(name))
        {
            return Err(Error::InvalidNames(labels.labels().to_string().into()));
        }
        let pairs: Vec<_> = labels.iter().collect();
        check_labels(&pairs.iter().copied(), &self.limits)
    }
}

#[cfg(test)]
mod tests;

//! Bounds on the labels of a series. Bounds on samples, bodies and targets are counted where these pass.

use crate::config::Limits;
use crate::{Error, Result};
use model::METRIC_NAME;

/// At most 50 characters of a text, as the messages show it.
fn brief(text: &str) -> String {
    text.chars().take(50).collect()
}

/// Checks one label set.
pub(crate) fn check_labels<'a>(
    labels: &(impl Iterator<Item = (&'a str, &'a str)> + Clone),
    limits: &Limits,
) -> Result<()> {
    let metric = || {
        let name = labels.clone().find(|(name, _)| *name == METRIC_NAME);
        brief(name.map_or("", |(_, value)| value))
    };
    let exceeds = |number: usize, limit: u64| limit > 0 && number as u64 > limit;
    let num_labels = labels.clone().count();
    if exceeds(num_labels, limits.label_limit) {
        let text = format!(
            "label_limit exceeded (metric: {}, number of labels: {num_labels}, limit: {})",
            metric(),
            limits.label_limit
        );
        return Err(Error::LabelLimit(text.into()));
    }
    if limits.label_name_length_limit == 0 && limits.label_value_length_limit == 0 {
        return Ok(());
    }
    for (name, value) in labels.clone() {
        if exceeds(name.len(), limits.label_name_length_limit) {
            let text = format!(
                "label_name_length_limit exceeded (metric: {}, label name: {}, length: {}, limit: {})",
                metric(),
                brief(name),
                name.len(),
                limits.label_name_length_limit
            );
            return Err(Error::LabelLimit(text.into()));
        }
        if exceeds(value.len(), limits.label_value_length_limit) {
            let text = format!(
                "label_value_length_limit exceeded (metric: {}, label name: {}, value: {:?}, \
                 length: {}, limit: {})",
                metric(),
                brief(name),
                brief(value),
                value.len(),
                limits.label_value_length_limit
            );
            return Err(Error::LabelLimit(text.into()));
        }
    }
    Ok(())
}

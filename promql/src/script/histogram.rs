//! The notation of native histograms in scripts: `{{schema:1 count:3 sum:2 buckets:[1 2] offset:-1}}`.

use model::float::parse_float;
use model::histogram::{CounterResetHint, FloatHistogram, Layout, Span};
use std::sync::Arc;

/// A native histogram of a script.
#[derive(Clone, Debug)]
pub struct HistogramItem {
    /// Its value.
    pub value: Arc<FloatHistogram>,
    /// The hint about counter resets was written out: only then is it compared.
    pub hint_given: bool,
}

#[derive(Default)]
struct Fields {
    layout: Layout,
    histogram: FloatHistogram,
    offsets: [i32; 2],
    hint_given: bool,
    seen: Vec<String>,
}

/// Reads what stands between the double braces.
pub(super) fn parse(text: &str) -> Result<HistogramItem, String> {
    let mut fields = Fields::default();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) =
            rest.split_once(':').ok_or("missing `:` for histogram descriptor".to_owned())?;
        let (value, after) = if let Some(list) = after.strip_prefix('[') {
            list.split_once(']').ok_or("a list in a histogram description is not closed")?
        } else {
            after.split_once(' ').unwrap_or((after, ""))
        };
        if fields.seen.iter().any(|seen| seen == key) {
            return Err(format!("duplicate key \"{key}\" in histogram"));
        }
        fields.seen.push(key.to_owned());
        fields.set(key, value)?;
        if !after.is_empty() && !after.starts_with(char::is_whitespace) && value.is_empty() {
            return Err(format!("unexpected {after:?} in histogram description"));
        }
        rest = after.trim_start();
    }
    Ok(fields.finish())
}

fn number(text: &str) -> Result<f64, String> {
    parse_float(text).map_err(|_| format!("bad histogram descriptor found: {text:?}"))
}

fn integer(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("bad histogram descriptor found: {text:?}"))
}

fn list(text: &str) -> Result<Vec<f64>, String> {
    text.split_whitespace().map(number).collect()
}

impl Fields {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "schema" => self.layout.schema = integer(value)?,
            "sum" => self.histogram.sum = number(value)?,
            "count" => self.histogram.count = number(value)?,
            "z_bucket" => self.histogram.zero_count = number(value)?,
            "z_bucket_w" => self.layout.zero_threshold = number(value)?,
            "custom_values" => self.layout.custom_values = list(value)?,
            "buckets" => self.histogram.positive = list(value)?,
            "n_buckets" => self.histogram.negative = list(value)?,
            "offset" => self.offsets[0] = integer(value)?,
            "n_offset" => self.offsets[1] = integer(value)?,
            "counter_reset_hint" => {
                self.hint_given = true;
                self.histogram.hint = match value {
                    "gauge" => CounterResetHint::Gauge,
                    "reset" => CounterResetHint::CounterReset,
                    "not_reset" => CounterResetHint::NotCounterReset,
                    "unknown" => CounterResetHint::Unknown,
                    other => return Err(format!("bad histogram descriptor found: {other:?}")),
                };
            }
            other => return Err(format!("bad histogram descriptor found: {other:?}")),
        }
        Ok(())
    }

    fn finish(mut self) -> HistogramItem {
        let span = |offset, counts: &[f64]| {
            let length = counts.len() as u32;
            if length == 0 { Vec::new() } else { vec![Span { offset, length }] }
        };
        self.layout.positive_spans = span(self.offsets[0], &self.histogram.positive);
        self.layout.negative_spans = span(self.offsets[1], &self.histogram.negative);
        self.histogram.layout = Arc::new(self.layout);
        HistogramItem { value: Arc::new(self.histogram), hint_given: self.hint_given }
    }
}

impl HistogramItem {
    /// The item and what adding or taking away `step` again and again makes of it, `count` times.
    pub(super) fn sequence(
        &self,
        step: Option<(bool, &Self)>,
        count: u64,
    ) -> Result<Vec<Self>, String> {
        let mut items = vec![self.clone()];
        let hint_given = self.hint_given || step.is_some_and(|(_, step)| step.hint_given);
        items[0].hint_given = hint_given;
        let mut value = (*self.value).clone();
        for _ in 0..count {
            if let Some((negative, step)) = step {
                if step.value.layout.schema < value.layout.schema
                    && step.value.layout.is_custom() == value.layout.is_custom()
                {
                    let (from, to) = (step.value.layout.schema, value.layout.schema);
                    return Err(format!(
                        "error combining histograms: cannot merge from schema {from} to {to}"
                    ));
                }
                let step = step.value.view();
                let outcome = if negative { value.sub(step) } else { value.add(step) };
                outcome.map_err(|error| error.to_string())?;
            }
            items.push(Self { value: Arc::new(value.clone()), hint_given });
        }
        Ok(items)
    }
}

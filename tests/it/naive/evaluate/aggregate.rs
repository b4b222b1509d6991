//! Aggregations, step by step.

use super::window::{extreme, inc, mean, quantile};
use super::{Labels, NAME, Row, Sample};
use crate::naive::histogram::Histogram;

pub(super) fn aggregate(
    (op, phi): (&str, f64),
    grouping: Option<&(bool, Vec<&'static str>)>,
    rows: &[Row],
    steps: usize,
) -> Vec<Row> {
    let key = |labels: &Labels| -> Labels {
        let kept = labels.iter().filter(|(name, _)| match grouping {
            None => false,
            Some((true, names)) => *name != NAME && !names.contains(&name.as_str()),
            Some((false, names)) => names.contains(&name.as_str()),
        });
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut groups: Vec<(Labels, Vec<&Row>)> = Vec::new();
    for row in rows {
        let key = key(&row.labels);
        match groups.iter_mut().find(|(held, _)| *held == key) {
            Some((_, members)) => members.push(row),
            None => groups.push((key, vec![row])),
        }
    }
    let of_step = |members: &[&Row], step: usize| {
        let samples: Vec<&Sample> =
            members.iter().filter_map(|row| row.values[step].as_ref()).collect();
        of_samples(op, phi, &samples)
    };
    let rows = groups.into_iter().map(|(labels, members)| Row {
        labels,
        values: (0..steps).map(|step| of_step(&members, step)).collect(),
    });
    rows.collect()
}

fn of_samples(op: &str, phi: f64, samples: &[&Sample]) -> Option<Sample> {
    let values: Vec<f64> = samples.iter().filter_map(|sample| sample.float()).collect();
    let histograms: Vec<&Histogram> =
        samples.iter().filter_map(|sample| Some(&**sample.histogram()?)).collect();
    if samples.is_empty() {
        return None;
    }
    Some(Sample::Float(match op {
        "count" => samples.len() as f64,
        "group" => 1.0,
        "sum" | "avg" if !histograms.is_empty() => {
            if !values.is_empty() {
                return None;
            }
            let all = histograms.into_iter();
            let made = if op == "sum" { Histogram::total(all) } else { Histogram::mean(all) };
            return Some(made.ok()?.compact().into());
        }
        _ if values.is_empty() => return None,
        "sum" => {
            let (mut s, mut c) = (values[0], 0.0);
            values[1..].iter().for_each(|&x| inc(x, &mut s, &mut c));
            s + c
        }
        "avg" => mean(&values),
        "min" => extreme(&values, |x, held| x < held),
        "max" => extreme(&values, |x, held| x > held),
        "quantile" => quantile(phi, values),
        other => panic!("{other} is not generated"),
    }))
}

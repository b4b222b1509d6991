//! Numbers, durations, sizes, times and names as text: every recorded line of the kinds that `model` covers.

use base64::Engine as _;
use model::validate::{EscapingScheme, NameValidation};
use model::{Labels, MatchOp, Matcher, duration, float, size, timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// A text; `None` if it is not UTF-8.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(map) if map.contains_key("b64") => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(map["b64"].as_str().expect("recorded"))
                .expect("recorded");
            String::from_utf8(bytes).ok()
        }
        Value::Object(map) => {
            let times = map["times"].as_u64().expect("recorded") as usize;
            Some(map["repeat"].as_str().expect("recorded").repeat(times))
        }
        _ => None,
    }
}

fn bits(value: &Value) -> f64 {
    f64::from_bits(u64::from_str_radix(value.as_str().expect("recorded"), 16).expect("recorded"))
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| value.as_str().expect("recorded").parse().expect("recorded"))
}

/// What we make of a line, as pairs of a field and its value; `None` if the line is not ours to answer.
#[expect(clippy::too_many_lines, reason = "table")]
fn answer(line: &Value) -> Option<Vec<(&'static str, Value)>> {
    let input = || text(&line["in"]);
    let outcome = |result: Result<Vec<(&'static str, Value)>, String>| match result {
        Ok(fields) => fields,
        Err(error) => vec![("error", error.into())],
    };
    Some(match line["k"].as_str().expect("recorded") {
        "duration" => {
            let parsed = duration::parse(&input()?);
            let mut fields = outcome(
                parsed
                    .clone()
                    .map(|ms| vec![("ms", ms.into()), ("string", duration::format(ms).into())])
                    .map_err(|e| e.to_string()),
            );
            match duration::parse_signed(&input()?) {
                Ok(ms) if parsed.is_err() => fields.push(("negative_ms", ms.into())),
                Err(error) if line.get("negative_error").is_some() => {
                    fields.push(("negative_error", error.to_string().into()));
                }
                _ => {}
            }
            fields
        }
        "duration_string" => vec![("string", duration::format(number(&line["ms"])).into())],
        "duration_string_ns" => {
            let ms = number(&line["ns"]) / 1_000_000;
            vec![("string", duration::format(ms).into())]
        }
        "bytes" => outcome(
            size::parse(&input()?)
                .map(|bytes| {
                    vec![
                        ("bytes", bytes.to_string().into()),
                        ("string", size::format(bytes).into()),
                    ]
                })
                .map_err(|e| e.to_string()),
        ),
        "bytes_string" => vec![("string", size::format(number(&line["bytes"])).into())],
        "float" => {
            let value = bits(&line["bits"]);
            let mut fields = vec![
                ("f", float::fixed(value)),
                ("g", float::general(value)),
                ("api", float::api(value)),
                ("om", float::openmetrics(value)),
                ("%.4g", float::printf_g(value, 4)),
                ("%e", float::printf_e(value, 6)),
            ];
            if line.get("exposition").is_some() {
                fields.push(("exposition", float::exposition(value)));
            } else {
                assert_eq!(float::exposition(value), float::general(value));
            }
            if line.get("%f").is_some() {
                fields.push(("%f", float::printf_f(value, 6)));
                fields.push(("%.2f", float::printf_f(value, 2)));
            }
            fields.into_iter().map(|(field, text)| (field, text.into())).collect()
        }
        "parse_float" => match float::parse_float(&input()?) {
            Ok(value) => vec![("bits", format!("{:016x}", value.to_bits()).into())],
            Err(error) => vec![("error", error.to_string().into())],
        },
        "api_timestamp" => {
            let mut json = Vec::new();
            let ms = number(&line["ms"]);
            timestamp::write_json(ms, &mut json);
            vec![
                ("json", String::from_utf8(json).expect("recorded").into()),
                ("model_time", timestamp::format_seconds(ms).into()),
            ]
        }
        "api_time" => outcome(
            timestamp::parse_time(&input()?)
                .map(|ms| vec![("ms", ms.to_string().into())])
                .map_err(|e| e.to_string()),
        ),
        "api_duration" => outcome(
            timestamp::parse_duration_ns(&input()?)
                .map(|ns| vec![("ns", ns.to_string().into())])
                .map_err(|e| e.to_string()),
        ),
        "name" => {
            let name = input()?;
            let (legacy, utf8) = (NameValidation::Legacy, NameValidation::Utf8);
            vec![
                ("metric_legacy", legacy.is_metric_name(&name).into()),
                ("metric_utf8", utf8.is_metric_name(&name).into()),
                ("label_legacy", legacy.is_label_name(&name).into()),
                ("label_utf8", utf8.is_label_name(&name).into()),
            ]
        }
        "escape" => names(&input()?),
        "unescape" => ["underscores", "dots", "values", "allow-utf-8"]
            .map(|scheme| {
                let unescaped = scheme
                    .parse::<EscapingScheme>()
                    .expect("recorded")
                    .unescape(&input().expect("recorded"));
                (scheme, unescaped.into())
            })
            .to_vec(),
        "escaping_scheme" => outcome(
            input()?
                .parse::<EscapingScheme>()
                .map(|scheme| vec![("scheme", scheme.as_str().into())])
                .map_err(|e| e.to_string()),
        ),
        "label_hash" => {
            let labels = labels(&line["labels"])?;
            vec![("hash", labels.stable_hash().to_string().into())]
        }
        "labels_text" => {
            vec![("string", labels(&line["labels"])?.to_string().into())]
        }
        "matcher_text" => {
            let op = match line["type"].as_str().expect("recorded") {
                "=" => MatchOp::Equal,
                "!=" => MatchOp::NotEqual,
                "=~" => MatchOp::Regex,
                _ => MatchOp::NotRegex,
            };
            let matcher =
                Matcher::new(&text(&line["name"])?, op, &text(&line["value"])?).expect("recorded");
            vec![("string", matcher.to_string().into())]
        }
        _ => return None,
    })
}

fn names(name: &str) -> Vec<(&'static str, Value)> {
    [("underscores", "underscores_back"), ("dots", "dots_back"), ("values", "values_back")]
        .into_iter()
        .flat_map(|(scheme, back)| {
            let parsed: EscapingScheme = scheme.parse().expect("recorded");
            let escaped = parsed.escape(name);
            let unescaped = parsed.unescape(&escaped);
            [(scheme, escaped.into()), (back, unescaped.into())]
        })
        .collect()
}

fn labels(value: &Value) -> Option<Labels> {
    // Empty values are no labels here; such lines show Go's raw pairs.
    if value.as_object()?.values().any(|value| value == "") {
        return None;
    }
    let pairs: Option<Vec<(String, String)>> =
        value.as_object()?.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect();
    Some(Labels::from_pairs(pairs?))
}

#[test]
fn every_line_agrees() {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in tests::golden("scalars.jsonl") {
        let Some(fields) = answer(&line) else { continue };
        let (right, all) =
            counts.entry(line["k"].as_str().expect("recorded").to_owned()).or_default();
        *all += 1;
        let differs = fields.iter().any(|(field, value)| line[*field] != *value);
        // A line that is an error must be one for us.
        let missed =
            line.get("error").is_some() && !fields.iter().any(|(field, _)| *field == "error");
        if differs || missed {
            wrong.push(format!("{fields:?} is not {line}"));
        } else {
            *right += 1;
        }
    }
    for (kind, (right, all)) in &counts {
        println!("scalars.jsonl {kind} {right}/{all}");
    }
    assert!(counts.len() >= 17, "only {} kinds", counts.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

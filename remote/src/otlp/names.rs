//! Names of metrics, labels and units: what OpenTelemetry allows to what Prometheus allows and expects.

use super::config::Config;
use super::message::Data;
use model::quote::Quoted;

/// Units as they stand in metric names.
const UNITS: [(&str, &str); 26] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// Units behind the stroke, in the singular.
const PER_UNITS: [(&str, &str); 7] = [
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

fn long_form<'u>(units: &[(&str, &'static str)], unit: &'u str) -> &'u str {
    units.iter().find(|(short, _)| *short == unit).map_or(unit, |(_, long)| long)
}

/// The unit before the stroke and the one behind it with `per_` in front, as they are; annotations in braces count
/// for nothing.
fn unit_parts(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let is_unit = |part: &str| !part.is_empty() && !part.contains(['{', '}']);
    let (main, per) = (main.trim(), per.trim());
    let main = if is_unit(main) { long_form(&UNITS, main).to_owned() } else { String::new() };
    let per =
        if is_unit(per) { format!("per_{}", long_form(&PER_UNITS, per)) } else { String::new() };
    (main, per)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// A unit with underscores for what cannot stand in a name, none of them doubled or in front.
fn clean_unit(unit: &str) -> String {
    let mut clean = String::with_capacity(unit.len());
    for c in unit.chars() {
        if is_name_char(c) {
            clean.push(c);
        } else if !clean.ends_with('_') && !clean.is_empty() {
            clean.push('_');
        }
    }
    clean
}

/// The unit as the label `__unit__` tells it.
pub(super) fn unit_label(unit: &str, config: &Config) -> String {
    let (mut main, mut per) = unit_parts(unit);
    if config.strategy.escapes {
        (main, per) = (clean_unit(&main), clean_unit(&per));
    }
    let whole = match (main.is_empty(), per.is_empty()) {
        (false, false) => format!("{main}_{per}"),
        (false, true) => main,
        _ => per,
    };
    let whole = whole.strip_prefix('_').unwrap_or(&whole);
    whole.strip_suffix('_').unwrap_or(whole).to_owned()
}

/// The name of a metric; an error if nothing is left of it.
pub(super) fn metric(
    name: &str,
    unit: &str,
    data: &Data<'_>,
    config: &Config,
) -> Result<String, String> {
    if !config.strategy.escapes {
        return Ok(if config.strategy.adds_suffixes {
            suffixed(name, unit, data)
        } else {
            name.to_owned()
        });
    }
    let built = if config.strategy.adds_suffixes {
        normalized(name, unit, data)
    } else {
        let parts = name.split(|c: char| !is_name_char(c) && c != '_');
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
    };
    let built =
        if built.starts_with(|c: char| c.is_ascii_digit()) { format!("_{built}") } else { built };
    if built.is_empty() {
        return Err(format!("normalization for metric {} resulted in empty name", Quoted(name)));
    }
    if built != name && built.bytes().all(|byte| byte == b'_') {
        return Err(format!(
            "normalization for metric {} resulted in invalid name {}",
            Quoted(name),
            Quoted(&built)
        ));
    }
    Ok(built)
}

fn is_counter(data: &Data<'_>) -> bool {
    matches!(data, Data::Sum { is_monotonic: true, .. })
}

fn is_ratio(unit: &str, data: &Data<'_>) -> bool {
    unit == "1" && matches!(data, Data::Gauge(_))
}

/// Words joined by underscores, then unit and type.
fn normalized(name: &str, unit: &str, data: &Data<'_>) -> String {
    let mut words: Vec<&str> =
        name.split(|c: char| !is_name_char(c)).filter(|word| !word.is_empty()).collect();
    let (main, per) = unit_parts(unit);
    let (mut main, per) = (clean_unit(&main), clean_unit(&per));
    if words.contains(&main.as_str()) {
        main.clear();
    }
    let per = if per == "per_" { "" } else { per.strip_suffix('_').unwrap_or(&per) };
    let per = if words.contains(&per) { "" } else { per };
    if !per.is_empty() && main.ends_with('_') {
        main.pop();
    }
    words.extend([main.as_str(), per].into_iter().filter(|word| !word.is_empty()));
    for (applies, suffix) in [(is_counter(data), "total"), (is_ratio(unit, data), "ratio")] {
        if applies {
            words.retain(|word| *word != suffix);
            words.push(suffix);
        }
    }
    words.join("_")
}

/// The name as it is, then unit and type, each once.
fn suffixed(name: &str, unit: &str, data: &Data<'_>) -> String {
    let (main, per) = unit_parts(unit);
    let mut suffixes = Vec::new();
    let mut rest = name;
    if is_ratio(unit, data) {
        suffixes.push("ratio");
        rest = without_suffix(rest, "ratio");
    }
    if is_counter(data) {
        suffixes.push("total");
        rest = without_suffix(rest, "total");
    }
    if !per.is_empty() {
        suffixes.push(&per);
        rest = without_suffix(rest, &per);
    }
    if !main.is_empty() && !rest.ends_with(&main) {
        suffixes.push(&main);
    }
    let mut built = rest.to_owned();
    for suffix in suffixes.iter().rev() {
        built.push('_');
        built.push_str(suffix);
    }
    built
}

/// The name without this suffix and the character before it.
fn without_suffix<'n>(name: &'n str, suffix: &str) -> &'n str {
    let stem = name.strip_suffix(suffix);
    let stem = stem.and_then(|stem| {
        let last = stem.chars().next_back()?;
        Some(&stem[..stem.len() - last.len_utf8()])
    });
    stem.filter(|stem| !stem.is_empty()).unwrap_or(name)
}

/// The name of a label; an error if nothing is left of it.
pub(super) fn label(name: &str, config: &Config) -> Result<String, String> {
    if !config.strategy.escapes {
        return Ok(name.to_owned());
    }
    if name.is_empty() {
        return Err("label name is empty".to_owned());
    }
    let mut built = sanitized(name, config.keeps_underscores);
    if built.starts_with(|c: char| c.is_ascii_digit()) {
        built.insert_str(0, "key_");
    } else if config.sanitizes_underscore && built.starts_with('_') && !built.starts_with("__") {
        built.insert_str(0, "key");
    }
    if built != name && built.bytes().all(|byte| byte == b'_') {
        return Err(format!(
            "normalization for label name {} resulted in invalid name {}",
            Quoted(name),
            Quoted(&built)
        ));
    }
    Ok(built)
}

/// Underscores for what cannot stand in a label name; runs of them become one unless they are to stay or make the
/// name a reserved one.
fn sanitized(name: &str, keeps_underscores: bool) -> String {
    let is_reserved =
        !keeps_underscores && name.len() > 4 && name.starts_with("__") && name.ends_with("__");
    let inner = if is_reserved { &name[2..name.len() - 2] } else { name };
    let mut built = String::with_capacity(name.len());
    for c in inner.chars() {
        if c.is_ascii_alphanumeric() {
            built.push(c);
        } else if keeps_underscores || !built.ends_with('_') {
            built.push('_');
        }
    }
    if is_reserved { format!("__{built}__") } else { built }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(name: &str, unit: &str, data: &Data<'_>) -> String {
        metric(name, unit, data, &Config::default()).expect("a name")
    }

    #[test]
    fn units_and_types_are_told_once() {
        let gauge = Data::Gauge(Vec::new());
        let counter =
            Data::Sum { points: Vec::new(), temporality: Default::default(), is_monotonic: true };
        assert_eq!(escaped("a.b", "m/s", &gauge), "a_b_meters_per_second");
        assert_eq!(escaped("total.a.seconds", "s", &counter), "a_seconds_total");
        assert_eq!(escaped("9.a", "1", &gauge), "_9_a_ratio");
        assert_eq!(escaped("a", "{x}/s", &counter), "a_per_second_total");
        assert_eq!(escaped("a", "[x]", &gauge), "a_x_");
        assert_eq!(unit_label("[x]", &Config::default()), "x");
    }

    #[test]
    fn labels_keep_to_the_legacy_rules() {
        let config = Config::default();
        let collapsing = Config { keeps_underscores: false, ..Config::default() };
        assert_eq!(label("a..b", &config).expect("a name"), "a__b");
        assert_eq!(label("a..b", &collapsing).expect("a name"), "a_b");
        assert_eq!(label("__a..b__", &collapsing).expect("a name"), "__a_b__");
        assert_eq!(label("_a", &config).expect("a name"), "key_a");
        assert_eq!(label("9a", &config).expect("a name"), "key_9a");
        assert!(label("\u{fc}", &Config { sanitizes_underscore: false, ..config }).is_err());
    }
}

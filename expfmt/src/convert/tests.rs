//! Histograms among lines that are no part of them.

use super::*;
use crate::TextParser;

/// Histograms with their sum and the counts of their buckets, other samples as written.
fn converted(body: &str) -> Vec<String> {
    let options = ParseOptions { convert_classic: true, ..ParseOptions::default() };
    let mut parser = ConvertClassic::new(TextParser::new(body.as_bytes()), options);
    let mut out = Vec::new();
    loop {
        let is_histogram = match parser.next().expect("a good body") {
            None => return out,
            Some(Entry::Sample(sample)) => {
                out.push(String::from_utf8_lossy(sample.series).into_owned());
                false
            }
            Some(Entry::Histogram(_)) => true,
            Some(_) => false,
        };
        if is_histogram {
            out.push(parser.take_histogram(None).to_string());
        }
    }
}

#[test]
fn a_bound_that_is_no_number_does_not_end_a_histogram() {
    let around = |line: &str| {
        let body =
            format!("# TYPE h histogram\nh_bucket{{le=\"1\"}} 1\n{line}\nh_sum 3\nh_count 1\n");
        converted(&body)
    };
    let whole = converted("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 3\nh_count 1\n");
    assert_eq!(whole.len(), 1);
    for line in ["h_bucket{le=\"x\"} 3", "h_bucket{le=\"NaN\"} 3", "h_bucket 3", "h 3"] {
        let series = line.strip_suffix(" 3").expect("a value");
        assert_eq!(around(line), [series, &whole[0]], "{line}");
    }
    // Other labels are another histogram, and another name is another metric.
    for line in ["h_bucket{a=\"b\",le=\"x\"} 3", "i 3"] {
        assert_eq!(around(line).len(), 3, "{line}");
    }
}

//! Ranges of samples, errors with their line, passes over the text.

use super::*;

type Block = (Vec<String>, Vec<(u32, i64, f64)>);

fn import(text: &str) -> Result<Vec<Block>, ImportError> {
    let labels = [("x".to_owned(), "y".to_owned())];
    let import = OpenMetrics { body: text.as_bytes(), labels: &labels, block_ms: 10_000 };
    let mut blocks = Vec::new();
    let mut write = |labels: &[Labels], rows: &mut Vec<ImportRow>| {
        let rows = rows.iter().map(|row| (row.series, row.timestamp_ms, row.value)).collect();
        blocks.push((labels.iter().map(Labels::to_string).collect(), rows));
        Ok(())
    };
    import.import(&mut write, &mut |_| {})?;
    Ok(blocks)
}

#[test]
fn samples_go_to_the_range_of_their_time() {
    let text = "# TYPE a gauge\na{b=\"1\",c=\"2\"} 1 25\na{c=\"2\",b=\"1\"} 2 -1\na 3 21\n# EOF\n";
    let blocks = import(text).expect("good");
    let labels = [
        "{__name__=\"a\", b=\"1\", c=\"2\", x=\"y\"}".to_owned(),
        "{__name__=\"a\", x=\"y\"}".to_owned(),
    ];
    let expected = [
        (labels.to_vec(), vec![(0, -1000, 2.0)]),
        (labels.to_vec(), vec![(0, 25_000, 1.0), (1, 21_000, 3.0)]),
    ];
    assert_eq!(blocks, expected);
}

#[test]
fn bounds_of_histograms_are_written_as_scraping_does() {
    let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 1 1\nh_bucket{le=\"+Inf\"} 1 1\n# EOF\n";
    let blocks = import(text).expect("good");
    assert_eq!(blocks[0].0[0], "{__name__=\"h_bucket\", le=\"1.0\", x=\"y\"}");
}

#[test]
fn errors_name_the_line() {
    let line = |text: &str| import(text).expect_err("bad").to_string();
    assert_eq!(
        line("# TYPE a gauge\na 1 1\na 1\n# EOF\n"),
        "line 3: expected timestamp for series a, got none; add it behind the value"
    );
    assert!(line("a 1 1\na x 1\n# EOF\n").starts_with("line 2, column 3"));
    assert!(line("a 1 1\n").contains("# EOF"));
}

#[test]
fn passes_hold_what_fits() {
    let counts = BTreeMap::from([(-1, 5), (0, 5), (7, 1), (9, 20), (10, 1)]);
    assert_eq!(passes(&counts, 10), [-1..1, 7..8, 9..10, 10..11]);
    assert_eq!(passes(&counts, u64::MAX), [Range { start: -1, end: 11 }]);
    assert!(passes(&BTreeMap::new(), 1).is_empty());
}

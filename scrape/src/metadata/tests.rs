//! What `metadata` promises, case by case.

use super::*;
use expfmt::{Parser as _, TextParser};

fn scrape(cache: &mut MetadataCache, body: &str) -> usize {
    let mut parser = TextParser::new(body.as_bytes());
    let mut recognised = 0;
    loop {
        if let Some((line, metric_type)) = cache.expected()
            && parser.skip_line(line, metric_type)
        {
            cache.see_expected();
            recognised += 1;
            continue;
        }
        let begin = parser.position();
        let Some(entry) = parser.next_entry().expect("a good body") else { break };
        cache.see_line(&entry);
        cache.remember_line(&body.as_bytes()[begin..parser.position()]);
    }
    cache.finish(true);
    recognised
}

fn families(cache: &MetadataCache) -> Vec<(String, &'static str, String)> {
    let families = Arc::clone(&cache.shared().lock());
    families
        .iter()
        .map(|(name, m)| (name.to_string(), m.metric_type.as_str(), m.help.to_string()))
        .collect()
}

#[test]
fn unchanged_lines_are_recognised_and_changes_show() {
    let mut cache = MetadataCache::default();
    let body = "# HELP a one\n# TYPE a gauge\na 1\n# TYPE b counter\nb 1\n";
    assert_eq!(scrape(&mut cache, body), 0);
    assert_eq!(scrape(&mut cache, body), 3);
    let changed = "# HELP a two\n# TYPE a gauge\na 1\n# TYPE b counter\nb 1\n";
    assert_eq!(scrape(&mut cache, changed), 2);
    assert_eq!(scrape(&mut cache, changed), 3);
    let all = [("a", "gauge", "two"), ("b", "counter", "")];
    assert_eq!(families(&cache), all.map(|(n, t, h)| (n.to_owned(), t, h.to_owned())));
    assert_eq!(cache.size_bytes(), "gauge".len() + "two".len() + "counter".len());
}

#[test]
fn families_stay_for_ten_scrapes() {
    let mut cache = MetadataCache::default();
    scrape(&mut cache, "# TYPE a gauge\na 1\n");
    for _ in 0..10 {
        scrape(&mut cache, "b 1\n");
    }
    assert_eq!(cache.len(), 1);
    scrape(&mut cache, "b 1\n");
    assert_eq!(cache.len(), 0);
}

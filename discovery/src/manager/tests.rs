//! What `manager` promises, case by case.

use super::*;

fn statics(addresses: &[&str]) -> DiscoveryConfigs {
    let targets = addresses.iter().map(|&address| address.to_owned()).collect();
    let group = StaticGroup { targets, labels: Labels::from_pairs([("env", "test")]) };
    DiscoveryConfigs { static_configs: vec![group], ..DiscoveryConfigs::default() }
}

#[tokio::test]
async fn static_targets_are_published_at_once_and_leave_with_their_job() {
    let registry = Registry::new();
    let (manager, receive) = Manager::new(ManagerOptions {
        registry: registry.clone(),
        name: "scrape".into(),
        user_agent: "Prometheus/".into(),
        clock: Arc::new(|| 1500),
        environment: Arc::new(|_| None),
    });
    manager
        .apply_config(&[("a".to_owned(), statics(&["x:1"])), ("b".to_owned(), statics(&["x:1"]))]);
    let groups = Arc::clone(&receive.borrow());
    assert_eq!(groups["a"], groups["b"]);
    assert_eq!(groups["a"][0].targets, [address_label("x:1")]);
    assert_eq!(manager.0.active.lock().len(), 1, "jobs with equal configurations share a provider");
    manager.apply_config(&[("b".to_owned(), statics(&["y:1", "z:1"]))]);
    let groups = Arc::clone(&receive.borrow());
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(groups["b"][0].targets.len(), 2);
    let mut text = String::new();
    registry.encode_text(&mut text);
    assert!(
        text.contains("prometheus_sd_discovered_targets{config=\"b\",name=\"scrape\"} 2\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "prometheus_sd_last_update_timestamp_seconds{config=\"b\",name=\"scrape\"} 1.5\n"
        ),
        "{text}"
    );
    assert!(!text.contains("config=\"a\""), "{text}");
}

//! The dashboard and the rules against a real Prometheus: each expression is valid, and shows something.

use std::collections::HashSet;

use serde_json::Value;

use super::exposition::Row;
use super::prometheus::Prometheus;
use super::traffic::{self, Watched};
use super::{have_prometheus, text_of};

fn dashboard() -> Value {
    serde_json::from_str(&text_of("packaging/grafana/filmgate.json")).unwrap()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

/// What Grafana makes of it where everything is chosen.
fn filled_in(expression: &str) -> String {
    let filled = expression
        .replace("$pool", ".*")
        .replace("$instance", ".*")
        .replace("$__rate_interval", "10s")
        .replace("$__range", "2m");
    assert!(!filled.contains('$'), "{filled}");
    filled
}

#[tokio::test]
async fn slow_prometheus_reads_the_metrics_and_every_panel_shows_something() {
    if !have_prometheus("slow_prometheus_reads_the_metrics_and_every_panel_shows_something") {
        return;
    }
    let watched = Watched::start().await;
    let prometheus = Prometheus::of(&watched.app).await;
    // What happens for the first time, such as a code of a failure, shows in a rate from the second time on.
    for _ in 0..2 {
        traffic::round(&watched).await;
        let waiting = traffic::somebody_waits(&watched.app).await;
        prometheus.scrapes_again(2).await;
        traffic::is_served(&watched.app, &waiting).await;
    }
    prometheus.scrapes_again(1).await;
    types_are_read_as_documented(&prometheus).await;
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().unwrap() {
            let expression = filled_in(target["expr"].as_str().unwrap());
            let values = prometheus.values(&expression, 2).await;
            let title = &panel["title"];
            assert!(values.iter().any(|value| value.is_finite()), "{title} is empty: {expression}");
            // A rate of nothing but zeros would be there for any counter.
            assert!(values.iter().any(|value| *value > 0.0), "{title} shows nothing: {expression}");
        }
    }
    for variable in ["instance", "pool"] {
        let values = offered(&prometheus, &dashboard, variable).await;
        assert!(values.contains(&if variable == "pool" { "ssoSuper" } else { gateway(&watched) }.to_owned()));
    }
    rules_are_worked_out(&prometheus).await;
}

fn gateway(watched: &Watched) -> &str {
    watched.app.url.strip_prefix("http://").unwrap()
}

/// The values that a variable of the dashboard offers: `label_values(METRIC, LABEL)`.
async fn offered(prometheus: &Prometheus, dashboard: &Value, name: &str) -> Vec<String> {
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variable = variables.iter().find(|variable| variable["name"] == name).unwrap();
    let query = filled_in(variable["query"]["query"].as_str().unwrap());
    let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
    let (metric, label) = inside.rsplit_once(", ").unwrap();
    let values = prometheus.get(&format!("label/{label}/values"), &[("match[]", metric)]).await;
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// In its words a family is what its declaration calls it.
async fn types_are_read_as_documented(prometheus: &Prometheus) {
    let targets = prometheus.get("targets", &[]).await;
    let target = &targets["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target:#}");
    let known = prometheus.get("metadata", &[]).await;
    for row in Row::all() {
        assert_eq!(known[row.family()][0]["type"], row.kind.as_str(), "{}: {known:#}", row.name);
    }
}

/// All of them, without an error; and one that this traffic sets off tells what it should.
async fn rules_are_worked_out(prometheus: &Prometheus) {
    prometheus.scrapes_again(2).await;
    let rules = prometheus.get("rules", &[("type", "alert")]).await;
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 10);
    for rule in rules {
        assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule:#}");
        prometheus.query(rule["query"].as_str().unwrap()).await;
    }
    for (rule, summary) in [
        (
            "FilmgateUpstreamDeliversLess",
            "The upstream of the pool ssoSuper delivers less than it is asked for",
        ),
        ("FilmgateWebhooksGivenUp", "Webhooks were given up; their receivers do not know that videos ended"),
    ] {
        let rule = rules.iter().find(|known| known["name"] == rule).unwrap();
        assert_eq!(rule["state"], "firing", "{rule:#}");
        assert_eq!(rule["alerts"][0]["annotations"]["summary"], summary);
    }
}

#[test]
fn the_dashboard_is_well_made() {
    let dashboard = dashboard();
    let mut ids = HashSet::new();
    let mut taken = HashSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "an id twice: {}", panel["title"]);
        let place = |side: &str| panel["gridPos"][side].as_i64().unwrap();
        for x in place("x")..place("x") + place("w") {
            assert!(x < 24, "{} is too wide", panel["title"]);
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
    }
    let mut shown = HashSet::new();
    for panel in panels(&dashboard) {
        let title = &panel["title"];
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            shown.insert(target["expr"].as_str().unwrap().to_owned());
        }
    }
    // What one could not see there, one would have to know of.
    for row in Row::all() {
        // The sums of others, which are shown, and what only whoever adds up has to know.
        let told_otherwise =
            ["filmgate_jobs_admitted_total", "filmgate_jobs_taken_up", "filmgate_videos_downgraded_total"];
        let there = shown.iter().any(|expression| expression.contains(&row.name));
        assert_eq!(there, !told_otherwise.contains(&&*row.name), "{}", row.name);
    }
}

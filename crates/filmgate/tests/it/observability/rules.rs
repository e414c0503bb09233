//! The alert rules, by Prometheus' own tool.

use std::process::Command;

use super::{have_prometheus, in_repository, text_of};

/// Runs promtool in the rules' folder.
fn promtool(args: &[&str]) {
    let mut command = Command::new("promtool");
    let output = command.args(args).current_dir(in_repository("packaging/prometheus")).output().unwrap();
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "promtool {args:?}:\n{out}{err}");
}

#[test]
fn the_rules_and_the_example_are_valid() {
    if have_prometheus("the_rules_and_the_example_are_valid") {
        promtool(&["check", "rules", "alerts.yml"]);
        promtool(&["check", "config", "prometheus.yml"]);
    }
}

#[test]
fn each_alert_is_set_off_when_it_is_due() {
    if have_prometheus("each_alert_is_set_off_when_it_is_due") {
        promtool(&["test", "rules", "alerts.test.yml"]);
    }
}

/// And says what to do. Prometheus itself would take a rule without a word.
#[test]
fn each_alert_is_explained_and_tested() {
    let (rules, tests) =
        (text_of("packaging/prometheus/alerts.yml"), text_of("packaging/prometheus/alerts.test.yml"));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for part in ["severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        let firing = format!("alertname=\"{name}\",alertstate=\"firing\",");
        assert!(tests.contains(&firing), "no test sets {name} off");
    }
}

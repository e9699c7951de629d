//! The figures and the alert rules that stand on them: promtool takes the rules and their own tests, and every figure
//! that a rule or the document names is one that the daemon shows.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::let_underscore_must_use,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use regex::Regex;
use support::app::Database;
use support::site::{Site, mail};

fn document(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The names of figures in a text.
fn names(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(caseward|process)_[a-z_]+[a-z]\b").unwrap();
    name.find_iter(text).map(|name| name.as_str().to_owned()).collect()
}

fn promtool(arguments: &[&str]) {
    let ran = Command::new("promtool")
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations"))
        .output();
    let Ok(output) = ran else {
        eprintln!("SKIPPED: promtool is not installed (Debian: prometheus)");
        return;
    };
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
}

#[test]
fn prometheus_takes_the_rules() {
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["test", "rules", "alerts_test.yml"]);
}

#[test]
fn every_figure_that_is_named_is_shown_and_every_one_shown_is_explained() {
    for database in [Database::Sqlite, Database::Postgres] {
        let site = Site::new(database);
        let token = site.token("auditor", "auditor");
        let mut daemon = site.serve();
        site.deliver("one", &mail("anna", "Payslip"));
        daemon.until_cases(&token, 1);
        let (status, page) = daemon.get("/metrics", None);
        assert_eq!(status, 200);
        let shown: BTreeSet<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        let rules = document("alerts.yml");
        let expressions: String = rules.lines().filter(|line| line.trim().starts_with("expr:")).collect();
        let family = |name: &String| {
            let end = ["_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
            end.filter(|family| shown.contains(*family)).unwrap_or(name).to_owned()
        };
        let asked: BTreeSet<String> = names(&expressions).iter().map(family).collect();
        assert!(asked.len() > 10, "{asked:?}");
        assert_eq!(asked.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new());
        let explained: BTreeSet<String> = names(&document("metrics.md")).iter().map(family).collect();
        assert_eq!(shown.difference(&explained).collect::<Vec<_>>(), Vec::<&String>::new(), "not explained");
        assert_eq!(explained.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new(), "not shown");
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(
                value.parse::<f64>().is_ok()
                    && shown.contains(&family(&name.split('{').next().unwrap().into())),
                "{line}"
            );
        }
        let value = |start: &str| -> f64 {
            let line = page
                .lines()
                .find(|line| line.starts_with(start))
                .unwrap_or_else(|| panic!("{start}: {page}"));
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert_eq!(value("caseward_database_up "), 1.0);
        assert_eq!(value("caseward_database_writable "), 1.0);
        assert!(value("caseward_database_commit_seconds_count ") > 0.0);
        assert!(
            value("caseward_database_changes_total ") >= value("caseward_database_commit_seconds_count ")
        );
        assert!(value("process_resident_memory_bytes ") > 1e6);
        assert_eq!(value("caseward_mailbox_ready{mailbox=\"hr\"} "), 1.0);
        assert!(value("caseward_mailbox_poll_lag_seconds{mailbox=\"hr\"} ") < 600.0);
        daemon.stop();
    }
}

//! What is shipped beside the binary keeps to it: units, alerts, dashboard, runbook, install guide.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{
    harness::{ConfigFile, Daemon, Platform},
    seen::talking,
};

const ALERTS: &str = include_str!("../../config/alerts.yml");
const DASHBOARD: &str = include_str!("../../config/grafana.json");
const RUNBOOK: &str = include_str!("../../docs/runbook.md");
const INSTALL: &str = include_str!("../../docs/install.md");
/// Every sentence that health can say, as the tests of `model/health` have it.
const SENTENCES: &str = include_str!(
    "../../src/model/health/snapshots/callwarden__model__health__tests__each_check_that_does_not_pass_says_what_is_wrong_and_the_mend.snap"
);

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a tool that may not be there; it must be content. `None`: it is not there, which is said.
#[expect(clippy::print_stdout, reason = "a test that was not made is to be seen")]
fn tool(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository());
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = pipes.spawn() else {
        println!("not tried, for {program} is not there: {}", arguments.join(" "));
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    Some(output)
}

/// The units as they are shipped, in a folder where their binary and their files are there.
fn units(folder: &Path) -> Vec<String> {
    let mut units = Vec::new();
    for entry in fs::read_dir(repository().join("systemd")).unwrap() {
        let from = entry.unwrap().path();
        let to = folder.join(from.file_name().unwrap());
        let text = fs::read_to_string(&from).unwrap();
        fs::write(&to, text.replace("/usr/bin/callwarden", env!("CARGO_BIN_EXE_callwarden")))
            .unwrap();
        units.push(to.to_str().unwrap().to_owned());
    }
    units.sort();
    units
}

#[test]
fn the_units_are_right_and_hardened() {
    let folder = tempfile::tempdir().unwrap();
    for unit in units(folder.path()) {
        if let Some(output) = tool("systemd-analyze", &["verify", "--man=no", &unit], "") {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // Of other units on the machine it complains as well.
            let ours: Vec<_> = said.lines().filter(|line| line.contains("callwarden")).collect();
            assert!(ours.is_empty(), "{unit}: {ours:?}");
        }
        if unit.ends_with(".service") {
            // 11 is an exposure of 1.1.
            tool("systemd-analyze", &["security", "--offline=true", "--threshold=11", &unit], "");
        }
    }
}

#[test]
fn the_service_says_what_the_spec_says() {
    let unit = fs::read_to_string(repository().join("systemd/callwarden.service")).unwrap();
    for line in [
        "Type=notify",
        "WatchdogSec=30",
        "DynamicUser=yes",
        "StateDirectory=callwarden",
        "Restart=always",
        "RestartSec=1",
        "StartLimitIntervalSec=0",
        "After=network-online.target time-sync.target",
        "ProcSubset=all",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    let files = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE=")).unwrap();
    assert!(files.parse::<u32>().unwrap() >= 1024 + 256);
    let reload: Vec<_> = unit.lines().filter(|line| line.starts_with("ExecReload=")).collect();
    assert!(
        reload[0].contains("callwarden check") && reload[1].contains("kill -HUP"),
        "{reload:?}"
    );
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
        .filter(|word| word.starts_with("callwarden_") || word.starts_with("process_"))
        .collect()
}

#[tokio::test]
async fn alerts_and_dashboard_name_metrics_that_there_are() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let scrape = daemon.get("/metrics").await.body;
    daemon.stop().await;
    let there: BTreeSet<_> = scrape
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    for (file, text) in [("alerts.yml", ALERTS), ("grafana.json", DASHBOARD)] {
        let named = named(text);
        assert!(named.len() > 10, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{file} names what is not there: {unknown:?}");
    }
    // Nothing is measured that nobody would see.
    let families = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for family in families.map(|line| line.split(' ').next().unwrap()) {
        assert!(DASHBOARD.contains(family), "{family} is not on the dashboard");
    }
    tool("promtool", &["check", "metrics"], &scrape);
}

#[test]
fn the_alert_rules_are_right() {
    tool("promtool", &["check", "rules", "config/alerts.yml"], "");
    tool("promtool", &["test", "rules", "config/alerts-test.yml"], "");
    let tests = include_str!("../../config/alerts-test.yml");
    for alert in alerts() {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} is not tried");
    }
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 20);
}

fn alerts() -> Vec<&'static str> {
    ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn every_alert_has_its_entry_in_the_runbook_and_links_there() {
    assert!(alerts().len() > 10);
    for alert in alerts() {
        let link = format!("runbook.md#{}\n", alert.to_ascii_lowercase());
        assert!(ALERTS.contains(&link), "{alert} does not link to its entry");
        assert!(entries().iter().any(|(head, _)| *head == alert), "{alert} has no entry");
    }
    let words = ["severity:", "summary:", "description:", "runbook_url:"];
    for word in words {
        assert_eq!(ALERTS.matches(word).count(), alerts().len() + usize::from(word == words[0]));
    }
}

/// Each entry of the runbook: its heading and its text.
fn entries() -> Vec<(&'static str, &'static str)> {
    let entries = RUNBOOK.split("\n### ").skip(1);
    entries.map(|entry| entry.split_once('\n').unwrap()).collect()
}

#[test]
fn every_sentence_of_health_has_its_entry_in_the_runbook() {
    let quotes: Vec<_> = RUNBOOK.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    let sentences: Vec<_> = SENTENCES
        .lines()
        .filter(|line| line.starts_with("warn ") || line.starts_with("fail "))
        .map(|line| line.split_once(": ").unwrap().1)
        .collect();
    assert!(sentences.len() > 20);
    for sentence in &sentences {
        assert!(quotes.iter().any(|quote| fits(quote, sentence)), "no entry for {sentence:?}");
    }
    for quote in quotes {
        let is_said = sentences.iter().any(|sentence| fits(quote, sentence));
        assert!(is_said, "health says no such thing as {quote:?}");
    }
    for (head, text) in entries() {
        for part in ["**Means.**", "**Do.**", "**Helped when**"] {
            assert!(text.contains(part), "{head} lacks {part}");
        }
    }
}

/// Whether `sentence` is `quote` with something for each `…`.
fn fits(quote: &str, sentence: &str) -> bool {
    let mut parts = quote.split('…');
    let Some(mut rest) = sentence.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.is_empty() || quote.ends_with('…')
}

#[test]
fn every_block_of_the_install_guide_is_run_or_says_why_not() {
    let lines: Vec<_> = INSTALL.lines().collect();
    let mut inside = false;
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("```")) {
        inside = !inside;
        if inside {
            let mark = lines[at - 1];
            let marked =
                mark.starts_with("<!-- run: ") || mark.starts_with("<!-- not run: it takes ");
            assert!(marked, "line {}: {line}", at + 1);
        }
    }
    let test = fs::read_to_string(repository().join("packaging/test")).unwrap();
    for name in lines.iter().filter_map(|line| line.strip_prefix("<!-- run: ")) {
        let name = name.strip_suffix(" -->").unwrap();
        let calls = [format!("step {name}\n"), format!("block {name} ")];
        let elsewhere = ["packaging/test", "tests/run"];
        let is_run = elsewhere.contains(&name) || calls.iter().any(|call| test.contains(call));
        assert!(is_run, "packaging/test does not run {name}");
    }
}

/// The text of the guide's one block that is run here.
fn block_run_here() -> &'static str {
    let (_, rest) = INSTALL.split_once("<!-- run: tests/run -->\n```sh\n").unwrap();
    rest.split_once("\n```").unwrap().0
}

#[tokio::test]
async fn the_guides_webhooks_bring_a_call() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim).set("enforcement.reconcile_every", "0s");
    let daemon = Daemon::start(config).await;
    let home = daemon.home().path();
    let binary = Path::new(env!("CARGO_BIN_EXE_callwarden")).parent().unwrap();
    let block = block_run_here()
        .replace("/etc/callwarden", home.to_str().unwrap())
        .replace("https://warden.example.com", &format!("http://{}", daemon.addr()))
        .replace("your-agent-id", "agent-1");
    let text = format!("PATH={}:$PATH\n{block}", binary.display());
    let run = move || {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &text]);
        bash.env("CALLWARDEN_CONFIG", "callwarden.toml").output()
    };
    let ran = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let call = sim.place(talking());
    daemon.until_state(&call, "live").await;
    daemon.stop().await;
}

//! §2 `callwarden calls` and `callwarden history`.

use serde_json::Value;

use crate::harness::{Command, ConfigFile, Daemon, Home, Output};

/// A daemon whose config file names the admin port that it got.
async fn started() -> (Daemon, Home) {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let home = daemon.home().clone();
    home.write(&ConfigFile::new().set("admin.listen", daemon.admin_addr().to_string()));
    (daemon, home)
}

fn cli(home: &Home, line: &str) -> Output {
    let arguments: Vec<_> = line.split(' ').collect();
    let config = home.path().join("callwarden.toml");
    Command::new_in(home, &arguments).env("CALLWARDEN_CONFIG", config).env("COLUMNS", "40").run()
}

#[track_caller]
fn fine(output: &Output) -> &str {
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.all());
    &output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_listed_shown_extended_released_and_ended() {
    let (daemon, home) = started().await;
    assert_eq!(fine(&cli(&home, "calls list")), "No calls are under way.\n");
    for call in ["a-call-with-quite-a-long-name-of-its-own", "b", "c"] {
        assert_eq!(daemon.event("phone_call_started", call).await, "tracked");
    }
    let list = cli(&home, "calls list");
    let lines: Vec<_> = fine(&list).lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 40), "{lines:#?}");
    assert!(lines.len() >= 4 && !list.stdout.contains('\u{1b}'), "{lines:#?}");
    let json: Value = serde_json::from_str(fine(&cli(&home, "calls list --json"))).unwrap();
    assert_eq!(json["calls"].as_array().unwrap().len(), 3);

    let before = daemon.call("b").await["deadline"].clone();
    assert!(fine(&cli(&home, "calls extend b 15m")).starts_with("b may go on until "));
    assert_ne!(daemon.call("b").await["deadline"], before);
    let shown = cli(&home, "calls show b");
    assert!(fine(&shown).contains("deadline_set") && shown.stdout.contains("(operator)"));
    assert_eq!(fine(&cli(&home, "calls release b")), "b is out of enforcement.\n");
    assert_eq!(daemon.call("b").await["state"], "released");
    assert_eq!(fine(&cli(&home, "calls end c")), "c is told to end.\n");
    let dry = cli(&home, "calls end --all --dry-run");
    assert!(fine(&dry).contains("would be told to end"), "{}", dry.all());
    let agents = cli(&home, "calls end --agent agent-1 --json");
    assert!(serde_json::from_str::<Value>(fine(&agents)).unwrap()["id"].is_string());
    assert_eq!(daemon.event("phone_call_ended", "c").await, "ended");
    daemon
        .until("it is in the history", async || {
            !daemon.api("/api/history?outcome=completed").await.json()["calls"][0].is_null()
                || !daemon.api("/api/history").await.json()["calls"][0].is_null()
        })
        .await;
    let history = cli(&home, "history --since 1h");
    assert!(fine(&history).lines().all(|line| line.chars().count() <= 40), "{}", history.all());
    assert!(history.stdout.contains('c'), "{}", history.all());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_has_its_exit_code_and_a_sentence() {
    let (daemon, home) = started().await;
    let unknown = cli(&home, "calls show nobody");
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
    assert!(unknown.stderr.contains("no call nobody is known"), "{}", unknown.stderr);
    assert_eq!(cli(&home, "calls end").code, 2);
    assert_eq!(cli(&home, "calls end x --all").code, 2);
    assert_eq!(cli(&home, "calls extend x 5M").code, 2);
    assert_eq!(cli(&home, "history --outcome nonsense").code, 1);
    std::fs::write(home.path().join("admin-token"), "wrong-0123456789abcdef\n").unwrap();
    let wrong = cli(&home, "calls list");
    assert_eq!(wrong.code, 1, "{}", wrong.all());
    assert!(wrong.stderr.contains("token"), "{}", wrong.stderr);
    daemon.stop().await;
    let down = cli(&home, "calls list");
    assert_eq!(down.code, 69, "{}", down.all());
    home.write(&ConfigFile::new().remove("admin"));
    assert_eq!(cli(&home, "calls list").code, 78);
}

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

const LONG: &str = "a-call-with-a-name-of-its-own-that-is-longer-than-most-terminals-are-wide-and-\
                    would-be-broken-over-lines-there";

#[track_caller]
fn fine(output: &Output) -> &str {
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.all());
    &output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_listed_shown_extended_released_and_ended() {
    let (daemon, home) = started().await;
    assert_eq!(fine(&cli(&home, "calls list")), "No calls are under way.\n");
    for call in [LONG, "b", "c"] {
        assert_eq!(daemon.event("phone_call_started", call).await, "tracked");
    }
    let list = cli(&home, "calls list");
    let lines: Vec<_> = fine(&list).lines().collect();
    // A heading and a line a call: whoever reads a pipe looks for lines.
    assert!(lines.len() == 4 && !list.stdout.contains('\u{1b}'), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains(LONG)), "{lines:#?}");
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
    assert_eq!(fine(&history).lines().count(), 3, "{}", history.all());
    assert!(history.stdout.contains('c'), "{}", history.all());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_has_its_exit_code_and_a_sentence() {
    let (daemon, home) = started().await;
    let unknown = cli(&home, "calls show nobody");
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
    assert!(unknown.stderr.contains("no call nobody is known"), "{}", unknown.stderr);
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

#[test]
fn what_no_daemon_could_take_is_an_error_of_the_command_line() {
    let home = Home::new();
    for (line, said) in [
        ("calls end", "<ID|"),
        ("calls end x --all", "cannot be used with"),
        ("calls end --agent a/b", "only A-Z a-z 0-9 _ and - are allowed"),
        ("calls list --state zz", "live, stopping, confirming, observing, released, ended"),
        ("calls list --agent a/b", "only A-Z a-z 0-9 _ and - are allowed"),
        ("calls extend x 5M", "a capital M means months"),
        ("calls extend x 0s", "not between 1s and 30d"),
        ("calls extend x 31d", "not between 1s and 30d"),
        ("history --outcome zz", "completed, not_connected, stopped"),
        ("history --since zz", "as 90m, or an RFC 3339 time"),
    ] {
        let output = cli(&home, line);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{line}: {}", output.all());
        assert!(output.stderr.contains(said), "{line}: {}", output.stderr);
    }
}

/// `calls end ..` pulled the kill switch: the URL of the order ended up as that of all orders.
#[test]
fn an_id_that_a_path_cannot_name_is_refused() {
    let home = Home::new();
    for line in ["calls show", "calls end", "calls release", "calls extend", "explain --call"] {
        for (id, said) in [(".", "cannot name"), ("..", "cannot name"), ("", "")] {
            let mut arguments: Vec<_> = line.split(' ').collect();
            arguments.push(id);
            arguments.extend(line.ends_with("extend").then_some("5m"));
            let output = Command::new_in(&home, &arguments).run();
            assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{line} {id:?}");
            assert!(output.stderr.contains(said), "{line} {id:?}: {}", output.stderr);
        }
    }
}

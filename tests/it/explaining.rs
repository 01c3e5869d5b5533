//! §2, §6 `callwarden explain`: of a body and of a call that is tracked, which say the same.

use callwarden::sim::{Script, Wait};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    harness::{Command, ConfigFile, Daemon, Home, Output, Platform, now_and},
    seen::{listed, silent},
};

fn with_rules(config: ConfigFile) -> ConfigFile {
    let rules = toml::from_str::<toml::Table>(
        r#"
[[rule]]
name = "tests"
when = { testing = true }
action = "observe"
[[rule]]
name = "gold"
when = { to = "+55*", context.account.plan = "gold" }
limits = { total = "2h" }
[[rule]]
name = "trial"
when = { to = ["+49*", "+351*"], context.account.plan = "trial" }
limits = { total = "10m", ringing = "45s" }
override = { field = "/context/longest", at_most = "20m" }
[[rule]]
name = "the rest"
"#,
    );
    config.set("rule", rules.unwrap()["rule"].clone()).set("limits.voicemail", "15s")
}

/// A daemon whose config file names the admin port that it got.
async fn started(config: ConfigFile) -> (Daemon, Home) {
    let daemon = Daemon::start(config.clone()).await;
    let home = daemon.home().clone();
    home.write(&config.set("admin.listen", daemon.admin_addr().to_string()));
    (daemon, home)
}

fn explain(home: &Home, arguments: &[&str]) -> Output {
    let config = home.path().join("callwarden.toml");
    let arguments = [&["explain"], arguments].concat();
    Command::new_in(home, &arguments).env("CALLWARDEN_CONFIG", config).run()
}

#[track_caller]
fn text(output: &Output) -> String {
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.all());
    output.stdout.clone()
}

#[track_caller]
fn json_of(output: &Output) -> Value {
    serde_json::from_str(&text(output)).unwrap()
}

/// Times are not the same twice.
fn timeless(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(['"', ',']);
        let is_time = bare.parse::<jiff::Timestamp>().is_ok();
        if is_time { word.replace(bare, "TIME") } else { word.to_owned() }
    };
    text.split(' ')
        .map(|part| part.split('\n').map(word).collect::<Vec<_>>().join("\n"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracked_call_is_explained_as_the_body_that_told_of_it() {
    let (daemon, home) = started(with_rules(ConfigFile::new())).await;
    let body = json!({
        "event": "event_phone_call_started", "call_id": "c-1", "agent_id": "agent-1",
        "timestamp": now_and(-1_000), "to": "+4915112345678", "direction": "outbound",
        "context": { "account": { "plan": "trial" }, "longest": "12m", "unasked": "secret" },
    });
    assert_eq!(daemon.webhook().json(&body).send().await.result(), "tracked");
    std::fs::write(home.path().join("body.json"), body.to_string()).unwrap();

    let of_body = json_of(&explain(&home, &["body.json", "--json"]));
    let of_call = json_of(&explain(&home, &["--call", "c-1", "--json"]));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&of_call), keys(&of_body));
    assert_eq!(keys(&of_call["read"]), keys(&of_body["read"]));
    for key in ["rule", "limits", "override", "action", "provisional", "state", "outcome", "limit"]
    {
        assert_eq!(of_call[key], of_body[key], "{key}");
    }
    assert_eq!(of_call["deadline"], of_body["deadline"]);
    assert_eq!(of_call["deadline"], daemon.call("c-1").await["deadline"]);
    // What only operators see through the API has its numbers masked, and of the context only what
    // rules name is in memory.
    let masked = of_body["rules"].to_string().replace("+4915112345678", "**********5678");
    assert_eq!(of_call["rules"].to_string(), masked);
    assert_eq!(of_call["read"]["to"], json!({"at": null, "value": "**********5678"}));
    assert_eq!(
        of_call["read"]["context"]["value"],
        json!({"account": {"plan": "trial"}, "longest": "12m"})
    );
    assert_eq!(of_call, daemon.api("/api/calls/c-1/explain").await.json());
    insta::assert_snapshot!("text", timeless(&text(&explain(&home, &["--call", "c-1"]))));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_did_and_how_it_ended_is_told() {
    let (daemon, home) = started(with_rules(ConfigFile::new())).await;
    for call in ["extended", "released", "over"] {
        assert_eq!(daemon.event("phone_call_started", call).await, "tracked");
    }
    let config = home.path().join("callwarden.toml");
    for line in ["calls extend extended 15m", "calls release released"] {
        let arguments: Vec<_> = line.split(' ').collect();
        let output =
            Command::new_in(&home, &arguments).env("CALLWARDEN_CONFIG", config.clone()).run();
        assert_eq!(output.code, 0, "{}", output.all());
    }
    assert_eq!(daemon.event("phone_call_ended", "over").await, "ended");
    let told = ["extended", "released", "over"]
        .map(|call| timeless(&text(&explain(&home, &["--call", call]))));
    insta::assert_snapshot!("operator", told.join("\n=====\n"));
    let extended = json_of(&explain(&home, &["--call", "extended", "--json"]));
    assert_eq!(extended["operator"]["deadline"], extended["deadline"]);
    assert_eq!((&extended["limit"], &extended["rule"]), (&json!("operator"), &json!("the rest")));

    // A call that only the store remembers is explained alike.
    let before = json_of(&explain(&home, &["--call", "over", "--json"]));
    daemon.stop().await;
    let config = with_rules(ConfigFile::new());
    let daemon = Daemon::start_in(home.clone(), config.clone()).await;
    home.write(&config.set("admin.listen", daemon.admin_addr().to_string()));
    assert_eq!(json_of(&explain(&home, &["--call", "over", "--json"])), before);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_yet_is_provisional_and_a_reload_is_told_at_once() {
    let sim = Platform::start().await;
    let config = listed(&sim);
    let (daemon, home) = started(with_rules(config.clone())).await;
    let call = sim.place(Script { to: Some("+4915112345678".to_owned()), ..silent() });
    sim.until(Wait::Status { call: call.clone(), status: "answered".to_owned() }).await;
    daemon.until_state(&call, "live").await;
    let why = json_of(&explain(&home, &["--call", &call, "--json"]));
    assert_eq!(why["provisional"], true, "{why:#}");
    assert!(why["rules"].to_string().contains("is not known yet"), "{why:#}");

    let after = config
        .set("admin.listen", daemon.admin_addr().to_string())
        .set("limits.total", "7m")
        .set("limits.connected", "3m");
    home.write(&after);
    daemon.signal(Signal::HUP);
    daemon.until_logged("the config was read anew").await;
    let why = json_of(&explain(&home, &["--call", &call, "--json"]));
    assert_eq!(why["rules"], json!([]));
    assert_eq!((&why["limit"], &why["provisional"]), (&json!("connected"), &json!(false)));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_has_its_exit_code_and_a_sentence() {
    let (daemon, home) = started(ConfigFile::new()).await;
    let unknown = explain(&home, &["--call", "nobody"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
    assert!(unknown.stderr.contains("no call nobody is known"), "{}", unknown.stderr);
    assert_eq!(daemon.api("/api/calls/nobody/explain").await.status, 404);
    assert_eq!(daemon.api("/api/calls/nobody/explain?x=1").await.status, 422);
    assert_eq!(explain(&home, &["--call", "nobody", "body.json"]).code, 2);
    let right = std::fs::read(home.path().join("admin-token")).unwrap();
    std::fs::write(home.path().join("admin-token"), "wrong-0123456789abcdef\n").unwrap();
    let wrong = explain(&home, &["--call", "nobody"]);
    assert_eq!(wrong.code, 1, "{}", wrong.all());
    assert!(wrong.stderr.contains("token"), "{}", wrong.stderr);
    std::fs::write(home.path().join("admin-token"), right).unwrap();
    daemon.stop().await;
    assert_eq!(explain(&home, &["--call", "nobody"]).code, 69);
    home.write(&ConfigFile::new().remove("admin"));
    assert_eq!(explain(&home, &["--call", "nobody"]).code, 78);
}

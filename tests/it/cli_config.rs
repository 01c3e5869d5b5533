//! §2 `check`, `init`; §3: the config file, through the real binary.

use std::fs;

use crate::harness::{Command, ConfigFile, Home, Output, SECRETS};

/// Runs `check` on a config of this text.
fn check(text: &str, more: &[&str]) -> Output {
    check_in(&Home::new(), text, more)
}

fn check_in(home: &Home, text: &str, more: &[&str]) -> Output {
    let path = home.write_text(text);
    let arguments = [&["check", "--config", path.to_str().unwrap()], more].concat();
    Command::new_in(home, &arguments).run()
}

#[test]
fn check_says_what_a_config_amounts_to() {
    let text = ConfigFile::new()
        .set("server.max_connections", 64)
        .set("limits.ringing", "45s")
        .set("limits.voicemail", "15s")
        .set("limits.after.conversation_ended", "20s")
        .text();
    insta::assert_snapshot!(check(&text, &[]).all());
}

#[test]
fn check_prints_the_effective_config_without_secrets() {
    let text = ConfigFile::new().set("server.max_connections", 64).text();
    let output = check(&text, &["--print"]);
    assert_eq!(output.code, 0);
    for (_, secret) in SECRETS {
        assert!(!output.all().contains(secret), "{secret}");
    }
    insta::assert_snapshot!(output.stdout);
    // What it prints is a config that means the same.
    let again = check(&output.stdout.replace("HOME/", ""), &["--print"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn check_denies_warnings_where_it_is_told_to() {
    let text = ConfigFile::new()
        .set("server.max_connections", 64)
        .set("limits.total", "500ms")
        .set("limits.talking", "1h")
        .text();
    let told = check(&text, &[]);
    let denied = check(&text, &["--deny-warnings"]);
    assert_eq!((told.code, denied.code), (0, 1));
    assert_eq!(told.stderr, denied.stderr);
    insta::assert_snapshot!(told.stderr);
    // Hints are no warnings.
    let fine = ConfigFile::new().set("server.max_connections", 64).text();
    let hinted = check(&fine, &["--deny-warnings"]);
    assert_eq!(hinted.code, 0, "{}", hinted.stderr);
    assert!(hinted.stderr.contains("hint:"), "{}", hinted.stderr);
}

/// A rule that an earlier one shadows, a limit that is never the earliest, the back-stop, and a quota
/// that cannot clear the calls there may be.
#[test]
fn check_advises_on_rules_limits_back_stop_and_quota() {
    let usual = ConfigFile::new().set("server.max_connections", 64).set("server.max_calls", 5_000);
    let rules = |text: &str| toml::from_str::<toml::Table>(text).unwrap()["rule"].clone();
    let shadowed = rules(
        "[[rule]]\nname = \"brazil\"\nwhen = { to = \"+55*\" }\nlimits = { total = \"20m\" }\n\
         [[rule]]\nname = \"sao paulo\"\nwhen = { to = \"+5511*\", testing = true }\n",
    );
    let late = rules(
        "[[rule]]\nname = \"trial\"\nwhen = { context.plan = \"trial\" }\n\
         limits = { total = \"10m\", voicemail = \"10m\" }\n",
    );
    let narrow = usual.clone().set("platform.requests", "100/min");
    let mut told = String::new();
    for (config, code) in
        [(usual.clone().set("rule", shadowed), 1), (usual.set("rule", late), 1), (narrow, 0)]
    {
        let output = check(&config.text(), &["--deny-warnings"]);
        assert_eq!(output.code, code, "{}", output.all());
        told += &format!("{}\n", output.stderr);
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_init_prints_passes_check_once_its_secrets_are_there() {
    let example = Command::new(&["init"]).run();
    assert_eq!((example.code, example.stderr.as_str()), (0, ""));
    let home = Home::new();
    let path = home.write_text(&example.stdout);
    let check = || Command::new_in(&home, &["check", "--config", path.to_str().unwrap()]);

    let without = check().run();
    assert_eq!(without.code, 78);
    insta::assert_snapshot!(without.stderr);

    let with = check().env("CREDENTIALS_DIRECTORY", home.path()).run();
    assert_eq!(with.code, 0, "{}", with.stderr);
}

#[test]
fn what_init_prints_with_secrets_from_the_environment_passes_check() {
    let example = Command::new(&["init"]).run().stdout;
    let text = example
        .replace("{ credential = \"platform-token\" }", "{ env = \"TOKEN\" }")
        .replace("{ credential = \"webhook-secret\" }", "{ env = \"HOOK\" }");
    assert_ne!(text, example);
    let home = Home::new();
    let path = home.write_text(&text);
    let check = Command::new_in(&home, &["check"]).env("CALLWARDEN_CONFIG", path);
    let output = check.env("TOKEN", "0123456789abcdef").env("HOOK", "0123456789abcdef").run();
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn every_mistake_of_a_file_is_shown_at_once_with_its_place_and_its_mend() {
    let text = r#"[server]
listen = "localhost"
max_call = 5
max_connections = "many"

[platform]
base_url = "http://platform.example.com"
token = "inline-secret-0123456789"
requests = "100/day"

[webhook]
secret = { env = "HOOK", file = "webhook-secret" }
signature_encoding = "base32"
max_age = 7200

[store]
url = "mysql://x"
history = "7d"

[limits]
total = "31d"
ringing = "soon"
after = { something_new = "1s" }

[serve]
x = 1
"#;
    let output = check(text, &[]);
    assert_eq!((output.code, output.stdout.as_str()), (78, ""));
    assert!(!output.stderr.contains("inline-secret"), "a secret in the file is not shown");
    insta::assert_snapshot!(output.stderr);
}

#[test]
fn what_this_version_does_not_have_yet_is_an_error_of_its_own() {
    let mut shown = String::new();
    for (key, value) in [
        ("store.url", toml::Value::from("postgres://localhost/x")),
        ("heartbeat.url", "https://example.com".into()),
    ] {
        let output = check(&ConfigFile::new().set(key, value).text(), &[]);
        assert_eq!(output.code, 78, "{key}");
        assert!(output.stderr.contains("not supported by this version"), "{}", output.stderr);
        shown += &format!("{}\n", output.stderr);
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_file_that_is_no_config_is_told_so() {
    let mut shown = String::new();
    for text in ["[server\n", "listen = \"a\" b\n", "= 1\n", "\u{feff}[server]\nx=1\n", ""] {
        let output = check(text, &[]);
        assert_eq!(output.code, 78, "{text}");
        shown += &format!("# {text:?}\n{}\n", output.stderr);
    }
    let home = Home::new();
    let path = home.write_text("");
    fs::write(&path, b"[server]\n# \xff\n").unwrap();
    let output = Command::new_in(&home, &["check", "--config", path.to_str().unwrap()]).run();
    assert_eq!(output.code, 78);
    shown += &format!("# bytes\n{}\n", output.stderr);
    insta::assert_snapshot!(shown);
}

#[test]
fn a_missing_file_is_told_with_its_path() {
    let mut shown = String::new();
    for command in ["check", "run", "healthcheck"] {
        let output = Command::new(&[command, "--config", "nowhere/x.toml"]).run();
        assert_eq!((output.code, output.stdout.as_str()), (78, ""), "{command}");
        shown += &output.stderr;
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn secrets_that_cannot_be_had_are_told_by_check_and_run_alike() {
    let text = ConfigFile::new()
        .set("platform.token.file", "nowhere")
        .set("webhook.secret.file", "short")
        .set("webhook.previous_secret.env", "UNSET")
        .set("admin.token.file", "broken")
        .text();
    let home = Home::new();
    fs::write(home.path().join("short"), "15 bytes, short\n").unwrap();
    fs::write(home.path().join("broken"), "0123456789\n0123456789\n").unwrap();
    let checked = check_in(&home, &text, &[]);
    let path = home.path().join("callwarden.toml");
    let run = Command::new_in(&home, &["run", "--config", path.to_str().unwrap()]).run();
    assert_eq!((checked.code, run.code), (78, 78));
    assert_eq!(checked.stderr, run.stderr);
    assert!(!checked.stderr.contains("15 bytes, short"), "nothing of a secret is shown");
    insta::assert_snapshot!(checked.stderr);
}

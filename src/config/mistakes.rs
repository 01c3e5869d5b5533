//! Every kind of mistake a config file can hold, as the user sees it: the snapshots are to be
//! read for the place, what was found, what was expected, and the mend.

use std::{collections::BTreeMap, fs, path::Path};

use super::*;

const GOOD: &str = r#"[server]
[platform]
token = { env = "TOKEN" }
[webhook]
secret = { env = "SECRET" }
[store]
[enforcement]
[limits]
total = "30m"
"#;

/// A good file with `lines` under `[section]`.
fn with(section: &str, lines: &str) -> String {
    let header = format!("[{section}]\n");
    if GOOD.contains(&header) {
        return GOOD.replace(&header, &format!("{header}{lines}\n"));
    }
    format!("{GOOD}{header}{lines}\n")
}

/// A good file with a rule of these lines.
fn rule(lines: &str) -> String {
    format!("{GOOD}[[rule]]\n{lines}\n")
}

/// A good file with `line` in place of the one that sets `key`.
fn instead(key: &str, line: &str) -> String {
    let lines: Vec<_> =
        GOOD.lines().map(|good| if good.starts_with(key) { line } else { good }).collect();
    lines.join("\n")
}

fn env() -> BTreeMap<String, String> {
    ["TOKEN", "SECRET"].map(|name| (name.to_owned(), "0123456789abcdef".to_owned())).into()
}

fn shown(text: String) -> String {
    let path = Path::new("callwarden.toml");
    match parse(path, text, &env()).and_then(|config| config.check_secrets(&env())) {
        Ok(()) => panic!("there is no mistake"),
        Err(errors) => errors.to_string(),
    }
}

macro_rules! mistakes {
    ($( $name:ident: $text:expr; )+) => { $(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), shown($text));
        }
    )+ };
}

#[test]
fn the_file_they_are_made_in_is_good() {
    let path = Path::new("callwarden.toml");
    let config = parse(path, GOOD.to_owned(), &env()).unwrap();
    config.check_secrets(&env()).unwrap();
}

// The file and its syntax.
mistakes! {
    an_empty_file: String::new();
    syntax_unclosed_string: with("server", "listen = \"127.0.0.1:8080");
    syntax_unquoted: with("limits", "ringing = 45s");
    syntax_duplicate_key: with("limits", "total = \"10m\"");
    syntax_hides_an_inline_secret: instead("secret", "secret = \"hunter2hunter2hunter2");
    syntax_hides_the_next_line: instead("secret", "secret =\n\"hunter2hunter2hunter2\"");
    syntax_and_an_unknown_key: with("server", "lisen = \"127.0.0.1:8080\"\nmax_calls = many");
    all_at_once: "[server]\nlisten = 8080\nmax_cals = 5\n[platfrom]\n[limits]\ntotal = \"10M\"\n"
        .to_owned();
}

// Keys.
mistakes! {
    unknown_key_near: with("server", "lisen = \"127.0.0.1:8080\"");
    unknown_key_far: with("platform", "colour = \"blue\"");
    unknown_section_near: with("limit", "total = \"30m\"");
    unknown_section_far: with("plugins", "x = 1");
    unknown_key_in_inline_table: with("webhook", "require_header = { nme = \"A\", value = { env = \"SECRET\" } }");
    unknown_event: with("limits", "after = { conversation_end = \"20s\" }");
    unknown_event_with_prefix: with("limits", "after = { event_participant_left = \"20s\" }");
    unknown_key_hides_its_value: with("platform", "tokn = \"hunter2hunter2hunter2\"");
    missing_token: instead("token", "");
    missing_section: "[platform]\ntoken = { env = \"TOKEN\" }\n[webhook]\nsecret = { env = \"SECRET\" }\n".to_owned();
    missing_total: instead("total", "");
    missing_admin_token: with("admin", "listen = \"127.0.0.1:8081\"");
    missing_admin_listen: with("admin", "token = { env = \"TOKEN\" }");
}

// Types and values.
mistakes! {
    section_that_is_a_value: format!("store = 5\n{}", GOOD.replace("[store]\n", ""));
    section_that_is_a_list: GOOD.replace("[limits]", "[[limits]]");
    number_as_string: with("server", "max_calls = \"1000\"");
    number_negative: with("server", "max_calls = -1");
    number_too_large: with("server", "max_connections = 99999999999999999999");
    boolean_as_string: with("server", "open_metrics = \"true\"");
    duration_as_number: with("platform", "timeout = 10");
    duration_without_unit: with("platform", "timeout = \"10\"");
    duration_unreadable: with("platform", "timeout = \"ten seconds\"");
    duration_capital_m: instead("total", "total = \"10M\"");
    duration_too_long: instead("total", "total = \"31d\"");
    duration_too_short: with("limits", "ringing = \"99ms\"");
    duration_after_event: with("limits", "after = { participant_left = 15 }");
    history_too_short: with("store", "history = \"30d\"");
    address_without_host: with("server", "listen = \":8080\"");
    address_of_a_name: with("server", "listen = \"warden.example.com:8080\"");
    address_as_number: with("server", "listen = 8080");
    url_http: with("platform", "base_url = \"http://app.talkover.ai/api/v1\"");
    url_without_scheme: with("server", "public_url = \"warden.example.com\"");
    url_with_query: with("platform", "base_url = \"https://app.talkover.ai/api/v1?x=1\"");
    url_with_password: with("platform", "base_url = \"https://me:hunter2@app.talkover.ai\"");
    quota_unreadable: with("platform", "requests = \"100 per minute\"");
    quota_of_nothing: with("platform", "requests = \"0/s\"");
    host_with_scheme: with("admin", "listen = \"127.0.0.1:8081\"\ntoken = { env = \"TOKEN\" }\nhosts = [\"https://warden\", \"ok.example.com\", 5]");
    scheme_unknown: with("webhook", "scheme = \"svix\"");
    encoding_unknown: with("webhook", "signature_encoding = \"base46\"");
    header_name_with_colon: with("webhook", "signature_header = \"X-Signature: \"");
    pointer_without_slash: with("webhook.fields", "call_id = [\"call.id\", \"/ok\", \"/a~2\"]");
    pointers_as_string: with("webhook.fields", "call_id = \"/call/id\"");
    store_without_scheme: with("store", "url = \"callwarden.db\"");
    store_of_another_scheme: with("store", "url = \"mysql://me:hunter2@db/calls\"");
}

// Rules.
mistakes! {
    rule_with_one_bracket: with("rule", "name = \"trial\"");
    rule_without_name: rule("when = { agent = \"a\" }");
    rule_of_an_empty_name: rule("name = \" \"");
    rule_names_twice: format!("{}[[rule]]\nname = \"it\"\n", rule("name = \"it\""));
    rule_unknown_keys: rule("name = \"it\"\nwhn = {}\nlimits = { totl = \"5m\", unlimited = true }");
    rule_action_unknown: rule("name = \"it\"\naction = \"observ\"");
    rule_action_unknown_far: rule("name = \"it\"\naction = \"stop\"");
    rule_override_without_at_most: rule("name = \"it\"\noverride = { field = \"/context/max\" }");
    rule_override_elsewhere: rule("name = \"it\"\noverride = { field = \"/to\", at_most = \"5m\" }");
    rule_override_too_long: rule("name = \"it\"\noverride = { field = \"context.max\", at_most = \"31d\" }");
    when_unknown_field: rule("name = \"it\"\nwhen = { agnt = \"a\", plan = \"x\" }");
    when_of_another_type: rule("name = \"it\"\nwhen = { to = 55, testing = \"true\", agent = { present = true } }");
    when_with_a_date: rule("name = \"it\"\nwhen = { context.since = 2026-01-01, context.list = [1, [2]] }");
    when_with_nothing: rule("name = \"it\"\nwhen = { to = [], context.plan = {}, context.x = nan }");
    when_absent_in_a_list: rule("name = \"it\"\nwhen = { context.plan = [\"a\", { absent = true }] }");
    when_is_no_table: rule("name = \"it\"\nwhen = \"to = +55\"");
    when_with_a_nul: rule("name = \"it\"\nwhen = { to = \"a\\u0000\" }");
    until_without_timezone: with("limits", "until = { time = \"20:00\" }");
    until_of_no_time: with("limits", "until = { time = \"8pm\", timezone = \"Europe/Berlin\" }");
    until_of_a_bare_time: with("limits", "until = { time = 20:00:00, timezone = \"Europe/Berlin\" }");
    until_at_midnight: with("limits", "until = { time = \"24:00\", timezone = \"Europe/Berlin\" }");
    until_of_no_zone: with("limits", "until = { time = \"20:00\", timezone = \"Europe/Berln\" }");
    until_of_an_offset: with("limits", "until = { time = \"20:00\", timezone = \"-03:00\" }");
}

// What this version lacks.
mistakes! {
    unsupported_postgres: with("store", "url = \"postgres://me:hunter2@db/calls\"");
    unsupported_sections: format!("{GOOD}[notify]\nurl = \"https://x\"\n[heartbeat]\n[coverage]\n");
    surge_limit_of_more_than_all: with("enforcement", "surge_limit = \"120%\"");
    surge_limit_without_unit: with("enforcement", "surge_limit = 0.2");
}

// TLS.
mistakes! {
    tls_without_key: with("server", "tls = { certificate = \"cert.pem\" }");
    tls_key_inline: with("server", "tls = { certificate = \"cert.pem\", key = \"hunter2hunter2hunter2\" }");
    tls_as_flag: with("server", "tls = true");
    tls_certificate_not_there: with("server", "tls = { certificate = \"/nowhere/cert.pem\", key = { env = \"TOKEN\" } }");
}

// Secrets.
mistakes! {
    secret_inline: instead("token", "token = \"hunter2hunter2hunter2\"");
    secret_in_header_inline: with("webhook", "require_header = { name = \"Authorization\", value = \"Bearer hunter2\" }");
    secret_of_two_places: instead("token", "token = { env = \"TOKEN\", file = \"/etc/token\" }");
    secret_of_no_place: instead("token", "token = {}");
    secret_of_an_unknown_place: instead("token", "token = { environment = \"TOKEN\" }");
    secret_variable_with_dollar: instead("token", "token = { env = \"$TOKEN\" }");
    secret_credential_with_path: instead("token", "token = { credential = \"/run/token\" }");
    secret_variable_not_set: instead("token", "token = { env = \"NOT_SET\" }");
    secret_file_not_there: instead("token", "token = { file = \"/nowhere/token\" }");
    secret_without_credentials: instead("token", "token = { credential = \"platform-token\" }");
}

// What doesn't go together.
mistakes! {
    nothing_proves_webhooks: instead("secret", "");
    unsigned_off_loopback: "[server]\nlisten = \"0.0.0.0:8080\"\n[platform]\ntoken = { env = \"TOKEN\" }\n[webhook]\nallow_unsigned = true\n[limits]\ntotal = \"1h\"\n".to_owned();
    previous_secret_alone: instead("secret", "previous_secret = { env = \"SECRET\" }\nrequire_header = { name = \"a\", value = { env = \"SECRET\" } }");
    two_listeners_on_one_port: with("admin", "listen = \"127.0.0.1:8080\"\ntoken = { env = \"TOKEN\" }");
    given_up_before_asked: with("enforcement", "confirm_within = \"2m\"\ngive_up_after = \"1m\"");
    unlimited_with_total: with("limits", "unlimited = true");
    no_pointer_to_a_call: with("webhook.fields", "call_id = []\nsid = []");
}

#[test]
fn a_secret_that_is_too_short() {
    let path = Path::new("callwarden.toml");
    let config = parse(path, GOOD.to_owned(), &env()).unwrap();
    let mut env = env();
    env.insert("TOKEN".to_owned(), "short".to_owned());
    env.insert("SECRET".to_owned(), "two\nlines in one secret".to_owned());
    let errors = config.check_secrets(&env).unwrap_err();
    insta::assert_snapshot!(errors.to_string());
}

#[test]
fn a_secret_store_that_is_none() {
    let path = Path::new("callwarden.toml");
    let text = with("store", "url = { env = \"STORE\" }");
    let config = parse(path, text, &env()).unwrap();
    let mut env = env();
    env.insert("STORE".to_owned(), "mysql://me:hunter2@db/calls".to_owned());
    let errors = config.check_secrets(&env).unwrap_err();
    insta::assert_snapshot!(errors.to_string());
}

#[test]
fn a_file_that_is_not_there() {
    let errors = load(Path::new("/nowhere/callwarden.toml"), &env()).unwrap_err();
    insta::assert_snapshot!(errors.to_string());
}

#[test]
fn a_file_that_is_a_folder() {
    let errors = load(Path::new("/"), &env()).unwrap_err();
    insta::assert_snapshot!(errors.to_string());
}

#[test]
fn a_file_that_is_not_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("callwarden.toml");
    fs::write(&path, b"\xff\xfe").unwrap();
    let errors = load(&path, &env()).unwrap_err().to_string();
    let place = path.display().to_string();
    insta::assert_snapshot!(errors.replace(&place, "callwarden.toml"));
}

#[test]
fn an_error_in_one_line_has_it_all() {
    let path = Path::new("callwarden.toml");
    let text = with("server", "lisen = \"127.0.0.1:8080\"");
    let errors = parse(path, text, &env()).unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!((error.line(), error.column(), error.key()), (Some(2), Some(1), "server.lisen"));
    insta::assert_snapshot!(error.to_string());
    let text = with("server", "  lisen = \"127.0.0.1:8080\"");
    let errors = parse(path, text, &env()).unwrap_err();
    assert_eq!(errors.iter().next().unwrap().column(), Some(3));
}

#[test]
fn an_error_of_somebody_else_s_is_told_as_the_cause() {
    use std::error::Error as _;

    let cause = |text: String| {
        let config = parse(Path::new("callwarden.toml"), text, &env());
        let errors = config.and_then(|config| config.check_secrets(&env())).unwrap_err();
        errors.iter().next().unwrap().source().map(ToString::to_string)
    };
    let unset = cause(instead("token", "token = { env = \"NOT_SET\" }"));
    assert!(unset.unwrap().contains("NOT_SET"));
    assert_eq!(cause(instead("total", "")), None);
    let errors = load(Path::new("/nowhere/callwarden.toml"), &env()).unwrap_err();
    assert!(errors.iter().next().unwrap().source().is_some());
}

/// Somebody may have written a secret into it.
#[test]
fn the_text_of_a_file_is_not_shown_in_debug_output() {
    let path = Path::new("callwarden.toml");
    let config = parse(path, format!("# hunter2\n{GOOD}"), &env()).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("callwarden.toml") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn colours_are_the_callers_choice() {
    let path = Path::new("callwarden.toml");
    let errors = parse(path, String::new(), &env()).unwrap_err();
    assert!(errors.render(true).contains('\u{1b}'));
    assert!(!errors.render(false).contains('\u{1b}'));
}

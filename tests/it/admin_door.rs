//! §10: who is let into the admin API, and how it says no.

use crate::harness::{Answer, ConfigFile, Daemon, Request};

const TOKEN: &str = "Bearer admin-0123456789abcdef";

async fn ask(daemon: &Daemon, headers: &[(&str, &str)]) -> Answer {
    let request = Request::new("GET", "/api/calls");
    let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    headers.iter().fold(request, add).send(daemon.admin_addr()).await
}

#[track_caller]
fn is_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    for key in ["type", "title", "detail"] {
        assert!(problem[key].is_string(), "{key}: {problem}");
    }
}

#[tokio::test]
async fn only_the_bearer_of_the_token_is_let_in() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_eq!(ask(&daemon, &[("Authorization", TOKEN)]).await.status, 200);
    assert_eq!(
        ask(&daemon, &[("authorization", "bearer admin-0123456789abcdef")]).await.status,
        200
    );
    let wrong: [&[(&str, &str)]; 7] = [
        &[],
        &[("Authorization", "Bearer admin-0123456789abcdee")],
        &[("Authorization", "Bearer admin-0123456789abcdef0")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Basic admin-0123456789abcdef")],
        &[("Authorization", TOKEN), ("Authorization", "Bearer x")],
        &[("Cookie", "token=admin-0123456789abcdef")],
    ];
    for headers in wrong {
        let answer = ask(&daemon, headers).await;
        is_problem(&answer, 401);
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{headers:?}");
    }
    // Not by URL either.
    let by_url = Request::new("GET", "/api/calls?token=admin-0123456789abcdef");
    is_problem(&by_url.send(daemon.admin_addr()).await, 401);
    assert!(!daemon.log_text().contains("admin-0123456789abcdef"));
    daemon.stop().await;
}

#[tokio::test]
async fn beyond_10_refusals_a_second_wrong_tokens_get_429_and_the_right_one_is_let_in() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let wrong = [("Authorization", "Bearer wrong-0123456789abcdef")];
    let mut refused = 0;
    // However the seconds fall: of more than ten in one of them the rest get 429.
    let too_many = async || {
        let answer = ask(&daemon, &wrong).await;
        if answer.status == 429 {
            is_problem(&answer, 429);
            assert!(answer.header("retry-after").is_some());
            return true;
        }
        is_problem(&answer, 401);
        refused += 1;
        false
    };
    daemon.until("wrong tokens get 429", too_many).await;
    assert!(refused >= 10, "{refused}");
    assert_eq!(ask(&daemon, &[("Authorization", TOKEN)]).await.status, 200);
    daemon.stop().await;
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_even_with_the_token() {
    let config = ConfigFile::new().set("admin.hosts", vec!["warden.example.com"]);
    let daemon = Daemon::start(config).await;
    let port = daemon.admin_addr().port();
    let token = ("Authorization", TOKEN);
    let here = format!("http://127.0.0.1:{port}");
    let host = format!("127.0.0.1:{port}");
    let own: [&[(&str, &str)]; 6] = [
        &[token, ("Host", "localhost:1")],
        &[token, ("Host", "[::1]")],
        &[token, ("Host", "warden.example.com")],
        &[token, ("Host", "WARDEN.example.com:8443")],
        &[token, ("Host", &host), ("Origin", &here)],
        &[token, ("Host", "warden.example.com"), ("Origin", "https://warden.example.com")],
    ];
    for headers in own {
        assert_eq!(ask(&daemon, headers).await.status, 200, "{headers:?}");
    }
    let foreign: [&[(&str, &str)]; 9] = [
        &[token, ("Host", "evil.example.com")],
        &[token, ("Host", "warden.example.com.evil.com")],
        &[token, ("Host", "127.0.0.1.evil.com")],
        &[token, ("Host", "user@localhost")],
        &[token, ("Host", "")],
        &[token, ("Host", "localhost"), ("Host", "localhost")],
        &[token, ("Origin", "https://evil.example.com")],
        &[token, ("Origin", "null")],
        &[token, ("Host", &host), ("Origin", "http://127.0.0.1:1")],
    ];
    for headers in foreign {
        is_problem(&ask(&daemon, headers).await, 403);
    }
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for target in
        ["/api", "/api/call", "/api/calls/a/b", "/metrics", "/health", "/webhooks/talkover"]
    {
        is_problem(&daemon.api(target).await, 404);
    }
    is_problem(&daemon.api("/api/calls/unknown").await, 404);
    let delete = Request::new("DELETE", "/api/calls").header("Authorization", TOKEN);
    let answer = delete.send(daemon.admin_addr()).await;
    is_problem(&answer, 405);
    assert!(answer.header("allow").unwrap().contains("GET"));
    daemon.stop().await;
}

#[tokio::test]
async fn bad_questions_are_told_what_was_found_and_expected() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut shown = String::new();
    for target in [
        "/api/calls?limit=0",
        "/api/calls?limit=1001",
        "/api/calls?limit=many",
        "/api/calls?state=asleep",
        "/api/calls?agent=a%2Fb",
        "/api/calls?after=nonsense",
        "/api/calls?states=live",
        "/api/calls?limit=1&limit=2",
        "/api/calls/a%0Ab",
        "/api/calls/%FF",
        "/api/calls/c1?x=1",
        "/api/history?outcome=lost",
        "/api/history?since=yesterday",
        "/api/history?limit=-1",
    ] {
        let answer = daemon.api(target).await;
        is_problem(&answer, 422);
        shown += &format!("{target}\n    {}\n", answer.json()["detail"].as_str().unwrap());
    }
    insta::assert_snapshot!(shown);
    daemon.stop().await;
}

#[tokio::test]
async fn answers_are_for_whoever_asked_and_nothing_else() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut shown = String::new();
    for answer in [daemon.api("/api/calls").await, ask(&daemon, &[]).await] {
        shown += &format!("{}\n", answer.status);
        for (name, value) in &answer.headers {
            if name != "date" && name != "content-length" {
                shown += &format!("    {name}: {value}\n");
            }
        }
    }
    insta::assert_snapshot!(shown);
    daemon.stop().await;
}

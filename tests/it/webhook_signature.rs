//! §3 `[webhook]`, §4: how a webhook proves where it comes from.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{
    Answer, ConfigFile, Daemon, Encoding, Home, Request, Webhook, sign, webhook_event,
};

const SECRET: &str = "hook-0123456789abcdef";
const OLD_SECRET: &str = "old-hook-0123456789abcdef";
const HEADER: &str = "Bearer header-0123456789abcdef";

fn body() -> Value {
    json!({"event": "webhook.test"})
}

fn webhook(daemon: &Daemon) -> Webhook {
    daemon.webhook().json(&body())
}

#[track_caller]
fn is_taken(answer: &Answer) {
    assert_eq!(answer.result(), "ignored");
}

#[track_caller]
fn is_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
}

#[tokio::test]
async fn a_matching_hmac_in_any_header_will_do() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for header in ["Signature", "X-Hub-Signature-256", "X-Talkover-Signature", "Authorization"] {
        for encoding in [Encoding::Hex, Encoding::Base64] {
            for prefix in ["", "sha256=", "v1,", "HMAC ", "t=1756941591,v1="] {
                let signed = webhook(&daemon).signed_in(header, encoding, prefix);
                is_taken(&signed.send().await);
            }
        }
    }
    let hmac = sign(SECRET, body().to_string().as_bytes(), Encoding::Hex);
    let upper = hmac.to_uppercase();
    is_taken(&webhook(&daemon).unsigned().header("X-S", &upper).send().await);
    // Another signature before the right one does no harm.
    let other = sign(OLD_SECRET, body().to_string().as_bytes(), Encoding::Hex);
    let both = webhook(&daemon).unsigned().header("X-S", &other).header("X-S", &hmac);
    is_taken(&both.send().await);
    assert_eq!(uses(&daemon, "current").await, 42.0);
    assert_eq!(uses(&daemon, "previous").await, 0.0);
    daemon.stop().await;
}

#[tokio::test]
async fn forged_cut_and_missing_signatures_are_refused() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let hmac = sign(SECRET, body().to_string().as_bytes(), Encoding::Hex);
    let base64 = sign(SECRET, body().to_string().as_bytes(), Encoding::Base64);
    let turned = if hmac.starts_with('0') { "1" } else { "0" };
    let forged = [
        String::new(),
        cut(&hmac, 63),
        cut(&hmac, 32),
        hmac.replacen(&cut(&hmac, 1), turned, 1),
        format!("{hmac}0"),
        cut(&base64, 40),
        "0".repeat(64),
        sign(OLD_SECRET, body().to_string().as_bytes(), Encoding::Hex),
        sign(SECRET, b"another body", Encoding::Hex),
        SECRET.to_owned(),
        "\u{fc}ber".to_owned(),
    ];
    for forged in &forged {
        let sent = webhook(&daemon).unsigned().header("Signature", forged);
        is_refused(&sent.send().await);
    }
    is_refused(&webhook(&daemon).unsigned().send().await);
    // The body is part of what is signed, to its last byte.
    let spoilt = webhook(&daemon).unsigned().body("{\"event\":\"webhook.test\" }");
    is_refused(&spoilt.header("Signature", &hmac).send().await);
    let refused = daemon.metrics().await;
    let refused = refused.value(r#"callwarden_webhooks_total{event="none",result="unauthorized"}"#);
    assert_eq!(refused, forged.len() as f64 + 2.0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_refusal_tells_nothing_of_the_body_and_the_log_names_the_headers_only() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let secretive = daemon.webhook().unsigned().body("no JSON at all");
    let secretive = secretive.header("X-Their-Signature", "value-nobody-may-see");
    let answer = secretive.send().await;
    is_refused(&answer);
    let line = daemon.until_logged("webhook refused").await;
    assert!(line.text.contains("x-their-signature"), "{}", line.text);
    assert!(!daemon.log_text().contains("value-nobody-may-see"));
    insta::assert_snapshot!(answer.body);
    daemon.stop().await;
}

#[tokio::test]
async fn header_names_in_the_log_are_bounded() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut sent = daemon.webhook().unsigned().json(&body());
    for i in 0..50 {
        sent = sent.header(&format!("X-{}-{i}", "n".repeat(200)), "v");
    }
    is_refused(&sent.send().await);
    let line = daemon.until_logged("webhook refused").await;
    assert!(line.text.len() < 4096, "{} bytes", line.text.len());
    daemon.stop().await;
}

#[tokio::test]
async fn a_configured_header_encoding_and_prefix_are_insisted_on() {
    let config = ConfigFile::new()
        .set("webhook.signature_header", "X-Sig")
        .set("webhook.signature_encoding", "hex")
        .set("webhook.signature_prefix", "sha256=");
    let daemon = Daemon::start(config).await;
    is_taken(&webhook(&daemon).signed_in("x-sig", Encoding::Hex, "sha256=").send().await);
    is_refused(&webhook(&daemon).signed_in("Signature", Encoding::Hex, "sha256=").send().await);
    is_refused(&webhook(&daemon).signed_in("X-Sig", Encoding::Base64, "sha256=").send().await);
    is_refused(&webhook(&daemon).signed_in("X-Sig", Encoding::Hex, "").send().await);
    is_refused(&webhook(&daemon).signed_in("X-Sig", Encoding::Hex, "sha1=").send().await);
    daemon.stop().await;
}

#[tokio::test]
async fn the_previous_secret_is_taken_too_and_its_uses_are_counted() {
    let config = ConfigFile::new().set_secret("webhook.previous_secret", "old-secret");
    let daemon = Daemon::start(config).await;
    is_taken(&webhook(&daemon).send().await);
    is_taken(&webhook(&daemon).signed_with(OLD_SECRET).send().await);
    is_taken(&webhook(&daemon).signed_with(OLD_SECRET).send().await);
    is_refused(&webhook(&daemon).signed_with("a-third-0123456789abcdef").send().await);
    assert_eq!(uses(&daemon, "current").await, 1.0);
    assert_eq!(uses(&daemon, "previous").await, 2.0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_required_header_stands_in_for_the_secret() {
    let config = with_header(ConfigFile::new().remove("webhook.secret"));
    let daemon = Daemon::start(config).await;
    let webhook = webhook(&daemon).unsigned();
    is_taken(&webhook.clone().header("authorization", HEADER).send().await);
    is_refused(&webhook.clone().send().await);
    is_refused(&webhook.clone().header("Authorization", "Bearer other").send().await);
    is_refused(&webhook.clone().header("Authorization", format!("{HEADER}x")).send().await);
    is_refused(&webhook.header("X-Authorization", HEADER).send().await);
    daemon.stop().await;
}

#[tokio::test]
async fn a_required_header_besides_the_secret_must_match_as_well() {
    let daemon = Daemon::start(with_header(ConfigFile::new())).await;
    is_taken(&webhook(&daemon).header("Authorization", HEADER).send().await);
    is_refused(&webhook(&daemon).send().await);
    is_refused(&webhook(&daemon).unsigned().header("Authorization", HEADER).send().await);
    daemon.stop().await;
}

#[tokio::test]
async fn unsigned_webhooks_are_taken_where_that_was_said_aloud() {
    let config = ConfigFile::new().remove("webhook.secret").set("webhook.allow_unsigned", true);
    let daemon = Daemon::start(config).await;
    is_taken(&webhook(&daemon).unsigned().send().await);
    is_taken(&webhook(&daemon).send().await);
    daemon.stop().await;
}

fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

fn with_header(config: ConfigFile) -> ConfigFile {
    config
        .set("webhook.require_header.name", "Authorization")
        .set_secret("webhook.require_header.value", "header-value")
}

async fn uses(daemon: &Daemon, secret: &str) -> f64 {
    let series = format!("callwarden_webhook_secret_uses_total{{secret=\"{secret}\"}}");
    daemon.metrics().await.value(&series)
}

/// The specification's own library for Rust is the sender.
#[tokio::test]
async fn what_the_public_standard_webhooks_library_signs_is_taken() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let home = Home::new();
    std::fs::write(home.path().join("webhook-secret"), secret).unwrap();
    let config = ConfigFile::new().set("webhook.scheme", "standard-webhooks");
    let daemon = Daemon::start_in(home, config).await;
    let send = async |secret: &str, at: i64| {
        let sender = standardwebhooks::Webhook::new(secret).unwrap();
        let text = webhook_event("phone_call_started", "c1").to_string().into_bytes();
        let mut request = Request::new("POST", "/webhooks/talkover")
            .header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
            .header("webhook-timestamp", at.to_string())
            .header(
                "webhook-signature",
                sender.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, &text).unwrap(),
            );
        request.body = text;
        request.send(daemon.addr()).await
    };
    let now = jiff::Timestamp::now().as_second();
    assert_eq!(send(secret, now).await.result(), "tracked");
    assert_eq!(send(secret, now - 240).await.result(), "duplicate");
    is_refused(&send(secret, now - 360).await);
    is_refused(&send("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", now).await);
    daemon.stop().await;
}

#[tokio::test]
async fn behind_a_relay_the_standard_webhooks_scheme_holds() {
    // The secret and its bytes, of the specification's own example.
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let home = Home::new();
    std::fs::write(home.path().join("webhook-secret"), secret).unwrap();
    let config = ConfigFile::new().set("webhook.scheme", "standard-webhooks");
    let daemon = Daemon::start_in(home, config).await;
    let key = BASE64.decode(secret.trim_start_matches("whsec_").as_bytes()).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let send = async |id: &str, at: i64, signed_id: &str| {
        let text = body().to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{signed_id}.{at}.{text}").as_bytes());
        let signature = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
        let mut request = Request::new("POST", "/webhooks/talkover")
            .header("Content-Type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", format!("v1,AAAA {signature}"));
        request.body = text.into_bytes();
        request.send(daemon.addr()).await
    };
    is_taken(&send("msg_1", now, "msg_1").await);
    is_refused(&send("msg_1", now - 600, "msg_1").await);
    is_refused(&send("msg_2", now, "msg_1").await);
    is_refused(&webhook(&daemon).send().await);
    daemon.stop().await;
}

//! What an operator waits for: the page, the list, the kill switch (spec §10).

use std::time::{Duration, Instant};

use callwarden::sim::{Script, Wait};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use super::{is_wanted, tell};
use crate::{
    harness::{
        Answer, Browser, ConfigFile, Daemon, Platform, Request, SECRETS, Webhook, webhook_event,
    },
    seen::{accepted, requests, unlisted},
};

const ENTER: &str = "\u{e007}";

fn token() -> &'static str {
    SECRETS.iter().find(|(name, _)| *name == "admin-token").unwrap().1
}

fn bearer() -> String {
    format!("Bearer {}", token())
}

/// Has so many calls begin, over a few kept connections.
async fn fill(daemon: &Daemon, calls: usize) {
    const CONNECTIONS: usize = 32;
    let addr = daemon.addr();
    let mut senders = JoinSet::new();
    for sender in 0..CONNECTIONS {
        senders.spawn(async move {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            for call in (sender..calls).step_by(CONNECTIONS) {
                let body = webhook_event("phone_call_started", &format!("call-{call:06}"));
                let request = Webhook::to(addr).json(&body).header("Connection", "keep-alive");
                stream.write_all(&request.bytes()).await.unwrap();
                assert_eq!(answer(&mut stream).await.result(), "tracked");
            }
        });
    }
    senders.join_all().await;
}

async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "it hung up");
        if let Some(answer) = Answer::parse(&bytes) {
            return answer;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a figure is measured from outside")]
fn now() -> Instant {
    Instant::now()
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// Pages of 1,000 calls out of 100,000, from the first to the last.
#[tokio::test]
async fn figures_of_the_list() {
    if !is_wanted() {
        return;
    }
    let daemon = Daemon::start(ConfigFile::new().set("limits.total", "12h")).await;
    fill(&daemon, 100_000).await;
    let mut took = Vec::new();
    let (mut seen, mut after) = (0, String::new());
    loop {
        let request = Request::new("GET", &format!("/api/calls?limit=1000{after}"));
        let request = request.header("Authorization", bearer());
        let began = now();
        let page = request.send(daemon.admin_addr()).await;
        took.push(milliseconds(began.elapsed()));
        let page = page.json();
        seen += page["calls"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, 100_000);
    took.sort_by(f64::total_cmp);
    tell("a page of 1,000 of 100,000 calls: median, in ms", took[took.len() / 2]);
    tell("a page of 1,000 of 100,000 calls: longest of 100, in ms", took[took.len() - 1]);
    daemon.stop().await;
}

/// 1,000 calls through 50 requests a second.
#[tokio::test]
async fn figures_of_the_kill_switch() {
    if !is_wanted() {
        return;
    }
    let sim = Platform::with_faults(&["latency=5ms..50ms"]).await;
    let config = unlisted(&sim).set("platform.requests", "50/s").set("limits.total", "1h");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    (0..1_000).for_each(|_| drop(sim.place(Script::default())));
    let all = async || daemon.health().await["calls"]["live"] == 1_000;
    daemon.until("all are live", all).await;
    let mut order = Request::new("POST", "/api/end")
        .header("Authorization", bearer())
        .header("Content-Type", "application/json");
    order.body = json!({"all": true}).to_string().into_bytes();
    let began = now();
    let answer = order.send(daemon.admin_addr()).await;
    tell("kill switch on 1,000 calls: answered after, in ms", milliseconds(began.elapsed()));
    let answer = answer.json();
    tell("kill switch: matched", &answer["matched"]);
    tell("kill switch: estimate, in s", &answer["estimated_seconds"]);
    assert!(sim.wait(&Wait::Over { count: 1_000 }, Duration::from_secs(120)).await);
    let at: Vec<_> = accepted(&sim).iter().map(|stop| stop.at).collect();
    let span = (at.iter().max().unwrap() - at.iter().min().unwrap()) as f64 / 1e6;
    tell("kill switch: from the first to the last request, in s", span);
    tell("kill switch: requests", sim.requests().len());
    tell("kill switch: of those end-calls", requests(&sim, "end-call").len());
    daemon.stop().await;
}

/// 10,000 calls in the page.
#[tokio::test]
async fn figures_of_the_page() {
    if !is_wanted() {
        return;
    }
    let daemon = Daemon::start(ConfigFile::new()).await;
    fill(&daemon, 10_000).await;
    let browser = Browser::open(1360, 900, false).await;
    browser.go(&format!("http://{}/", daemon.admin_addr())).await;
    browser.until("performance.getEntriesByType('paint').length").await;
    let of = async |script: &str| browser.run(&format!("return {script}")).await;
    let files = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]";
    let bytes = format!("{files}.reduce((all, file) => all + file.encodedBodySize, 0)");
    tell("page: bytes", of(&bytes).await);
    tell("page: files", of(&format!("{files}.length")).await);
    let paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime";
    tell("page: first paint, in ms", of(paint).await);

    browser
        .run(
            "document.querySelector('#door-form').addEventListener('submit', () => { window.began = performance.now() }, true); \
             new MutationObserver(() => { if (document.querySelector('#shown').textContent.startsWith('10,000')) requestAnimationFrame(() => { window.whole ??= performance.now() }) }) \
               .observe(document.querySelector('#shown'), { childList: true, characterData: true, subtree: true })",
        )
        .await;
    browser.type_in("#token", &format!("{}{ENTER}", token())).await;
    browser.until("window.whole").await;
    tell("page: token to 10,000 rows, in ms", of("window.whole - window.began").await);

    browser
        .run(
            "const grid = document.querySelector('#grid'), frames = []; let before; \
             const step = (at) => { \
               if (before) frames.push(at - before); \
               before = at; grid.scrollTop += 700; \
               if (frames.length < 600) requestAnimationFrame(step); else window.frames_of = frames.sort((a, b) => a - b); \
             }; requestAnimationFrame(step)",
        )
        .await;
    browser.until("window.frames_of").await;
    let frames: Value = of("window.frames_of").await;
    let frames: Vec<f64> =
        frames.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
    let nth = |part: f64| frames[((frames.len() - 1) as f64 * part) as usize];
    tell("page: a frame while scrolling, median, in ms", nth(0.5));
    tell("page: 99 of 100 frames, in ms", nth(0.99));
    tell("page: longest of 600 frames, in ms", nth(1.0));
    browser.picture("figures").await;
    drop(browser);
    for (name, size, dark) in [("dark", (1360, 900), true), ("phone", (390, 844), false)] {
        let browser = Browser::open(size.0, size.1, dark).await;
        browser.go(&format!("http://{}/", daemon.admin_addr())).await;
        browser.type_in("#token", &format!("{}{ENTER}", token())).await;
        browser.until("document.querySelector('#shown').textContent.startsWith('10,000')").await;
        browser.picture(&format!("figures-{name}")).await;
    }
    daemon.stop().await;
}

//! §10 `GET /`: the page in a real Chromium.

use serde_json::{Value, json};

use crate::harness::{Browser, ConfigFile, Daemon, Platform, Request};

const TOKEN: &str = "admin-0123456789abcdef";
const ENTER: &str = "\u{e007}";
const DOWN: &str = "\u{e015}";

async fn event(daemon: &Daemon, kind: &str, call: &str, more: Value) {
    let mut body =
        json!({"event": format!("event_{kind}"), "call_id": call, "agent_id": "agent-1"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(daemon.webhook().json(&body).send().await.status, 200);
}

/// A browser that shows the daemon's page, the token given.
async fn entered(daemon: &Daemon, size: (u32, u32), dark: bool) -> Browser {
    let browser = Browser::open(size.0, size.1, dark).await;
    browser.go(&format!("http://{}/", daemon.admin_addr())).await;
    browser.type_in("#token", &format!("{TOKEN}{ENTER}")).await;
    browser.until("document.querySelector('#line-word').textContent === 'live'").await;
    browser.until("document.querySelector('#n-live').textContent !== '–'").await;
    browser
}

/// Opens a call by the filter and the keyboard.
async fn open_call(browser: &Browser, id: &str) {
    browser.run("const f = document.querySelector('#filter'); f.value = ''; f.focus()").await;
    browser.type_in("#filter", id).await;
    browser
        .until(&format!("document.querySelector('.row:not([hidden])')?.dataset.key === '{id}'"))
        .await;
    browser.type_in("#grid", &format!("{DOWN}{ENTER}")).await;
    browser.until("document.querySelector('#call .acts button.danger')").await;
}

async fn press(browser: &Browser, text: &str) {
    let find = format!(
        "[...document.querySelectorAll('dialog[open] button')].find((b) => b.textContent === '{text}')"
    );
    browser.until(&find).await;
    browser.run(&format!("{find}.click()")).await;
}

#[tokio::test]
async fn each_action_of_the_page_reaches_the_call() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim);
    let daemon = Daemon::start(config).await;
    for call in ["extended", "released", "ended", "killed-1", "killed-2"] {
        event(&daemon, "phone_call_started", call, json!({"campaign_id": call.split('-').next()}))
            .await;
    }
    let browser = Browser::open(1360, 900, false).await;
    browser.go(&format!("http://{}/", daemon.admin_addr())).await;
    browser.picture("door").await;
    browser.type_in("#token", &format!("wrong{ENTER}")).await;
    browser
        .until("document.querySelector('#door-error').textContent.includes('not the token')")
        .await;
    browser.console().await;
    browser.run("document.querySelector('#token').value = ''").await;
    browser.type_in("#token", &format!("{TOKEN}{ENTER}")).await;
    browser.until("document.querySelector('#n-live').textContent === '5'").await;
    browser.until("document.querySelectorAll('.row:not([hidden])').length === 5").await;

    open_call(&browser, "extended").await;
    let before = daemon.call("extended").await["deadline"].clone();
    press(&browser, "+15m").await;
    daemon
        .until("it is extended", async || daemon.call("extended").await["deadline"] != before)
        .await;
    browser.until("document.querySelector('#toasts').textContent.includes('15m more')").await;
    press(&browser, "✕").await;

    open_call(&browser, "released").await;
    press(&browser, "Release").await;
    press(&browser, "Yes, let it go unlimited").await;
    daemon.until_state("released", "released").await;
    press(&browser, "✕").await;

    open_call(&browser, "ended").await;
    press(&browser, "End now").await;
    assert_eq!(daemon.call("ended").await["state"], "live", "one click ends nothing");
    press(&browser, "Yes, end this call").await;
    daemon
        .until("it is told to end", async || daemon.call("ended").await["limit"] == "operator")
        .await;
    press(&browser, "✕").await;

    browser.click("#kill-open").await;
    browser.click("#kill input[value=campaign]").await;
    browser.type_in("#kill-value", "killed").await;
    browser.until("document.querySelector('#kill-count').textContent.startsWith('2 calls')").await;
    browser.picture("kill").await;
    browser.type_in("#kill-typed", "END 3").await;
    assert_eq!(browser.run("return document.querySelector('#kill-go').disabled").await, true);
    browser.run("document.querySelector('#kill-typed').value = ''").await;
    browser.type_in("#kill-typed", &format!("END 2{ENTER}")).await;
    for call in ["killed-1", "killed-2"] {
        daemon
            .until("it is told to end", async || daemon.call(call).await["limit"] == "operator")
            .await;
    }
    browser.until("!document.querySelector('#kills-card').hidden").await;
    assert_eq!(daemon.call("extended").await["limit"], "operator");
    assert_eq!(daemon.call("extended").await["state"], "live", "nobody told it to end");
    quiet(&browser).await;
    daemon.stop().await;
}

/// Nothing was refused by the page's policy, nothing failed, and the token is kept nowhere.
async fn quiet(browser: &Browser) {
    let told = browser.console().await;
    assert!(told.is_empty(), "the console holds {told:#?}");
    let kept = "return [location.href, document.cookie, localStorage.length, sessionStorage.length, \
        document.querySelector('#token').value, window.hit ?? null]";
    let kept = browser.run(kept).await;
    assert_eq!((&kept[1], &kept[2], &kept[3]), (&json!(""), &json!(0), &json!(0)), "{kept}");
    assert_eq!((&kept[4], &kept[5]), (&json!(""), &Value::Null), "{kept}");
    assert!(kept[0].as_str().unwrap().ends_with('/'), "{kept}");
}

#[tokio::test]
async fn what_a_caller_writes_is_shown_as_text() {
    const EVIL: &str = "<img src=x onerror=\"window.hit=1\">'\"><script>window.hit=1</script>";
    let daemon = Daemon::start(ConfigFile::new()).await;
    let fields = json!({
        "to": EVIL, "from": EVIL, "direction": EVIL, "campaign_id": EVIL, "context": {EVIL: EVIL},
    });
    event(&daemon, "phone_call_started", EVIL, fields.clone()).await;
    event(&daemon, "phone_call_started", "over", fields).await;
    let end = json!({"ended_reason": EVIL});
    event(&daemon, "phone_call_ended", "over", end).await;
    let browser = entered(&daemon, (1360, 900), true).await;
    browser.until("document.querySelector('.row:not([hidden])')").await;
    let shown = browser.run("return document.querySelector('.row span').textContent").await;
    assert_eq!(shown, EVIL);
    browser.run("document.querySelector('.row').click()").await;
    browser.until("document.querySelector('#call .facts')").await;
    let campaign = "return document.querySelector('#call .facts').textContent";
    assert!(browser.run(campaign).await.as_str().unwrap().contains(EVIL));
    browser.picture("evil").await;
    browser.until("document.querySelector('#ended button')").await;
    // At once, so that the event of the closing comes when the next call is open already.
    let next = "document.querySelector('#call [data-close]').click();
        document.querySelector('#ended button').click()";
    browser.run(next).await;
    browser.until("document.querySelector('#call-id').textContent === 'over'").await;
    browser.until("document.querySelector('#call .trail')").await;
    quiet(&browser).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_lost_stream_is_shown_and_heals() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    event(&daemon, "phone_call_started", "before", json!({})).await;
    let browser = entered(&daemon, (390, 844), false).await;
    browser.until("document.querySelectorAll('.row:not([hidden])').length === 1").await;
    let admin = daemon.admin_addr();
    let home = daemon.kill().await;
    browser.until("!document.querySelector('#lost').hidden").await;
    browser.picture("lost").await;
    let health = browser.run("return document.querySelector('#health-word').textContent").await;
    assert_eq!(health, "unknown", "what is old is not shown as if it were so");
    let config = ConfigFile::new().set("admin.listen", admin.to_string());
    let daemon = Daemon::start_in(home, config).await;
    event(&daemon, "phone_call_started", "after", json!({})).await;
    browser.until("document.querySelector('#lost').hidden").await;
    browser.until("document.querySelectorAll('.row:not([hidden])').length === 2").await;
    let wide =
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(browser.run(wide).await, true, "nothing is wider than a phone");
    daemon.stop().await;
}

#[tokio::test]
async fn many_calls_stand_in_few_rows() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for n in 0..300 {
        event(&daemon, "phone_call_started", &format!("call-{n:03}"), json!({})).await;
    }
    let browser = entered(&daemon, (1360, 900), false).await;
    browser.until("document.querySelector('#shown').textContent.startsWith('300')").await;
    let rows = browser.run("return document.querySelectorAll('.row').length").await;
    assert!(rows.as_u64().unwrap() < 60, "{rows}");
    browser.run("document.querySelector('#grid').scrollTop = 1e6").await;
    browser.until("[...document.querySelectorAll('.row:not([hidden])')].some((row) => row.getAttribute('aria-rowindex') === '300')").await;
    browser.type_in("#filter", "call-123").await;
    browser.until("document.querySelectorAll('.row:not([hidden])').length === 1").await;
    quiet(&browser).await;
    daemon.stop().await;
}

#[tokio::test]
async fn its_files_need_no_token_and_say_what_may_run() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let page = Request::new("GET", "/").send(daemon.admin_addr()).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let foreign = Request::new("GET", "/").header("Host", "evil.example");
    assert_eq!(foreign.send(daemon.admin_addr()).await.status, 403);
    assert_eq!(Request::new("GET", "/page.map").send(daemon.admin_addr()).await.status, 401);
    daemon.stop().await;
}

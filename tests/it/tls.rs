//! §3 `server.tls`, §4: the listener speaks TLS.

use std::{fs, time::Duration};

use data_encoding::BASE64;
use rcgen::date_time_ymd;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{
    Authority, Command, ConfigFile, Daemon, Home, Output, PATIENCE, Request, shown_on,
    webhook_event, with_tls,
};

const IN_FORCE: &str = "the config was read anew, and is in force";
const REFUSED: &str = "the new config is refused";

/// A folder with a certificate in it.
fn home(authority: &Authority) -> Home {
    let home = Home::new();
    authority.issue(&home);
    home
}

async fn start(authority: &Authority) -> Daemon {
    Daemon::start_in(home(authority), with_tls(ConfigFile::new())).await
}

#[tokio::test]
async fn webhooks_come_by_tls() {
    let authority = Authority::new();
    let daemon = start(&authority).await;
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(authority.trusted())
        .no_proxy()
        .build()
        .unwrap();
    let webhook = daemon.webhook().json(&webhook_event("phone_call_started", "c1")).request();
    let url = format!("https://{}/webhooks/talkover", daemon.addr());
    // The second comes over the connection of the first.
    for result in ["tracked", "duplicate"] {
        let mut request = http.post(&url).body(webhook.body.clone());
        for (name, value) in &webhook.headers {
            request = request.header(name, value.as_slice());
        }
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http_1_1()));
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["result"], result);
    }
    let line = daemon.until_logged("listening for webhooks").await;
    assert_eq!(line.field("url"), format!("https://{}", daemon.addr()));
    assert_eq!(daemon.call("c1").await["state"], "live");
    daemon.stop().await;
}

fn http_1_1() -> reqwest::Version {
    reqwest::Version::HTTP_11
}

#[tokio::test]
async fn plain_http_is_closed_without_an_answer() {
    let authority = Authority::new();
    let daemon = start(&authority).await;
    let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
    stream.write_all(&daemon.webhook().bytes()).await.unwrap();
    let mut said = Vec::new();
    // Well below the ten seconds that a handshake may take; a reset is a close too.
    let closed = timeout(Duration::from_secs(5), stream.read_to_end(&mut said)).await;
    drop(closed.expect("it is closed at once"));
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    daemon.stop().await;
}

async fn reload(daemon: &Daemon, said: &str) {
    let before = daemon.log().iter().filter(|line| line.text.contains(said)).count();
    daemon.signal(Signal::HUP);
    let again =
        async || daemon.log().iter().filter(|line| line.text.contains(said)).count() > before;
    daemon.until(said, again).await;
}

#[tokio::test]
async fn a_reload_shows_the_new_certificate_and_keeps_old_connections() {
    let authority = Authority::new();
    let daemon = start(&authority).await;
    let request = Request::new("GET", "/livez").header("Connection", "keep-alive");
    let mut old = authority.connect(daemon.addr()).await;
    let first = shown_on(&old);

    authority.issue(daemon.home());
    let waiting = authority.connect(daemon.addr()).await;
    assert_eq!(shown_on(&waiting), first, "not before it is told");
    reload(&daemon, IN_FORCE).await;
    let new = authority.connect(daemon.addr()).await;
    assert_ne!(shown_on(&new), first);
    old.write_all(&request.bytes(daemon.addr())).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, old.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    daemon.stop().await;
}

#[tokio::test]
async fn taking_tls_out_waits_for_a_restart_and_putting_it_back_does_not() {
    let authority = Authority::new();
    let daemon = start(&authority).await;
    let first = shown_on(&authority.connect(daemon.addr()).await);
    let told = || daemon.log_text().matches("takes effect with the next restart").count();
    daemon.home().write(&ConfigFile::new());
    reload(&daemon, IN_FORCE).await;
    assert_eq!(told(), 1, "{}", daemon.log_text());
    authority.issue(daemon.home());
    daemon.home().write(&with_tls(ConfigFile::new()));
    reload(&daemon, IN_FORCE).await;
    assert_ne!(shown_on(&authority.connect(daemon.addr()).await), first);
    assert_eq!(told(), 1, "{}", daemon.log_text());
    daemon.stop().await;
}

#[tokio::test]
async fn a_bad_pair_refuses_the_reload_and_health_says_why() {
    let authority = Authority::new();
    let mut daemon = start(&authority).await;
    daemon.expect_error(REFUSED);
    let first = shown_on(&authority.connect(daemon.addr()).await);

    let key = daemon.home().path().join("tls-key");
    let good = fs::read(&key).unwrap();
    authority.issue(daemon.home());
    fs::write(&key, good).unwrap();
    reload(&daemon, REFUSED).await;
    assert_eq!(shown_on(&authority.connect(daemon.addr()).await), first);
    let health = authority.send(&Request::new("GET", "/health"), daemon.addr()).await.json();
    let check = &health["checks"]["config"];
    assert_eq!(check["status"], "warn", "{check}");
    let message = check["message"].as_str().unwrap();
    assert!(message.contains("server.tls.key") && message.contains("cert.pem"), "{message}");

    authority.issue(daemon.home());
    reload(&daemon, IN_FORCE).await;
    assert_ne!(shown_on(&authority.connect(daemon.addr()).await), first);
    daemon.stop().await;
}

#[tokio::test]
async fn the_health_check_speaks_tls_to_its_daemon() {
    let authority = Authority::new();
    let daemon = start(&authority).await;
    // A port of the config's own is needed, which the daemon has picked by now.
    let config = with_tls(ConfigFile::new()).set("server.listen", daemon.addr().to_string());
    let path = daemon.home().write(&config);
    // Expired, and for another name: the daemon is no less ready.
    authority.issue_as(daemon.home().path(), |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
        params.subject_alt_names.clear();
    });
    reload(&daemon, IN_FORCE).await;
    let healthcheck = ["healthcheck", "--config", path.to_str().unwrap()];
    let asked = Command::new(&healthcheck).run();
    assert_eq!((asked.code, asked.stderr.as_str()), (0, ""), "{}", asked.stdout);

    let plain = ConfigFile::new().set("server.listen", daemon.addr().to_string());
    daemon.home().write(&plain);
    assert_eq!(Command::new(&healthcheck).run().code, 1);
    daemon.stop().await;
}

/// What `check` says of a folder.
fn checked(home: &Home, config: &ConfigFile) -> Output {
    let path = home.write(config);
    Command::new_in(home, &["check", "--config", path.to_str().unwrap()]).run()
}

#[test]
fn check_tells_what_is_wrong_with_certificate_and_key() {
    let authority = Authority::new();
    let config = with_tls(ConfigFile::new());
    let spoilt = |name: &str, spoil: &dyn Fn(&Home)| {
        let home = home(&authority);
        spoil(&home);
        let output = checked(&home, &config);
        assert_eq!(output.code, 78, "{}", output.all());
        insta::assert_snapshot!(format!("check_{name}"), output.stderr);
    };
    let write = |home: &Home, name: &str, text: &[u8]| {
        fs::write(home.path().join(name), text).unwrap();
    };
    let read = |home: &Home, name: &str| fs::read(home.path().join(name)).unwrap();
    spoilt("certificate_missing", &|home| {
        fs::remove_file(home.path().join("cert.pem")).unwrap();
    });
    spoilt("key_missing", &|home| fs::remove_file(home.path().join("tls-key")).unwrap());
    spoilt("mismatch", &|home| {
        let key = read(home, "tls-key");
        authority.issue(home);
        write(home, "tls-key", &key);
    });
    spoilt("swapped", &|home| {
        let (key, certificate) = (read(home, "tls-key"), read(home, "cert.pem"));
        write(home, "tls-key", &certificate);
        write(home, "cert.pem", &key);
    });
    spoilt("key_is_a_certificate", &|home| {
        let certificate = read(home, "cert.pem");
        write(home, "tls-key", &certificate);
    });
    spoilt("certificate_of_no_pem", &|home| write(home, "cert.pem", b"not a certificate\n"));
    spoilt("certificate_damaged", &|home| {
        let body = BASE64.encode(b"thirty bytes that are no X.509");
        let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        write(home, "cert.pem", pem.as_bytes());
    });
    spoilt("key_encrypted", &|home| {
        let pem =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        write(home, "tls-key", pem.as_bytes());
    });
    spoilt("key_damaged", &|home| {
        let pem = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
        write(home, "tls-key", pem.as_bytes());
    });
    spoilt("key_unreadable", &|home| {
        let key = home.path().join("tls-key");
        fs::remove_file(&key).unwrap();
        fs::create_dir(&key).unwrap();
    });
}

#[test]
fn check_warns_of_a_certificate_that_nobody_takes() {
    let authority = Authority::new();
    let config = with_tls(ConfigFile::new()).set("server.public_url", "https://localhost");
    let warned = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let home = Home::new();
        authority.issue_as(home.path(), change);
        let output = checked(&home, &config);
        assert_eq!(output.code, 0, "{}", output.all());
        output.stderr
    };
    assert!(!warned(&|_| {}).contains("server.tls"));
    let expired = warned(&|params| params.not_after = date_time_ymd(2020, 2, 1));
    assert!(
        expired.contains("warning: server.tls.certificate: it expired at 2020-02-01"),
        "{expired}"
    );
    let early = warned(&|params| params.not_before = date_time_ymd(4000, 1, 1));
    assert!(early.contains("does not hold before 4000-01-01"), "{early}");
    let soon = (jiff::Timestamp::now() + Duration::from_hours(30 * 24)).to_string();
    let mut date = soon.splitn(3, '-').map(|part| part.chars().take(4));
    let mut next = || date.next().unwrap().take_while(char::is_ascii_digit).collect::<String>();
    let (year, month, day) = (next(), next(), next());
    let near = warned(&|params| {
        params.not_before = date_time_ymd(1980, 1, 1);
        params.not_after =
            date_time_ymd(year.parse().unwrap(), month.parse().unwrap(), day.parse().unwrap());
    });
    assert!(near.contains(&format!("it expires at {year}-{month}-{day}T00:00:00")), "{near}");
    let other = warned(&|params| params.subject_alt_names.clear());
    assert!(other.contains("it is not for localhost"), "{other}");
}

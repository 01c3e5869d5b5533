//! §2 `callwarden store recover`.

use std::fs;

use crate::harness::{Command, ConfigFile, Daemon, Home, Output};

fn recover(home: &Home) -> Output {
    let config = home.path().join("callwarden.toml");
    Command::new_in(home, &["store", "recover"]).env("CALLWARDEN_CONFIG", config).run()
}

async fn with_calls(count: usize) -> Home {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for n in 0..count {
        let body = serde_json::json!({
            "event": "event_phone_call_started", "call_id": format!("call-{n:04}"),
            "agent_id": "agent-1", "context": {"padding": "x".repeat(900)},
        });
        assert_eq!(daemon.webhook().json(&body).send().await.status, 200);
    }
    daemon.stop().await
}

#[tokio::test]
async fn a_whole_file_is_copied_and_a_running_daemon_is_left_alone() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_eq!(daemon.event("phone_call_started", "c").await, "tracked");
    let home = daemon.home().clone();
    let locked = recover(&home);
    assert_eq!(locked.code, 74, "{}", locked.all());
    assert!(locked.stderr.contains("in use by another callwarden"), "{}", locked.stderr);
    daemon.stop().await;
    let copied = recover(&home);
    assert_eq!(copied.code, 0, "{}", copied.all());
    assert!(copied.stdout.starts_with("1 call salvaged into "), "{}", copied.stdout);
    assert_eq!(recover(&home).code, 1, "what is there is not written over");
}

#[tokio::test]
async fn what_is_whole_of_a_damaged_file_lives_on_and_the_rest_is_named() {
    let home = with_calls(120).await;
    let path = home.store();
    let mut bytes = fs::read(&path).unwrap();
    // A leaf of the table (its kind is 13) that holds contexts; the root keeps remnants of some too.
    let holds = |page: &[u8]| page.windows(10).any(|ten| ten == b"{\"padding\"");
    let leaves: Vec<_> = (1..bytes.len() / 4096)
        .map(|page| page * 4096)
        .filter(|at| bytes[*at] == 13 && holds(&bytes[*at..at + 4096]))
        .collect();
    let page = leaves[leaves.len() / 2];
    bytes[page..page + 4096].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let damaged = recover(&home);
    assert_eq!(damaged.code, 1, "{}", damaged.all());
    assert!(damaged.stdout.contains("lost: call call-"), "{}", damaged.stdout);
    let lost = damaged.stdout.lines().filter(|line| line.starts_with("lost:")).count();
    let kept = damaged.stdout.split(' ').next().unwrap().parse::<usize>().unwrap();
    assert_eq!(kept + lost, 120, "{}", damaged.stdout);
    assert!(kept > 100, "{}", damaged.stdout);
    assert_eq!(fs::read(&path).unwrap(), bytes, "the damaged file is only read");

    fs::rename(home.path().join("callwarden.db.recovered"), &path).unwrap();
    for rest in ["-wal", "-shm"] {
        fs::remove_file(home.path().join(format!("callwarden.db{rest}"))).ok();
    }
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    assert_eq!(daemon.health().await["calls"]["live"], kept);
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_no_database_is_told_so() {
    let home = Home::new();
    home.write(&ConfigFile::new());
    fs::write(home.store(), "this is no database, and long enough to be seen as none".repeat(20))
        .unwrap();
    let output = recover(&home);
    refused(&home, &output, "nothing that callwarden kept can be found in it");
}

/// Nothing was made, and nobody is sent where he comes from.
#[track_caller]
fn refused(home: &Home, output: &Output, why: &str) {
    assert_eq!((output.code, output.stdout.as_str()), (74, ""), "{}", output.all());
    assert!(output.stderr.contains(why), "{}", output.stderr);
    assert!(!output.stderr.contains("store recover"), "{}", output.stderr);
    for made in ["recovered", "recovered.mending"] {
        assert!(!home.path().join(format!("callwarden.db.{made}")).exists());
    }
}

#[tokio::test]
async fn a_file_without_its_header_or_its_end_is_salvaged() {
    let home = with_calls(40).await;
    let path = home.store();
    let whole = fs::read(&path).unwrap();
    let mut headless = whole.clone();
    headless[..100].fill(0xA5);
    for damaged in [headless, whole[..whole.len() - 4096].to_vec()] {
        fs::write(&path, &damaged).unwrap();
        let output = recover(&home);
        assert_eq!(output.code, 1, "{}", output.all());
        let kept = output.stdout.split(' ').next().unwrap().parse::<usize>().unwrap();
        assert!(
            if damaged.len() == whole.len() { kept == 40 } else { kept > 30 },
            "{}",
            output.all()
        );
        assert!(output.stdout.contains("not read: the header of the file"), "{}", output.stdout);
        assert_eq!(fs::read(&path).unwrap(), damaged, "the damaged file is only read");
        assert!(!home.path().join("callwarden.db.recovered.mending").exists());
        fs::remove_file(home.path().join("callwarden.db.recovered")).unwrap();
    }
}

#[tokio::test]
async fn what_is_not_ours_or_a_newer_versions_is_left_alone() {
    let home = Home::new();
    home.write(&ConfigFile::new());
    fs::write(home.store(), "").unwrap();
    refused(&home, &recover(&home), "is empty, and no store of callwarden's");
    let foreign = rusqlite::Connection::open(home.store()).unwrap();
    foreign.execute_batch("CREATE TABLE t (a)").unwrap();
    refused(&home, &recover(&home), "a database, but not callwarden's");
    foreign.execute_batch("PRAGMA application_id = 1668768878; PRAGMA user_version = 99").unwrap();
    refused(&home, &recover(&home), "of schema 99");
    foreign.close().unwrap();
    let bytes = fs::read(home.store()).unwrap();
    fs::write(home.store(), &bytes[..4096]).unwrap();
    refused(&home, &recover(&home), "of schema 99");
}

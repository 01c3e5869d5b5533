//! Stores that no daemon starts on: exit 74, and nothing is touched (spec §2, §8).

use std::{fs, path::Path};

use rusqlite::Connection;

use crate::harness::{ConfigFile, Daemon, Home};

/// The database and its WAL: what is in them. Whoever looks into one leaves an empty WAL behind.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, bytes)| {
            ["callwarden.db", "callwarden.db-wal"].contains(&name.as_str()) && !bytes.is_empty()
        })
        .collect();
    files.sort();
    files
}

/// Starts a daemon that must refuse; returns what it said.
async fn refused(home: &Home, config: ConfigFile, words: &str) -> String {
    let mut daemon = Daemon::spawn(home.clone(), config);
    daemon.expect_error("cannot start");
    let (code, log) = daemon.exit().await;
    let said: String = log.iter().map(|line| format!("{}\n", line.text)).collect();
    assert_eq!(code, 74, "{said}");
    assert!(said.contains(words), "{words:?} is not in {said}");
    said
}

/// A store with calls in it, closed in order.
async fn used() -> Home {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for n in 0..50 {
        daemon.event("phone_call_started", &format!("call-{n}")).await;
    }
    daemon.stop().await
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let home = Home::new();
    fs::write(home.store(), "these are somebody's notes\n".repeat(400)).unwrap();
    let before = files(home.path());
    refused(&home, ConfigFile::new(), "damaged").await;
    assert!(files(home.path()) == before, "the file was touched");
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left_as_it_is() {
    let home = used().await;
    let mut bytes = fs::read(home.store()).unwrap();
    let third = bytes.len() / 3;
    bytes[third..2 * third].fill(0xa5);
    fs::write(home.store(), bytes).unwrap();
    let before = files(home.path());
    refused(&home, ConfigFile::new(), "damaged").await;
    assert!(files(home.path()) == before, "the file was touched");
}

#[tokio::test]
async fn a_truncated_database_is_refused_and_left_as_it_is() {
    let home = used().await;
    let bytes = fs::read(home.store()).unwrap();
    fs::write(home.store(), &bytes[..bytes.len() / 2 / 4096 * 4096]).unwrap();
    let before = files(home.path());
    refused(&home, ConfigFile::new(), "damaged").await;
    assert!(files(home.path()) == before, "the file was touched");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let home = used().await;
    let store = Connection::open(home.store()).unwrap();
    store.pragma_update(None, "user_version", 1_000).unwrap();
    store.close().unwrap();
    let before = files(home.path());
    refused(&home, ConfigFile::new(), "of schema 1000").await;
    assert!(files(home.path()) == before, "the file was touched");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let home = Home::new();
    let store = Connection::open(home.store()).unwrap();
    store.execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('hi')").unwrap();
    store.close().unwrap();
    let before = files(home.path());
    refused(&home, ConfigFile::new(), "not callwarden's").await;
    assert!(files(home.path()) == before, "the file was touched");
}

#[tokio::test]
async fn a_missing_folder_is_refused_and_not_made() {
    let home = Home::new();
    let config = ConfigFile::new().set("store.url", "sqlite:nowhere/callwarden.db");
    refused(&home, config, "its folder does not exist").await;
    assert!(!home.path().join("nowhere").exists());
}

#[tokio::test]
async fn a_folder_in_the_files_place_is_refused() {
    let home = Home::new();
    fs::create_dir(home.store()).unwrap();
    refused(&home, ConfigFile::new(), "no regular file").await;
}

/// It waits up to 15 s for its predecessor.
#[tokio::test]
async fn a_second_daemon_on_one_store_ends_and_names_the_first() {
    let first = Daemon::start(ConfigFile::new()).await;
    let name = format!("pid {}", first.pid());
    refused(first.home(), ConfigFile::new(), &name).await;
    assert_eq!(first.event("phone_call_started", "one").await, "tracked");
    first.stop().await;
}

/// By another name of the same file it is the same store.
#[tokio::test]
async fn a_link_to_the_file_is_the_same_store() {
    let first = Daemon::start(ConfigFile::new()).await;
    let home = Home::new();
    std::os::unix::fs::symlink(first.home().store(), home.store()).unwrap();
    let name = format!("pid {}", first.pid());
    refused(&home, ConfigFile::new(), &name).await;
    first.stop().await;
}

#[tokio::test]
async fn a_successor_waits_for_its_predecessor() {
    let first = Daemon::start(ConfigFile::new()).await;
    first.event("phone_call_started", "one").await;
    let home = first.home().clone();
    let second = Daemon::start_in(home, ConfigFile::new());
    let (_, second) = tokio::join!(first.stop(), second);
    assert_eq!(second.call("one").await["state"], "live");
    second.stop().await;
}

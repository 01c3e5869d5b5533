//! What can stand in the way of the store, at the start and later, and how it heals.

use super::*;

#[tokio::test]
async fn a_second_callwarden_is_told_the_first_ones_pid_and_does_no_harm() {
    let place = Place::new();
    let store = place.open().await;
    let error = place.refusal().await;
    assert!(
        matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{error:?}"
    );
    store.commit(rows([row("a", 1)])).await.unwrap();

    // A successor that waits gets it.
    let path = place.path();
    let successor = Store::open(&path, Duration::from_secs(10));
    let (successor, ()) = tokio::join!(successor, store.close());
    let successor = successor.unwrap();
    assert_eq!(live_ids(&successor, 10).await, ["a"]);
    assert!(matches!(store.probe().await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn what_stands_in_the_way_is_named_and_left_as_it_is() {
    type Check = fn(&StoreError) -> bool;
    let foreign = {
        let place = Place::new();
        Connection::open(place.path()).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        fs::read(place.path()).unwrap()
    };
    let changed = |sql: &'static str| async move {
        let place = Place::new();
        place.open().await.close().await;
        Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
        fs::read(place.path()).unwrap()
    };
    let torn = {
        let place = Place::new();
        let store = place.open().await;
        let many = (0..500).map(|n| row(&format!("call-{n}"), 1));
        store.commit(rows(many)).await.unwrap();
        store.close().await;
        let mut bytes = fs::read(place.path()).unwrap();
        let middle = (bytes.len() / 2) & !4095;
        bytes[middle..middle + 4096].fill(0x5a);
        bytes
    };
    let cases: [(&str, Vec<u8>, Check); 7] = [
        ("text", b"hello".to_vec(), |e| matches!(e, StoreError::Damaged { .. })),
        ("zeros", vec![0; 8192], |e| matches!(e, StoreError::Damaged { .. })),
        ("torn page", torn, |e| matches!(e, StoreError::Damaged { .. })),
        ("foreign", foreign, |e| matches!(e, StoreError::NotOurs { found: 0, .. })),
        ("foreign id", changed("PRAGMA application_id = 5").await, |e| {
            matches!(e, StoreError::NotOurs { found: 5, .. })
        }),
        ("newer", changed("PRAGMA user_version = 99").await, |e| {
            matches!(e, StoreError::Newer { found: 99, known: 1, .. })
        }),
        ("no table", changed("DROP TABLE requests").await, |e| {
            matches!(e, StoreError::Damaged { .. })
        }),
    ];
    for (name, bytes, expected) in cases {
        let place = Place::new();
        fs::write(place.path(), &bytes).unwrap();
        let Err(error) = Store::open(&place.path(), NO_PATIENCE).await else {
            panic!("{name}: opened");
        };
        assert!(expected(&error), "{name}: {error:?}");
        assert!(error.forbids_start(), "{name}");
        assert!(fs::read(place.path()).unwrap() == bytes, "{name}: touched");
    }
}

#[tokio::test]
async fn a_missing_folder_and_a_folder_for_a_file_are_named() {
    let place = Place::new();
    let missing = place.path().join("no/calls.db");
    let error = Store::open(&missing, NO_PATIENCE).await.err().unwrap();
    assert!(matches!(error, StoreError::FolderMissing { .. }), "{error:?}");

    fs::create_dir(place.path()).unwrap();
    let error = place.refusal().await;
    assert!(matches!(error, StoreError::NotAFile { .. }), "{error:?}");
}

#[tokio::test]
async fn an_empty_file_and_a_link_are_fine() {
    let place = Place::new();
    fs::write(place.path(), "").unwrap();
    let link = place.folder.path().join("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let store = Store::open(&link, NO_PATIENCE).await.unwrap();
    assert!(place.folder.path().join("calls.db.lock").exists());
    assert!(matches!(place.refusal().await, StoreError::Locked { .. }));
    store.commit(rows([row("a", 1)])).await.unwrap();
}

#[tokio::test]
async fn a_store_that_does_not_work_at_the_start_heals_when_probed() {
    let place = Place::new();
    let wal = place.folder.path().join("calls.db-wal");
    fs::create_dir(&wal).unwrap();
    let store = Store::open(&place.path(), NO_PATIENCE).await.unwrap();
    assert!(matches!(store.failure(), Some(StoreError::Unavailable { .. })));
    assert!(matches!(store.commit(rows([row("a", 1)])).await, Err(StoreError::Unavailable { .. })));
    assert!(matches!(store.live(None, 9).await, Err(StoreError::Unavailable { .. })));

    fs::remove_dir(&wal).unwrap();
    store.probe().await.unwrap();
    assert!(store.failure().is_none());
    store.commit(rows([row("a", 1)])).await.unwrap();
    assert_eq!(live_ids(&store, 10).await, ["a"]);
}

#[tokio::test]
async fn a_full_database_loses_its_commit_whole_and_heals() {
    let place = Place::new();
    let store = place.open().await;
    store.commit(rows([row("a", 1)])).await.unwrap();
    let fill = |writer: &mut Writer| writer.execute("PRAGMA max_page_count = 1");
    store.inner.writer.run(fill).await.unwrap();
    let many = rows((0..500).map(|n| row(&format!("call-{n}"), 1)));
    let error = store.commit(many.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(store.failure().is_some());
    assert_eq!(live_ids(&store, 1_000).await, ["a"]);

    store.commit(many).await.unwrap();
    assert!(store.failure().is_none());
    assert_eq!(live_ids(&store, 100).await.len(), 501);
}

#[tokio::test]
async fn a_file_moved_away_is_missed_and_found_again() {
    let place = Place::new();
    let store = place.open().await;
    store.commit(rows([row("a", 1)])).await.unwrap();
    let elsewhere = place.folder.path().join("elsewhere.db");
    fs::rename(place.path(), &elsewhere).unwrap();
    let error = store.commit(rows([row("b", 1)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(!place.path().exists());

    fs::rename(&elsewhere, place.path()).unwrap();
    store.commit(rows([row("b", 1)])).await.unwrap();
    assert_eq!(live_ids(&store, 10).await, ["a", "b"]);
}

#[tokio::test]
async fn another_programs_lock_is_a_reason_of_its_own() {
    let place = Place::new();
    let store = place.open().await;
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(rows([row("a", 1)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    other.execute_batch("COMMIT").unwrap();
    store.probe().await.unwrap();
}

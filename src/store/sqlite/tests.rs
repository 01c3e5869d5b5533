//! The store against real files. What fails here fails for real: a full database, a file that is
//! no database, a folder where SQLite wants its WAL, another program's lock.

mod trouble;

use std::{fs, time::Duration};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::JoinedAway;

const NO_PATIENCE: Duration = Duration::ZERO;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("calls.db")
    }

    async fn open(&self) -> Store {
        let store = Store::open(&self.path(), NO_PATIENCE).await.unwrap();
        assert!(store.failure().is_none(), "{:?}", store.failure());
        store
    }

    async fn refusal(&self) -> StoreError {
        Store::open(&self.path(), NO_PATIENCE).await.err().unwrap()
    }
}

fn id(text: &str) -> CallId {
    CallId::parse(text).unwrap()
}

fn row(name: &str, version: u64) -> Row {
    Row {
        id: id(name),
        sid: None,
        version,
        outcome: None,
        ended_at: None,
        deadline: Some(Wall(7)),
        body: format!("{{\"v\":{version}}}"),
        context: None,
    }
}

fn ended(name: &str, at: i64) -> Row {
    Row { outcome: Some("completed".to_owned()), ended_at: Some(Wall(at)), ..row(name, 1) }
}

fn rows(rows: impl IntoIterator<Item = Row>) -> Batch {
    Batch { rows: rows.into_iter().collect(), ..Batch::default() }
}

async fn live_ids(store: &Store, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = store.live(after, limit).await.unwrap();
        ids.extend(page.rows.iter().map(|row| row.id.to_string()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn a_row_comes_back_as_it_went_in_also_after_a_restart() {
    let place = Place::new();
    let full = Row {
        sid: Some(id("sid-1")),
        context: Some("{\"plan\":\"trial\"}".to_owned()),
        ..ended("a\u{fc}/..", 9)
    };
    let store = place.open().await;
    let committed = store.commit(rows([full.clone()])).await.unwrap();
    assert!(committed.refused.is_empty());
    store.close().await;

    let store = place.open().await;
    assert_eq!(store.find(&full.id).await.unwrap(), Some(full.clone()));
    assert_eq!(store.find(&id("sid-1")).await.unwrap(), Some(full.clone()));
    assert_eq!(store.find(&id("b")).await.unwrap(), None);
    let contexts = store.contexts(vec![id("b"), full.id.clone()]).await.unwrap();
    assert_eq!(contexts, [None, full.context]);
    assert!(store.bytes().await.unwrap() > 4096);
}

#[tokio::test]
async fn a_row_is_only_replaced_by_one_of_a_higher_version_and_keeps_its_context() {
    let store = Place::new();
    let store = store.open().await;
    let first = Row { context: Some("{}".to_owned()), ..row("a", 2) };
    store.commit(rows([first])).await.unwrap();
    store.commit(rows([row("a", 1), row("a", 2)])).await.unwrap();
    let found = store.find(&id("a")).await.unwrap().unwrap();
    assert_eq!((found.version, found.body.as_str()), (2, "{\"v\":2}"));

    store.commit(rows([row("a", 3)])).await.unwrap();
    let found = store.find(&id("a")).await.unwrap().unwrap();
    assert_eq!((found.version, found.context.as_deref()), (3, Some("{}")));
}

#[tokio::test]
async fn a_sid_named_row_goes_in_the_commit_that_joins_it_and_hands_its_context_on() {
    let place = Place::new();
    let store = place.open().await;
    let context = |text: &str| Some(text.to_owned());
    let by_sid = |sid, text| Row { context: context(text), ..row(sid, 1) };
    let by_id = |name, sid| Row { sid: Some(id(sid)), ..row(name, 2) };
    let joined = |sid, name| JoinedAway { sid: id(sid), id: id(name) };
    store.commit(rows([by_sid("sid-1", "1"), by_sid("sid-2", "2")])).await.unwrap();
    let own = Row { context: context("own"), ..by_id("b", "sid-2") };
    let batch = Batch {
        joined_away: vec![joined("sid-1", "a"), joined("sid-2", "b")],
        ..rows([by_id("a", "sid-1"), own])
    };
    store.commit(batch).await.unwrap();
    assert_eq!(live_ids(&store, 10).await, ["a", "b"]);
    let found = async |sid| {
        let row = store.find(&id(sid)).await.unwrap().unwrap();
        (row.id.as_str().to_owned(), row.context.unwrap())
    };
    assert_eq!(found("sid-1").await, ("a".to_owned(), "1".to_owned()));
    assert_eq!(found("sid-2").await, ("b".to_owned(), "own".to_owned()));
}

#[tokio::test]
async fn a_sid_named_row_stays_where_the_row_that_joins_it_is_refused() {
    let place = Place::new();
    let store = place.open().await;
    store.commit(rows([row("sid-1", 1)])).await.unwrap();
    let big = Row { sid: Some(id("sid-1")), body: "x".repeat(2 << 20), ..row("a", 2) };
    let joined_away = vec![JoinedAway { sid: id("sid-1"), id: id("a") }];
    store.commit(Batch { joined_away, ..rows([big]) }).await.unwrap();
    assert_eq!(live_ids(&store, 10).await, ["sid-1"]);
}

#[tokio::test]
async fn a_row_that_sqlite_refuses_is_refused_alone() {
    let place = Place::new();
    let store = place.open().await;
    let big = Row { body: "x".repeat(2 << 20), ..row("big", 1) };
    let committed = store.commit(rows([row("a", 1), big, row("b", 1)])).await.unwrap();
    let refused: Vec<_> = committed.refused.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(refused, ["big"]);
    assert_eq!(live_ids(&store, 10).await, ["a", "b"]);
    assert!(store.failure().is_none());
}

#[tokio::test]
async fn live_rows_come_in_pages_while_they_change() {
    let place = Place::new();
    let store = place.open().await;
    let all = (0..10).map(|n| row(&format!("call-{n}"), 1));
    store.commit(rows(all.chain([ended("over", 1)]))).await.unwrap();

    let page = store.live(None, 4).await.unwrap();
    assert_eq!(page.rows.len(), 4);
    store.commit(rows([row("call-0", 2), row("new", 1)])).await.unwrap();
    let rest = store.live(page.next, 100).await.unwrap();
    assert_eq!(rest.rows.len(), 7);
    assert_eq!(rest.next, None);
    assert_eq!(live_ids(&store, 11).await.len(), 11);
}

#[tokio::test]
async fn history_is_ordered_by_end_and_id_and_pages_without_gaps() {
    let place = Place::new();
    let store = place.open().await;
    let mut stopped = ended("e", 30);
    stopped.outcome = Some("stopped".to_owned());
    let all =
        [ended("b", 20), ended("a", 20), ended("c", 10), ended("d", 30), stopped, row("x", 1)];
    store.commit(rows(all)).await.unwrap();

    let mut query = HistoryQuery { outcome: None, since: None, after: None, limit: 2 };
    let mut seen = Vec::new();
    loop {
        let page = store.history(query.clone()).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some((last.ended_at.unwrap(), last.id.clone()));
        seen.extend(page.iter().map(|row| row.id.to_string()));
    }
    assert_eq!(seen, ["d", "e", "a", "b", "c"]);

    let only = HistoryQuery {
        outcome: Some("completed".to_owned()),
        since: Some(Wall(20)),
        after: None,
        limit: 10,
    };
    let found = store.history(only).await.unwrap();
    let found: Vec<_> = found.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(found, ["d", "a", "b"]);
}

#[tokio::test]
async fn requests_are_remembered_for_two_hours() {
    const HOUR: i64 = 3_600_000_000;
    let place = Place::new();
    let store = place.open().await;
    for at in [0, HOUR, HOUR, 2 * HOUR + 1] {
        let requests = vec![Wall(at)];
        store.commit(Batch { requests, ..Batch::default() }).await.unwrap();
    }
    let kept = store.requests_since(Wall(-1)).await.unwrap();
    assert_eq!(kept, [Wall(HOUR), Wall(HOUR), Wall(2 * HOUR + 1)]);
    assert_eq!(store.requests_since(Wall(HOUR + 1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_may_have_left_unwritten_stays_until_told_otherwise() {
    let place = Place::new();
    let store = place.open().await;
    assert_eq!(store.unwritten_requests().await.unwrap(), 0);
    let told = |unwritten_requests| Batch { unwritten_requests, ..Batch::default() };
    store.commit(told(Some(10))).await.unwrap();
    store.commit(told(None)).await.unwrap();
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.unwritten_requests().await.unwrap(), 10);
    store.commit(told(Some(0))).await.unwrap();
    assert_eq!(store.unwritten_requests().await.unwrap(), 0);
}

#[tokio::test]
async fn pruning_forgets_old_outcomes_only_and_the_file_shrinks() {
    let place = Place::new();
    let store = place.open().await;
    let fat = |n: i64| Row { body: "x".repeat(4_000), ..ended(&format!("call-{n}"), n) };
    let kept = [ended("young", 5_000), row("live", 1)];
    store.commit(rows((0..2_000).map(fat).chain(kept))).await.unwrap();
    store.close().await;
    let before = fs::metadata(place.path()).unwrap().len();

    let store = place.open().await;
    let mut pruned = 0;
    loop {
        let now = store.prune(Wall(5_000), 500).await.unwrap();
        assert!(now <= 500);
        pruned += now;
        if now < 500 {
            break;
        }
    }
    assert_eq!(pruned, 2_000);
    assert!(store.find(&id("young")).await.unwrap().is_some());
    assert_eq!(live_ids(&store, 10).await, ["live"]);
    store.close().await;
    let after = fs::metadata(place.path()).unwrap().len();
    assert!(after < before / 4, "{before} -> {after}");
}

#[tokio::test]
async fn a_backup_works_and_the_wal_stays_small_while_rows_are_written() {
    let place = Place::new();
    let store = place.open().await;
    for round in 1..=40 {
        let batch = rows((0..500).map(|n| row(&format!("call-{n}"), round)));
        store.commit(batch).await.unwrap();
    }
    let copy = place.folder.path().join("copy.db");
    let other = Connection::open(place.path()).unwrap();
    other.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let copied: i64 = Connection::open(copy)
        .unwrap()
        .query_row("SELECT count(*) FROM calls WHERE version = 40", [], |row| row.get(0))
        .unwrap();
    assert_eq!(copied, 500);
    assert!(store.bytes().await.unwrap() < 64 << 20);
}

#[tokio::test]
async fn queries_use_the_partial_indexes() {
    let place = Place::new();
    place.open().await.close().await;
    let connection = Connection::open(place.path()).unwrap();
    for sql in read::STATEMENTS.iter().chain(write::STATEMENTS) {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> =
            explain.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
        for step in &plan {
            assert!(!step.starts_with("SCAN"), "{sql}: {plan:?}");
            assert!(!step.contains("TEMP B-TREE"), "{sql}: {plan:?}");
        }
    }
}

#[tokio::test]
async fn what_was_committed_is_on_the_disk_as_a_crash_would_leave_it() {
    let place = Place::new();
    let store = place.open().await;
    store.commit(rows((0..50).map(|n| row(&format!("call-{n}"), 1)))).await.unwrap();
    let crashed = Place::new();
    for name in ["calls.db", "calls.db-wal"] {
        let from = place.folder.path().join(name);
        fs::copy(from, crashed.folder.path().join(name)).unwrap();
    }
    assert_eq!(live_ids(&crashed.open().await, 1_000).await.len(), 50);
}

#[tokio::test]
async fn a_wal_grown_long_starts_anew() {
    let place = Place::new();
    let wal = place.folder.path().join("calls.db-wal");
    let store = place.open().await;
    store.commit(rows((0..500).map(|n| row(&format!("call-{n}"), 1)))).await.unwrap();
    let long = fs::metadata(&wal).unwrap().len();

    store.inner.shared.wal_is_long.store(true, Ordering::Relaxed);
    store.commit(rows([row("a", 1)])).await.unwrap();
    assert_eq!(fs::metadata(&wal).unwrap().len(), long);
    assert!(!store.inner.shared.wal_is_long.load(Ordering::Relaxed));
}

//! Everything goes wrong at once, and the promise holds: a run of 1,000 calls through lost, late and
//! doubled webhooks, a platform that fails and hangs, two storms of 429, a new token and a kill -9.
//!
//! The run writes what happened as a [`history`]; one [`checker`] judges it, by the platform's own
//! records alone. [`planted`] shows that the checker finds what there is to be found.

mod checker;
mod history;
mod planted;
#[path = "../../promise/mod.rs"]
mod promise;
mod run;

use history::History;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_all_faults_at_once_every_call_is_stopped_in_time_and_none_early() {
    let path = run::folder().join("mixed-history.jsonl");
    run::run().await.write(&path);
    let breaches = checker::judge(&History::read(&path));
    assert!(breaches.is_empty(), "{}: {breaches:#?}", path.display());
}

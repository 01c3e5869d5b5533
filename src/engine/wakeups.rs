//! What the timer has been told: for each call the instant at which it wants to be looked at.
//!
//! Written under the call's lock, read by the timer's loop. A set keyed by call, not a channel:
//! ten changes of a call fold into one, so it is never longer than there are calls.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::model::{ids::CallId, time::Mono};

/// The wake-ups wanted, and those the timer has yet to hear of.
#[derive(Default)]
pub(super) struct Wakeups {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Default)]
struct State {
    news: HashMap<CallId, Option<Mono>>,
    armed: HashMap<CallId, Mono>,
}

impl Wakeups {
    /// The call wants to be looked at then, or no more.
    pub(super) fn arm(&self, id: &CallId, at: Option<Mono>) {
        let was_idle = {
            let mut state = self.state();
            state.news.insert(id.clone(), at);
            state.news.len() == 1
        };
        if was_idle {
            self.told.notify_one();
        }
    }

    /// What has changed since this was last asked.
    pub(super) fn news(&self) -> Vec<(CallId, Option<Mono>)> {
        let mut state = self.state();
        let news = std::mem::take(&mut state.news);
        for (id, at) in &news {
            match at {
                Some(at) => state.armed.insert(id.clone(), *at),
                None => state.armed.remove(id),
            };
        }
        news.into_iter().collect()
    }

    /// The timer has fired for this call.
    pub(super) fn fired(&self, id: &CallId) {
        self.state().armed.remove(id);
    }

    /// Waits until there is news.
    pub(super) async fn changed(&self) {
        self.told.notified().await;
    }

    /// Whether the timer has, or will be told, just this wake-up of the call.
    pub(super) fn is_armed(&self, id: &CallId, at: Option<Mono>) -> bool {
        let state = self.state();
        match state.news.get(id) {
            Some(news) => *news == at,
            None => state.armed.get(id).copied() == at,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

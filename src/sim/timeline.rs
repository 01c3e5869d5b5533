//! What the world is going to do, in order, and the loop that lets it.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::sleep;

use super::{
    call::{EndedBy, Status},
    clock::{self, Micros},
    courier::Delivery,
    shared::Shared,
};

/// One thing to come. Steps of a call that is over by then do nothing.
#[derive(Debug)]
pub(super) enum Step {
    Dial(String),
    Answer(String),
    Talk(String),
    Event(String, String),
    End(String, Status, EndedBy),
    Post(Delivery),
}

/// Steps by time, those of one instant in the order they were planned.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    steps: BTreeMap<(Micros, u64), Step>,
    planned: u64,
    posts: usize,
    /// The first step is another one than before: the loop must look again.
    sooner: bool,
}

impl Timeline {
    pub(super) fn plan(&mut self, at: Micros, step: Step) {
        self.posts += usize::from(matches!(step, Step::Post(_)));
        self.sooner |= self.next().is_none_or(|first| at < first);
        self.planned += 1;
        self.steps.insert((at, self.planned), step);
    }

    pub(super) fn next(&self) -> Option<Micros> {
        self.steps.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first step due by then.
    pub(super) fn pop(&mut self, now: Micros) -> Option<Step> {
        let step = self.steps.first_entry().filter(|entry| entry.key().0 <= now)?.remove();
        self.posts -= usize::from(matches!(step, Step::Post(_)));
        Some(step)
    }

    pub(super) fn take_sooner(&mut self) -> bool {
        std::mem::take(&mut self.sooner)
    }

    /// Whether no delivery is still to come.
    pub(super) fn is_quiet(&self) -> bool {
        self.posts == 0
    }
}

/// Lets the world go on until the sim stops.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let now = clock::now();
        let next = shared.act(|world| world.advance(now));
        let pause = async {
            match next {
                Some(due) => sleep(clock::until(due, now)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = shared.replanned() => {}
            () = pause => {}
        }
    }
}

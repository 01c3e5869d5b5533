//! Lets requests go as the quota allows, in the queue's order, and brings their answers back
//! (spec §7). It decides nothing: [`Window`](crate::model::quota::Window) says when,
//! [`Queue`](crate::model::queue::Queue) says which, the call says whether.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use super::{Shared, desk::Leave};
use crate::{
    model::{
        call::Call,
        change::{Effect, Event},
        desk::{self, Begun, Told, Turn},
        ids::{AgentId, CallId},
        lookup::Query,
        platform::{Answer, Failure, Meter, Page, Row},
        queue::{Kind, Next},
        quota::{Poll, Slot},
        time::{Moment, Mono},
    },
    platform::ListQuery,
    telemetry::liveness::Pulse,
};

/// How often the loop shows that it turns.
const BEAT: Duration = Duration::from_secs(1);
/// Rows a page, the most that the platform gives.
const PER_PAGE: u32 = 100;

/// The loop that lets requests go.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    requests: TaskTracker,
    pulse: Pulse,
}

impl Dispatcher {
    pub(super) fn new(shared: Arc<Shared>, requests: TaskTracker, pulse: Pulse) -> Self {
        Self { shared, requests, pulse }
    }

    /// Lets requests go until told to stop; those under way go on.
    pub(crate) async fn run(self, stop: CancellationToken) {
        // Whoever waits for the requests waits for the last one that leaves here.
        let _still_runs = self.requests.token();
        if self.shared.reconciles() {
            self.shared.desk.open(self.now().mono);
        }
        while !stop.is_cancelled() {
            let may_leave = stop.run_until_cancelled(self.await_records()).await;
            if may_leave.is_none() {
                break;
            }
            let now = self.now();
            self.pulse.beat(now.mono);
            let poll = self.shared.quota().poll(now.mono);
            let wait = match poll {
                Poll::Go => match self.pop(now.mono) {
                    Some(Next::Call(kind, id)) => {
                        self.let_go(kind, &id).await;
                        continue;
                    }
                    Some(Next::Listing(lister)) => {
                        self.give_leave(lister);
                        continue;
                    }
                    None => BEAT,
                },
                Poll::Until(at) => at.since(now.mono).min(BEAT),
            };
            let looks_again = self.shared.desk.looks_again(now.mono);
            let wait = looks_again.map_or(wait, |at| wait.min(at.since(now.mono)));
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.shared.desk.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Waits until a crash now would not forget more requests than a restart counts.
    async fn await_records(&self) {
        let ledger = &self.shared.ledger;
        loop {
            let now = self.now().mono;
            let Poll::Until(at) = ledger.poll(now) else { return };
            // Whether in time or not, the ledger is asked again.
            drop(tokio::time::timeout(at.since(now), ledger.written_on()).await);
        }
    }

    fn pop(&self, now: Mono) -> Option<Next> {
        let (share, quota) = (self.shared.signs.get().listing_share(), self.shared.tuning().quota);
        let share = desk::listings_share(share, &mut self.shared.listing_part(), quota, now);
        self.shared.desk.pop(share, self.shared.has_listed(), now)
    }

    /// A listing may ask for its next page.
    fn give_leave(&self, lister: u8) {
        let Some(waiting) = self.shared.desk.lister(lister) else { return };
        let slot = self.leave(&Next::Listing(lister));
        let part = self.shared.listing_part().sent(self.now().mono);
        if let Err(Leave { slot, part }) = waiting.send(Leave { slot, part }) {
            // Whoever waited is gone: the request never left.
            self.shared.quota().unsent(slot);
            self.shared.listing_part().unsent(part);
            self.shared.desk.finished(&Next::Listing(lister));
        }
    }

    async fn let_go(&self, kind: Kind, id: &CallId) {
        let call = self.shared.calls.find(id);
        let left = match self.shared.desk.turn(kind, call.as_ref(), self.now().mono) {
            Turn::EndCall => self.end_call(kind, id).await,
            Turn::LookUp(begun, query) => {
                self.look_up(id, begun, query);
                true
            }
            Turn::LookedUp(likely) => {
                finish(&self.shared, id, Ok(likely)).await;
                false
            }
            Turn::Nothing => false,
        };
        if !left {
            self.shared.desk.put_down();
        }
    }

    /// The call's turn has come: if it still wants to be stopped, its request leaves.
    async fn end_call(&self, kind: Kind, id: &CallId) -> bool {
        self.await_intent(id).await;
        if self.shared.quota().poll(self.now().mono) != Poll::Go {
            // Meanwhile the platform has asked for a pause.
            self.shared.calls.look(id, |call| self.shared.desk.put_back(kind, call));
            return false;
        }
        let Some(changed) = self.shared.calls.change(id, &Event::Sending) else { return false };
        self.shared.events.tell(&changed);
        let Some(Effect::Send { agent, target }) = changed.send else { return false };
        let slot = self.leave(&Next::Call(kind, id.clone()));
        let request = EndCall { shared: Arc::clone(&self.shared), kind, id: id.clone(), slot };
        self.requests.spawn(request.run(agent, target));
        true
    }

    /// The intent to stop is durable before the request leaves, but the store holds no stop back.
    async fn await_intent(&self, id: &CallId) {
        let now = self.now().mono;
        let until = self.shared.calls.look(id, |call| desk::awaits_intent(call, now)).flatten();
        let Some(until) = until.filter(|_| !self.shared.ledger.is_failing()) else { return };
        if let Some(ticket) = self.shared.calls.intent(id) {
            // Whether in time or not, the request leaves.
            drop(tokio::time::timeout(until.since(now), ticket.made_durable()).await);
        }
    }

    /// One request of a call's look-up leaves.
    fn look_up(&self, id: &CallId, begun: Box<Begun>, query: Query) {
        let slot = self.leave(&Next::Call(begun.kind(), id.clone()));
        let request = Look { shared: Arc::clone(&self.shared), id: id.clone(), begun, slot };
        self.requests.spawn(request.run(query));
    }

    fn leave(&self, next: &Next) -> Slot {
        let now = self.now();
        self.shared.desk.started(next);
        self.shared.ledger.request(now.wall);
        self.shared.quota().sent(now.mono)
    }

    fn now(&self) -> Moment {
        self.shared.clock.now()
    }
}

/// An end-call request under way.
struct EndCall {
    shared: Arc<Shared>,
    kind: Kind,
    id: CallId,
    slot: Slot,
}

impl EndCall {
    async fn run(self, agent: AgentId, target: CallId) {
        let Self { shared, kind, id, slot } = self;
        let token = shared.token.generation();
        let request = shared.client.end_call(&agent, target.as_str());
        // Whatever happens to the request, the call must hear of it: it waits for an answer.
        let answered = AssertUnwindSafe(request).catch_unwind().await;
        let (answer, meter) = answered.unwrap_or_else(|_| {
            shared.metrics.panic();
            (Answer::Failed(Failure::Cut), Meter::default())
        });
        let failure = match &answer {
            Answer::Accepted | Answer::NotActive | Answer::NotFound => None,
            Answer::Failed(failure) => Some(failure),
        };
        let fresh_token = shared.settle(slot, failure, &meter, token);
        let event = Event::Answered { answer: &answer, jitter: fastrand::f64(), fresh_token };
        // Its id may have been told meanwhile.
        let known = shared.calls.change(&id, &event);
        let renamed = || shared.calls.change(&shared.calls.id_of(&id)?, &event);
        if let Some(changed) = known.or_else(renamed) {
            shared.events.tell(&changed);
        }
        shared.desk.finished(&Next::Call(kind, id));
    }
}

/// A look-up's request under way.
struct Look {
    shared: Arc<Shared>,
    id: CallId,
    begun: Box<Begun>,
    slot: Slot,
}

impl Look {
    async fn run(self, query: Query) {
        let Self { shared, id, begun, slot } = self;
        let token = shared.token.generation();
        let answered = AssertUnwindSafe(ask(&shared, &query)).catch_unwind().await;
        let (answer, meter) = answered.unwrap_or_else(|_| {
            shared.metrics.panic();
            (Err(Failure::Cut), Meter::default())
        });
        shared.settle(slot, answer.as_ref().err(), &meter, token);
        shared.desk.finished(&Next::Call(begun.kind(), id.clone()));
        if let Ok(page) = &answer {
            shared.answer_others(&id, &page.rows);
        }
        let is_wanted = shared.calls.look(&id, Call::is_looked_up).unwrap_or_default();
        match shared.desk.answered(&id, begun, query, answer.as_ref(), is_wanted) {
            Told::Over(found) => finish(&shared, &id, found.map(|row| row.map(|row| *row))).await,
            Told::Nothing => {}
        }
    }
}

async fn ask(shared: &Shared, query: &Query) -> (Result<Page, Failure>, Meter) {
    let list = ListQuery { per_page: PER_PAGE, ..ListQuery::default() };
    match query {
        Query::ActiveCall { agent, phone } => {
            let (rows, meter) = shared.client.active_call(agent, phone).await;
            (rows.map(|rows| Page { rows, ..Page::default() }), meter)
        }
        Query::Ringing { page } => {
            let list = ListQuery { status: Some("ringing".into()), page: *page, ..list };
            shared.client.calls(&list).await
        }
        Query::Recent { page } => {
            let list = ListQuery { page: *page, ..list };
            shared.client.calls(&list).await
        }
        Query::Search { text, page } => {
            let list = ListQuery { search: Some(text.clone().into()), page: *page, ..list };
            shared.client.calls(&list).await
        }
        Query::OfAgent { agent, page } => {
            let list = ListQuery { agent: Some(agent.clone()), page: *page, ..list };
            shared.client.calls(&list).await
        }
    }
}

/// The look-up is over.
async fn finish(shared: &Shared, id: &CallId, found: Result<Option<Row>, Failure>) {
    let found = found.map(|row| row.filter(|row| row.names(id) || !shared.is_another(id, &row.id)));
    let jitter = fastrand::f64();
    let event = match &found {
        Ok(row) => Event::LookedUp { found: Ok(row.as_ref()), jitter },
        Err(failure) => Event::LookedUp { found: Err(failure), jitter },
    };
    if let Some(changed) = shared.calls.change(id, &event) {
        shared.events.tell(&changed);
    }
    if let Ok(Some(row)) = &found {
        shared.meet(row).await;
    }
}

impl Shared {
    /// What a page shows is used at once: it answers every call that waits for an answer.
    fn answer_others(&self, asker: &CallId, rows: &[Row]) {
        for row in rows.iter().filter(|row| row.id != *asker) {
            let waits = self.calls.find(&row.id).is_some_and(|call| call.is_looked_up());
            if let Some(changed) = waits.then(|| self.calls.show(row, false)).flatten() {
                self.events.tell(&changed);
                self.know_as_one(row);
            }
        }
    }

    /// Settles a request's slot, and what its answer says of the platform. `token` is the
    /// generation that it left with; says whether there is a newer one.
    pub(super) fn settle(
        &self,
        slot: Slot,
        failure: Option<&Failure>,
        meter: &Meter,
        token: u64,
    ) -> bool {
        let now = self.clock.now();
        self.quota().settle(slot, failure, meter, now.mono);
        self.desk.tell();
        self.signs.get().platform_answered(failure, meter, now);
        let Some(Failure::Unauthorized { .. }) = failure else { return false };
        match self.token.refused(token, &self.client) {
            Ok(is_fresh) => is_fresh,
            Err(error) => {
                warn!(%error, "the platform refuses the token, and it cannot be read anew");
                false
            }
        }
    }

    /// Whether `other` is a call of its own, not another name of `id`.
    fn is_another(&self, id: &CallId, other: &CallId) -> bool {
        let sid = self.calls.find(id).and_then(|call| call.facts.sid().cloned());
        self.calls.contains(other) && sid.as_ref() != Some(other)
    }
}

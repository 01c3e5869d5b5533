//! The daemon in memory: what the engine holds, without its locks and loops.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use callwarden::model::{
    call::Call,
    desk::{Begun, Desk},
    health::{Signs, Tally},
    ids::{AgentId, CallId},
    listing::Pass,
    logs::Step,
    lookup::Query,
    operator::Act,
    queue::{Kind, Share},
    quota::{Slot, Unwritten, Window},
    time::{Moment, Mono, Wall},
    unasked::Unasked,
};

use super::{
    Time, account::Allowance, health::Troubles, laws::Books, logs::Reader, post::Hook, rules::Plan,
    scenario::Quota, store::Batch,
};

/// One life of the daemon, from its start until it is killed.
pub(super) struct Daemon {
    /// Which life this is: what belongs to an earlier one is dropped.
    pub(super) life: u64,
    pub(super) started: Mono,
    pub(super) calls: BTreeMap<CallId, Kept>,
    /// By the provider's sid, the id of the call.
    pub(super) aliases: HashMap<CallId, CallId>,
    pub(super) timers: BTreeSet<(Mono, CallId)>,
    pub(super) plan: Plan,
    pub(super) desk: Desk,
    pub(super) quota: Window,
    /// What it was made with.
    pub(super) tuning: Quota,
    /// The listings' part of it.
    pub(super) part: Window,
    /// The stop whose intent is awaited, and until when.
    pub(super) awaiting: Option<(Kind, CallId, Mono)>,
    pub(super) under_way: BTreeMap<u64, Sent>,
    pub(super) sent: u64,
    /// The token in use, by its number.
    pub(super) token: u64,
    pub(super) token_changed: u64,
    pub(super) lister: Lister,
    pub(super) reader: Reader,
    /// Agents heard of by webhook.
    pub(super) heard_agents: HashSet<AgentId>,
    /// Whether a first listing is over.
    pub(super) has_passed: bool,
    /// How late a wake-up was since the last tick.
    pub(super) lag: Duration,
    /// What health is told.
    pub(super) signs: Signs,
    pub(super) tally: Tally,
    /// What it should be.
    pub(super) troubles: Troubles,
    pub(super) dirty: BTreeSet<CallId>,
    /// Sids, and the ids that their calls go by now.
    pub(super) joined_away: Vec<(CallId, CallId)>,
    pub(super) requests: Vec<Wall>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) writing: Option<Batch>,
    /// Until when, in true time, all that happened is on record.
    pub(super) recorded_until: Time,
    pub(super) is_failing: bool,
    pub(super) is_loaded: bool,
    /// Requests that left and are not written.
    pub(super) unwritten: Unwritten,
    /// How many there may be, where the store does not know it yet.
    pub(super) allows_unwritten: Option<u32>,
    /// Calls that the policy in force has yet to reach.
    pub(super) reloading: BTreeSet<CallId>,
    /// Whether it reads contexts at new places.
    pub(super) reads_anew: bool,
    /// Both clocks, when last compared.
    pub(super) followed: Moment,
    /// When a request last could not leave because of the quota.
    pub(super) held: Mono,
    /// When a request last waited for its intent.
    pub(super) waited: Mono,
    /// Until when the last 429 forbids requests.
    pub(super) forbidden: Mono,
    /// When each request was answered, and how many more may arrive by what the platform has left.
    pub(super) answered: Vec<Option<Mono>>,
    pub(super) allowances: Vec<Allowance>,
    /// Whether a first request, and a look-up, waited when the next request was chosen.
    pub(super) waits: (bool, bool),
    /// The same of the last requests that left, and whether each was one.
    pub(super) shares: VecDeque<[(bool, bool); 2]>,
    /// When the dispatcher is to look again.
    pub(super) turn_at: Option<i64>,
    /// Calls that began in this life, by webhook, listing or from the store.
    pub(super) entered: i64,
    pub(super) outcomes: i64,
    pub(super) reopened: i64,
}

/// A call and what is kept beside it.
pub(super) struct Kept {
    pub(super) call: Call,
    pub(super) saved: u64,
    pub(super) intended: u64,
    pub(super) wakeup: Option<Mono>,
    pub(super) unasked: Unasked,
    /// Its context's text, until it is durable.
    pub(super) context: Option<Arc<str>>,
    /// Until when a look-up of it was under way.
    pub(super) busy_until: Mono,
    /// When its end was recorded, in this life.
    pub(super) over_since: Mono,
    pub(super) books: Books,
}

/// A request under way.
pub(super) struct Sent {
    pub(super) slot: Slot,
    pub(super) token_changed: u64,
    pub(super) left: Time,
    pub(super) ask: Ask,
}

/// What is asked of the platform.
pub(super) enum Ask {
    EndCall { id: CallId, kind: Kind, agent: AgentId, target: CallId },
    Look { id: CallId, begun: Box<Begun>, query: Query },
    List { part: Slot, status: &'static str, page: u32 },
    Read { part: Slot, step: Step },
}

/// How far the listing has got.
pub(super) enum Lister {
    Rests {
        until: Mono,
    },
    /// For leave to ask for its next page.
    Waits(Pass),
    Asks(Pass),
    /// Between two passes, it reads the delivery logs.
    Reads {
        until: Mono,
        step: Step,
    },
}

/// Whoever waits for a call to be durable.
pub(super) struct Waiter {
    pub(super) id: CallId,
    pub(super) what: Waits,
    pub(super) patience: Mono,
}

/// What is answered then.
pub(super) enum Waits {
    Hook(Box<Hook>),
    Order(Act),
}

/// What lists: the active calls, and the delivery logs.
pub(super) const RECONCILE: u8 = 0;
pub(super) const REPLAY: u8 = 1;

impl Daemon {
    pub(super) fn new(life: u64, now: Moment, plan: Plan, tuning: Quota) -> Self {
        let (most, span) = tuning;
        let mut desk = Desk::default();
        desk.open(now.mono);
        Self {
            life,
            started: now.mono,
            calls: BTreeMap::new(),
            aliases: HashMap::new(),
            timers: BTreeSet::new(),
            plan,
            desk,
            quota: Window::new(most, span),
            tuning,
            part: Window::new(Share::Tenth.of(most), span),
            awaiting: None,
            under_way: BTreeMap::new(),
            sent: 0,
            token: 0,
            token_changed: 0,
            lister: Lister::Rests { until: now.mono },
            reader: Reader::default(),
            heard_agents: HashSet::new(),
            has_passed: false,
            lag: Duration::ZERO,
            signs: Signs::default(),
            tally: Tally::default(),
            troubles: Troubles::default(),
            dirty: BTreeSet::new(),
            joined_away: Vec::new(),
            requests: Vec::new(),
            waiters: Vec::new(),
            writing: None,
            recorded_until: Time::MIN,
            is_failing: false,
            is_loaded: false,
            unwritten: Unwritten::default(),
            allows_unwritten: None,
            reloading: BTreeSet::new(),
            reads_anew: false,
            followed: now,
            held: now.mono,
            waited: Mono(i64::MIN),
            forbidden: Mono(i64::MIN),
            answered: Vec::new(),
            allowances: Vec::new(),
            waits: (false, false),
            shares: VecDeque::new(),
            turn_at: None,
            entered: 0,
            outcomes: 0,
            reopened: 0,
        }
    }

    /// How many requests left that are not on record.
    pub(super) fn unwritten_requests(&self) -> usize {
        self.requests.len() + self.writing.as_ref().map_or(0, Batch::requests)
    }

    /// The call that goes by this name now.
    pub(super) fn known_as<'a>(&'a self, id: &'a CallId) -> &'a CallId {
        let alias = || self.aliases.get(id).unwrap_or(id);
        if self.calls.contains_key(id) { id } else { alias() }
    }

    pub(super) fn call(&self, id: &CallId) -> Option<&Call> {
        self.calls.get(id).map(|kept| &kept.call)
    }

    /// How many calls are without outcome.
    pub(super) fn unended(&self) -> usize {
        self.calls.values().filter(|kept| kept.call.ended.is_none()).count()
    }

    /// Begins a call in memory.
    pub(super) fn admit(&mut self, id: &CallId, now: Moment) {
        self.enter(Kept::new(Call::new(id.clone(), now), Books::default()));
    }

    /// A call comes into memory.
    pub(super) fn enter(&mut self, kept: Kept) {
        self.entered += 1;
        self.tally.enter(&kept.call);
        self.calls.insert(kept.call.id.clone(), kept);
    }

    /// Takes a call out of memory, as if it had never been there.
    pub(super) fn take_out(&mut self, id: &CallId) -> Option<Kept> {
        let kept = self.calls.remove(id)?;
        self.disarm(&kept);
        self.tally.leave(&kept.call);
        self.tally.joined_away(id);
        self.desk.forget(id);
        Some(kept)
    }

    fn disarm(&mut self, kept: &Kept) {
        if let Some(at) = kept.wakeup {
            self.timers.remove(&(at, kept.call.id.clone()));
        }
    }
}

impl Kept {
    pub(super) fn new(call: Call, books: Books) -> Self {
        Self {
            saved: 0,
            intended: 0,
            wakeup: None,
            unasked: Unasked::default(),
            context: None,
            busy_until: Mono(i64::MIN),
            over_since: Mono(i64::MIN),
            call,
            books,
        }
    }
}

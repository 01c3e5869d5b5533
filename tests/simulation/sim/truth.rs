//! What only the world knows: requests as the platform saw them, lies it told, passes as they were.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use callwarden::model::ids::AgentId;

use super::{
    Time,
    laws::micros,
    promise::{Death, Window},
    scenario::Quota,
};

#[derive(Debug, Default)]
pub(super) struct Truth {
    /// When requests arrived that the daemon must remember, and when each had left.
    arrived: Window,
    /// The quota in force, and since when.
    quota: Quota,
    quota_since: Time,
    /// When requests to end each call arrived, and whether the platform took them.
    pub(super) requests: BTreeMap<usize, Vec<(Time, bool)>>,
    /// Calls of which a webhook came, and those of which one was answered 2xx.
    pub(super) delivered: BTreeSet<usize>,
    pub(super) is_told: BTreeSet<usize>,
    /// Agents that webhooks told of, and since when those are that were answered 2xx.
    pub(super) told_agents: BTreeSet<AgentId>,
    pub(super) known_agents: BTreeMap<AgentId, Time>,
    /// When there was last no room for a further call.
    pub(super) full: Option<Time>,
    /// When the daemon was killed.
    pub(super) deaths: Vec<Death>,
    /// The calls of which something false was told about their end.
    lies: BTreeSet<usize>,
    pass_began: Time,
    pass_is_trusted: bool,
    /// When the last passes that could be trusted began, in a row.
    passes: VecDeque<Time>,
}

impl Truth {
    /// This quota is in force from now on.
    pub(super) fn quota_is(&mut self, quota: Quota, now: Time) {
        if self.quota != quota {
            self.quota = quota;
            self.quota_since = now;
        }
    }

    pub(super) fn quota(&self) -> Quota {
        self.quota
    }

    /// A request arrives that had left then; says if there are more of them than may be.
    pub(super) fn request_arrives(&mut self, now: Time, left: Time) -> Option<String> {
        let (most, span) = self.quota;
        let seen = self.arrived.arrives((now, left), micros(span), self.quota_since);
        (seen > most as usize)
            .then(|| format!("{seen} requests in {span:?}, at most {most} may be"))
    }

    /// How many have arrived since.
    pub(super) fn arrived_since(&self, since: Time) -> usize {
        let Window(arrived) = &self.arrived;
        arrived.iter().rev().take_while(|(at, _)| *at >= since).count()
    }

    /// The daemon was killed before so many requests were on record: it cannot count them.
    pub(super) fn forget_requests(&mut self, unsaved: usize) {
        let Window(arrived) = &mut self.arrived;
        arrived.truncate(arrived.len().saturating_sub(unsaved));
    }

    /// The wall clock was set: a restart counts by it, and may count wrongly.
    pub(super) fn forget_all_requests(&mut self) {
        self.arrived = Window::default();
    }

    /// Something false was told about this call's end.
    pub(super) fn lies_about(&mut self, nth: usize) {
        self.lies.insert(nth);
    }

    pub(super) fn lied_about(&self, nth: usize) -> bool {
        self.lies.contains(&nth)
    }

    /// A pass begins; `trusted` where lists show things as they are.
    pub(super) fn pass_begins(&mut self, trusted: bool, now: Time) {
        self.pass_began = now;
        self.pass_is_trusted = trusted;
    }

    /// A pass is over. Gives the beginning and end of the last two that could be trusted.
    pub(super) fn pass_ends(&mut self, trusted: bool, now: Time) -> Option<(Time, Time)> {
        if !trusted || !self.pass_is_trusted {
            self.passes.clear();
            return None;
        }
        self.passes.push_back(self.pass_began);
        if self.passes.len() > 2 {
            self.passes.pop_front();
        }
        (self.passes.len() == 2).then(|| (self.passes[0], now))
    }

    pub(super) fn forget_passes(&mut self) {
        self.passes.clear();
    }
}

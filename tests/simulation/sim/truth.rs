//! What only the world knows: requests as the platform saw them, lies it told, passes as they were.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Time,
    promise::{Death, Window},
};

#[derive(Debug, Default)]
pub(super) struct Truth {
    /// When requests arrived that the daemon must remember.
    arrived: Window,
    /// When requests to end each call arrived, and whether the platform took them.
    pub(super) requests: BTreeMap<usize, Vec<(Time, bool)>>,
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
    /// A request arrives; says how many did within `span`.
    pub(super) fn request_arrives(&mut self, now: Time, span: Time) -> usize {
        self.arrived.arrives(now, span)
    }

    /// How many have arrived since.
    pub(super) fn arrived_since(&self, since: Time) -> usize {
        let Window(arrived) = &self.arrived;
        arrived.iter().rev().take_while(|at| **at >= since).count()
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

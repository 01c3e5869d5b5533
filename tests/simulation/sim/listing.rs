//! Listing: what `engine/reconcile` does.

use callwarden::model::{
    change::Event,
    ids::AgentId,
    listing::{self, Pass, Passed},
    platform::{Meter, Row},
    policy::Adopt,
    queue::Next,
    quota::Slot,
    unasked::Unasked,
};

use super::{
    Time,
    daemon::{Lister, RECONCILE},
    laws,
    platform::Brought,
    world::World,
};

/// A request of a listing that is over.
pub(super) struct Leave {
    pub(super) part: Slot,
    pub(super) status: &'static str,
    pub(super) page: u32,
}

impl World {
    /// Begins a pass when one is due.
    pub(super) fn list(&mut self) {
        let now = self.now();
        let Some(daemon) = &mut self.daemon else { return };
        let Lister::Rests { until } = daemon.lister else { return };
        if until <= now.mono {
            daemon.lister = Lister::Waits(Pass::new(now));
            daemon.desk.want_listing(RECONCILE, now.mono);
            let trusted = self.lists_are_true();
            self.truth.pass_begins(trusted, self.time);
        }
    }

    /// The pass that waits for leave, and the page it wants.
    pub(super) fn waiting_lister(&mut self) -> Option<(Pass, &'static str, u32)> {
        let daemon = self.daemon.as_mut()?;
        let Lister::Waits(pass) = &daemon.lister else { return None };
        let (status, page) = pass.next_page()?;
        Some((pass.clone(), status, page))
    }

    /// A page came, or could not be had.
    pub(super) fn listed(&mut self, leave: Leave, brought: Brought) {
        let now = self.now();
        let Brought::Page(answer) = brought else { return };
        self.listing_is_over(leave.part, RECONCILE);
        let Some(daemon) = &mut self.daemon else { return };
        let resting = Lister::Rests { until: now.mono };
        let Lister::Asks(mut pass) = std::mem::replace(&mut daemon.lister, resting) else { return };
        self.record.tell(self.time, || format!("listed {} page {}", leave.status, leave.page));
        match &answer {
            Ok(page) => {
                for row in &page.rows {
                    let first = pass.shows(row);
                    if self.take_listed(row, first) {
                        pass.adopts(row);
                    }
                }
                pass.heard(page);
            }
            Err(failure) => pass.failed(failure),
        }
        let Some(daemon) = &mut self.daemon else { return };
        if pass.next_page().is_some() {
            daemon.lister = Lister::Waits(pass);
            daemon.desk.want_listing(RECONCILE, now.mono);
        } else {
            self.conclude(&pass);
        }
    }

    /// A request of a listing is over.
    pub(super) fn listing_is_over(&mut self, part: Slot, lister: u8) {
        let now = self.now().mono;
        self.finished(&Next::Listing(lister));
        if let Some(daemon) = &mut self.daemon {
            daemon.part.answered(part, now, &Meter::default());
        }
    }

    fn conclude(&mut self, pass: &Pass) {
        let is_complete = pass.passed() == Passed::Complete;
        let trusted = is_complete && self.lists_are_true();
        let Some(daemon) = &self.daemon else { return };
        let wall = self.clock.now(self.time).wall;
        let mut unlisted = 0;
        if is_complete {
            let calls = daemon.calls.values().map(|kept| &kept.call);
            unlisted = calls.filter(|call| pass.has_long_lacked(call, wall)).count() as u64;
            let lacking = daemon.calls.values().filter(|kept| pass.lacks(&kept.call));
            let lacking: Vec<_> = lacking.map(|kept| kept.call.id.clone()).collect();
            for id in lacking {
                self.record.sometimes("a call was missing in a listing");
                self.alter(&id, &Event::Unlisted);
            }
        }
        let now = self.clock.now(self.time).mono;
        let Some(daemon) = &mut self.daemon else { return };
        let is_long = pass.is_long(daemon.tuning);
        if is_complete {
            daemon.signs.pass_complete(now, unlisted, is_long);
            daemon.troubles.listed = Some(now);
        } else {
            daemon.signs.pass_failed(is_long);
        }
        daemon.has_passed = true;
        let share = daemon.signs.listing_share();
        let pause = listing::pause(self.scenario.reconcile_every, share);
        let passes = self.truth.pass_ends(trusted, self.time);
        let time_of = |at| self.clock.time_of(at);
        laws::of_listing(daemon, &self.calls, passes, time_of, &mut self.record);
        self.read_logs(pass, pause);
    }

    /// Whether an agent may be one that a rule names or webhooks told of, in whichever life.
    fn may_know(&self, agent: &AgentId) -> bool {
        let Some(daemon) = &self.daemon else { return false };
        let was_told_of = |nth: &usize| self.calls[*nth].agent == *agent;
        daemon.plan.names(agent)
            || self.truth.told_agents.contains(agent)
            // The webhook may have lacked it, and a row told it.
            || self.truth.delivered.iter().any(was_told_of)
    }

    /// Whether the daemon must look after a call that it need not know of: it was told of by a webhook
    /// that was answered 2xx, or its agent is one of ours, long enough for a listing to show it.
    pub(super) fn is_ours(&self, nth: usize, long: Time) -> bool {
        let Some(daemon) = &self.daemon else { return true };
        let agent = &self.calls[nth].agent;
        let since = |known: Option<&Time>| known.is_some_and(|at| at + long < self.time);
        let had_room = self.truth.full.is_none_or(|full| full + long < self.time);
        let is_one = match &self.scenario.adopt {
            Adopt::All => true,
            Adopt::Agents(agents) => agents.contains(agent),
            Adopt::Known => daemon.plan.names(agent) || since(self.truth.known_agents.get(agent)),
        };
        self.truth.is_told.contains(&nth) || (had_room && is_one)
    }

    /// What memory and the store have under either name of a row is one call. Says under which names
    /// the store could not be asked.
    pub(super) fn met(&mut self, row: &Row) -> Unasked {
        let unasked = self.unite(&row.id, row.sid.as_ref(), false);
        if let Some(kept) = self.daemon.as_mut().and_then(|d| d.calls.get_mut(&row.id)) {
            kept.unasked = kept.unasked.told_again(unasked);
        }
        unasked
    }

    /// Whether the call was unknown and is taken on.
    fn take_listed(&mut self, row: &Row, first: bool) -> bool {
        let unasked = self.met(row);
        let shown = Event::Shown { row, listing: first };
        if self.alter(&row.id, &shown).is_some() || row.status.is_over() {
            return false;
        }
        let (now, has_room) = (self.now(), self.has_room());
        let is_known = row.agent.as_ref().is_some_and(|agent| self.may_know(agent));
        let Some(daemon) = &mut self.daemon else { return false };
        let (adopt, rules) = (&self.scenario.adopt, &daemon.plan.policy.rules);
        if !listing::is_adopted(row, adopt, rules, &daemon.heard_agents) {
            self.record.sometimes("a listed call was left alone by choice");
            return false;
        }
        let may_be = match (adopt, &row.agent) {
            (Adopt::All, _) => true,
            (Adopt::Known, _) => is_known,
            (Adopt::Agents(agents), agent) => agents.iter().any(|of| Some(of) == agent.as_ref()),
        };
        if !may_be {
            self.record.broken("no call is adopted that is none of ours", || format!("{row:?}"));
        }
        if !has_room {
            self.record.sometimes("a listed call was left alone for want of room");
            return false;
        }
        if *adopt != Adopt::All {
            self.record.sometimes("a call of an agent of ours was adopted");
        }
        daemon.admit(&row.id, now);
        if let Some(kept) = daemon.calls.get_mut(&row.id) {
            kept.unasked = unasked;
        }
        daemon.signs.first_seen_by_listing(now.mono);
        daemon.troubles.first_seen_by_listing(!daemon.has_passed, now.mono);
        self.alter(&row.id, &Event::Shown { row, listing: true });
        if let Some(sid) = &row.sid {
            self.name(&row.id, sid);
        }
        true
    }
}

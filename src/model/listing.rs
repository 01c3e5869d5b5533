//! Reconciliation: one pass over the platform's active calls, and what a row of it means for a call
//! that we do not know (spec §8).

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{
    call::Call,
    ids::{AgentId, CallId},
    platform::{Failure, Page, Row, Status},
    policy::{Adopt, Rules},
    queue::Share,
    time::{Moment, Wall},
};

/// The statuses of active calls, in the order in which they are listed: a call that moves on
/// between two pages moves to one that is still to come.
pub const STATUSES: [&str; 4] = ["initiated", "ringing", "answered", "in-progress"];

/// How often a page that cannot be had is asked for before its status is passed over.
const TRIES: u32 = 3;
/// Pages of one status beyond which the platform is not believed.
const MOST_PAGES: u32 = 10_000;

/// The calls that a pass showed first, and when each was placed, if its row told that.
pub type Adopted = HashMap<CallId, Option<Wall>>;

/// One pass over the lists of active calls.
#[derive(Clone, Debug)]
pub struct Pass {
    began: Moment,
    status: usize,
    page: u32,
    tries: u32,
    shown: HashSet<CallId>,
    adopted: Adopted,
    /// Statuses listed to their end.
    done: usize,
    /// Statuses that the platform does not know.
    refused: usize,
    requests: u32,
}

/// How a pass went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Every status was listed to its last page.
    Complete,
    /// Some were.
    Partial,
    /// None was.
    Failed,
}

impl Pass {
    /// A pass that begins now.
    #[must_use]
    pub fn new(began: Moment) -> Self {
        Self {
            began,
            status: 0,
            page: 1,
            tries: 0,
            shown: HashSet::new(),
            adopted: Adopted::new(),
            done: 0,
            refused: 0,
            requests: 0,
        }
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Moment {
        self.began
    }

    /// The status and page to ask for next; `None` when the pass is over.
    #[must_use]
    pub fn next_page(&self) -> Option<(&'static str, u32)> {
        STATUSES.get(self.status).map(|status| (*status, self.page))
    }

    /// A page shows this row. Says whether the pass shows that call for the first time: pages shift,
    /// and a call that moves on is listed under each of its statuses, but it is one listing that
    /// shows it.
    pub fn shows(&mut self, row: &Row) -> bool {
        self.shown.extend(row.sid.clone());
        self.shown.insert(row.id.clone())
    }

    /// The call of this row was unknown, and is taken on.
    pub fn adopts(&mut self, row: &Row) {
        self.adopted.insert(row.id.clone(), row.created_at);
    }

    /// The calls that it showed first.
    #[must_use]
    pub fn adopted(&self) -> &Adopted {
        &self.adopted
    }

    /// A page came.
    pub fn heard(&mut self, page: &Page) {
        self.requests += 1;
        self.tries = 0;
        if self.page < page.last_page.min(MOST_PAGES) && !page.rows.is_empty() {
            self.page += 1;
        } else {
            self.done += 1;
            self.turn_over();
        }
    }

    /// A page could not be had. A status that the platform does not know (422) is skipped.
    pub fn failed(&mut self, failure: &Failure) {
        self.requests += 1;
        self.tries += 1;
        match failure {
            failure if is_unknown_status(failure) => {
                self.refused += 1;
                self.turn_over();
            }
            Failure::RateLimited { .. } => self.tries -= 1,
            Failure::Unauthorized { .. }
            | Failure::Misdirected { .. }
            | Failure::ServerError { .. }
            | Failure::Timeout
            | Failure::Cut
            | Failure::Network
            | Failure::Other { .. } => {
                if self.tries >= TRIES {
                    self.turn_over();
                }
            }
        }
    }

    /// How it went.
    #[must_use]
    pub fn passed(&self) -> Passed {
        match self.done {
            0 => Passed::Failed,
            done if done + self.refused < STATUSES.len() => Passed::Partial,
            _ => Passed::Complete,
        }
    }

    /// Whether as many requests as it took take long at the listings' usual share of a quota of `most` a
    /// `span`: then they get a larger one.
    #[must_use]
    pub fn is_long(&self, (most, span): (u32, Duration)) -> bool {
        const LONG: Duration = Duration::from_secs(120);
        let usual = Share::Tenth.of(most).max(1);
        span.mul_f64(f64::from(self.requests) / f64::from(usual)) > LONG
    }

    /// How many requests for delivery logs follow it, whatever time is left until the next pass: there
    /// may be none.
    #[must_use]
    pub fn least_for_logs(&self) -> u32 {
        self.requests.div_ceil(4)
    }

    /// How many requests of the listings' part the passes to come need that begin, one each `pause`,
    /// within a window of `span`, if each takes as many as this one: the logs leave them.
    #[must_use]
    pub fn reserve(&self, pause: Duration, span: Duration) -> u32 {
        let passes = span.as_micros().div_ceil(pause.as_micros().max(1)).saturating_sub(1);
        self.requests.saturating_mul(u32::try_from(passes).unwrap_or(u32::MAX))
    }

    /// Whether this pass, once complete, should have shown the call and did not.
    #[must_use]
    pub fn lacks(&self, call: &Call) -> bool {
        let names = [Some(&call.id), call.facts.sid()];
        call.facts.first_seen < self.began.wall
            && !names.into_iter().flatten().any(|name| self.shown.contains(name))
    }

    /// Whether a call that this pass [lacks](Self::lacks) was never shown by any, though webhooks told
    /// of it long ago: worth a warning (spec §8). `now`: when the pass ends.
    #[must_use]
    pub fn has_long_lacked(&self, call: &Call, now: Wall) -> bool {
        const LONG: Duration = Duration::from_secs(300);
        self.lacks(call)
            && call.ended.is_none()
            && call.facts.heard_of()
            && !call.was_listed()
            && call.facts.first_seen < now.before(LONG)
    }

    fn turn_over(&mut self) {
        self.status += 1;
        self.page = 1;
        self.tries = 0;
    }
}

/// Whether a status was refused because the platform does not know it, which is no trouble of the
/// platform's.
#[must_use]
pub fn is_unknown_status(failure: &Failure) -> bool {
    matches!(failure, Failure::Other { status: 422, .. })
}

/// How long after the beginning of a pass the next one begins: more often while webhooks come late
/// or not at all.
#[must_use]
pub fn pause(every: Duration, share: Share) -> Duration {
    const OFTEN: Duration = Duration::from_secs(15);
    if share == Share::Half { every.min(OFTEN) } else { every }
}

/// Whether a call that only a row shows is taken on: it rings or was answered, and its agent is one
/// that we look after. Known are the agents that a rule names, and those `heard` of by webhook.
#[must_use]
pub fn is_adopted(row: &Row, adopt: &Adopt, rules: &Rules, heard: &HashSet<AgentId>) -> bool {
    let is_live = row.status == Status::Ringing || row.status.is_connected();
    let is_ours = match (adopt, &row.agent) {
        (Adopt::All, _) => true,
        (Adopt::Known, Some(agent)) => rules.name(agent) || heard.contains(agent),
        (Adopt::Agents(agents), Some(agent)) => agents.contains(agent),
        (Adopt::Known | Adopt::Agents(_), None) => false,
    };
    is_live && is_ours
}

/// The agent that a stored call says was heard of by webhook in an earlier life.
#[must_use]
pub fn heard_agent(call: &Call) -> Option<&AgentId> {
    call.facts.agent().filter(|_| call.facts.heard_of())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        event::EventKind,
        ids::CallId,
        scene::{Scene, row},
        time::Mono,
    };

    fn pass() -> Pass {
        Pass::new(Moment { wall: Wall(0), mono: Mono(0) })
    }

    /// A call that moved on between two pages was taken for one that two listings show.
    #[test]
    fn a_call_that_moves_on_within_a_pass_is_shown_by_one_listing() {
        let mut pass = pass();
        assert!(pass.shows(&row("call", Status::Ringing)));
        assert!(!pass.shows(&row("call", Status::Answered)));
        assert!(pass.shows(&row("another", Status::Answered)));
    }

    #[test]
    fn a_pass_without_a_status_that_the_platform_does_not_know_is_complete() {
        let mut pass = pass();
        for _ in 0..3 {
            pass.heard(&Page { last_page: 1, ..Page::default() });
        }
        pass.failed(&Failure::Other { status: 422, message: String::new() });
        assert_eq!((pass.passed(), pass.next_page()), (Passed::Complete, None));
    }

    /// Refused with 402 or 403 throughout, a pass counted as complete and every call as missing.
    #[test]
    fn a_pass_that_is_refused_throughout_has_failed() {
        let mut pass = pass();
        while pass.next_page().is_some() {
            pass.failed(&Failure::Other { status: 402, message: String::new() });
        }
        assert_eq!(pass.passed(), Passed::Failed);
    }

    fn page(last_page: u32) -> Page {
        Page { rows: vec![row("call", Status::Ringing)], last_page, ..Page::default() }
    }

    #[test]
    fn the_pages_of_each_status_are_listed_in_order_to_the_last_or_an_empty_one() {
        let mut pass = pass();
        let began = Moment { wall: Wall(7), mono: Mono(9) };
        assert_eq!(Pass::new(began).began(), began);
        let mut asked = Vec::new();
        for answer in
            [page(2), page(2), page(1), page(5), Page { rows: vec![], ..page(5) }, page(1)]
        {
            asked.push(pass.next_page().unwrap());
            pass.heard(&answer);
        }
        let (answered, in_progress) = ("answered", "in-progress");
        let expected = [
            ("initiated", 1),
            ("initiated", 2),
            ("ringing", 1),
            (answered, 1),
            (answered, 2),
            (in_progress, 1),
        ];
        assert_eq!((asked.as_slice(), pass.next_page()), (expected.as_slice(), None));
        assert_eq!(pass.passed(), Passed::Complete);
    }

    #[test]
    fn the_logs_get_a_quarter_and_leave_the_passes_to_come_what_they_need() {
        let minute = Duration::from_secs(60);
        let mut pass = pass();
        assert_eq!((pass.least_for_logs(), pass.reserve(minute, minute)), (0, 0));
        for _ in 0..5 {
            pass.heard(&page(9));
        }
        assert_eq!(pass.least_for_logs(), 2);
        let reserve = |pause| pass.reserve(Duration::from_secs(pause), minute);
        assert_eq!([120, 60, 59, 30, 15, 0].map(reserve)[..5], [0, 0, 5, 5, 15]);
        assert_eq!(pass.reserve(Duration::ZERO, 3_600 * minute), u32::MAX);
    }

    #[test]
    fn the_calls_that_a_pass_shows_first_are_known_with_when_they_were_placed() {
        let mut pass = pass();
        let placed = Row { created_at: Some(Wall(7)), ..row("call", Status::Ringing) };
        pass.adopts(&placed);
        pass.adopts(&row("another", Status::Ringing));
        let of = |id: &str| pass.adopted().get(&CallId::parse(id).unwrap()).copied();
        assert_eq!(
            [of("call"), of("another"), of("third")],
            [Some(Some(Wall(7))), Some(None), None]
        );
    }

    #[test]
    fn no_status_has_more_than_10_000_pages() {
        let mut pass = pass();
        for _ in 0..MOST_PAGES {
            assert_eq!(pass.next_page().map(|(status, _)| status), Some(STATUSES[0]));
            pass.heard(&page(u32::MAX));
        }
        assert_eq!(pass.next_page(), Some((STATUSES[1], 1)));
    }

    #[test]
    fn a_page_is_tried_three_times_a_429_is_no_try_and_a_pass_without_it_is_partial() {
        let mut pass = pass();
        let fails = |pass: &mut Pass, failure: Failure| {
            pass.failed(&failure);
            pass.next_page().unwrap()
        };
        pass.heard(&page(2));
        for failure in [
            Failure::Timeout,
            Failure::RateLimited { pause: None },
            Failure::ServerError { status: 500 },
        ] {
            assert_eq!(fails(&mut pass, failure), (STATUSES[0], 2));
        }
        assert_eq!(fails(&mut pass, Failure::Network), (STATUSES[1], 1));
        for _ in 0..2 {
            assert_eq!(fails(&mut pass, Failure::Cut), (STATUSES[1], 1), "counted anew");
        }
        while pass.next_page().is_some() {
            pass.heard(&page(1));
        }
        assert_eq!(pass.passed(), Passed::Partial);
    }

    #[test]
    fn a_pass_that_takes_more_than_two_minutes_at_a_tenth_of_the_quota_is_long() {
        let takes = |requests: u32, most| {
            let mut pass = pass();
            for _ in 0..requests {
                pass.heard(&page(1));
            }
            pass.is_long((most, Duration::from_secs(60)))
        };
        assert_eq!([takes(20, 100), takes(21, 100)], [false, true]);
        assert_eq!([takes(2, 1), takes(3, 1)], [false, true], "one at least");
        let mut failing = pass();
        for _ in 0..21 {
            failing.failed(&Failure::Timeout);
        }
        assert!(failing.is_long((100, Duration::from_secs(60))));
    }

    #[test]
    fn a_pass_lacks_a_call_that_was_known_before_it_and_that_no_page_names() {
        let at = |wall| Moment { wall: Wall(wall), mono: Mono(0) };
        let call = |id: &str, seen| Call::new(CallId::parse(id).unwrap(), at(seen));
        let mut pass = Pass::new(at(10));
        let sid = CallId::parse("CA1").ok();
        pass.shows(&Row { sid: sid.clone(), ..row("shown", Status::Ringing) });
        assert!(pass.lacks(&call("a", 9)));
        assert!(!pass.lacks(&call("a", 10)), "it may have begun since");
        assert!(!pass.lacks(&call("shown", 9)) && !pass.lacks(&call("CA1", 9)));
        let mut aliased = call("a", 9);
        let told = Row { sid, ..row("a", Status::Ringing) };
        aliased.facts = crate::model::facts::Facts::of_row(&told, Wall(9));
        assert!(!pass.lacks(&aliased), "by its sid");
    }

    #[test]
    fn a_call_that_webhooks_told_of_and_no_pass_ever_showed_is_worth_a_warning_after_five_minutes()
    {
        let at = |seconds: u64| Moment::default().after(Duration::from_secs(seconds));
        let began = at(1_000);
        let pass = Pass::new(began);
        let heard = |seen: u64| {
            let mut scene = Scene { now: at(seen), ..Scene::called("call") };
            scene.call = Call::new(scene.call.id.clone(), scene.now);
            scene.hear(EventKind::Connected);
            scene
        };
        let has = |call: &Call, now: u64| pass.has_long_lacked(call, at(now).wall);
        let scene = heard(900);
        assert!(!has(&scene.call, 1_200) && has(&scene.call, 1_201));
        assert!(!has(&heard(1_000).call, 9_000), "it may have begun since");
        let mut over = scene;
        over.hear(EventKind::Ended);
        assert!(!has(&over.call, 9_000));
        let mut listed = heard(900);
        listed.shown_by_listing(Status::Answered);
        assert!(!has(&listed.call, 9_000));
        assert!(!has(&Call::new(CallId::parse("call").unwrap(), at(900)), 9_000), "nobody told");
    }

    #[test]
    fn an_agent_is_heard_of_by_webhook_alone() {
        let mut scene = Scene::called("call");
        scene.shown_by_listing(Status::Answered);
        assert_eq!(heard_agent(&scene.call), None, "a row alone told it");
        scene.hear(EventKind::Connected);
        assert_eq!(heard_agent(&scene.call), scene.agent.as_ref());
    }

    #[test]
    fn passes_follow_each_other_sooner_while_webhooks_fail() {
        let seconds = Duration::from_secs;
        assert_eq!(pause(seconds(60), Share::Half), seconds(15));
        assert_eq!(pause(seconds(10), Share::Half), seconds(10));
        assert_eq!(pause(seconds(60), Share::Third), seconds(60));
    }

    #[test]
    fn a_call_is_adopted_that_rings_or_was_answered_of_an_agent_that_is_ours() {
        let agent = |name: &str| AgentId::parse(name).unwrap();
        let of = |name: &str, status| Row { agent: AgentId::parse(name).ok(), ..row("c", status) };
        let heard = HashSet::from([agent("known")]);
        let is_adopted = |row: &Row, adopt| is_adopted(row, adopt, &Rules::default(), &heard);
        for status in [Status::Ringing, Status::Answered, Status::InProgress] {
            assert!(is_adopted(&of("", status), &Adopt::All), "{status:?}");
        }
        for status in [Status::Initiated, Status::Queued, Status::Other, Status::Completed] {
            assert!(!is_adopted(&of("known", status), &Adopt::All), "{status:?}");
        }
        let listed = Adopt::Agents(vec![agent("listed")]);
        for (adopt, name) in [(&Adopt::Known, "known"), (&listed, "listed")] {
            assert!(is_adopted(&of(name, Status::Ringing), adopt));
            assert!(!is_adopted(&of("another", Status::Ringing), adopt));
            assert!(!is_adopted(&of("", Status::Ringing), adopt));
        }
    }
}

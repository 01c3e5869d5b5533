//! Was the promise kept (spec §1)? Judged by what the platform saw, with a reckoning of deadlines
//! of its own: the daemon's would only repeat the daemon's mistakes.

use std::time::Duration;

use crate::model::{
    event::EventKind,
    policy::{Limit, Limits},
    time::Wall,
};

/// What became of one call.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// What to call it.
    pub(super) name: String,
    /// What happened in it.
    pub(super) events: Vec<Happened>,
    /// When it was over, and whose doing that was.
    pub(super) ended: Option<(Wall, EndedBy)>,
    /// When end-call requests for it arrived.
    pub(super) requests: Vec<Wall>,
    /// The outcome that callwarden tells.
    pub(super) outcome: Option<&'static str>,
}

/// An event of a call, by the platform's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Happened {
    pub(super) at: Wall,
    pub(super) kind: EventKind,
    /// When callwarden had acknowledged its webhook; `None`: it never did.
    pub(super) told: Option<Wall>,
}

/// What ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    /// An end-call request.
    Request,
    /// One of its ends.
    Itself,
}

/// What the judge comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Calls that were stopped, by the limit that they had passed.
    pub(super) stopped: Vec<(Limit, usize)>,
    /// Calls that ended by themselves within their limits.
    pub(super) left_alone: usize,
    /// Calls that ended by themselves past their limit, a request for them under way.
    pub(super) raced: usize,
    /// For each stop, the arrival of its first request less the deadline; shortest first.
    pub(super) lateness: Vec<Duration>,
    /// In how far the promise was broken, a sentence each.
    pub(super) broken: Vec<String>,
}

/// The judgement on one call.
enum Judged {
    Stopped(Limit, Duration),
    LeftAlone,
    Raced,
    Broken(String),
}

impl Verdict {
    /// The verdict on all calls.
    pub(super) fn on(records: &[Record], limits: &Limits) -> Self {
        let mut verdict = Self::default();
        for record in records {
            match judge(record, limits) {
                Judged::Stopped(limit, late) => verdict.stopped_for(limit, late),
                Judged::LeftAlone => verdict.left_alone += 1,
                Judged::Raced => verdict.raced += 1,
                Judged::Broken(how) => verdict.broken.push(format!("{}: {how}", record.name)),
            }
        }
        verdict.stopped.sort();
        verdict.lateness.sort();
        verdict
    }

    /// Whether the promise was kept.
    pub(super) fn is_kept(&self) -> bool {
        self.broken.is_empty()
    }

    /// The lateness that so many percent of the stops did not exceed.
    pub(super) fn lateness_at(&self, percent: usize) -> Option<Duration> {
        let place = (self.lateness.len() * percent).div_ceil(100);
        self.lateness.get(place.saturating_sub(1)).copied()
    }

    fn stopped_for(&mut self, limit: Limit, late: Duration) {
        self.lateness.push(late);
        match self.stopped.iter_mut().find(|(known, _)| *known == limit) {
            Some((_, calls)) => *calls += 1,
            None => self.stopped.push((limit, 1)),
        }
    }
}

/// How long a request may take from a busy machine to a busy machine.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

fn judge(record: &Record, limits: &Limits) -> Judged {
    let request = record.requests.iter().min().copied();
    // A request is judged by what was known when it came: on a busy machine the word that would
    // have lifted a limit may have been under way.
    let was_known =
        |it: &&Happened| request.is_none_or(|request| it.told.is_some_and(|told| told <= request));
    let known: Vec<_> = record.events.iter().filter(was_known).copied().collect();
    let Some((due, limit)) = deadline(&known, limits) else {
        return Judged::Broken("it never began, or a request came before any word".to_owned());
    };
    if let Some(early) = request.filter(|request| *request < due) {
        let early = due.since(early);
        return Judged::Broken(format!("cut early: a request came {early:?} before its deadline"));
    }
    match (record.ended, record.outcome, request) {
        (None, _, _) => Judged::Broken(format!("it outlives its limit {limit}, and goes on")),
        (Some((at, EndedBy::Itself)), Some(_), _) if at < due => Judged::LeftAlone,
        // Its stop had begun, and its request was on its way out.
        (Some((at, EndedBy::Itself)), Some("raced"), None) if at < due.after(ON_ITS_WAY) => {
            Judged::Raced
        }
        (Some((at, EndedBy::Itself)), _, None) if at >= due => {
            Judged::Broken(format!("it outlived its limit {limit} by {:?}", at.since(due)))
        }
        (Some(_), None, _) => Judged::Broken("callwarden does not know that it is over".to_owned()),
        (Some((_, EndedBy::Itself)), Some(_), _) => Judged::Raced,
        (Some((_, EndedBy::Request)), Some("stopped"), Some(request)) => {
            Judged::Stopped(limit, request.since(due))
        }
        (Some((_, EndedBy::Request)), Some(other), _) => {
            Judged::Broken(format!("it was stopped, but callwarden calls it {other}"))
        }
    }
}

/// When a call passes its first limit, and which that is (spec §6); only what happened by then
/// counts.
fn deadline(events: &[Happened], limits: &Limits) -> Option<(Wall, Limit)> {
    // The demo keeps no hours: it has no `until`.
    let Limits { total, ringing, connected, talking, voicemail, no_conversation, after, until: _ } =
        limits;
    let earliest = |kinds: &[EventKind]| {
        events.iter().filter(|it| kinds.contains(&it.kind)).map(|it| it.at).min()
    };
    let (started, answered) = (&[EventKind::Started][..], &[EventKind::Connected][..]);
    let (spoken, machine) =
        (&[EventKind::ConversationStarted][..], &[EventKind::VoicemailDetected][..]);
    let marks = [
        (Limit::Total, *total, earliest(started), &[][..]),
        (Limit::Ringing, *ringing, earliest(started), answered),
        (Limit::Connected, *connected, earliest(answered), &[]),
        (Limit::Talking, *talking, earliest(spoken), &[]),
        (Limit::Voicemail, *voicemail, earliest(machine), &[]),
        (Limit::NoConversation, *no_conversation, earliest(answered), spoken),
    ];
    let is_lifted = |from: Wall, until: Wall, by: &[EventKind]| {
        events.iter().any(|it| by.contains(&it.kind) && it.at > from && it.at <= until)
    };
    let of_marks = marks.into_iter().filter_map(|(limit, span, mark, lifted_by)| {
        let (mark, due) = (mark?, mark?.after(span?));
        (!is_lifted(mark, due, lifted_by)).then_some((due, limit))
    });
    let of_events = after.iter().flat_map(|(kind, span)| {
        let again = [Some(*kind), kind.counterpart()].into_iter().flatten().collect::<Vec<_>>();
        let times = events.iter().filter(move |it| it.kind == *kind);
        times.filter_map(move |it| {
            let due = it.at.after(*span);
            (!is_lifted(it.at, due, &again)).then_some((due, Limit::After(*kind)))
        })
    });
    of_marks.chain(of_events).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            total: Some(10 * SECOND),
            ringing: Some(4 * SECOND),
            talking: Some(6 * SECOND),
            no_conversation: Some(3 * SECOND),
            after: vec![(EventKind::ParticipantLeft, 2 * SECOND)],
            ..Limits::default()
        }
    }

    fn at(seconds: u32) -> Wall {
        Wall(0).after(SECOND * seconds)
    }

    fn heard(events: &[(u32, EventKind)]) -> Vec<Happened> {
        let happened = |(seconds, kind): &(u32, EventKind)| Happened {
            at: at(*seconds),
            kind: *kind,
            told: Some(at(*seconds)),
        };
        events.iter().map(happened).collect()
    }

    /// Connects after a second, talks after two: due at 8 s.
    fn talker() -> Record {
        let events = [
            (0, EventKind::Started),
            (1, EventKind::Connected),
            (2, EventKind::ConversationStarted),
        ];
        Record {
            name: "call".to_owned(),
            events: heard(&events),
            ended: Some((at(9), EndedBy::Request)),
            requests: vec![at(8)],
            outcome: Some("stopped"),
        }
    }

    fn verdict(record: Record) -> Verdict {
        Verdict::on(&[record], &limits())
    }

    fn fault(record: Record) -> String {
        verdict(record).broken.concat()
    }

    #[test]
    fn the_first_limit_passed_is_the_deadline() {
        use EventKind::{
            Connected, ConversationStarted, ParticipantJoined, ParticipantLeft, Started,
        };
        let due = |events: &[_]| deadline(&heard(events), &limits()).unwrap();
        assert_eq!(due(&[(0, Started)]), (at(4), Limit::Ringing));
        assert_eq!(due(&[(0, Started), (1, Connected)]), (at(4), Limit::NoConversation));
        let talks = [(0, Started), (1, Connected), (2, ConversationStarted)];
        assert_eq!(due(&talks), (at(8), Limit::Talking));
        let left = [&talks[..], &[(3, ParticipantLeft)]].concat();
        assert_eq!(due(&left), (at(5), Limit::After(ParticipantLeft)));
        let back = [&left[..], &[(4, ParticipantJoined)]].concat();
        assert_eq!(due(&back), (at(8), Limit::Talking));
        let too_late = [&left[..], &[(6, ParticipantJoined)]].concat();
        assert_eq!(due(&too_late), (at(5), Limit::After(ParticipantLeft)));
        assert_eq!(deadline(&[], &limits()), None);
    }

    #[test]
    fn a_call_stopped_at_its_deadline_keeps_the_promise() {
        let verdict = verdict(talker());
        assert!(verdict.is_kept());
        assert_eq!(verdict.stopped, [(Limit::Talking, 1)]);
        assert_eq!(verdict.lateness_at(99), Some(Duration::ZERO));
    }

    #[test]
    fn a_call_that_ends_in_time_is_left_alone() {
        let ended = Some((at(7), EndedBy::Itself));
        let outcome = Some("completed");
        let verdict = verdict(Record { ended, requests: Vec::new(), outcome, ..talker() });
        assert!(verdict.is_kept());
        assert_eq!((verdict.left_alone, verdict.lateness_at(99)), (1, None));
    }

    #[test]
    fn a_request_ahead_of_the_deadline_breaks_it() {
        let record = Record { requests: vec![at(9), at(7)], ..talker() };
        assert_eq!(fault(record), "call: cut early: a request came 1s before its deadline");
    }

    #[test]
    fn a_request_is_judged_by_what_was_known_when_it_came() {
        let mut record = Record { requests: vec![at(4)], ..talker() };
        assert_eq!(fault(record.clone()), "call: cut early: a request came 4s before its deadline");
        // It talks, but that was under way when the limit no_conversation was passed.
        record.events[2].told = Some(at(5));
        assert_eq!(verdict(record).stopped, [(Limit::NoConversation, 1)]);
    }

    #[test]
    fn a_call_that_outlives_its_limit_breaks_it() {
        let goes_on = Record { ended: None, ..talker() };
        assert_eq!(fault(goes_on), "call: it outlives its limit talking, and goes on");
        let ended = Some((at(11), EndedBy::Itself));
        let unseen = Record { ended, requests: Vec::new(), ..talker() };
        assert_eq!(fault(unseen), "call: it outlived its limit talking by 3s");
    }

    #[test]
    fn a_stop_without_its_confirmation_breaks_it() {
        let unknown = Record { outcome: None, ..talker() };
        assert_eq!(fault(unknown), "call: callwarden does not know that it is over");
        let failed = Record { outcome: Some("failed"), ..talker() };
        assert_eq!(fault(failed), "call: it was stopped, but callwarden calls it failed");
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let lateness = (1..=200).map(Duration::from_millis).collect();
        let verdict = Verdict { lateness, ..Verdict::default() };
        assert_eq!(verdict.lateness_at(50), Some(Duration::from_millis(100)));
        assert_eq!(verdict.lateness_at(99), Some(Duration::from_millis(198)));
        assert_eq!(verdict.lateness_at(100), Some(Duration::from_millis(200)));
    }
}

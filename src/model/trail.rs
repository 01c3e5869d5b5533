//! What happened to a call, for those who ask (spec §10 `history`): the last 50 entries.

use serde::{Deserialize, Serialize};

use super::{
    event::EventKind,
    operator::Word,
    outcome::Outcome,
    platform::{Answer, Failure, Status},
    time::Wall,
};

/// The last entries of a call's history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trail(Vec<Entry>);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, on our wall clock.
    pub at: Wall,
    /// What happened.
    pub what: What,
}

/// What can happen to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An event was taken in.
    Heard(EventKind),
    /// An event's own time would make the call overdue: the platform is asked.
    TimeDoubted(EventKind),
    /// A deadline was passed; the limit's name.
    StopBegan(Box<str>),
    /// A deadline was passed, and the call is only observed; the limit's name.
    ObservingBegan(Box<str>),
    /// An operator's word.
    Ordered(Word),
    /// The deadline moved before a request was accepted.
    StopTakenBack,
    /// An end-call request left: the how-manieth.
    Requested(u32),
    /// Its answer.
    Answered(Box<str>),
    /// A row of the platform showed the call.
    Shown(Status),
    /// A look-up found no row of it.
    NotShown,
    /// It was known by its sid alone, and its id was told.
    Named,
    /// It has an outcome.
    Ended(Outcome),
    /// A listing showed it, unknown to us.
    Adopted(Status),
    /// The platform shows it active after all; the outcome that fell.
    Reopened(Outcome),
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A webhook told.
    Webhook,
    /// The platform answered or was asked.
    Platform,
    /// The policy.
    Policy,
    /// An operator.
    Operator,
    /// callwarden itself.
    Callwarden,
}

impl By {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Platform => "platform",
            Self::Policy => "policy",
            Self::Operator => "operator",
            Self::Callwarden => "callwarden",
        }
    }
}

impl Trail {
    const MOST: usize = 50;

    /// Adds an entry; beyond 50 the oldest goes.
    pub(super) fn push(&mut self, at: Wall, what: What) {
        if self.0.len() == Self::MOST {
            self.0.remove(0);
        }
        self.0.reserve_exact(1);
        self.0.push(Entry { at, what });
    }

    /// The entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    /// Both histories in order of time (a call known by its sid alone is joined into its id's).
    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.sort_by_key(|entry| entry.at);
        let excess = self.0.len().saturating_sub(Self::MOST);
        self.0.drain(..excess);
    }
}

impl What {
    /// Its name in the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Heard(kind) => kind.name(),
            Self::TimeDoubted(_) => "time_doubted",
            Self::StopBegan(_) => "stop_began",
            Self::ObservingBegan(_) => "observing_began",
            Self::Ordered(Word::Deadline(_)) => "deadline_set",
            Self::Ordered(Word::End) => "end_ordered",
            Self::Ordered(Word::Release) => "released",
            Self::StopTakenBack => "stop_taken_back",
            Self::Requested(_) => "end_call_requested",
            Self::Answered(_) => "end_call_answered",
            Self::Shown(_) => "shown",
            Self::NotShown => "not_shown",
            Self::Named => "named",
            Self::Ended(_) => "ended",
            Self::Adopted(_) => "adopted",
            Self::Reopened(_) => "reopened",
        }
    }

    /// Who did it.
    #[must_use]
    pub fn by(&self) -> By {
        match self {
            Self::Heard(_) | Self::Named => By::Webhook,
            Self::Answered(_)
            | Self::Shown(_)
            | Self::NotShown
            | Self::Adopted(_)
            | Self::Reopened(_) => By::Platform,
            Self::StopBegan(_) | Self::ObservingBegan(_) | Self::StopTakenBack => By::Policy,
            Self::Ordered(_) => By::Operator,
            Self::TimeDoubted(_) | Self::Requested(_) | Self::Ended(_) => By::Callwarden,
        }
    }

    /// What more there is to say.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Heard(_) | Self::StopTakenBack | Self::NotShown | Self::Named => None,
            Self::TimeDoubted(kind) => Some(kind.name().to_owned()),
            Self::StopBegan(limit) | Self::ObservingBegan(limit) => Some(format!("limit {limit}")),
            Self::Ordered(Word::Deadline(at)) => Some(at.to_string()),
            Self::Ordered(Word::End | Word::Release) => None,
            Self::Requested(attempt) => Some(format!("request {attempt}")),
            Self::Answered(answer) => Some(answer.to_string()),
            Self::Shown(status) | Self::Adopted(status) => Some(status.name().to_owned()),
            Self::Ended(outcome) | Self::Reopened(outcome) => Some(outcome.name().to_owned()),
        }
    }

    pub(super) fn answered(answer: &Answer) -> Self {
        Self::Answered(answer.to_string().into())
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::NotActive => f.write_str("not active (409)"),
            Self::NotFound => f.write_str("call not found (404)"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unauthorized { status } => write!(f, "unauthorized ({status})"),
            Self::Misdirected { status } => write!(f, "not the platform's API ({status})"),
            Self::RateLimited { .. } => f.write_str("rate limited (429)"),
            Self::ServerError { status } => write!(f, "server error ({status})"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Cut => f.write_str("connection cut"),
            Self::Network => f.write_str("platform unreachable"),
            Self::Other { status, message } if message.is_empty() => write!(f, "status {status}"),
            Self::Other { status, message } => write!(f, "status {status}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_says_what_happened_who_did_it_and_what_more_there_is() {
        let answered = |answer: &Answer| What::answered(answer);
        let failed = |failure| answered(&Answer::Failed(failure));
        let other =
            |message: &str| failed(Failure::Other { status: 400, message: message.to_owned() });
        let at = Wall(1_700_000_000_000_000);
        let shown = "2023-11-14T22:13:20.000Z";
        for (what, name, by, detail) in [
            (What::Heard(EventKind::Started), "event_phone_call_started", By::Webhook, ""),
            (
                What::TimeDoubted(EventKind::Started),
                "time_doubted",
                By::Callwarden,
                "event_phone_call_started",
            ),
            (What::StopBegan("total".into()), "stop_began", By::Policy, "limit total"),
            (What::ObservingBegan("total".into()), "observing_began", By::Policy, "limit total"),
            (What::Ordered(Word::Deadline(at)), "deadline_set", By::Operator, shown),
            (What::Ordered(Word::End), "end_ordered", By::Operator, ""),
            (What::Ordered(Word::Release), "released", By::Operator, ""),
            (What::StopTakenBack, "stop_taken_back", By::Policy, ""),
            (What::Requested(2), "end_call_requested", By::Callwarden, "request 2"),
            (answered(&Answer::Accepted), "end_call_answered", By::Platform, "accepted"),
            (answered(&Answer::NotActive), "end_call_answered", By::Platform, "not active (409)"),
            (
                answered(&Answer::NotFound),
                "end_call_answered",
                By::Platform,
                "call not found (404)",
            ),
            (failed(Failure::Cut), "end_call_answered", By::Platform, "connection cut"),
            (other(""), "end_call_answered", By::Platform, "status 400"),
            (other("no"), "end_call_answered", By::Platform, "status 400: no"),
            (What::Shown(Status::Busy), "shown", By::Platform, "busy"),
            (What::NotShown, "not_shown", By::Platform, ""),
            (What::Named, "named", By::Webhook, ""),
            (What::Ended(Outcome::Raced), "ended", By::Callwarden, "raced"),
            (What::Adopted(Status::Ringing), "adopted", By::Platform, "ringing"),
            (What::Reopened(Outcome::Stopped), "reopened", By::Platform, "stopped"),
        ] {
            let detail = (!detail.is_empty()).then(|| detail.to_owned());
            assert_eq!((what.name(), what.by(), what.detail()), (name, by, detail));
        }
        let names =
            [By::Webhook, By::Platform, By::Policy, By::Operator, By::Callwarden].map(By::name);
        assert_eq!(names, ["webhook", "platform", "policy", "operator", "callwarden"]);
    }

    #[test]
    fn the_last_50_entries_stay_and_two_histories_become_one_in_order_of_time() {
        let trail = |from: i64| {
            let mut trail = Trail::default();
            for at in 0..60 {
                trail.push(Wall(from + 2 * at), What::Named);
            }
            trail
        };
        let times = |trail: &Trail| trail.iter().map(|entry| entry.at.0).collect::<Vec<_>>();
        let mut joined = trail(0);
        assert_eq!(times(&joined), (10..60).map(|at| 2 * at).collect::<Vec<_>>());
        joined.merge(trail(1));
        assert_eq!(times(&joined), (70..120).collect::<Vec<_>>());
        let mut short = Trail::default();
        short.push(Wall(5), What::Named);
        short.merge(Trail::default());
        assert_eq!(times(&short), [5]);
    }
}

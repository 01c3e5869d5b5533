//! Plays a case: its events come in at their times, the call is woken when it asks to be, and the
//! platform does all that it is asked.

use std::time::Duration;

use crate::{
    config::{Case, Config},
    model::{
        call::Call,
        change::{Effect, Event},
        decode::{PathNames, What, decode},
        event::{CallName, Heard},
        ids::CallId,
        platform::{Answer, Row, Status},
        policy::Policy,
        time::{Moment, Mono, Wall},
    },
};

use super::Failure;

/// When a case begins whose first event has no time of its own: noon in Greenwich, 2026-01-15.
const NOON: Wall = Wall(1_768_478_400_000_000);
/// More steps than any case takes.
const MOST_STEPS: usize = 100_000;

/// What came of a case; an empty text stands for none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) rule: String,
    /// After the first event.
    pub(super) deadline: Option<Duration>,
    pub(super) limit: String,
    pub(super) action: String,
    pub(super) outcome: String,
}

/// Plays a case.
///
/// # Errors
///
/// What keeps it from being played: an event that cannot be read, or that is of another call.
pub(super) fn play(case: &Case, config: &Config) -> Result<Got, Failure> {
    let unread = |got| {
        let expected = "an event that can be read".to_owned();
        Failure { key: "event", expected, got }
    };
    let mut heard = Vec::new();
    for (at, body) in &case.events {
        let decoded =
            decode(body.to_string().as_bytes(), &PathNames::default(), &config.webhook.fields)
                .map_err(|error| unread(error.to_string()))?;
        match decoded.what {
            What::Event(event) => heard.push((*at, event)),
            What::Ignored => {}
        }
    }
    let Some((_, first)) = heard.first() else {
        return Err(unread("every event is one that callwarden ignores".to_owned()));
    };
    if let Some((one, other)) = strangers(heard.iter().map(|(_, event)| &event.call)) {
        let expected = "events of one call".to_owned();
        let got = format!("those of {:?} and {:?}", one.as_str(), other.as_str());
        return Err(Failure { key: "events", expected, got });
    }
    let id = names(&first.call).0;
    let began = Moment { wall: first.time.unwrap_or(NOON), mono: Mono(1 << 50) };
    let mut stage =
        Stage { call: Call::new(id.clone(), began), now: began, policy: config.policy() };
    for (at, event) in &heard {
        stage.hear(event, began.after(*at));
    }
    Ok(stage.got(began))
}

/// The id of a call, or its sid; and its sid where it has both.
fn names(call: &CallName) -> (&CallId, Option<&CallId>) {
    match call {
        CallName::Id(id) | CallName::Sid(id) => (id, None),
        CallName::Both { id, sid } => (id, Some(sid)),
    }
}

/// Two names that nothing in these says to be of one call.
fn strangers<'a>(calls: impl Iterator<Item = &'a CallName>) -> Option<(&'a CallId, &'a CallId)> {
    // Each call that there is, by all its names.
    let mut known: Vec<Vec<&CallId>> = Vec::new();
    for (id, sid) in calls.map(names) {
        let its = |name: &&CallId| *name == id || Some(*name) == sid;
        let mut joined = Vec::new();
        for same in known.extract_if(.., |names| names.iter().any(its)) {
            joined.extend(same);
        }
        joined.extend([Some(id), sid].into_iter().flatten());
        known.push(joined);
    }
    match known.as_slice() {
        [one, other, ..] => Some((one.first()?, other.first()?)),
        _ => None,
    }
}

struct Stage {
    call: Call,
    now: Moment,
    policy: Policy,
}

impl Stage {
    fn hear(&mut self, heard: &Heard, at: Moment) {
        for _ in 0..MOST_STEPS {
            let Some(due) = self.call.wakeup(&self.policy).filter(|due| *due < at.mono) else {
                break;
            };
            self.now = self.now.after(due.since(self.now.mono));
            self.apply(&Event::Woke);
        }
        self.now = at;
        self.apply(&Event::Heard(heard));
    }

    fn apply(&mut self, event: &Event<'_>) {
        let change = self.call.apply(event, self.now, &self.policy);
        self.call = change.next;
        for effect in change.effects {
            match effect {
                Effect::Request { .. } => self.apply(&Event::Sending),
                Effect::Send { .. } => {
                    let answer = &Answer::Accepted;
                    self.apply(&Event::Answered { answer, jitter: 0.0, fresh_token: false });
                }
                Effect::Lookup { .. } => {
                    let row = self.row();
                    self.apply(&Event::LookedUp { found: Ok(Some(&row)), jitter: 0.0 });
                }
            }
        }
    }

    /// What the platform knows of the call: no more than was told.
    fn row(&self) -> Row {
        let rings = self.call.facts.answered().is_none();
        Row {
            id: self.call.id.clone(),
            sid: None,
            agent: self.call.facts.agent().cloned(),
            to: None,
            from: None,
            direction: None,
            testing: None,
            status: if rings { Status::Ringing } else { Status::InProgress },
            started_at: None,
            created_at: None,
            updated_at: None,
        }
    }

    fn got(&self, began: Moment) -> Got {
        let call = &self.call;
        let deadline = match call.ended {
            Some(ended) => ended.deadline,
            None => call.deadline().map(|due| (due.wall, due.limit)),
        };
        Got {
            rule: call.rule().unwrap_or_default().to_owned(),
            deadline: deadline.map(|(at, _)| at.since(began.wall)),
            limit: deadline.map(|(_, limit)| limit.to_string()).unwrap_or_default(),
            action: call.action().name().to_owned(),
            outcome: call.ended.map(|ended| ended.outcome.name()).unwrap_or_default().to_owned(),
        }
    }
}

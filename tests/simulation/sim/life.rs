//! The true calls: what really happens on the platform, whoever may hear of it.

use callwarden::model::{
    event::EventKind,
    ids::{AgentId, CallId},
    platform::{Row, Status},
    time::Wall,
};
use fastrand::Rng;
use serde_json::Value;

use super::{MINUTE, SECOND, Time, rules};

/// What our wall clock would say at the beginning of the world, were it right.
pub(crate) const EPOCH: i64 = 1_700_000_000 * SECOND;

/// How many agents own calls.
pub(crate) const AGENTS: usize = 3;

/// The number that inbound calls are made to.
pub(crate) const OUR_NUMBER: &str = "+1555";

/// A call as it really is.
#[derive(Clone, Debug)]
pub(crate) struct TrueCall {
    pub(crate) id: CallId,
    pub(crate) sid: CallId,
    pub(crate) agent: AgentId,
    /// The one that webhooks name.
    pub(crate) told_agent: AgentId,
    pub(crate) to: Box<str>,
    pub(crate) from: Option<Box<str>>,
    pub(crate) direction: &'static str,
    pub(crate) campaign: Option<&'static str>,
    pub(crate) testing: Option<bool>,
    /// What the application that placed it told of it.
    pub(crate) context: Option<Value>,
    pub(crate) placed: Time,
    pub(crate) rings: Time,
    /// When somebody answers, if the call lasts until then.
    pub(crate) answered: Option<Time>,
    /// When it ends, as things stand.
    pub(crate) ends: Time,
    /// When it would end if nobody asked for it.
    pub(crate) ends_by_itself: Time,
}

impl TrueCall {
    pub(crate) fn draw(nth: usize, placed: Time, delay: Time, rng: &mut Rng) -> Self {
        let rings = placed + rng.i64(0..2 * SECOND) + delay;
        let answered = (rng.u8(0..10) < 8).then(|| rings + rng.i64(SECOND..40 * SECOND));
        let lasts = match rng.u8(0..10) {
            0..=3 => rng.i64(SECOND..3 * MINUTE),
            4 => rng.i64(SECOND..15 * SECOND),
            // It outlasts every limit.
            _ => 600 * MINUTE,
        };
        let begins = answered.filter(|_| rng.u8(0..10) < 9).unwrap_or(rings);
        let agent = rng.usize(0..AGENTS);
        let number: Box<str> = format!("+4930{:04}", nth / 2).into();
        let is_inbound = rng.u8(0..4) == 0;
        let (to, from) =
            if is_inbound { (OUR_NUMBER.into(), Some(number)) } else { (number, None) };
        Self {
            id: CallId::parse(&format!("c{nth:02}")).unwrap(),
            sid: CallId::parse(&format!("s{nth:02}")).unwrap(),
            agent: self::agent(agent),
            told_agent: self::agent(agent),
            to,
            from,
            direction: if is_inbound { "inbound" } else { "outbound" },
            campaign: [None, Some("spring"), Some("autumn")][rng.usize(0..3)],
            testing: [None, Some(false), Some(true)][rng.usize(0..3)],
            context: rules::context(rng),
            placed,
            rings,
            answered,
            ends: begins + lasts,
            ends_by_itself: begins + lasts,
        }
    }

    pub(crate) fn is_over(&self, now: Time) -> bool {
        self.ends <= now
    }

    pub(crate) fn is_answered(&self, now: Time) -> bool {
        self.answered.is_some_and(|at| at <= now && at < self.ends)
    }

    pub(crate) fn exists(&self, now: Time) -> bool {
        self.placed <= now
    }

    pub(crate) fn status(&self, now: Time) -> Status {
        match (self.is_over(now), self.is_answered(now)) {
            (true, true) => Status::Completed,
            (true, false) => Status::NoAnswer,
            (false, true) => Status::InProgress,
            (false, false) if self.rings <= now => Status::Ringing,
            (false, false) => Status::Initiated,
        }
    }

    /// Its row in a list, as of `now`.
    pub(crate) fn row(&self, now: Time, tells_agent: bool) -> Row {
        let changed = [self.placed, self.rings, self.answered.unwrap_or(0), self.ends];
        let changed = changed.into_iter().filter(|at| *at <= now).max();
        Row {
            id: self.id.clone(),
            sid: Some(self.sid.clone()),
            agent: tells_agent.then(|| self.agent.clone()),
            to: Some(self.to.clone()),
            from: self.from.clone(),
            direction: Some(self.direction.into()),
            testing: None,
            status: self.status(now),
            started_at: None,
            created_at: Some(wall(self.placed)),
            updated_at: changed.map(wall),
        }
    }

    /// What happens in it, and when; its end comes apart.
    pub(crate) fn story(&self, rng: &mut Rng) -> Vec<(Time, EventKind)> {
        let mut story = vec![(self.rings, EventKind::Started)];
        if let Some(at) = self.answered {
            story.push((at, EventKind::Connected));
            match rng.u8(0..4) {
                0 => story.push((at + SECOND, EventKind::VoicemailDetected)),
                1 => {}
                _ => {
                    let talks = at + rng.i64(SECOND / 10..5 * SECOND);
                    story.push((talks, EventKind::ConversationStarted));
                    let pauses = talks + rng.i64(SECOND..60 * SECOND);
                    if rng.bool() {
                        story.push((pauses, EventKind::ConversationEnded));
                        let resumes = pauses + rng.i64(SECOND..40 * SECOND);
                        if rng.bool() {
                            story.push((resumes, EventKind::ConversationStarted));
                        }
                    }
                }
            }
            if rng.u8(0..6) == 0 {
                story.push((at + rng.i64(SECOND..20 * SECOND), EventKind::Error));
            }
        }
        story
    }
}

/// One of the agents.
pub(crate) fn agent(nth: usize) -> AgentId {
    AgentId::parse(&format!("agent{nth}")).unwrap()
}

/// The platform's wall clock is right.
pub(crate) fn wall(at: Time) -> Wall {
    Wall(EPOCH + at)
}

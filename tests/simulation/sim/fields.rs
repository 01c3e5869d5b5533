//! What is known of a call that rules ask about, as it was told: in three values, for what no event
//! could yet tell is unknown.

use callwarden::model::{
    event::Heard,
    operator::{Act, Word},
    platform::Row,
    time::Moment,
};
use serde_json::Value;

/// A field that rules ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Agent,
    Campaign,
    To,
    From,
    Direction,
    Testing,
    Plan,
    Tier,
}

pub(super) const FIELDS: [Field; 8] = [
    Field::Agent,
    Field::Campaign,
    Field::To,
    Field::From,
    Field::Direction,
    Field::Testing,
    Field::Plan,
    Field::Tier,
];

/// What is known of a call that rules ask about, as it was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// Whether any event was heard.
    heard: bool,
    agent: Option<Box<str>>,
    /// Whether a row told it: the platform's word stands above webhooks.
    agent_by_row: bool,
    campaign: Option<Box<str>>,
    to: Option<Box<str>>,
    from: Option<Box<str>>,
    direction: Option<Box<str>>,
    testing: Option<bool>,
    context: Option<Value>,
    /// An operator's last word, and since when it holds on the boot clock.
    pub(super) operator: Option<(Act, i64)>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    Unknown,
    Missing,
    There(Value),
}

impl Fields {
    pub(super) fn hear(&mut self, heard: &Heard) {
        let details = &heard.details;
        self.heard = true;
        let agent = heard.agent.as_ref().map(|agent| agent.as_str().into());
        self.agent = self.agent.take().or(agent);
        let told = |known: &mut Option<Box<str>>, told: &Option<Box<str>>| {
            *known = known.take().or_else(|| told.clone());
        };
        told(&mut self.campaign, &details.campaign);
        told(&mut self.to, &details.to);
        told(&mut self.from, &details.from);
        told(&mut self.direction, &details.direction);
        self.testing = self.testing.or(details.testing);
        self.context = self.context.take().or_else(|| details.context.clone());
    }

    pub(super) fn show(&mut self, row: &Row) {
        if let Some(agent) = &row.agent {
            self.agent = Some(agent.as_str().into());
            self.agent_by_row = true;
        }
        let told = |known: &mut Option<Box<str>>, told: &Option<Box<str>>| {
            *known = known.take().or_else(|| told.clone());
        };
        told(&mut self.to, &row.to);
        told(&mut self.from, &row.from);
        told(&mut self.direction, &row.direction);
    }

    /// An operator's word, and since when it holds on the boot clock.
    pub(super) fn order(&mut self, act: Act, now: Moment) {
        let at = match act.word {
            Word::Deadline(at) => at,
            Word::End | Word::Release => act.at,
        };
        if self.operator.is_none_or(|(known, _)| known < act) {
            self.operator = Some((act, now.mono_of(at).0));
        }
    }

    pub(super) fn reboot(&mut self, now: Moment) {
        if let Some((act, _)) = self.operator.take() {
            self.order(act, now);
        }
    }

    pub(super) fn word(&self) -> Option<Word> {
        self.operator.map(|(act, _)| act.word)
    }

    pub(super) fn join(&mut self, other: &Self) {
        let Self {
            heard,
            agent,
            agent_by_row,
            campaign,
            to,
            from,
            direction,
            testing,
            context,
            operator,
        } = other;
        self.heard |= heard;
        if *agent_by_row {
            self.agent.clone_from(agent);
            self.agent_by_row = true;
        }
        for (known, told) in [
            (&mut self.agent, agent),
            (&mut self.campaign, campaign),
            (&mut self.to, to),
            (&mut self.from, from),
            (&mut self.direction, direction),
        ] {
            *known = known.take().or_else(|| told.clone());
        }
        self.testing = self.testing.or(*testing);
        self.context = self.context.take().or_else(|| context.clone());
        let later = [self.operator, *operator].into_iter().flatten().max_by_key(|(act, _)| *act);
        self.operator = later;
    }

    /// Whether a field is one of these, or missing; `None` where that is unknown.
    pub(super) fn meets(&self, field: Field, wanted: &Option<Vec<Value>>) -> Option<bool> {
        let seen = match field {
            Field::Agent => self.told(self.agent.as_deref().map(Value::from)),
            Field::Campaign => self.told(self.campaign.as_deref().map(Value::from)),
            Field::To => self.told(self.to.as_deref().map(Value::from)),
            Field::From => self.told(self.from.as_deref().map(Value::from)),
            Field::Direction => self.told(self.direction.as_deref().map(Value::from)),
            Field::Testing => self.told(self.testing.map(Value::from)),
            Field::Plan => self.at("plan"),
            Field::Tier => self.at("deep/tier"),
        };
        match (seen, wanted) {
            (Seen::Unknown, _) => None,
            (seen, None) => Some(seen == Seen::Missing),
            (Seen::Missing, Some(_)) => Some(false),
            (Seen::There(told), Some(wanted)) => Some(wanted.iter().any(|want| fits(&told, want))),
        }
    }

    pub(super) fn at(&self, place: &str) -> Seen {
        match &self.context {
            Some(context) => match context.pointer(&format!("/{place}")) {
                None | Some(Value::Null) => Seen::Missing,
                Some(value) => Seen::There(value.clone()),
            },
            None => self.told(None),
        }
    }

    /// What no event could yet tell is unknown.
    fn told(&self, told: Option<Value>) -> Seen {
        match told {
            Some(value) => Seen::There(value),
            None if self.heard => Seen::Missing,
            None => Seen::Unknown,
        }
    }
}

pub(super) fn fits(told: &Value, wanted: &Value) -> bool {
    match (told, wanted) {
        (Value::String(told), Value::String(wanted)) => match wanted.split_once('*') {
            Some((head, tail)) => {
                told.len() >= head.len() + tail.len()
                    && told.starts_with(head)
                    && told.ends_with(tail)
            }
            None => told == wanted,
        },
        (Value::Number(told), Value::Number(wanted)) => told.as_f64() == wanted.as_f64(),
        (told, wanted) => told == wanted,
    }
}

//! The policy in force: its rules and limits, and how a stop is carried out (spec §3, §6, §7).

use std::{collections::HashMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    context::{Known, Places},
    event::EventKind,
    ids::AgentId,
    rule::{Match, Place, Rule, Subject},
    until::Until,
};

/// All that decisions about calls rest on besides the calls themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For calls that no rule matches, and for what a rule leaves out (spec §6).
    pub limits: Limits,
    /// The rules.
    pub rules: Rules,
    /// How stops are confirmed and given up.
    pub enforcement: Enforcement,
    /// `webhook.max_age`: an event's own time is believed up to this age (spec §4).
    pub max_age: Duration,
}

impl Policy {
    /// The places in contexts that its rules name.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.rules.places
    }
}

/// The rules, in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    list: Vec<Rule>,
    places: Places,
}

impl Rules {
    /// These rules, and each place in a context that they name found once.
    #[must_use]
    pub fn new(mut list: Vec<Rule>) -> Self {
        let mut places = Vec::new();
        let mut known = HashMap::<Box<str>, usize>::new();
        let mut find = |place: &mut Place| {
            place.index = *known.entry(Box::from(place.path.as_str())).or_insert_with(|| {
                places.push(place.path.clone());
                places.len() - 1
            });
        };
        for rule in &mut list {
            for condition in &mut rule.when {
                if let Subject::Context(place) = &mut condition.subject {
                    find(place);
                }
            }
            if let Some(own) = &mut rule.own {
                find(&mut own.place);
            }
        }
        Self { list, places: places.into() }
    }

    /// The rules, in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Rule> {
        self.list.iter()
    }

    /// Whether any of them asks for agents, this one among them.
    #[must_use]
    pub fn name(&self, agent: &AgentId) -> bool {
        self.list.iter().any(|rule| rule.names(agent))
    }

    /// Those that may decide for a call: each that matches by what is known, or may, up to the
    /// first that does; `None` stands for `[limits]` alone, where none does (spec §6).
    pub fn deciding<'a>(
        &'a self,
        call: Known<'a>,
    ) -> impl Iterator<Item = Option<&'a Rule>> + use<'a> {
        let mut rest = Some(self.list.iter());
        std::iter::from_fn(move || {
            for rule in rest.as_mut()? {
                match rule.matches(call) {
                    Match::No(_) => {}
                    Match::Unknown(_) => return Some(Some(rule)),
                    Match::Yes => {
                        rest = None;
                        return Some(Some(rule));
                    }
                }
            }
            rest = None;
            Some(None)
        })
    }
}

/// The longest times a call may go on after its marks (spec §6); what is `None` does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// From the earliest sign of the call.
    pub total: Option<Duration>,
    /// From *started*, until it connects.
    pub ringing: Option<Duration>,
    /// From *connected*.
    pub connected: Option<Duration>,
    /// From *talking*.
    pub talking: Option<Duration>,
    /// From *voicemail*.
    pub voicemail: Option<Duration>,
    /// From *connected*, until *talking*.
    pub no_conversation: Option<Duration>,
    /// From the last time of an event, until its counterpart; each event once, in stored order.
    pub after: Vec<(EventKind, Duration)>,
    /// From *started* to a time of day.
    pub until: Option<Until>,
}

/// `[enforcement]` (spec §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// How long to wait for the end's webhook before asking the platform.
    pub confirm_within: Duration,
    /// How long to go on with a stop that the platform answers but does not carry out.
    pub give_up_after: Duration,
}

/// Which of the calls that only the platform's list shows are taken on (`enforcement.adopt`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Adopt {
    /// Every call.
    #[default]
    All,
    /// Calls of agents in a rule, or heard of by webhook.
    Known,
    /// Calls of these agents.
    Agents(Vec<AgentId>),
}

/// Which limit a deadline comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// `total`
    Total,
    /// `ringing`
    Ringing,
    /// `connected`
    Connected,
    /// `talking`
    Talking,
    /// `voicemail`
    Voicemail,
    /// `no_conversation`
    NoConversation,
    /// `after.<event>`
    After(EventKind),
    /// `until`
    Until,
    /// An operator's word, which stands above every limit.
    Operator,
}

impl fmt::Display for Limit {
    /// The name of the config key; `operator` for an operator's deadline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total => f.write_str("total"),
            Self::Ringing => f.write_str("ringing"),
            Self::Connected => f.write_str("connected"),
            Self::Talking => f.write_str("talking"),
            Self::Voicemail => f.write_str("voicemail"),
            Self::NoConversation => f.write_str("no_conversation"),
            Self::After(kind) => write!(f, "after.{}", kind.short_name()),
            Self::Until => f.write_str("until"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

impl Limit {
    /// The limit of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "total" => Self::Total,
            "ringing" => Self::Ringing,
            "connected" => Self::Connected,
            "talking" => Self::Talking,
            "voicemail" => Self::Voicemail,
            "no_conversation" => Self::NoConversation,
            "until" => Self::Until,
            "operator" => Self::Operator,
            _ => Self::After(EventKind::from_short_name(name.strip_prefix("after.")?)?),
        })
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown limit {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_found_by_the_key_that_it_is_shown_by() {
        let after = EventKind::ALL.iter().map(|kind| Limit::After(*kind));
        for limit in [
            Limit::Total,
            Limit::Ringing,
            Limit::Connected,
            Limit::Talking,
            Limit::Voicemail,
            Limit::NoConversation,
            Limit::Until,
            Limit::Operator,
        ]
        .into_iter()
        .chain(after)
        {
            assert_eq!(Limit::from_name(&limit.to_string()), Some(limit));
            let stored = serde_json::to_string(&limit).unwrap();
            assert_eq!(serde_json::from_str::<Limit>(&stored).unwrap(), limit);
        }
        assert_eq!(Limit::Until.to_string(), "until");
        assert_eq!(Limit::After(EventKind::Recording).to_string(), "after.recording");
        assert_eq!(Limit::from_name("after"), None);
        assert!(serde_json::from_str::<Limit>(r#""for ever""#).is_err());
    }
}

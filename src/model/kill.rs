//! Which calls a kill switch takes (spec §10).

use std::fmt;

use super::{
    call::Call,
    ids::{AgentId, masked},
    operator::Order,
    pattern::Pattern,
    time::Wall,
};

/// What calls must have in common; one that asks for nothing takes all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The agent that owns them.
    pub agent: Option<AgentId>,
    /// Their campaign.
    pub campaign: Option<String>,
    /// What their callee's number looks like.
    pub to: Option<Pattern>,
    /// The rule that decides for them, by name.
    pub rule: Option<String>,
}

impl Selection {
    /// Whether it takes `call`: it has what is asked for, and an order to end it would be let
    /// through now.
    #[must_use]
    pub fn takes(&self, call: &Call, now: Wall) -> bool {
        let Self { agent, campaign, to, rule } = self;
        let facts = &call.facts;
        agent.as_ref().is_none_or(|agent| facts.agent() == Some(agent))
            && campaign.as_deref().is_none_or(|campaign| facts.campaign() == Some(campaign))
            && to.as_ref().is_none_or(|to| facts.to().is_some_and(|told| to.matches(told)))
            && rule.as_deref().is_none_or(|rule| call.rule() == Some(rule))
            && call.ordered(Order::End, now).is_ok()
    }
}

impl fmt::Display for Selection {
    /// What it asks for, with the number masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent, campaign, to, rule } = self;
        let asked = [
            ("agent", agent.as_ref().map(ToString::to_string)),
            ("campaign", campaign.clone()),
            ("to", to.as_ref().map(|to| masked(to.as_str()))),
            ("rule", rule.clone()),
        ];
        let mut separator = "";
        for (key, value) in asked {
            if let Some(value) = value {
                write!(f, "{separator}{key} {value}")?;
                separator = ", ";
            }
        }
        if separator.is_empty() { f.write_str("all calls") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        change::Event,
        event::{Details, EventKind, Heard},
        ids::CallId,
        platform::Failure,
        policy::{Limits, Rules},
        rule::{Action, Rule},
        scene::Scene,
        time::Moment,
    };

    #[test]
    fn what_asks_for_nothing_takes_all_and_what_is_not_told_is_not_taken() {
        let call = Call::new(CallId::parse("c").unwrap(), Moment::default());
        let takes = |selection: Selection| selection.takes(&call, Wall(1));
        assert!(takes(Selection::default()));
        let to = Pattern::new("*");
        assert!(!takes(Selection { to, ..Selection::default() }), "its callee is unknown");
        let agent = AgentId::parse("a").ok();
        assert!(!takes(Selection { agent, ..Selection::default() }));
        assert!(!takes(Selection { rule: Some("r".to_owned()), ..Selection::default() }));
        assert!(!takes(Selection { campaign: Some("c".to_owned()), ..Selection::default() }));
    }

    #[test]
    fn it_says_what_it_asks_for_and_no_number() {
        assert_eq!(Selection::default().to_string(), "all calls");
        let agent = AgentId::parse("a-1").ok();
        let to = Pattern::new("+15550001234");
        let told = Selection { agent, to, ..Selection::default() }.to_string();
        assert_eq!(told, "agent a-1, to ********1234");
    }

    #[test]
    fn it_takes_what_has_all_that_is_asked_for_and_may_still_be_ended() {
        let mut scene = Scene::stopping();
        let heard = scene.heard(EventKind::Connected, None);
        let details = Details {
            to: Some("+4930".into()),
            campaign: Some("spring".into()),
            ..Details::default()
        };
        scene.apply(&Event::Heard(&Heard { details, ..heard }));
        scene.fail(Failure::Timeout);
        let rule = Rule {
            name: "all".into(),
            when: Vec::new(),
            limits: Limits::default(),
            own: None,
            action: Action::End,
        };
        scene.policy.rules = Rules::new(vec![rule]);
        scene.apply(&Event::PolicyChanged { context: None });
        let takes = |[agent, campaign, to, rule]: [&str; 4]| {
            let selection = Selection {
                agent: AgentId::parse(agent).ok(),
                campaign: Some(campaign.to_owned()),
                to: Pattern::new(to),
                rule: Some(rule.to_owned()),
            };
            selection.takes(&scene.call, scene.now.wall)
        };
        assert!(takes(["agent", "spring", "+49*", "all"]));
        assert!(!takes(["another", "spring", "+49*", "all"]));
        assert!(!takes(["agent", "autumn", "+49*", "all"]));
        assert!(!takes(["agent", "spring", "+1*", "all"]));
        assert!(!takes(["agent", "spring", "+49*", "some"]));
        scene.wake();
        assert!(scene.send());
        let all = Selection::default();
        assert!(!all.takes(&scene.call, scene.now.wall), "a request is under way");
    }
}

//! Advice on rules: what can be proven of them, and nothing that is only likely.

use std::time::Duration;

use crate::{
    config::{
        checked::{Config, Quota},
        duration::shown,
        print::plain_limits,
    },
    model::{
        policy::Limits,
        rule::{Action, Rule, Subject, Test, Wanted},
    },
};

use super::{List, PLATFORM_CAP, never_later, of_whole_seconds};

pub(super) fn on_rules(list: &mut List, config: &Config) {
    let rules: Vec<_> = config.rules.iter().collect();
    for (at, rule) in rules.iter().enumerate() {
        let key = |key: &str| format!("rule {:?}{key}", &*rule.name);
        if let Some(earlier) = rules[..at].iter().find(|earlier| earlier.covers(rule)) {
            list.warn(
                key(""),
                format!("every call that it matches is matched by {:?} before it", &*earlier.name),
                "move it up, or leave it out",
            );
        }
        for direction in unknown_directions(rule) {
            list.warn(
                key(".when.direction"),
                format!("no call has the direction {direction:?}"),
                "write \"inbound\" or \"outbound\"",
            );
        }
        on_limits_of(list, rule, &config.limits, key);
    }
    on_backstop(list, config);
    on_quota(list, config.platform.requests, &config.limits, config.server.max_calls);
}

fn unknown_directions(rule: &Rule) -> impl Iterator<Item = &str> {
    let asked = rule.when.iter().filter(|asked| asked.subject == Subject::Direction);
    let wanted = asked.flat_map(|asked| match &asked.test {
        Test::Any(wanted) => wanted.as_slice(),
        Test::Absent => &[],
    });
    wanted.filter_map(|wanted| match wanted {
        Wanted::Text(pattern) => {
            let is_known = ["inbound", "outbound"].iter().any(|known| pattern.matches(known));
            (!is_known).then(|| pattern.as_str())
        }
        Wanted::Flag(_) | Wanted::Number(_) => None,
    })
}

fn on_limits_of(list: &mut List, rule: &Rule, general: &Limits, key: impl Fn(&str) -> String) {
    // What a call brings along may be longer than `total`.
    let total = rule.limits.total.or(general.total).filter(|_| rule.own.is_none());
    let in_force = Limits {
        total,
        connected: rule.limits.connected.or(general.connected),
        ..Limits::default()
    };
    let after = rule
        .limits
        .after
        .iter()
        .map(|(kind, limit)| (format!("after.{}", kind.short_name()), *limit));
    let set = plain_limits(&rule.limits).map(|(name, limit)| (name.to_owned(), limit));
    for (name, limit) in set.chain(after) {
        if let Some((other, least)) =
            never_later(&in_force, &name).filter(|(_, least)| limit >= *least)
        {
            list.warn(
                key(&format!(".limits.{name}")),
                format!("{} is never reached before `{other}` of {}", shown(limit), shown(least)),
                "shorten it or leave it out",
            );
        }
    }
    if let (Some(own), Some(total)) = (&rule.own, rule.limits.total.or(general.total))
        && own.at_most < total
    {
        list.warn(
            key(".override.at_most"),
            format!("a call's own limit can only shorten the `total` of {}", shown(total)),
            "lengthen it, if calls may ask for more",
        );
    }
}

/// The platform's own cap, which cuts no call that may go on.
fn on_backstop(list: &mut List, config: &Config) {
    let is_observing = config.rules.iter().any(|rule| rule.action == Action::Observe);
    let of_rule = |rule: &Rule| {
        let total = rule.limits.total.or(config.limits.total)?;
        Some(rule.own.as_ref().map_or(total, |own| own.at_most.max(total)))
    };
    let longest =
        config.rules.iter().map(of_rule).fold(config.limits.total, |a, b| Some(a?.max(b?)));
    let Some(longest) = longest.filter(|_| !is_observing) else { return };
    let whole = of_whole_seconds(longest);
    if whole <= PLATFORM_CAP {
        list.hint(
            "limits.total",
            "the platform can cut calls by itself, should callwarden be down",
            format!("set max_call_duration_seconds of each agent to {whole}, as a back-stop"),
        );
    }
}

/// How many calls the quota can end in the time that they may last.
fn on_quota(list: &mut List, quota: Quota, limits: &Limits, max_calls: usize) {
    let Some(total) = limits.total else { return };
    let Quota { count, window } = quota;
    let ended = f64::from(count) * Duration::as_secs_f64(&total) / window.as_secs_f64();
    // The cast saturates, and what is beyond is enough.
    let ended = ended as usize;
    if ended < max_calls {
        list.hint(
            "platform.requests",
            format!(
                "{quota} end at most {ended} calls within the {} that a call may last: of more at \
                 once that all outstay it, some wait",
                shown(total)
            ),
            "take a larger share of the quota if there may be more calls",
        );
    }
}

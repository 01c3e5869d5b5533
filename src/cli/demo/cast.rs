//! The calls of the demo: who they are, when each begins, and what it does.

use std::time::Duration;

use crate::sim::{Extra, Fate, Script};

/// All calls, in the order in which they begin.
pub(super) struct Cast {
    parts: Vec<Part>,
    lasts: Duration,
}

/// One call.
pub(super) struct Part {
    /// The id it has on the platform.
    pub(super) id: String,
    /// What it does, in a few words that follow its number.
    pub(super) title: &'static str,
    /// What it does, for the platform.
    pub(super) script: Script,
    /// Whether it goes on until somebody ends it.
    pub(super) outstays: bool,
}

/// What a call can do. All times are in beats, of which the demo lasts [`BEATS`].
struct Role {
    title: &'static str,
    rings: f64,
    fate: Fate,
    talks_after: Option<f64>,
    voicemail_after: Option<f64>,
    lasts: Option<f64>,
    events: &'static [(f64, &'static str)],
}

/// How many beats the demo lasts.
const BEATS: f64 = 20.0;
/// The last call begins then: the longest limit, and what it takes to confirm a stop, come after.
const LAST_ENTRANCE: f64 = 9.0;

/// The limits, in beats, by their keys in `[limits]`.
pub(super) const LIMITS: [(&str, f64); 8] = [
    ("total", 9.0),
    ("ringing", 4.0),
    ("connected", 8.0),
    ("talking", 6.0),
    ("voicemail", 2.0),
    ("no_conversation", 3.0),
    ("after.conversation_ended", 1.5),
    ("after.participant_left", 2.0),
];

/// Rings for a beat, is answered, talks at once and never ends.
const TALKER: Role = Role {
    title: "",
    rings: 1.0,
    fate: Fate::Answered,
    talks_after: Some(0.2),
    voicemail_after: None,
    lasts: None,
    events: &[],
};
/// Is answered by a machine.
const MACHINE: Role = Role { talks_after: None, voicemail_after: Some(0.5), ..TALKER };

const LEFT: &str = "event_participant_left";
const BACK: &str = "event_participant_joined";
const GOODBYE: &str = "event_conversation_ended";

const ROLES: [Role; 15] = [
    Role { title: "talks on and on", ..TALKER },
    Role { title: "talks briefly", lasts: Some(3.0), ..TALKER },
    Role { title: "rings and rings", fate: Fate::RingsOn, ..TALKER },
    Role { title: "finds the line busy", rings: 0.5, fate: Fate::Busy, ..TALKER },
    Role { title: "talks to a voicemail", ..MACHINE },
    Role { title: "hangs up on voicemail", lasts: Some(1.5), ..MACHINE },
    Role { title: "hears nobody speak", talks_after: None, ..TALKER },
    Role { title: "rings in vain", rings: 2.5, fate: Fate::NoAnswer, ..TALKER },
    Role { title: "waits long, then talks", rings: 0.5, talks_after: Some(2.5), ..TALKER },
    Role { title: "talks for a while", lasts: Some(4.5), ..TALKER },
    Role { title: "rings long, then talks", rings: 3.0, talks_after: Some(1.0), ..TALKER },
    Role { title: "stays on after goodbye", events: &[(2.0, GOODBYE)], ..TALKER },
    Role { title: "is left alone", events: &[(2.5, LEFT)], ..TALKER },
    Role {
        title: "is left for a moment",
        lasts: Some(4.0),
        events: &[(1.0, LEFT), (2.0, BACK)],
        ..TALKER
    },
    Role { title: "fails to connect", rings: 0.5, fate: Fate::Failed, ..TALKER },
];

const AGENTS: [&str; 3] = ["front-desk", "sales", "support"];

impl Cast {
    /// So many calls, over so long. The same each time.
    pub(super) fn new(calls: u16, lasts: Duration) -> Self {
        let beat = lasts.div_f64(BEATS);
        let mut rng = fastrand::Rng::with_seed(0x0ca1_15ed);
        let mut roles: Vec<_> = ROLES.iter().cycle().take(calls.into()).collect();
        rng.shuffle(&mut roles);
        let apart = LAST_ENTRANCE / f64::from(calls);
        let mut entrances: Vec<_> =
            (0..calls).map(|n| (f64::from(n) + rng.f64()) * apart).collect();
        entrances.sort_by(f64::total_cmp);
        let parts = roles.iter().zip(entrances).enumerate();
        let parts = parts.map(|(n, (role, at))| role.part(n + 1, beat.mul_f64(at), beat)).collect();
        Self { parts, lasts }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How long all of it takes.
    pub(super) fn lasts(&self) -> Duration {
        self.lasts
    }

    /// The limits as the config has them.
    pub(super) fn limits(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        LIMITS.iter().map(|(key, beats)| (*key, self.lasts.div_f64(BEATS).mul_f64(*beats)))
    }

    /// How long to wait for a webhook of a stopped call's end.
    pub(super) fn confirm_within(&self) -> Duration {
        self.lasts.div_f64(BEATS).mul_f64(1.5)
    }

    /// The faults of the platform, in the words of `callwarden sim --fault`.
    pub(super) fn faults(&self) -> Vec<String> {
        let usual =
            ["latency=5ms..40ms", "webhooks-doubled=0.1", "server-error,scope=end-call,count=2"];
        // Only of calls that go on: of others it would be their end by themselves that got lost.
        let unheard = self.parts.iter().filter(|part| part.outstays).skip(2).step_by(6).take(3);
        let lost = unheard
            .map(|part| format!("webhooks-vanished,call={},event=event_phone_call_ended", part.id));
        usual.map(str::to_owned).into_iter().chain(lost).collect()
    }
}

impl Role {
    fn part(&self, number: usize, at: Duration, beat: Duration) -> Part {
        let Self { title, rings, fate, talks_after, voicemail_after, lasts, events } = *self;
        let id = format!("demo-{number:02}");
        let span = |beats| beat.mul_f64(beats).into();
        let script = Script {
            id: Some(id.clone()),
            agent: AGENTS[number % AGENTS.len()].to_owned(),
            delay: at.into(),
            rings: span(rings),
            fate,
            talks_after: talks_after.map(span),
            voicemail_after: voicemail_after.map(span),
            lasts: lasts.map(span),
            events: events
                .iter()
                .map(|(after, event)| Extra { after: span(*after), event: (*event).to_owned() })
                .collect(),
            ..Script::default()
        };
        let outstays = match fate {
            Fate::Answered => lasts.is_none(),
            Fate::RingsOn => true,
            Fate::NoAnswer | Fate::Busy | Fate::Failed => false,
        };
        Part { id, title, script, outstays }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Fault;

    #[test]
    fn every_role_is_played_and_some_calls_outstay() {
        let cast = Cast::new(48, Duration::from_secs(20));
        for role in &ROLES {
            assert!(cast.parts().iter().any(|part| part.title == role.title), "{}", role.title);
        }
        let outstaying = cast.parts().iter().filter(|part| part.outstays).count();
        assert!((20..40).contains(&outstaying), "{outstaying}");
    }

    #[test]
    fn every_fault_is_one_the_platform_knows() {
        let faults = Cast::new(500, Duration::from_secs(5)).faults();
        assert_eq!(faults.len(), 6);
        faults.iter().for_each(|fault| drop(fault.parse::<Fault>().unwrap()));
    }

    #[test]
    fn a_call_that_ends_by_itself_does_so_half_a_beat_before_any_limit() {
        let limit = |key| LIMITS.iter().find(|(name, _)| *name == key).unwrap().1;
        for role in ROLES.iter().filter(|role| role.lasts.is_some()) {
            let lasts = role.lasts.unwrap() + 0.5;
            assert!(role.rings + lasts <= limit("total") && lasts <= limit("connected"));
            assert!(role.talks_after.is_none_or(|after| lasts - after <= limit("talking")));
            assert!(role.voicemail_after.is_none_or(|after| lasts - after <= limit("voicemail")));
        }
    }
}

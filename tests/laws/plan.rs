//! What happens in a virtual world: drawn by proptest, shrunk to the least that breaks a law.

use std::time::Duration;

use callwarden::model::{
    event::EventKind,
    platform::{Answer, Failure},
    policy::{Enforcement, Limits, Policy, Rules},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// Milliseconds since the call began.
pub(crate) type Millis = i64;

/// One world. The call begins at 0.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub policy: Policy,
    /// When somebody answers, if ever.
    pub answered: Option<Millis>,
    /// When the call ends by itself, if ever.
    pub ends: Option<Millis>,
    pub webhooks: Vec<Webhook>,
    /// How the end's webhook comes, however the call ends.
    pub end_hook: Delivery,
    /// When a listing shows the call to us.
    pub adopted: Option<Millis>,
    /// Whether rows tell when it began to ring.
    pub rows_tell_start: bool,
    /// What goes wrong with requests until the platform is healed, over and over.
    pub requests: Vec<Attempt>,
    /// The same for look-ups.
    pub lookups: Vec<Search>,
    pub healed: Millis,
    pub mishaps: Vec<(Millis, Mishap)>,
    /// Chance, over and over: percent.
    pub jitter: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub kind: EventKind,
    /// When it happened.
    pub at: Millis,
    pub delivery: Delivery,
    pub tells_agent: bool,
    pub tells_sid: bool,
}

/// How often and how late a webhook comes: never, once, doubled.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub has_time: bool,
    pub delays: Vec<Millis>,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub queued: Millis,
    pub takes: Millis,
    /// `None`: the platform tells the truth.
    pub answer: Option<Answer>,
    /// Whether it ends the call, whatever is answered.
    pub works: bool,
    pub fresh_token: bool,
}

/// What becomes of a look-up.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub queued: Millis,
    pub takes: Millis,
    pub fault: Option<SearchFault>,
}

#[derive(Clone, Debug)]
pub(crate) enum SearchFault {
    NoRow,
    NamesNoAgent,
    Failure(Failure),
}

#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    /// Killed and started again. `forgets`: the last change that no webhook waits for is not stored.
    Crash { same_boot: bool, forgets: bool },
    /// The wall clock steps.
    Step { minutes: i64 },
    /// The limits change; the call is looked at in its turn.
    Reload { limits: Limits, looked_at_after: Millis },
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let truth = (option::of(0..60_000_i64), option::weighted(0.4, 1_000..300_000_i64));
    let heard = (vec(webhook(), 0..7), delivery(), option::of(0..60_000_i64), any::<bool>());
    let faults = (vec(attempt(), 1..8), vec(search(), 1..8), 0..900_000_i64);
    let rest =
        (vec((prop_oneof![0..120_000_i64, 0..900_000_i64], mishap()), 0..4), vec(5..100_u8, 1..8));
    (policy(), truth, heard, faults, rest).prop_map(
        |(
            policy,
            (answered, ends),
            (webhooks, end_hook, adopted, rows_tell_start),
            faults,
            rest,
        )| {
            let (requests, lookups, healed) = faults;
            let (mishaps, jitter) = rest;
            Plan {
                policy,
                answered,
                ends,
                webhooks,
                end_hook,
                adopted,
                rows_tell_start,
                requests,
                lookups,
                healed,
                mishaps,
                jitter,
            }
        },
    )
}

pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    (limits(), 1..31_u64, 60..1_200_u64).prop_map(|(limits, confirm, give_up)| Policy {
        limits,
        rules: Rules::default(),
        enforcement: Enforcement {
            confirm_within: Duration::from_secs(confirm),
            give_up_after: Duration::from_secs(give_up),
        },
        max_age: Duration::from_secs(7_200),
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = || option::of((100..120_000_u64).prop_map(Duration::from_millis));
    let after = vec((select(EventKind::ALL), 100..60_000_u64), 0..4).prop_map(|after| {
        let mut after: Vec<_> =
            after.into_iter().map(|(kind, ms)| (kind, Duration::from_millis(ms))).collect();
        after.sort();
        after.dedup_by_key(|(kind, _)| *kind);
        after
    });
    (limit(), limit(), limit(), limit(), limit(), limit(), after).prop_map(
        |(total, ringing, connected, talking, voicemail, no_conversation, after)| Limits {
            total,
            ringing,
            connected,
            talking,
            voicemail,
            no_conversation,
            after,
            until: None,
        },
    )
}

/// Every event but the two that end a call: those come when it ends.
pub(crate) fn living_kind() -> impl Strategy<Value = EventKind> {
    let often = [EventKind::Started, EventKind::Connected, EventKind::ConversationStarted];
    let all = EventKind::ALL.iter().copied().filter(|kind| !kind.ends_call()).collect::<Vec<_>>();
    prop_oneof![select(often.to_vec()), select(all)]
}

fn webhook() -> impl Strategy<Value = Webhook> {
    (living_kind(), 0..90_000_i64, delivery(), any::<bool>(), any::<bool>()).prop_map(
        |(kind, at, delivery, tells_agent, tells_sid)| Webhook {
            kind,
            at,
            delivery,
            tells_agent,
            tells_sid,
        },
    )
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let delay = prop_oneof![4 => 0..2_000_i64, 1 => 0..300_000_i64];
    (any::<bool>(), vec(delay, 0..4)).prop_map(|(has_time, delays)| Delivery { has_time, delays })
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let answer = prop_oneof![
        2 => Just(None),
        2 => Just(Some(Answer::Accepted)),
        2 => Just(Some(Answer::NotActive)),
        2 => Just(Some(Answer::NotFound)),
        4 => failure().prop_map(|failure| Some(Answer::Failed(failure))),
    ];
    let queued = prop_oneof![3 => 0..500_i64, 1 => 0..60_000_i64];
    (queued, 200..9_000_i64, answer, any::<bool>(), any::<bool>()).prop_map(
        |(queued, takes, answer, works, fresh_token)| Attempt {
            queued,
            takes,
            answer,
            works,
            fresh_token,
        },
    )
}

fn search() -> impl Strategy<Value = Search> {
    let fault = prop_oneof![
        3 => Just(None),
        2 => Just(Some(SearchFault::NoRow)),
        1 => Just(Some(SearchFault::NamesNoAgent)),
        2 => failure().prop_map(|failure| Some(SearchFault::Failure(failure))),
    ];
    (1..500_i64, 100..9_000_i64, fault).prop_map(|(queued, takes, fault)| Search {
        queued,
        takes,
        fault,
    })
}

pub(crate) fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        select(&[401, 403][..]).prop_map(|status| Failure::Unauthorized { status }),
        select(&[302, 200, 404][..]).prop_map(|status| Failure::Misdirected { status }),
        Just(Failure::RateLimited { pause: None }),
        select(&[500, 502, 503, 504][..]).prop_map(|status| Failure::ServerError { status }),
        Just(Failure::Timeout),
        Just(Failure::Cut),
        Just(Failure::Network),
        Just(Failure::Other { status: 418, message: String::new() }),
    ]
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        (any::<bool>(), any::<bool>())
            .prop_map(|(same_boot, forgets)| Mishap::Crash { same_boot, forgets }),
        (-300..300_i64).prop_map(|minutes| Mishap::Step { minutes }),
        (limits(), 0..2_000_i64)
            .prop_map(|(limits, looked_at_after)| Mishap::Reload { limits, looked_at_after }),
    ]
}

//! What a seed draws: everything about a world that does not happen by and by.

use std::{fmt, time::Duration};

use callwarden::model::{
    listing::STATUSES,
    policy::{Adopt, Enforcement},
    queue::Share,
    surge::Surge,
};
use fastrand::Rng;

use super::{MINUTE, Time, account::Account, laws::micros, life::agent, rules::Plan};

macro_rules! faults {
    ($( $(#[$doc:meta])* $name:ident, )+) => {
        /// What can go wrong. A seed draws which of them do, and how often.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $( $(#[$doc])* $name, )+ }

        impl Fault {
            /// Every kind.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

faults! {
    /// The answer takes seconds, or longer than we wait.
    SlowAnswer,
    /// The request works, its answer is lost.
    LostAnswer,
    /// It never arrives.
    Unreachable,
    /// 5xx.
    ServerError,
    /// An HTML page where JSON belongs.
    Html,
    /// Some other refusal, with a status of its own or `success:false`.
    Refused,
    /// 429 without need.
    TooMany,
    /// "Call not found" of a call that is there.
    FalseNotFound,
    /// "Not active" of a call that is.
    FalseNotActive,
    /// Accepted, and not carried out.
    IdleHangUp,
    /// The token is replaced; its file follows later.
    TokenRotation,
    /// Lists show how things stood a while ago.
    LaggingList,
    /// A row slips between two pages.
    MissingRow,
    /// Rows name no agent.
    RowWithoutAgent,
    /// The platform's search does not find ids.
    UnsearchableId,
    /// A webhook never comes; the platform's log may have it.
    LostHook,
    /// It comes twice.
    DoubledHook,
    /// It comes minutes late.
    LateHook,
    /// It tells no time of its own.
    TimelessHook,
    /// It tells a time that is hours old.
    OldTime,
    /// It names no agent.
    HookWithoutAgent,
    /// It knows the call by its sid alone.
    SidAlone,
    /// It tells of an end that is none.
    FalseEnd,
    /// The call is placed long before it rings.
    DelayedCall,
    /// Our wall clock is off from the beginning.
    ClockOffset,
    /// It is set.
    ClockStep,
    /// It drifts.
    ClockDrift,
    /// The machine sleeps.
    Suspend,
    /// Killed, and started again.
    Crash,
    /// Killed with the machine.
    Reboot,
    /// A commit takes long.
    SlowStore,
    /// The store fails for a while.
    StoreOutage,
    /// The policy is replaced.
    Reload,
    /// The quota is replaced.
    Requota,
    /// An operator extends, ends or releases a call.
    Operator,
    /// An operator ends all calls of an agent.
    KillSwitch,
    /// Webhooks leave fields out.
    SparseHook,
    /// For a while they are signed with another secret.
    WrongSecret,
    /// Webhooks name another agent than the one that owns the call.
    WrongAgent,
    /// Others take of the account's quota, and the platform tells what is left.
    SharedAccount,
}

/// At most so many requests in any window of that length.
pub(super) type Quota = (u32, Duration);

/// Enough to stop every call, with all its retries, in the five minutes after all is well.
fn quota(calls: usize, is_tight: bool, rng: &mut Rng) -> Quota {
    let seconds = [1, 10, 60][rng.usize(0..3)];
    let least = calls as u64 * seconds / if is_tight { 24 } else { 8 } + 2;
    let most = rng.u64(least..=least * if is_tight { 2 } else { 6 });
    (u32::try_from(most).unwrap(), Duration::from_secs(seconds))
}

/// A seed, and how much of its world is left: what a failing world is shrunk by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The seed.
    pub(crate) seed: u64,
    /// Calls, at most.
    pub(crate) calls: usize,
    /// The faults left out.
    pub(crate) without: Vec<Fault>,
    /// Minutes with faults, at most.
    pub(crate) minutes: i64,
    /// Whether its last events are written down.
    pub(crate) tells: bool,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = Fault::ALL.iter().filter(|fault| !self.without.contains(fault));
        match self.calls {
            usize::MAX => write!(f, "all its calls")?,
            calls => write!(f, "{calls} calls")?,
        }
        match self.minutes {
            i64::MAX => {}
            minutes => write!(f, ", {minutes} minutes")?,
        }
        write!(f, ", at most these faults: {:?}", faults.collect::<Vec<_>>())
    }
}

impl Shape {
    /// The whole world of a seed.
    pub(crate) fn whole(seed: u64) -> Self {
        Self { seed, calls: usize::MAX, without: Vec::new(), minutes: i64::MAX, tells: false }
    }
}

/// What a seed draws.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Policies, one of them in force at a time.
    pub(super) policies: Vec<Plan>,
    pub(crate) calls: usize,
    /// How often each fault strikes, in percent, by its place in [`Fault::ALL`].
    chances: Vec<u8>,
    /// When the platform, the network and the machine are well again.
    pub(crate) healed: Time,
    /// Quotas, one of them in force at a time: at most so many requests a span.
    pub(super) quotas: Vec<Quota>,
    pub(crate) reconcile_every: Duration,
    /// The account's own quota, where it is shared.
    pub(super) account: Option<Account>,
    /// Which listed calls are taken on.
    pub(super) adopt: Adopt,
    /// How many calls may be without outcome.
    pub(super) max_calls: usize,
    /// Whether all calls are placed at the beginning, and one of the policies ends them all.
    pub(crate) is_crowded: bool,
    pub(crate) surge: Surge,
    /// Webhooks that each agent has: all events to one, or some to each.
    pub(super) webhooks: usize,
    /// Rows a page.
    pub(crate) per_page: usize,
    /// Whether the platform knows no calls in progress, but answered ones.
    pub(super) says_answered: bool,
    /// Whether lists begin with the newest call.
    pub(crate) newest_first: bool,
}

impl Scenario {
    pub(crate) fn draw(shape: &Shape, rng: &mut Rng) -> Self {
        let confirm_within = Duration::from_secs(rng.u64(2..=30));
        let give_up_after = Duration::from_secs(rng.u64(60..=1_200));
        let enforcement = Enforcement { confirm_within, give_up_after };
        let mut policies: Vec<_> = (0..3).map(|_| Plan::draw(&enforcement, rng)).collect();
        let is_crowded = rng.u8(0..12) == 0;
        let mut calls = [rng.usize(1..=4), rng.usize(4..=40)][rng.usize(0..2)];
        if is_crowded {
            policies[2] = Plan::strict(&enforcement);
            calls = 40;
        }
        // Nine worlds in ten are troubled; each has its own kinds of trouble.
        let share = if rng.u8(0..10) == 0 { 0.0 } else { 0.05 + 0.5 * rng.f64() };
        let chances = Fault::ALL.iter().map(|fault| {
            let strikes = rng.f64() < share;
            let often = [2, 10, 35, 90][rng.usize(0..4)];
            if strikes && !shape.without.contains(fault) { often } else { 0 }
        });
        let mut chances: Vec<_> = chances.collect();
        if is_crowded && !shape.without.contains(&Fault::Reload) {
            chances[Fault::Reload as usize] = 90;
        }
        let is_tight = rng.u8(0..4) == 0;
        let mut quotas: Vec<_> = (0..3).map(|_| quota(calls, is_tight, rng)).collect();
        if shape.without.contains(&Fault::Requota) || chances[Fault::Requota as usize] == 0 {
            quotas.truncate(1);
        }
        let is_shared = chances[Fault::SharedAccount as usize] > 0;
        let (limit, span) = (quotas[0].0 * rng.u32(1..=2), micros(quotas[0].1) * rng.i64(1..=6));
        let others = limit * [12, rng.u32(0..10), 12][rng.usize(0..3)] / 10;
        let account = Account::new(limit, span, others, rng.u8(0..4) > 0);
        Self {
            policies,
            calls: calls.min(shape.calls),
            chances,
            healed: rng.i64(1..=15).min(shape.minutes) * MINUTE,
            quotas,
            account: is_shared.then_some(account),
            reconcile_every: Duration::from_secs(rng.u64(15..=60)),
            adopt: match rng.u8(0..5) {
                0 => Adopt::Known,
                1 => Adopt::Agents((0..rng.usize(0..3)).map(agent).collect()),
                _ => Adopt::All,
            },
            max_calls: if rng.u8(0..8) == 0 { rng.usize(1..=calls) } else { usize::MAX },
            is_crowded,
            surge: Surge::at_most([0, 20, 20, 100][rng.usize(0..4)]),
            webhooks: rng.usize(1..=3),
            per_page: [3, 20, 100][rng.usize(0..3)],
            says_answered: rng.u8(0..4) == 0,
            newest_first: rng.bool(),
        }
    }

    /// How often a fault strikes, in percent.
    pub(crate) fn chance(&self, fault: Fault) -> u8 {
        self.chances[fault as usize]
    }

    /// When all is well, and nothing that the platform said before holds requests back: a shared
    /// account has them wait for five minutes at most.
    pub(super) fn nothing_holds_back(&self) -> Time {
        self.healed + if self.account.is_some() { 5 * MINUTE } else { 0 }
    }

    /// How long a listing takes at its usual share of a quota, whichever is in force.
    pub(crate) fn time_for_a_pass(&self) -> Duration {
        let pages = STATUSES.len() + self.calls.div_ceil(self.per_page);
        let spans = |most| u32::try_from(pages).unwrap().div_ceil(Share::Tenth.of(most));
        let times = self.quotas.iter().map(|(most, span)| *span * spans(*most));
        times.max().unwrap_or_default()
    }

    /// Whether it may strike at all.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.chance(fault) > 0
    }
}

//! The patterns by which requests take turns.

use std::time::Duration;

use crate::model::time::Mono;

/// What part of the requests may go to listing while no stop waits (spec §8 *Reconciliation*).
/// While one waits, a fifth of the look-ups' tenth is listing's whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// A tenth: all is well.
    #[default]
    Tenth,
    /// A third: a pass would take over two minutes.
    Third,
    /// A half: webhooks arrive late, or calls are first seen by listing.
    Half,
}

impl Share {
    /// The share that the signs of the last ten minutes call for: whether webhooks came late or
    /// calls were first seen by listing, and whether a pass takes long.
    #[must_use]
    pub fn called_for(webhooks_fail: bool, passes_are_long: bool) -> Self {
        match (webhooks_fail, passes_are_long) {
            (true, _) => Self::Half,
            (false, true) => Self::Third,
            (false, false) => Self::Tenth,
        }
    }

    /// This share of a quota of `most`, at least one: the size of the window that bounds what
    /// listings take of it, so that a stop that falls due finds the rest.
    #[must_use]
    pub fn of(self, most: u32) -> u32 {
        let parts = match self {
            Self::Tenth => 10,
            Self::Third => 3,
            Self::Half => 2,
        };
        (most / parts).max(most.min(1))
    }

    /// Whose turn the look-ups' turns are, while no stop waits.
    pub(super) fn turns(self) -> &'static [Look] {
        use Look::{Confirm as C, Listing as P, Lookup as L};
        match self {
            Self::Tenth => &[C, C, L, C, C, C, C, L, C, P],
            Self::Third => &[C, C, P, C, L, P],
            Self::Half => &[C, P, C, P, L, P],
        }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    Repeat,
    Look,
}

/// Of any even number of turns in a row at least half are first ones, and of any odd number too but
/// for one and three; one in ten is a look-up's.
pub(super) const TURNS: [Turn; 10] = {
    use Turn::{First as F, Look as L, Repeat as R};
    [F, F, R, F, R, F, F, R, F, L]
};

/// Whose turn one of the look-ups' turns is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Confirm,
    Lookup,
    Listing,
}

/// The same while stops wait: confirmations first, but however many wait, other look-ups and
/// listing have one turn of five each; without listing, lost calls would never be found.
pub(super) const LOOKS: [Look; 5] = {
    use Look::{Confirm as C, Listing as P, Lookup as L};
    [C, C, L, C, P]
};

/// The start of the daemon: listings alone leave until a first pass is over, or 5 s have passed
/// (spec §8 *Start-up*).
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening(Option<Mono>);

impl Opening {
    /// How long stops wait for the platform to tell its active calls.
    const MOST: Duration = Duration::from_secs(5);

    /// It begins now.
    #[must_use]
    pub fn begins(now: Mono) -> Self {
        Self(Some(now.after(Self::MOST)))
    }

    /// When it is over at the latest; `None` if it is.
    #[must_use]
    pub fn until(&self) -> Option<Mono> {
        self.0
    }

    /// Whether stops must wait still.
    pub fn holds(&mut self, has_listed: bool, now: Mono) -> bool {
        self.0 = self.0.filter(|until| now < *until && !has_listed);
        self.0.is_some()
    }
}

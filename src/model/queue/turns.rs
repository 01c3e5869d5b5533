//! The patterns by which requests take turns.

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

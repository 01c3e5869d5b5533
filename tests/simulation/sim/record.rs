//! What is kept of a life: the trace, its hash, the rare paths it took, and the law it broke.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use super::{SECOND, Time};

/// Rare paths that a run must have taken somewhere: a simulator that never gets there does not look.
pub(crate) const SOMETIMES: &[&str] = &[
    "a request waited for its intent",
    "a request left without its intent",
    "a stop was taken back",
    "a call was only observed",
    "an override could not be read",
    "an operator moved a deadline",
    "an operator ended a call",
    "an operator released a call",
    "an operator came too late",
    "a reload was refused while the store failed",
    "a reload was refused for its surge",
    "a reload made a call one that is only observed",
    "a reload made an observed call one to be ended",
    "a limit followed the wall clock",
    "requests left though others were not written",
    "a stop was borne out by a 409",
    "a stop was confirmed by look-up",
    "a stop was given up",
    "a raced outcome was refined",
    "a completed outcome was refined",
    "a call was adopted",
    "a call of an agent of ours was adopted",
    "an adopted call got what its webhooks had told",
    "a webhook that failed was found in the log",
    "a listed call was left alone by choice",
    "a call was reopened",
    "a call known by its sid got its id",
    "a time was doubted",
    "a time was refused",
    "a late event found an ended call",
    "a call came back from the store",
    "a commit was lost in a crash",
    "a commit survived the crash that hid it",
    "a webhook was refused while the store failed",
    "a webhook was refused for want of room",
    "a listed call was left alone for want of room",
    "the store was read after it failed",
    "a call was taken in unchecked",
    "a 429 paused requests",
    "the platform refused a request of its own accord",
    "a listing passed over a status that the platform does not know",
    "a probe ended a pause",
    "the token was read anew",
    "the sid was tried",
    "a look-up swept the list",
    "a page answered for another call",
    "a page told that two calls are one",
    "a look-up waited for another's page",
    "a ringing call was asked about",
    "a call without agent was asked about",
    "a call was missing in a listing",
    "the window was full",
    "the platform left us less than we thought",
    "a webhook named another agent",
    "a reload lengthened the quota's window",
    "a reload shortened the quota's window",
    "a reload allowed fewer requests",
    "the listings' part was used up",
    "stops waited for the first listing",
    "health told of a failing store",
    "health told of the platform",
    "health told of webhooks",
    "health told of a late timer",
    "health told of listings",
    "health told of the clock",
    "health told of a refused reload",
    "health was well again",
    "the clock was set back",
    "the machine slept over a deadline",
];

/// A broken law.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// Its name.
    pub(crate) law: &'static str,
    /// What was seen.
    pub(crate) seen: String,
}

/// What a life leaves behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) events: u64,
    pub(crate) hash: u64,
    pub(crate) reached: BTreeMap<&'static str, u64>,
    pub(crate) broken: Option<Broken>,
    pub(crate) last: Vec<String>,
}

/// Keeps it.
#[derive(Debug, Default)]
pub(crate) struct Record {
    report: Report,
    last: VecDeque<(Time, String)>,
    /// Whether lines are written at all: only a world that is known to break something is told.
    tells: bool,
}

impl Record {
    const LAST: usize = 400;

    pub(crate) fn new(tells: bool) -> Self {
        Self { tells, ..Self::default() }
    }

    /// An event happened: `mark` stands for it in the hash.
    pub(crate) fn event(&mut self, time: Time, mark: u64) {
        self.report.events += 1;
        let mixed =
            (self.report.hash ^ mark ^ time.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.report.hash = mixed ^ (mixed >> 29);
    }

    /// A line of the trace.
    pub(crate) fn tell(&mut self, time: Time, line: impl FnOnce() -> String) {
        if self.tells {
            if self.last.len() == Self::LAST {
                self.last.pop_front();
            }
            self.last.push_back((time, line()));
        }
    }

    /// A rare path was taken.
    pub(crate) fn sometimes(&mut self, path: &'static str) {
        debug_assert!(SOMETIMES.contains(&path), "{path} is in no list");
        *self.report.reached.entry(path).or_default() += 1;
    }

    /// A law is broken; the first one counts.
    pub(crate) fn broken(&mut self, law: &'static str, seen: impl FnOnce() -> String) {
        if self.report.broken.is_none() {
            self.report.broken = Some(Broken { law, seen: seen() });
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.report.broken.is_some()
    }

    pub(crate) fn into_report(self) -> Report {
        let line =
            |(at, line): &(Time, String)| format!("{:>12.6} {line}", *at as f64 / SECOND as f64);
        Report { last: self.last.iter().map(line).collect(), ..self.report }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.last {
            writeln!(f, "{line}")?;
        }
        match &self.broken {
            Some(Broken { law, seen }) => writeln!(f, "BROKEN: {law}\n{seen}"),
            None => {
                writeln!(f, "no law broken in {} events, trace {:016x}", self.events, self.hash)
            }
        }
    }
}

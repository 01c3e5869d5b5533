//! The closing words: what was promised, what became of it, and the figures.

use std::fmt;

use super::{
    judge::Verdict,
    scene::{Scene, millis, seconds, span},
};
use crate::model::policy::{Limit, Limits};

/// What the closing words rest on.
pub(super) struct Summary<'a> {
    pub(super) verdict: &'a Verdict,
    pub(super) scene: &'a Scene,
    pub(super) proofs: Proofs,
}

/// What callwarden's store holds.
pub(super) struct Proofs {
    /// How many calls have which outcome.
    pub(super) outcomes: Vec<(&'static str, usize)>,
    /// Stops that the end's webhook confirmed.
    pub(super) by_webhook: usize,
    /// Stops that a look-up confirmed, the webhook having been lost.
    pub(super) by_lookup: usize,
    /// Bytes of the database's file.
    pub(super) store_bytes: u64,
    /// Bytes of its write-ahead log, which one checkpoint empties.
    pub(super) wal_bytes: u64,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, scene, proofs } = self;
        let Verdict { stopped, left_alone, raced, lateness, broken } = verdict;
        if broken.is_empty() {
            writeln!(f, "\nThe promise was kept.\n")?;
        } else {
            writeln!(f, "\nTHE PROMISE WAS BROKEN:")?;
            broken.iter().try_for_each(|how| writeln!(f, "  {how}"))?;
            writeln!(f)?;
        }
        let mut row = |name: &str, text: &str| writeln!(f, "  {name:<11} {text}");
        row("calls", &format!("{} in {:.1} s", scene.planned, scene.at.as_secs_f64()))?;
        let (webhook, lookup) = (proofs.by_webhook, proofs.by_lookup);
        let stops = lateness.len();
        row("stopped", &format!("{stops} at their limit: {}", listed(stopped, STOPS_A_LINE)))?;
        row("confirmed", &format!("{webhook} by webhook, {lookup} by lookup"))?;
        row("left alone", &format!("{left_alone} that ended by themselves in time"))?;
        if *raced > 0 {
            row("raced", &format!("{raced} that ended just before they were stopped"))?;
        }
        row("outcomes", &listed(&proofs.outcomes, usize::MAX))?;
        if let [Some(half), Some(most), Some(worst)] =
            [50, 99, 100].map(|percent| verdict.lateness_at(percent).map(millis))
        {
            let late = format!("worst {worst}, p99 {most}, median {half}, seen by the platform");
            row("lateness", &late)?;
        }
        row("webhooks", &format!("{} taken, each durable before its answer", scene.webhooks))?;
        let (store, wal) = (kib(proofs.store_bytes), kib(proofs.wal_bytes));
        row("store", &format!("{store} of SQLite, {wal} of its write-ahead log"))
    }
}

/// How many limits fit on one line.
const STOPS_A_LINE: usize = 3;

/// Things with their counts, so many on a line.
fn listed<T: fmt::Display>(counts: &[(T, usize)], a_line: usize) -> String {
    let counts: Vec<_> = counts.iter().map(|(what, n)| format!("{what} {n}")).collect();
    let lines: Vec<_> = counts.chunks(a_line).map(|some| some.join(", ")).collect();
    if lines.is_empty() { "none".to_owned() } else { lines.join(",\n              ") }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// The limits in force, each with its length, over as many lines as it takes.
pub(super) fn limits(limits: &Limits) -> String {
    let marks = [
        Limit::Total,
        Limit::Ringing,
        Limit::Connected,
        Limit::Talking,
        Limit::Voicemail,
        Limit::NoConversation,
    ];
    let after = limits.after.iter().map(|(kind, _)| Limit::After(*kind));
    let all = marks.into_iter().chain(after);
    let told = all.filter_map(|limit| Some(format!("{limit} {}", seconds(span(limits, limit)?))));
    let told: Vec<_> = told.collect();
    told.chunks(3).map(|some| some.join(", ")).collect::<Vec<_>>().join(",\n            ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::scene::tests::scene, *};

    fn told(broken: &[&str]) -> String {
        let verdict = Verdict {
            stopped: vec![(Limit::Total, 2), (Limit::Talking, 1)],
            left_alone: 2,
            raced: 0,
            lateness: [1, 2, 15].map(Duration::from_millis).to_vec(),
            broken: broken.iter().map(|how| (*how).to_owned()).collect(),
        };
        let proofs = Proofs {
            outcomes: vec![("completed", 2), ("stopped", 3)],
            by_webhook: 2,
            by_lookup: 1,
            store_bytes: 40_000,
            wal_bytes: 4_120,
        };
        Summary { verdict: &verdict, scene: &scene(), proofs }.to_string()
    }

    #[test]
    fn the_closing_words_of_a_promise_kept() {
        insta::assert_snapshot!(told(&[]));
    }

    #[test]
    fn the_closing_words_of_a_promise_broken() {
        insta::assert_snapshot!(told(&["#07 talks on and on: it outlived its limit total by 3s"]));
    }
}

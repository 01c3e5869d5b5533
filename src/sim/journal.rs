//! The recorded history that tests judge: every request received, every delivery tried.

use std::collections::VecDeque;

use serde::Serialize;

use super::clock::Micros;

/// Entries kept of each kind; beyond, the oldest go.
const KEPT: usize = 200_000;

/// A numbered list that forgets its oldest entries.
#[derive(Debug)]
pub(super) struct Journal<T> {
    first: u64,
    entries: VecDeque<T>,
}

/// One request on the platform's side.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// Its number, from 0.
    pub seq: u64,
    /// When its head was read.
    pub at: Micros,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, undecoded.
    pub query: Option<String>,
    /// What it asks for: `end-call`, `lists`, `active-call`, `place`, `agents`, `webhooks`,
    /// `health`, `unknown`.
    pub endpoint: &'static str,
    /// The call that an end-call request names.
    pub call: Option<String>,
    /// The body, cut at 4 KiB.
    pub body: String,
    /// The faults applied.
    pub faults: Vec<String>,
    /// The status that the platform came to, though perhaps never sent; none: it did nothing.
    pub handled: Option<u16>,
    /// The status sent; none: not yet, or the answer was cut or withheld.
    pub status: Option<u16>,
    /// When the answer was handed to the connection.
    pub answered_at: Option<Micros>,
}

/// One attempt to deliver a webhook.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeliveryRecord {
    /// Its number, from 0.
    pub seq: u64,
    /// When it left.
    pub at: Micros,
    /// The event.
    pub event: String,
    /// The call; empty for test deliveries.
    pub call: String,
    /// The webhook, `default` for the sim's own target.
    pub webhook: String,
    /// Where to.
    pub url: String,
    /// From 1.
    pub attempt: u32,
    /// The body as sent.
    pub body: String,
    /// The faults applied.
    pub faults: Vec<String>,
    /// The status received; none: not yet, or no answer came.
    pub status: Option<u16>,
    /// The body received, cut at 4 KiB.
    pub answer: Option<String>,
    /// Why no answer came.
    pub error: Option<String>,
    /// When the answer was there.
    pub answered_at: Option<Micros>,
}

impl<T> Journal<T> {
    pub(super) fn add(&mut self, entry: impl FnOnce(u64) -> T) -> u64 {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.first += 1;
        }
        let seq = self.first + self.entries.len() as u64;
        self.entries.push_back(entry(seq));
        seq
    }

    pub(super) fn entry(&mut self, seq: u64) -> Option<&mut T> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter()
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().rev()
    }

    pub(super) fn clear(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
    }
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self { first: 0, entries: VecDeque::new() }
    }
}

impl DeliveryRecord {
    /// Whether the receiver said 2xx.
    pub fn is_acknowledged(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Text of bytes from outside, cut at 4 KiB.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let end = bytes.len().min(4096);
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_cleared_meanwhile_is_not_found_and_numbers_go_on() {
        let mut journal = Journal::default();
        let seq = journal.add(|seq| seq);
        journal.clear();
        assert!(journal.entry(seq).is_none());
        assert_eq!(journal.add(|seq| seq), 1);
    }
}

//! The quota, as Laravel keeps it: a fixed window that opens with its first request.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::clock::{self, Micros};

/// So many requests a window, and how the platform speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateLimit {
    pub(super) limit: u32,
    pub(super) window: Duration,
    pub(super) reset: Reset,
    pub(super) hint: Hint,
}

/// What `X-RateLimit-Reset` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// Epoch seconds, with a refusal only.
    Laravel,
    /// Epoch seconds, with every answer.
    Epoch,
    /// Seconds left, with every answer.
    Seconds,
    /// It is never sent.
    None,
}

/// Where a refusal says when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    Both,
    Headers,
    Body,
    /// Nowhere: no header at all, the shortest body.
    None,
}

/// The window running now.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    opened: Micros,
    used: u32,
}

/// What the limiter says to one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    rule: RateLimit,
    remaining: u32,
    closes: Micros,
    now: Micros,
    pub(super) is_refused: bool,
}

impl Limiter {
    pub(super) fn admit(&mut self, rule: RateLimit, now: Micros) -> Ticket {
        let window = clock::micros(rule.window);
        if self.used == 0 || now >= self.opened.saturating_add(window) {
            *self = Self { opened: now, used: 0 };
        }
        let is_refused = self.used >= rule.limit;
        self.used += u32::from(!is_refused);
        let remaining = rule.limit.saturating_sub(self.used);
        let closes = self.opened.saturating_add(window);
        Ticket { rule, remaining, closes, now, is_refused }
    }
}

impl Ticket {
    /// For the refusal's body: seconds, if it speaks of them.
    pub(super) fn retry_after(&self) -> Option<u64> {
        matches!(self.rule.hint, Hint::Both | Hint::Body).then(|| self.seconds_left())
    }

    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        if !matches!(self.rule.hint, Hint::Both | Hint::Headers) {
            return;
        }
        let mut set = |name, value| headers.insert(HeaderName::from_static(name), value);
        set("x-ratelimit-limit", HeaderValue::from(self.rule.limit));
        set("x-ratelimit-remaining", HeaderValue::from(self.remaining));
        if let Some(reset) = self.reset() {
            set("x-ratelimit-reset", HeaderValue::from(reset));
        }
        if self.is_refused {
            set("retry-after", HeaderValue::from(self.seconds_left()));
        }
    }

    fn reset(&self) -> Option<u64> {
        match self.rule.reset {
            Reset::Laravel => self.is_refused.then(|| self.epoch()),
            Reset::Epoch => Some(self.epoch()),
            Reset::Seconds => Some(self.seconds_left()),
            Reset::None => None,
        }
    }

    fn epoch(&self) -> u64 {
        self.closes.div_ceil(1_000_000)
    }

    fn seconds_left(&self) -> u64 {
        self.closes.saturating_sub(self.now).div_ceil(1_000_000)
    }
}

impl Reset {
    pub(super) const ALL: [Self; 4] = [Self::Laravel, Self::Epoch, Self::Seconds, Self::None];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Laravel => "laravel",
            Self::Epoch => "epoch",
            Self::Seconds => "seconds",
            Self::None => "none",
        }
    }
}

impl Hint {
    pub(super) const ALL: [Self; 4] = [Self::Both, Self::Headers, Self::Body, Self::None];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Headers => "headers",
            Self::Body => "body",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RateLimit = RateLimit {
        limit: 2,
        window: Duration::from_secs(10),
        reset: Reset::Laravel,
        hint: Hint::Both,
    };

    #[test]
    fn the_window_opens_with_its_first_request_and_a_refusal_uses_nothing() {
        let mut limiter = Limiter::default();
        let refused = |limiter: &mut Limiter, s: u64| limiter.admit(RULE, s * 1_000_000).is_refused;
        assert!(!refused(&mut limiter, 100));
        assert!(!refused(&mut limiter, 109));
        assert!(refused(&mut limiter, 109));
        assert!(!refused(&mut limiter, 110));
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let mut limiter = Limiter::default();
        limiter.admit(RULE, 100_000_000);
        limiter.admit(RULE, 100_000_000);
        let mut headers = HeaderMap::new();
        limiter.admit(RULE, 103_500_000).mark(&mut headers);
        assert_eq!(headers["retry-after"], "7");
        assert_eq!(headers["x-ratelimit-reset"], "110");
        assert_eq!(headers["x-ratelimit-remaining"], "0");
    }
}

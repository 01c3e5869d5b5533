//! A length of time, or a range to draw one from: `200ms`, `1m 30s`, `100ms..2s`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A length of time, drawn anew between two bounds whenever it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    low: Duration,
    high: Duration,
}

/// Why a text is no [`Span`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpanError {
    /// One bound is no duration.
    #[error("{found:?} is not a duration such as 200ms or 1m 30s")]
    NotADuration {
        /// The text found.
        found: String,
    },
    /// The bounds of a range are the wrong way round.
    #[error("the range {found:?} ends before it begins")]
    Backwards {
        /// The text found.
        found: String,
    },
}

impl Span {
    /// A range to draw from, evenly. Bounds the wrong way round are swapped.
    pub fn between(a: Duration, b: Duration) -> Self {
        Self { low: a.min(b), high: a.max(b) }
    }

    /// A length within the bounds.
    pub fn draw(self, rng: &mut fastrand::Rng) -> Duration {
        let (low, high) = (to_micros(self.low), to_micros(self.high));
        Duration::from_micros(rng.u64(low..=high))
    }
}

fn to_micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

impl From<Duration> for Span {
    fn from(length: Duration) -> Self {
        Self { low: length, high: length }
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let Some((low, high)) = text.split_once("..") else {
            return duration(text).map(Self::from);
        };
        let (low, high) = (duration(low)?, duration(high)?);
        if high < low {
            return Err(SpanError::Backwards { found: text.to_owned() });
        }
        Ok(Self { low, high })
    }
}

/// The longest length: a century, so that no sum of an instant and a span overflows.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

fn duration(text: &str) -> Result<Duration, SpanError> {
    humantime::parse_duration(text.trim())
        .ok()
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| SpanError::NotADuration { found: text.to_owned() })
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.low))?;
        if self.low != self.high {
            write!(f, "..{}", humantime::format_duration(self.high))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_drawn_from_within_its_bounds() {
        let span: Span = "100ms..2s".parse().unwrap();
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..1000 {
            let drawn = span.draw(&mut rng);
            assert!(drawn >= Duration::from_millis(100) && drawn <= Duration::from_secs(2));
        }
        assert_eq!(span.to_string(), "100ms..2s");
    }

    #[test]
    fn nonsense_is_named() {
        let error = "soon".parse::<Span>().unwrap_err();
        assert_eq!(error.to_string(), "\"soon\" is not a duration such as 200ms or 1m 30s");
        assert!("2s..1s".parse::<Span>().is_err());
    }
}

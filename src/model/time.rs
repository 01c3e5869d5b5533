//! Instants as the core knows them: wall time, which is stored and shown, and boot time, on which
//! deadlines run (spec §8 *Clocks*). Nothing here asks a clock.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! instant {
    ($name:ident) => {
        impl $name {
            /// This instant, `span` later; stays at the last instant there is.
            #[must_use]
            pub fn after(self, span: Duration) -> Self {
                Self(self.0.saturating_add(micros(span)))
            }

            /// This instant, `span` earlier; stays at the first instant there is.
            #[must_use]
            pub fn before(self, span: Duration) -> Self {
                Self(self.0.saturating_sub(micros(span)))
            }

            /// How long after `earlier` this is; nothing if it is not.
            #[must_use]
            pub fn since(self, earlier: Self) -> Duration {
                Duration::from_micros(
                    u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default(),
                )
            }
        }
    };
}

/// Wall time: microseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(pub i64);
instant!(Wall);

impl Wall {
    /// By how much a time that the platform shows may be cut.
    pub const CUT: Duration = Duration::from_micros(999_999);

    /// The earliest instant that an [uncut](Self::uncut) time may mean; any other time as it is.
    #[must_use]
    pub fn cut(self) -> Self {
        let earliest = self.before(Self::CUT);
        if earliest.uncut() == self { earliest } else { self }
    }

    /// The latest instant that a time which the platform shows may mean: it shows whole seconds, cut,
    /// and in doubt the later instant holds (spec §1).
    #[must_use]
    pub fn uncut(self) -> Self {
        const SECOND: i64 = 1_000_000;
        if self.0 % SECOND == 0 { self.after(Self::CUT) } else { self }
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// Boot time: microseconds on `CLOCK_BOOTTIME`, which counts suspend and never steps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(pub i64);
instant!(Mono);

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// What the wall clock said.
    pub wall: Wall,
    /// What the boot clock said.
    pub mono: Mono,
}

impl Moment {
    /// The boot time of a wall time, by this reading of the clocks.
    #[must_use]
    pub fn mono_of(self, at: Wall) -> Mono {
        Mono(self.mono.0.saturating_sub(self.wall.0.saturating_sub(at.0)))
    }

    /// The wall time of a boot time, by this reading of the clocks.
    #[must_use]
    pub fn wall_of(self, at: Mono) -> Wall {
        Wall(self.wall.0.saturating_add(at.0.saturating_sub(self.mono.0)))
    }

    /// Both clocks, `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self { wall: self.wall.after(span), mono: self.mono.after(span) }
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// `span` in units from days to nanoseconds, read back as the same; `format_duration` of
/// humantime counts in months of 30.44 days.
#[must_use]
pub fn shown(span: Duration) -> String {
    let seconds = span.as_secs();
    let rest = span.subsec_nanos();
    let units = [
        (seconds / 86_400, "d"),
        (seconds % 86_400 / 3600, "h"),
        (seconds % 3600 / 60, "m"),
        (seconds % 60, "s"),
        (u64::from(rest / 1_000_000), "ms"),
        (u64::from(rest % 1_000_000 / 1000), "us"),
        (u64::from(rest % 1000), "ns"),
    ];
    let parts: Vec<_> = units
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    match parts.is_empty() {
        true => "0s".to_owned(),
        false => parts.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_whole_seconds_may_mean_any_instant_of_its_second() {
        for (shown, latest) in [(0, 999_999), (5_000_000, 5_999_999), (7, 7), (999_999, 999_999)] {
            assert_eq!(Wall(shown).uncut(), Wall(latest));
        }
        for (uncut, earliest) in
            [(999_999, 0), (5_999_999, 5_000_000), (7, 7), (1_000_000, 1_000_000)]
        {
            assert_eq!(Wall(uncut).cut(), Wall(earliest));
        }
    }

    #[test]
    fn a_span_is_shown_in_units_from_days_to_nanoseconds_and_read_back_as_the_same() {
        for (span, text) in [
            (Duration::ZERO, "0s"),
            (Duration::from_secs(90), "1m 30s"),
            (Duration::from_secs(86_400), "1d"),
            (Duration::from_secs(400 * 86_400 + 23 * 3600 + 59 * 60 + 58), "400d 23h 59m 58s"),
            (Duration::new(3600, 7_008_009), "1h 7ms 8us 9ns"),
            (Duration::from_nanos(999_999_999), "999ms 999us 999ns"),
        ] {
            assert_eq!(shown(span), text);
            assert_eq!(humantime::parse_duration(text), Ok(span));
        }
    }

    #[test]
    fn each_clock_s_time_is_found_by_the_other_and_no_instant_overflows() {
        let now = Moment { wall: Wall(1_000), mono: Mono(50) };
        assert_eq!((now.mono_of(Wall(1_007)), now.wall_of(Mono(43))), (Mono(57), Wall(993)));
        let later = now.after(Duration::from_micros(5));
        assert_eq!((later.wall, later.mono), (Wall(1_005), Mono(55)));
        assert_eq!(Wall(i64::MAX).after(Duration::MAX), Wall(i64::MAX));
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
        assert_eq!(Wall(1_700_000_000_123_456).to_string(), "2023-11-14T22:13:20.123Z");
    }
}

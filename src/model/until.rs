//! The limit `until` (spec §6): the first instant at which a clock on some wall shows a time of day.

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::{AmbiguousOffset, TimeZone},
};

use super::time::Wall;

/// A time of day in a time zone.
///
/// The zone's data was read when the zone was: nothing is looked up here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Until {
    time: Time,
    zone: TimeZone,
}

impl Until {
    /// When a clock in `zone` shows `hour`:`minute`; `None` where no clock ever does.
    #[must_use]
    pub fn new(hour: i8, minute: i8, zone: TimeZone) -> Option<Self> {
        let time = Time::new(hour, minute, 0, 0).ok()?;
        Some(Self { time, zone })
    }

    /// The time of day, as `HH:MM`.
    #[must_use]
    pub fn time(&self) -> String {
        format!("{:02}:{:02}", self.time.hour(), self.time.minute())
    }

    /// The zone's name.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The first instant after `start` at which the clock shows the time; of a day on which it is
    /// skipped, the first instant after the gap; of a day on which it comes twice, the first that
    /// is after `start`. `None` beyond the end of the calendar.
    #[must_use]
    pub fn first_after(&self, start: Wall) -> Option<Wall> {
        let start = Timestamp::from_microsecond(start.0).ok()?;
        let today = self.zone.to_datetime(start).date();
        // A whole day may be skipped, too: then its gap ends with the next one's beginning.
        let days = [today.yesterday().ok(), Some(today), today.tomorrow().ok()];
        let after = days.into_iter().flatten().flat_map(|day| self.shown_on(day));
        let first = after.filter(|at| *at > start).min()?;
        Some(Wall(first.as_microsecond()))
    }

    /// The instants of a day at which the clock shows the time.
    fn shown_on(&self, day: Date) -> impl Iterator<Item = Timestamp> + use<> {
        let shown = self.zone.to_ambiguous_timestamp(day.to_datetime(self.time));
        let (first, second) = match shown.offset() {
            AmbiguousOffset::Unambiguous { .. } => (shown.compatible().ok(), None),
            AmbiguousOffset::Fold { .. } => (shown.earlier().ok(), shown.later().ok()),
            // By the offset before the gap the time lies past the gap's beginning.
            AmbiguousOffset::Gap { .. } => {
                let past = shown.later().ok().and_then(next_nanosecond);
                let gap = past.and_then(|past| self.zone.preceding(past).next());
                (gap.map(|gap| gap.timestamp()), None)
            }
        };
        first.into_iter().chain(second)
    }
}

fn next_nanosecond(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_nanosecond(at.as_nanosecond().checked_add(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: &str, hour: i8, minute: i8, zone: &str) -> String {
        let until = Until::new(hour, minute, TimeZone::get(zone).unwrap()).unwrap();
        let start = start.parse::<Timestamp>().unwrap().as_microsecond();
        let at = until.first_after(Wall(start)).unwrap();
        Timestamp::from_microsecond(at.0).unwrap().to_string()
    }

    #[test]
    fn it_is_the_first_time_that_the_clock_shows_it() {
        let berlin = |start| after(start, 20, 0, "Europe/Berlin");
        assert_eq!(berlin("2026-07-01T12:00:00Z"), "2026-07-01T18:00:00Z");
        assert_eq!(berlin("2026-07-01T17:59:59.999999Z"), "2026-07-01T18:00:00Z");
        assert_eq!(berlin("2026-07-01T18:00:00Z"), "2026-07-02T18:00:00Z", "strictly after");
        assert_eq!(berlin("2026-07-01T23:30:00Z"), "2026-07-02T18:00:00Z", "across midnight");
        assert_eq!(after("2026-01-31T23:59:00Z", 0, 0, "UTC"), "2026-02-01T00:00:00Z");
        assert_eq!(
            after("2026-05-01T01:00:00Z", 20, 0, "America/Sao_Paulo"),
            "2026-05-01T23:00:00Z"
        );
    }

    #[test]
    fn a_time_that_is_skipped_is_the_first_instant_after_the_gap() {
        // 2026-03-29: from 02:00 (+1) to 03:00 (+2).
        let berlin = |start| after(start, 2, 30, "Europe/Berlin");
        assert_eq!(berlin("2026-03-29T00:10:00Z"), "2026-03-29T01:00:00Z");
        assert_eq!(berlin("2026-03-29T01:00:00Z"), "2026-03-30T00:30:00Z");
        assert_eq!(after("2026-03-29T00:10:00Z", 2, 0, "Europe/Berlin"), "2026-03-29T01:00:00Z");
        assert_eq!(after("2026-03-29T00:10:00Z", 3, 0, "Europe/Berlin"), "2026-03-29T01:00:00Z");
        // Samoa had no 30 December 2011.
        assert_eq!(after("2011-12-30T09:00:00Z", 12, 0, "Pacific/Apia"), "2011-12-30T10:00:00Z");
    }

    #[test]
    fn a_time_that_comes_twice_is_the_first_after_the_start() {
        // 2026-10-25: 02:00 to 03:00 come twice, first at +2, then at +1.
        let berlin = |start| after(start, 2, 30, "Europe/Berlin");
        assert_eq!(berlin("2026-10-24T22:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(berlin("2026-10-25T00:30:00Z"), "2026-10-25T01:30:00Z");
        assert_eq!(berlin("2026-10-25T01:30:00Z"), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn no_start_makes_it_panic() {
        let until = Until::new(23, 59, TimeZone::get("Pacific/Kiritimati").unwrap()).unwrap();
        for start in [i64::MIN, -377_705_023_201_000_000, 0, 253_402_207_200_000_000, i64::MAX] {
            assert!(until.first_after(Wall(start)).is_none_or(|at| at.0 > start));
        }
    }
}

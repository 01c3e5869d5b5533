//! The sim's own clock: the platform lives on another machine, and so does its idea of the time.
//!
//! Instants are microseconds since the epoch, which is what the recorded history shows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Microseconds since the epoch.
pub type Micros = u64;

#[expect(clippy::disallowed_methods, reason = "sim imports nothing of ours: its clock is its own")]
pub(super) fn now() -> Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
}

pub(super) fn micros(span: Duration) -> Micros {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn until(due: Micros, now: Micros) -> Duration {
    Duration::from_micros(due.saturating_sub(now))
}

/// `2024-01-15T11:35:42Z`, as rows and answers show it.
pub(super) fn iso_seconds(at: Micros) -> String {
    format!("{:.0}", timestamp(at))
}

/// `2025-09-03T23:19:51.000Z`, as webhook bodies show it.
pub(super) fn iso_millis(at: Micros) -> String {
    format!("{:.3}", timestamp(at))
}

/// `Tue, 15 Nov 1994 08:12:31 GMT`, shifted by a signed number of milliseconds.
pub(super) fn http_date(at: Micros, offset_ms: i64) -> String {
    let shifted = at.saturating_add_signed(offset_ms.saturating_mul(1000));
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_micros(shifted.min(FAR)))
}

/// The end of year 9999: neither date format goes beyond.
const FAR: Micros = 253_402_000_000_000_000;

fn timestamp(at: Micros) -> Timestamp {
    let at = i64::try_from(at.min(FAR)).unwrap_or(0);
    // Truncated first: the platform never shows a time that lies ahead.
    Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_never_rounded_up() {
        let at = 1_705_318_542_999_999;
        assert_eq!(iso_seconds(at), "2024-01-15T11:35:42Z");
        assert_eq!(iso_millis(at), "2024-01-15T11:35:42.999Z");
    }

    #[test]
    fn the_date_header_can_be_off() {
        let at = 1_705_318_542_000_000;
        assert_eq!(http_date(at, 0), "Mon, 15 Jan 2024 11:35:42 GMT");
        assert_eq!(http_date(at, -42_000), "Mon, 15 Jan 2024 11:35:00 GMT");
    }
}

//! Durations, as they are read from the config file and written into it.

use std::{ops::RangeInclusive, time::Duration};

use jiff::Timestamp;
use toml::de::DeValue;

use super::{mistake::Mistake, reader::wrong_type};
use crate::model::time::Wall;
pub(crate) use crate::model::time::shown;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A duration within `bounds`, as a humantime string.
pub(super) fn within(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&DeValue<'_>) -> Result<Duration, Mistake> {
    move |value| {
        let expected = format!(
            "a duration from \"{}\" to \"{}\"",
            shown(*bounds.start()),
            shown(*bounds.end())
        );
        let Some(text) = value.as_str() else {
            let mistake = wrong_type(value, expected);
            return Err(match value {
                DeValue::Integer(seconds) => {
                    mistake.mended(format!("write \"{seconds}s\" if seconds are meant"))
                }
                _ => mistake,
            });
        };
        let wrong = || Mistake::bad(text, &expected);
        if let Some(minutes) = capital_m(text) {
            return Err(wrong().mended(format!(
                "a capital M means months: write \"{minutes}\" if minutes are meant"
            )));
        }
        let parsed =
            if too_many_digits(text) { None } else { humantime::parse_duration(text).ok() };
        match parsed {
            Some(parsed) if bounds.contains(&parsed) => Ok(parsed),
            Some(_) => Err(wrong()),
            None if text.parse::<u64>().is_ok() => {
                Err(wrong().mended(format!("write \"{text}s\" if seconds are meant")))
            }
            None => Err(wrong().mended("units are ms, s, m, h and d, each after its number")),
        }
    }
}

/// A duration of `text`, or why it is none, with the mend: for those who take one elsewhere than in
/// the file.
pub(crate) fn parsed(text: &str) -> Result<Duration, String> {
    if let Some(minutes) = capital_m(text) {
        return Err(format!("a capital M means months: write {minutes} if minutes are meant"));
    }
    if text.parse::<u64>().is_ok() {
        return Err(format!("write {text}s if seconds are meant"));
    }
    let parsed = if too_many_digits(text) { None } else { humantime::parse_duration(text).ok() };
    parsed.ok_or_else(|| "units are ms, s, m, h and d, each after its number, as in 5m".to_owned())
}

/// The instant that `text` tells, in RFC 3339 or as how long before `now` it was.
pub(crate) fn since(text: &str, now: Wall) -> Option<Wall> {
    match text.parse::<Timestamp>() {
        Ok(at) => Some(Wall(at.as_microsecond())),
        Err(_) => parsed(text).ok().map(|ago| now.before(ago)),
    }
}

/// A duration [`within`] bounds, or `None` for one of no length, which switches something off.
pub(super) fn within_or_off(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&DeValue<'_>) -> Result<Option<Duration>, Mistake> {
    move |value| {
        let off = value.as_str().is_some_and(|text| {
            !too_many_digits(text)
                && humantime::parse_duration(text).is_ok_and(|span| span.is_zero())
        });
        if off {
            return Ok(None);
        }
        within(bounds.clone())(value).map(Some)
    }
}

/// `text` with its capital M, humantime's month, in lower case; `None` if it has none.
fn capital_m(text: &str) -> Option<String> {
    let is_unit = |word: &str| word == "M";
    text.split(|c: char| !c.is_ascii_alphabetic()).any(is_unit).then(|| text.replace('M', "m"))
}

/// Whether `text` has more digits than any duration needs: humantime 2.4 panics when its sum of
/// seconds runs over in the last step, which takes 20 of them.
fn too_many_digits(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() > 15
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_shown_in_the_units_people_write() {
        assert_eq!(shown(31 * DAY), "31d");
        assert_eq!(shown(90 * MINUTE), "1h 30m");
        assert_eq!(shown(Duration::from_millis(100)), "100ms");
        assert_eq!(shown(Duration::ZERO), "0s");
    }

    #[test]
    fn what_no_duration_is_never_panics_and_names_the_mend() {
        assert_eq!(parsed("1h 30m"), Ok(90 * MINUTE));
        for wrong in ["5M", "300", "99999999999999999999s", "", "-5m", "soon", "1e9s"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        assert!(parsed("5M").unwrap_err().contains("5m"));
    }

    #[test]
    fn no_duration_has_more_than_fifteen_digits() {
        assert_eq!(parsed("00000000000005s"), Ok(5 * SECOND));
        assert_eq!(parsed("000000000000005s"), Ok(5 * SECOND));
        assert!(parsed("0000000000000005s").is_err());
        assert!(parsed("18446744073709551615s 1000ms").is_err());
    }

    #[test]
    fn a_past_instant_is_told_by_itself_or_by_how_long_ago_it_was() {
        let now = Wall(1_700_000_000_000_000);
        assert_eq!(since("5m", now), Some(now.before(5 * MINUTE)));
        assert_eq!(since("2023-11-14T22:13:20Z", Wall(0)), Some(now));
        assert_eq!(since("yesterday", now), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(span in 0_u64..40 * 86_400, nanos in 0_u32..1_000_000_000) {
            let span = Duration::new(span, nanos);
            prop_assert_eq!(humantime::parse_duration(&shown(span)).unwrap(), span);
        }
    }
}

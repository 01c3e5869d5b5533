//! What commands print of calls: tables that fit the terminal, JSON, colours on a terminal alone.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::ColorChoice;
use comfy_table::{Cell, ContentArrangement, Table, presets::NOTHING};
use rustix::termios::tcgetwinsize;
use serde_json::Value;

use crate::{
    config::{Env as _, ProcessEnv},
    telemetry::log::escaped,
};

/// Where nobody tells how wide it is.
const USUAL: u16 = 100;

/// A column: its heading, from which width on it is shown, and what it says of a call.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) from_width: u16,
    pub(super) say: fn(&Value, jiff::Timestamp) -> String,
}

/// Prints the calls of a page, or `none`; where there are more, says so on stderr.
pub(super) fn table(page: &Value, columns: &[Column], none: &str) -> io::Result<()> {
    let calls = page["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut out = anstream::stdout();
    if calls.is_empty() {
        return writeln!(out, "{none}");
    }
    let now = crate::engine::clock::Clock::system().now().wall.0;
    let now = jiff::Timestamp::from_microsecond(now).unwrap_or_default();
    let in_colour = anstream::AutoStream::choice(&io::stdout()) != ColorChoice::Never;
    for (n, line) in lines(calls, columns, width(), now).iter().enumerate() {
        match (in_colour, n) {
            (true, 0) => writeln!(out, "\x1b[1m{line}\x1b[0m")?,
            (true, _) => writeln!(out, "{}", coloured(line))?,
            (false, _) => writeln!(out, "{line}")?,
        }
    }
    if page["next"].is_string() {
        writeln!(io::stderr(), "There are more: --limit shows as many as it says.")?;
    }
    Ok(())
}

/// The table's lines: a row a line where no width is given, else as many as fit.
fn lines(
    calls: &[Value],
    columns: &[Column],
    width: Option<u16>,
    now: jiff::Timestamp,
) -> Vec<String> {
    let fits = |column: &&Column| width.is_none_or(|width| column.from_width <= width);
    let shown: Vec<_> = columns.iter().filter(fits).collect();
    let mut table = Table::new();
    table.load_style(NOTHING);
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(shown.iter().map(|column| Cell::new(column.heading)));
    for call in calls {
        table.add_row(shown.iter().map(|column| Cell::new((column.say)(call, now))));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A name and what is to be said under it, broken between words where the terminal ends.
pub(super) fn pair(name: &str, said: &str) -> String {
    paired(name, said, width().map_or(usize::MAX, usize::from))
}

fn paired(name: &str, said: &str, width: usize) -> String {
    const INDENT: usize = 11;
    let mut text = format!("{name:<width$}", width = INDENT - 1);
    let mut column = INDENT - 1;
    for word in said.split(' ') {
        let long = word.chars().count();
        if column >= INDENT && column + 1 + long > width || column < INDENT && INDENT + long > width
        {
            // One that fits nowhere begins at the edge.
            let indent = if INDENT + long > width { 0 } else { INDENT };
            text.truncate(text.trim_end().len());
            text.push_str(&format!("\n{:indent$}{word}", ""));
            column = indent + long;
        } else {
            text.push_str(&format!(" {word}"));
            column += 1 + long;
        }
    }
    text.push('\n');
    text
}

/// Prints a value as JSON.
pub(super) fn json(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// A field's text, its control characters escaped; `-` where there is none.
pub(super) fn text(call: &Value, field: &str) -> String {
    match &call[field] {
        Value::Null => "-".to_owned(),
        Value::String(text) => escaped(text).to_string(),
        other => other.to_string(),
    }
}

/// How long from `now` to a field's instant; one that has passed has a `+`.
pub(super) fn left(call: &Value, field: &str, now: jiff::Timestamp) -> String {
    let Some(at) = call[field].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok())
    else {
        return "no limit".to_owned();
    };
    let rest = at.as_second() - now.as_second();
    if rest < 0 { format!("+{}", span(-rest)) } else { span(rest) }
}

/// A field's instant by the machine's clock, in its zone; `-` where there is none.
pub(super) fn local(call: &Value, field: &str) -> String {
    instant(call, field).unwrap_or_else(|| "-".to_owned())
}

/// A field's instant by the machine's clock, in its zone, if that is what it holds.
pub(super) fn instant(call: &Value, field: &str) -> Option<String> {
    let at = call[field].as_str()?.parse::<jiff::Timestamp>().ok()?;
    let here = at.to_zoned_datetime(jiff::tz::TimeZone::system());
    Some(here.strftime("%m-%d %H:%M:%S").to_string())
}

/// Seconds as `1:05`, `2:03:04` or `3d 4h`.
pub(super) fn span(seconds: i64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
        (_, _) => format!("{days}d {hours}h"),
    }
}

/// The words that want to be seen.
fn coloured(line: &str) -> String {
    const WORDS: [(&str, u8); 6] = [
        ("stopping", 33),
        ("confirming", 34),
        ("observing", 35),
        ("failed", 31),
        ("stopped", 34),
        ("raced", 35),
    ];
    let found = WORDS
        .iter()
        .find_map(|(word, colour)| Some((line.split_once(&format!(" {word} "))?, word, colour)));
    match found {
        Some(((before, after), word, colour)) => {
            format!("{before} \x1b[{colour}m{word}\x1b[0m {after}")
        }
        None => line.to_owned(),
    }
}

/// How wide the terminal is; `None` where there is none: programs read lines, not columns.
fn width() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let of_terminal = tcgetwinsize(&stdout).ok().map(|size| size.ws_col);
    let known = of_terminal.or_else(|| ProcessEnv.var("COLUMNS").ok()?.parse().ok());
    Some(known.filter(|columns| *columns >= 20).unwrap_or(USUAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_reads_as_a_clock_does() {
        assert_eq!(
            [span(5), span(65), span(7_384), span(273_600)],
            ["0:05", "1:05", "2:03:04", "3d 4h"]
        );
        let call = serde_json::json!({"deadline": "1970-01-01T00:01:00Z", "agent": "a\u{1b}[31m"});
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        assert_eq!(left(&call, "deadline", at(55)), "0:05");
        assert_eq!(left(&call, "deadline", at(70)), "+0:10");
        assert_eq!(left(&call, "none", at(0)), "no limit");
        assert_eq!(text(&call, "agent"), "a\\u{1b}[31m");
        assert_eq!(text(&call, "none"), "-");
    }

    #[test]
    fn what_is_said_of_a_call_fits_the_terminal() {
        let said = "11-24 23:50:59  event_phone_call_started (webhook)";
        let wide = format!("history    {said}\n");
        assert_eq!(paired("history", said, 80), wide);
        let narrow = "history    11-24 23:50:59\n           event_phone_call_started\n           (webhook)\n";
        assert_eq!(paired("history", said, 40), narrow);
        let id = "3065d09b-a889-54b0-f471-efe21f1df0ed";
        assert_eq!(paired("id", id, 40), format!("id\n{id}\n"));
    }

    #[test]
    fn a_row_is_broken_where_the_terminal_ends_and_nowhere_else() {
        let columns = [
            Column { heading: "CALL", from_width: 0, say: |call, _| text(call, "id") },
            Column { heading: "STATE", from_width: 0, say: |call, _| text(call, "state") },
            Column { heading: "AGENT", from_width: 60, say: |call, _| text(call, "agent") },
        ];
        let id = "3065d09b-a889-54b0-f471-efe21f1df0ed".repeat(5);
        let calls = [serde_json::json!({"id": id, "state": "live", "agent": "a"})];
        let narrow = lines(&calls, &columns, Some(40), jiff::Timestamp::UNIX_EPOCH);
        assert!(narrow.iter().all(|line| line.chars().count() <= 40), "{narrow:#?}");
        assert!(narrow.len() > 2 && !narrow[0].contains("AGENT"), "{narrow:#?}");
        let whole = lines(&calls, &columns, None, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(whole.len(), 2, "{whole:#?}");
        assert_eq!(whole[1].split_whitespace().collect::<Vec<_>>(), [&id, "live", "a"]);
    }

    #[test]
    fn only_whole_words_are_coloured() {
        assert_eq!(coloured(" c1 stopping 0:05"), " c1 \x1b[33mstopping\x1b[0m 0:05");
        assert_eq!(coloured(" unstopping 0:05"), " unstopping 0:05");
    }
}

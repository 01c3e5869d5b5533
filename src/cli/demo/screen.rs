//! The table that redraws: what stands where, the next deadlines, stops under way, recent outcomes.
//!
//! [`frame`] is pure; [`Screen`] puts one frame in the place of the last, never wider or higher
//! than the terminal.

use std::{
    io::{self, Write},
    time::Duration,
};

use rustix::termios::tcgetwinsize;

use super::scene::{Scene, Seen, millis};
use crate::model::{call::State, health::Status};

/// A terminal that frames are drawn on.
pub(super) struct Screen {
    has_colours: bool,
    /// Lines drawn, above the cursor.
    drawn: usize,
}

/// Columns and rows.
#[derive(Clone, Copy)]
struct Size {
    columns: usize,
    rows: usize,
}

/// How a piece of text looks.
#[derive(Clone, Copy)]
enum Look {
    Plain,
    Strong,
    Faint,
    Good,
    Wary,
    Bad,
}

/// One line: pieces of text, each with its look.
type Line = Vec<(Look, String)>;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR_LINE_END: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

impl Screen {
    pub(super) fn new(has_colours: bool) -> Self {
        Self { has_colours, drawn: 0 }
    }

    /// Draws the scene over the one before.
    pub(super) fn show(&mut self, scene: &Scene, out: &mut impl Write) -> io::Result<()> {
        let size = Size::of_stdout();
        let mut text = String::from(HIDE_CURSOR);
        text += &self.go_back();
        let lines = frame(scene, size);
        self.drawn = lines.len();
        for line in &lines {
            text += &painted(line, size.columns, self.has_colours);
            text += CLEAR_LINE_END;
            text.push('\n');
        }
        text += CLEAR_BELOW;
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Leaves the last frame where it is and gives the cursor back.
    pub(super) fn close(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.drawn > 0 {
            self.drawn = 0;
            write!(out, "{SHOW_CURSOR}")?;
            out.flush()?;
        }
        Ok(())
    }

    /// Over the last frame rather than after clearing it: that would flicker, and some terminals
    /// keep what is cleared from the top in their history.
    fn go_back(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r"),
        }
    }
}

impl Size {
    fn of_stdout() -> Self {
        let told =
            tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        told.map_or(Self { columns: 80, rows: 24 }, |size| Self {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        })
    }
}

/// The lines of a scene: at most one less than there are rows.
fn frame(scene: &Scene, size: Size) -> Vec<Line> {
    let mut lines = vec![head(scene), counts(scene)];
    lines.extend(scene.trouble.iter().map(|trouble| vec![(Look::Wary, format!("  {trouble}"))]));
    // Three headings with a blank line before each; what is left is shared out.
    let rest = size.rows.saturating_sub(1 + lines.len() + 6).max(3);
    let (deadlines, stops) = ((rest * 2 / 5).max(1), (rest / 5).max(1));
    let outcomes = rest.saturating_sub(deadlines + stops).max(1);

    if !scene.is_over() {
        let next = scene.deadlines();
        let rows = next.iter().map(|(at, seen)| deadline(scene, seen, at.since(scene.now)));
        lines.extend(section("Next deadlines", deadlines, rows.collect()));
        let under_way = scene.stops();
        let rows = under_way.iter().map(|seen| stop(scene, seen));
        lines.extend(section("Stops under way", stops, rows.collect()));
    }
    let ended = scene.ended();
    let rows = ended.iter().map(|(at, seen)| outcome(scene, seen, scene.since_begin(*at)));
    lines.extend(section("Recent outcomes", outcomes, rows.collect()));
    lines.truncate(size.rows.saturating_sub(1));
    lines
}

/// A heading and as many lines under it as are given to it, filled up or cut.
fn section(title: &str, given: usize, mut rows: Vec<Line>) -> Vec<Line> {
    let more = match rows.len().saturating_sub(given) {
        0 => String::new(),
        more => format!("  and {more} more"),
    };
    rows.resize_with(given, Line::new);
    let heading = vec![(Look::Strong, title.to_owned()), (Look::Faint, more)];
    [Line::new(), heading].into_iter().chain(rows).collect()
}

fn head(scene: &Scene) -> Line {
    let (at, lasts) = (scene.at.as_secs_f64(), scene.lasts.as_secs());
    let health = match scene.health {
        Status::Pass => (Look::Good, "pass".to_owned()),
        Status::Warn => (Look::Wary, "warn".to_owned()),
        Status::Fail => (Look::Bad, "fail".to_owned()),
    };
    vec![
        (Look::Strong, format!("{at:5.1} s")),
        (Look::Faint, format!(" of about {lasts} s    webhooks taken ")),
        (Look::Plain, format!("{:<5}", scene.webhooks)),
        (Look::Faint, "  health ".to_owned()),
        health,
    ]
}

fn counts(scene: &Scene) -> Line {
    let to_come = scene.planned.saturating_sub(scene.calls.len());
    let count = |state| scene.count(state);
    let pieces = [
        ("to come", to_come, Look::Faint),
        ("live", count(State::Live), Look::Plain),
        ("stopping", count(State::Stopping), Look::Wary),
        ("confirming", count(State::Confirming), Look::Wary),
        ("over", count(State::Ended), Look::Good),
    ];
    let piece = |(what, calls, look): (&str, usize, Look)| {
        let look = if calls == 0 { Look::Faint } else { look };
        [(Look::Faint, format!("  {what} ")), (look, format!("{calls:<4}"))]
    };
    pieces.into_iter().flat_map(piece).collect()
}

fn deadline(scene: &Scene, seen: &Seen, left: Duration) -> Line {
    let limit = seen.view.summary.limit.as_deref().unwrap_or_default();
    let share = scene.span(limit).map_or(0.0, |span| left.as_secs_f64() / span.as_secs_f64());
    let look = if share < 0.2 { Look::Wary } else { Look::Plain };
    vec![
        (look, format!("{:5.1} s ", left.as_secs_f64())),
        (look, bar(share)),
        (Look::Plain, who(seen)),
        (Look::Faint, scene.told(limit)),
    ]
}

fn stop(scene: &Scene, seen: &Seen) -> Line {
    let doing = match (seen.view.summary.state, seen.view.summary.attempts) {
        (State::Confirming, _) => "accepted, its end is awaited".to_owned(),
        (_, 0 | 1) => "asked to end".to_owned(),
        (_, attempts) => format!("asked to end {attempts} times"),
    };
    let over =
        seen.view.summary.deadline.map_or(Duration::ZERO, |deadline| scene.now.since(deadline));
    vec![
        (Look::Wary, format!("{:<19}", format!("{:5.1} s past", over.as_secs_f64()))),
        (Look::Plain, who(seen)),
        (Look::Faint, doing),
    ]
}

fn outcome(scene: &Scene, seen: &Seen, at: Duration) -> Line {
    let name = seen.view.summary.outcome.unwrap_or_default();
    let look = match name {
        "stopped" => Look::Good,
        "failed" => Look::Bad,
        _ => Look::Plain,
    };
    let limit = seen.view.summary.limit.as_deref().unwrap_or_default();
    let how = match seen.lateness() {
        Some(late) => format!("+{:<8} {}", millis(late), scene.told(limit)),
        None => "left alone".to_owned(),
    };
    vec![
        (Look::Faint, format!("{:5.1} s ", at.as_secs_f64())),
        (look, format!("{:<13}", name.replace('_', " "))),
        (Look::Plain, who(seen)),
        (Look::Faint, how),
    ]
}

fn who(seen: &Seen) -> String {
    format!(" #{:02} {:<22} ", seen.number, seen.title)
}

/// Ten cells, so many of them full as there is a share left.
fn bar(share: f64) -> String {
    let full = (share.clamp(0.0, 1.0) * 10.0).ceil() as usize;
    format!("{}{} ", "█".repeat(full), "·".repeat(10 - full))
}

/// A line as the terminal takes it, cut at its width.
fn painted(line: &Line, columns: usize, has_colours: bool) -> String {
    let mut left = columns;
    let mut text = String::new();
    for (look, piece) in line {
        let cut: String = piece.chars().take(left).collect();
        left -= cut.chars().count();
        match look.code().filter(|_| has_colours) {
            Some(code) => text += &format!("\x1b[{code}m{cut}\x1b[0m"),
            None => text += &cut,
        }
    }
    text
}

impl Look {
    fn code(self) -> Option<u8> {
        match self {
            Self::Plain => None,
            Self::Strong => Some(1),
            Self::Faint => Some(2),
            Self::Good => Some(32),
            Self::Wary => Some(33),
            Self::Bad => Some(31),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::scene::tests::scene, *};

    fn drawn(columns: usize, rows: usize) -> String {
        let size = Size { columns, rows };
        let lines = frame(&scene(), size);
        lines.iter().map(|line| painted(line, columns, false) + "\n").collect()
    }

    #[test]
    fn a_frame_shows_deadlines_stops_and_outcomes() {
        insta::assert_snapshot!(drawn(80, 24));
    }

    #[test]
    fn a_frame_fits_its_terminal() {
        for (columns, rows) in [(20, 8), (40, 12), (80, 24), (200, 60)] {
            let text = drawn(columns, rows);
            assert!(text.lines().count() < rows, "{columns}x{rows}");
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{columns}x{rows}");
        }
    }

    #[test]
    fn the_next_frame_takes_the_place_of_the_last() {
        let (mut screen, mut out) = (Screen::new(false), Vec::new());
        screen.show(&scene(), &mut out).unwrap();
        let lines = screen.drawn;
        out.clear();
        screen.show(&scene(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(&format!("{HIDE_CURSOR}\x1b[{lines}A\r")));
    }
}

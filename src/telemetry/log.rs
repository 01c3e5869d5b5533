//! The log: where lines go and in which shape (spec §9 *Logs*). Lines go to stderr.
//!
//! One event is one line, whatever it was told: control characters in a field are written as
//! escapes, so that text from outside can neither forge a line nor move a terminal's cursor.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal as _},
    str::FromStr,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use thiserror::Error;
use tracing::{Level, Subscriber, field::Field};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt as _,
    filter::ParseError,
    fmt::{MakeWriter, format},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::model::time::Mono;

/// The shape of log lines (`--log-format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, journald where stderr is the journal's, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One flat JSON object a line.
    Json,
    /// Straight to journald, every value a field of its own.
    Journald,
}

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        match word {
            "auto" => Ok(Self::Auto),
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            "journald" => Ok(Self::Journald),
            _ => Err(UnknownFormat(word.to_owned())),
        }
    }
}

/// A word that names no log format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown log format {0:?}: auto, human, json or journald is expected")]
pub struct UnknownFormat(String);

/// What the log rests on; the environment is read by whoever makes this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The shape of lines.
    pub format: LogFormat,
    /// `$RUST_LOG`; without it everything from `info` up.
    pub directives: Option<String>,
    /// `$JOURNAL_STREAM`, by which systemd tells that stderr is the journal's.
    pub journal_stream: Option<String>,
}

/// Why the log could not be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG={directives:?} is not a filter, which looks like info or callwarden=debug")]
    Directives {
        /// What it says.
        directives: String,
        /// Where it goes wrong.
        #[source]
        source: ParseError,
    },
    /// journald does not listen.
    #[error("journald cannot be reached: take --log-format json or human")]
    Journald(#[source] io::Error),
    /// There is a log already.
    #[error("the log is set up twice")]
    Twice,
}

/// Sets the log up for the whole process. Once.
///
/// # Errors
///
/// [`LogError`] says what is in the way.
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let filter = filter(settings.directives.as_deref())?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match shape(settings) {
        LogFormat::Auto | LogFormat::Human => Box::new(human(io::stderr)),
        LogFormat::Json => Box::new(json(io::stderr)),
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(journal) => Box::new(journal),
            Err(_) if settings.format == LogFormat::Auto => Box::new(json(io::stderr)),
            Err(error) => return Err(LogError::Journald(error)),
        },
    };
    Registry::default().with(lines.with_filter(filter)).try_init().map_err(|_| LogError::Twice)
}

/// The shape that [`LogFormat::Auto`] comes to here.
fn shape(settings: &LogSettings) -> LogFormat {
    match settings.format {
        LogFormat::Auto if io::stderr().is_terminal() => LogFormat::Human,
        LogFormat::Auto if stderr_is_the_journals(settings) => LogFormat::Journald,
        LogFormat::Auto => LogFormat::Json,
        named => named,
    }
}

/// `$JOURNAL_STREAM` is `device:inode` of the stream that systemd made (systemd.exec(5)); stderr may
/// have been redirected since.
fn stderr_is_the_journals(settings: &LogSettings) -> bool {
    let Ok(stderr) = rustix::fs::fstat(io::stderr()) else {
        return false;
    };
    settings.journal_stream.as_deref() == Some(&format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

fn filter(directives: Option<&str>) -> Result<EnvFilter, LogError> {
    let directives = directives.unwrap_or_default();
    EnvFilter::builder()
        .with_default_directive(Level::INFO.into())
        .parse(directives)
        .map_err(|source| LogError::Directives { directives: directives.to_owned(), source })
}

fn human<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .fmt_fields(format::debug_fn(field_on_one_line).delimited(" "))
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false) // by eprintln!, which panics where stderr is gone
        .with_writer(writer)
}

fn json<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .log_internal_errors(false)
        .with_writer(writer)
}

fn field_on_one_line(
    writer: &mut format::Writer<'_>,
    field: &Field,
    value: &dyn fmt::Debug,
) -> fmt::Result {
    match field.name() {
        "message" => write!(OneLine(writer), "{value:?}"),
        name => write!(OneLine(writer), "{name}={value:?}"),
    }
}

/// Writes control characters as escapes.
struct OneLine<'w, 'a>(&'w mut format::Writer<'a>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            c if c.is_control() => write!(self.0, "{}", c.escape_default()),
            c => self.0.write_char(c),
        })
    }
}

/// The most of a text from outside that a line shows, in bytes.
const SHOWN_AT_MOST: usize = 256;

/// A text from outside as a log line may show it: what cannot be printed is escaped, and of a long
/// one only the first 256 bytes are shown.
#[must_use]
pub fn escaped(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// As [`escaped`], for texts that are quoted no further: quotes and backslashes stay as they are.
#[must_use]
pub fn printable(text: &str) -> String {
    let (kept, rest) = text.split_at(text.floor_char_boundary(SHOWN_AT_MOST));
    let mut shown = String::with_capacity(kept.len());
    for c in kept.chars() {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown.push_str(if rest.is_empty() { "" } else { "…" });
    shown
}

/// See [`escaped`].
#[derive(Clone, Copy)]
pub struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.0.floor_char_boundary(SHOWN_AT_MOST);
        let (shown, rest) = self.0.split_at(cut);
        write!(f, "{}", shown.escape_debug())?;
        f.write_str(if rest.is_empty() { "" } else { "…" })
    }
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Lets one line a second through for what happens over and over, with the count it stands for.
#[derive(Debug, Default)]
pub struct Throttle {
    quiet_until: AtomicI64,
    untold: AtomicU64,
}

impl Throttle {
    const QUIET_FOR: Duration = Duration::from_secs(1);

    /// It happened again. `Some(n)`: log it now, for it and the `n - 1` before it that were not.
    #[must_use]
    pub fn admit(&self, now: Mono) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let quiet_until = self.quiet_until.load(Ordering::Relaxed);
        if now.0 < quiet_until {
            return None;
        }
        let next = now.after(Self::QUIET_FOR).0;
        self.quiet_until
            .compare_exchange(quiet_until, next, Ordering::Relaxed, Ordering::Relaxed)
            .ok()
            .map(|_| self.untold.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;

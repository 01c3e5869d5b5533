//! What is wrong with a config file, and how that is shown: each mistake under its line.

use std::{
    error::Error,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::mistake::Mistake;

/// All that is wrong with a config file, in the file's order.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn one(error: ConfigError) -> Self {
        Self(vec![error])
    }

    /// `errors` in the file's order, unless there are none.
    pub(super) fn unless_empty(mut errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        let order = |error: &ConfigError| match &error.place {
            Some(place) => (place.line, place.column),
            None => (usize::MAX, 0),
        };
        errors.sort_by_key(order);
        Err(Self(errors))
    }

    /// These, and those of another file after them.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The errors, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// Each error under its line of the file; with colours where the caller knows a terminal.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let shown: Vec<_> = self.iter().map(|error| error.render(colours)).collect();
        shown.join("\n\n")
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Error for ConfigErrors {}

/// One thing that is wrong with a config file.
#[derive(Debug)]
pub struct ConfigError {
    path: PathBuf,
    key: String,
    place: Option<Place>,
    mistake: Mistake,
}

impl ConfigError {
    /// An error about the file as a whole, or about something that is not in it.
    pub(super) fn of_file(path: &Path, key: String, mistake: Mistake) -> Self {
        Self { path: path.to_owned(), key, place: None, mistake }
    }

    /// An error about what stands at `span`.
    pub(super) fn at(source: &Source, key: String, span: Range<usize>, mistake: Mistake) -> Self {
        Self { place: Some(Place::of(source, span)), ..Self::of_file(&source.path, key, mistake) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key, with its sections: `platform.token`; empty for the file as a whole.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The line, counted from 1; `None` for what is not in the file.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// The column in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.column)
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn mistake(&self) -> &Mistake {
        &self.mistake
    }

    /// The error under its line of the file.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let title = Level::ERROR.primary_title(self.mistake.title(&self.key));
        let path = self.path.to_string_lossy();
        let shown = match &self.place {
            Some(place) => title.element(
                Snippet::source(place.text.as_str()).line_start(place.line).path(path).annotation(
                    AnnotationKind::Primary.span(place.range.clone()).label(self.mistake.label()),
                ),
            ),
            None => Group::with_title(title).element(Origin::path(path)),
        };
        let shown =
            shown.elements(self.mistake.mend(&self.path).map(|mend| Level::HELP.message(mend)));
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[shown])
    }
}

impl fmt::Display for ConfigError {
    /// In one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.mistake.title(&self.key))?;
        for more in [self.mistake.label(), self.mistake.mend(&self.path)].into_iter().flatten() {
            write!(f, "; {more}")?;
        }
        Ok(())
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.mistake {
            Mistake::Unreadable(error) => Some(error),
            Mistake::Secret(_, error) => Some(error),
            Mistake::Tls(error) => Some(error),
            Mistake::NotText
            | Mistake::Syntax(_)
            | Mistake::UnknownKey { .. }
            | Mistake::Unsupported { .. }
            | Mistake::Missing { .. }
            | Mistake::WrongType { .. }
            | Mistake::BadValue { .. }
            | Mistake::InlineSecret
            | Mistake::Conflict { .. } => None,
        }
    }
}

/// A config file's text, and what of it must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Byte ranges that may hold a secret.
    pub(super) hidden: Vec<Range<usize>>,
}

impl fmt::Debug for Source {
    /// Without the text, which somebody may have written a secret into.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// Hides what is assigned in the lines at `offsets`, where the parser can't tell what it is.
    pub(super) fn hide_assigned(&mut self, offsets: impl Iterator<Item = usize>) {
        for offset in offsets {
            let line = self.line_at(offset);
            let text = self.text.get(line.clone()).unwrap_or_default();
            let lower = text.to_ascii_lowercase();
            let telling = ["secret", "token", "password", "bearer", "value", "key", "url"];
            match text.find('=') {
                Some(equals) if telling.iter().any(|word| lower.contains(word)) => {
                    self.hidden.push(line.start + equals + 1..line.end);
                }
                // Perhaps the rest of a value that began in a line above.
                None if !text.starts_with('[') => self.hidden.push(line),
                Some(_) | None => {}
            }
        }
    }

    /// The bytes of the line that holds the byte at `offset`, its end excluded.
    pub(super) fn line_at(&self, offset: usize) -> Range<usize> {
        let (before, after) = self.text.split_at(self.text.floor_char_boundary(offset));
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = after.find('\n').unwrap_or(after.len());
        start..before.len() + rest
    }
}

/// One line of the file, and what is wrong in it.
#[derive(Debug)]
struct Place {
    line: usize,
    column: usize,
    /// The line, with what may be a secret hidden.
    text: String,
    /// The bytes of `text` to point at.
    range: Range<usize>,
}

impl Place {
    fn of(source: &Source, span: Range<usize>) -> Self {
        let line = source.line_at(span.start);
        let (before, rest) = source.text.split_at(line.start);
        let shown: String = rest
            .char_indices()
            .take_while(|(at, _)| line.start + at < line.end)
            .filter(|(_, c)| *c != '\r')
            .map(|(at, c)| {
                let hidden = |range: &Range<usize>| range.contains(&(line.start + at));
                if source.hidden.iter().any(hidden) {
                    "*".repeat(c.len_utf8())
                } else {
                    c.to_string()
                }
            })
            .collect();
        let at = |offset: usize| {
            shown.floor_char_boundary(offset.clamp(line.start, line.end) - line.start)
        };
        let range = at(span.start)..at(span.end.max(span.start));
        Self {
            line: before.matches('\n').count() + 1,
            column: shown.char_indices().take_while(|(offset, _)| *offset < range.start).count()
                + 1,
            range,
            text: shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_shows_its_line_alone_without_what_is_hidden() {
        let text = "one\ntwo = 2\r\nthree".to_owned();
        let source = Source { path: "c".into(), text, hidden: Vec::from([10..11, 17..18]) };
        let Place { line, column, text, range } = Place::of(&source, 4..7);
        assert_eq!((line, column, text.as_str(), range), (2, 1, "two = *", 0..3));
    }
}

//! A TOML document read from its spanned table, with every mistake kept and shown in its place.

use std::{collections::BTreeMap, ops::Range, path::Path, sync::Arc};

use toml::de::DeTable;

use super::{
    checked::NamedSecret,
    env::Env,
    error::{ConfigError, ConfigErrors, Source},
    mistake::Mistake,
    reader::{Fault, Reader, Section},
};

/// What is read of a document.
pub(super) struct Document<T> {
    pub(super) content: T,
    pub(super) source: Arc<Source>,
    pub(super) secrets: Vec<NamedSecret>,
    /// Where each key is that was asked for and found.
    pub(super) places: BTreeMap<String, Range<usize>>,
}

/// Reads the document `text` by `read`, refusing the keys listed as `unsupported`.
pub(super) fn read<T>(
    path: &Path,
    text: String,
    unsupported: &[&str],
    env: &dyn Env,
    read: impl FnOnce(&mut Section<'_, '_, '_>) -> T,
) -> Result<Document<T>, ConfigErrors> {
    let (table, syntax) = DeTable::parse_recoverable(&text);
    let syntax: Vec<_> = syntax
        .into_iter()
        .map(|error| {
            let span = error.span().unwrap_or(text.len()..text.len());
            (span, error.message().to_owned())
        })
        .collect();
    let mut reader = Reader::new(unsupported, env);
    let content = reader.root(table.get_ref(), read);

    let Reader { mut faults, secrets, hidden, places, .. } = reader;
    let mut source = Source { path: path.to_owned(), text, hidden };
    if !syntax.is_empty() {
        drop_consequences(&mut faults, &syntax, &source);
        source.hide_assigned(syntax.iter().map(|(span, _)| span.start));
    }
    let source = Arc::new(source);

    let mistakes = faults.into_iter().map(|fault| match fault.span {
        Some(span) => ConfigError::at(&source, fault.key, span, fault.mistake),
        None => ConfigError::of_file(&source.path, fault.key, fault.mistake),
    });
    let errors = syntax
        .into_iter()
        .map(|(span, message)| {
            ConfigError::at(&source, String::new(), span, Mistake::Syntax(message))
        })
        .chain(mistakes)
        .collect();
    ConfigErrors::unless_empty(errors)?;
    Ok(Document { content, source, secrets, places })
}

/// Drops what may be wrong only because the parser had to guess: whatever shares a line with an
/// error of syntax, and what is missing or doesn't go together.
fn drop_consequences(faults: &mut Vec<Fault>, syntax: &[(Range<usize>, String)], source: &Source) {
    let broken: Vec<_> = syntax.iter().map(|(span, _)| source.line_at(span.start)).collect();
    faults.retain(|fault| {
        let Some(span) = &fault.span else {
            return false;
        };
        let derived = matches!(fault.mistake, Mistake::Missing { .. } | Mistake::Conflict { .. });
        !derived && !broken.contains(&source.line_at(span.start))
    });
}

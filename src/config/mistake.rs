//! The kinds of mistake a config file can hold, and their words: what was found, what was
//! expected, the mend.

use std::{fmt, io, path::Path};

use super::{
    certificate::TlsError,
    secret::{Secret, SecretError, SecretSource},
};

/// The kinds of mistake a config file can hold.
#[derive(Debug)]
pub enum Mistake {
    /// The file can't be read.
    Unreadable(io::Error),
    /// The file is not UTF-8.
    NotText,
    /// It is not TOML; what the parser says.
    Syntax(String),
    /// A key that means nothing there.
    UnknownKey {
        /// The known key that was most likely meant.
        nearest: Option<String>,
        /// All keys known there.
        known: Vec<String>,
    },
    /// Something that the specification has and this version does not.
    Unsupported {
        /// What it is.
        what: String,
        /// What to write.
        mend: String,
    },
    /// A key that must be there is not.
    Missing {
        /// What its value would be.
        expected: String,
        /// What to write.
        mend: String,
    },
    /// A value of another type.
    WrongType {
        /// The type found, with its article.
        found: &'static str,
        /// What its value would be.
        expected: String,
        /// What to write.
        mend: Option<String>,
    },
    /// A value of the right type that is badly written or out of range.
    BadValue {
        /// The value found.
        found: String,
        /// What its value would be.
        expected: String,
        /// What to write.
        mend: Option<String>,
    },
    /// A secret's value is in the file.
    InlineSecret,
    /// A secret can't be had.
    Secret(SecretSource, SecretError),
    /// TLS cannot be spoken with what `server.tls` names.
    Tls(TlsError),
    /// Values that are right alone, but not together.
    Conflict {
        /// What does not go together, as a sentence.
        found: String,
        /// What would.
        expected: String,
        /// What to write.
        mend: String,
    },
}

impl Mistake {
    /// A value of the right type that won't do.
    pub(super) fn bad(found: impl fmt::Debug, expected: impl Into<String>) -> Self {
        Self::BadValue { found: format!("{found:?}"), expected: expected.into(), mend: None }
    }

    /// The same mistake, its mend said.
    pub(super) fn mended(mut self, text: impl Into<String>) -> Self {
        if let Self::BadValue { mend, .. } | Self::WrongType { mend, .. } = &mut self {
            *mend = Some(text.into());
        }
        self
    }

    pub(super) fn title(&self, key: &str) -> String {
        let key = key.escape_debug();
        match self {
            Self::Unreadable(error) => format!("the config file cannot be read: {error}"),
            Self::NotText => "the config file is not UTF-8 text".to_owned(),
            Self::Syntax(message) => format!("not valid TOML: {message}"),
            Self::UnknownKey { .. } => format!("unknown key `{key}`"),
            Self::Unsupported { what, .. } => format!("{what} is not supported by this version"),
            Self::Missing { .. } => format!("`{key}` is missing"),
            Self::WrongType { found, .. } => format!("`{key}` is {found}"),
            Self::BadValue { found, .. } => format!("`{key}` cannot be {found}"),
            Self::InlineSecret => format!("`{key}` is written into the config file"),
            Self::Secret(_, SecretError::File { path, source }) => {
                format!("`{key}`: {} cannot be read: {source}", path.display())
            }
            Self::Secret(_, error) => match error {
                SecretError::NotSet(_) | SecretError::NoCredentials => format!("`{key}`: {error}"),
                _ => format!("the secret that `{key}` names {error}"),
            },
            Self::Tls(error) => format!("`{key}`: {}", error.title()),
            Self::Conflict { found, .. } => found.clone(),
        }
    }

    pub(super) fn label(&self) -> Option<String> {
        match self {
            Self::Unreadable(_) | Self::NotText | Self::Syntax(_) | Self::Unsupported { .. } => {
                None
            }
            Self::UnknownKey { nearest, known } => Some(match nearest {
                Some(_) => "nothing is known by this name".to_owned(),
                None => format!("expected one of {}", listed(known)),
            }),
            Self::Missing { expected, .. }
            | Self::WrongType { expected, .. }
            | Self::BadValue { expected, .. }
            | Self::Conflict { expected, .. } => Some(format!("expected {expected}")),
            Self::InlineSecret => Some("secrets are never written inline".to_owned()),
            Self::Secret(..) => Some(format!(
                "expected a secret of at least {} bytes, one line of text",
                Secret::MIN_BYTES
            )),
            Self::Tls(error) => Some(format!("expected {}", error.expected())),
        }
    }

    pub(super) fn mend(&self, path: &Path) -> Option<String> {
        match self {
            Self::Unreadable(error) => Some(match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "let the user that callwarden runs as read it, or name another with \
                     --config PATH"
                        .to_owned()
                }
                io::ErrorKind::NotFound => format!(
                    "write one with `callwarden init > {}` and edit it, or name another with \
                     --config PATH or $CALLWARDEN_CONFIG",
                    path.display()
                ),
                _ => "name a file with --config PATH or $CALLWARDEN_CONFIG \
                      (`callwarden init > callwarden.toml` writes one)"
                    .to_owned(),
            }),
            Self::NotText => Some("save it as UTF-8".to_owned()),
            Self::Syntax(message) => {
                message.starts_with("duplicate key").then(|| "leave one of them".to_owned())
            }
            Self::UnknownKey { nearest, .. } => {
                nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"))
            }
            Self::Unsupported { mend, .. }
            | Self::Missing { mend, .. }
            | Self::Conflict { mend, .. } => Some(mend.clone()),
            Self::WrongType { mend, .. } | Self::BadValue { mend, .. } => mend.clone(),
            Self::InlineSecret => Some(
                "name where it is: { file = \"PATH\" }, { credential = \"NAME\" } or \
                 { env = \"NAME\" }; and take a new secret, this one was in a file"
                    .to_owned(),
            ),
            Self::Secret(source, error) => Some(secret_mend(source, error)),
            Self::Tls(error) => Some(error.mend()),
        }
    }
}

pub(super) fn secret_mend(source: &SecretSource, error: &SecretError) -> String {
    match error {
        SecretError::NotSet(name) => {
            format!("set {name} for callwarden, or name another place: {{ file = \"PATH\" }}")
        }
        SecretError::NoCredentials => {
            let SecretSource::Credential(name) = source else {
                return "name a file: { file = \"PATH\" }".to_owned();
            };
            format!(
                "credentials are passed by systemd, with LoadCredential={name}:PATH in the unit; \
                 elsewhere use {{ file = \"PATH\" }}"
            )
        }
        SecretError::File { source: cause, .. } => match cause.kind() {
            io::ErrorKind::PermissionDenied => {
                "let the user that callwarden runs as read it".to_owned()
            }
            _ => "write the secret into that file, or name another".to_owned(),
        },
        SecretError::TooLong | SecretError::NotText | SecretError::Control => {
            "let it hold the secret alone, as one line of text".to_owned()
        }
        SecretError::TooShort(_) => {
            "take a longer one, such as `openssl rand -hex 32` prints".to_owned()
        }
    }
}

/// `a, b or c`, each in backquotes.
fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: io::ErrorKind) -> io::Error {
        kind.into()
    }

    #[test]
    fn what_cannot_be_read_is_mended_by_why_it_cannot() {
        let path = Path::new("/etc/cw.toml");
        let of_the_file = |kind| Mistake::Unreadable(error(kind)).mend(path).unwrap();
        let of_a_secret = |kind| {
            let source = SecretSource::File("/etc/token".into());
            secret_mend(&source, &SecretError::File { path: path.into(), source: error(kind) })
        };
        let reads = "let the user that callwarden runs as read it";
        assert!(of_the_file(io::ErrorKind::PermissionDenied).starts_with(reads));
        assert!(of_the_file(io::ErrorKind::NotFound).contains("callwarden init > /etc/cw.toml"));
        assert!(of_the_file(io::ErrorKind::IsADirectory).starts_with("name a file"));
        assert!(of_a_secret(io::ErrorKind::PermissionDenied).starts_with(reads));
        assert!(of_a_secret(io::ErrorKind::NotFound).starts_with("write the secret into"));
    }
}

//! Secrets: where they are (spec §3), and their values, which are never shown.

use std::{
    env::VarError,
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::{env::Env, quoted};

/// Where a secret is; its value is read anew at each [`read`](Self::read).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The environment variable of this name; it never changes while the process lives.
    Env(String),
    /// The file of this path.
    File(PathBuf),
    /// The file of this name in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`), copied
    /// once when the service starts.
    Credential(String),
}

impl SecretSource {
    /// Reads the secret's value as it is now.
    ///
    /// # Errors
    ///
    /// [`SecretError`] when the source can't be read, or what it holds is no secret.
    pub fn read(&self, env: &dyn Env) -> Result<Secret, SecretError> {
        Secret::from_bytes(self.bytes(env)?)
    }

    /// Reads a secret of several lines, as PEM has them.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), line breaks aside.
    pub fn read_pem(&self, env: &dyn Env) -> Result<Secret, SecretError> {
        Secret::from_text(self.bytes(env)?, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    }

    fn bytes(&self, env: &dyn Env) -> Result<Vec<u8>, SecretError> {
        Ok(match self {
            Self::Env(name) => match env.var(name) {
                Ok(value) => value.into_bytes(),
                Err(VarError::NotPresent) => return Err(SecretError::NotSet(name.clone())),
                Err(VarError::NotUnicode(_)) => return Err(SecretError::NotText),
            },
            Self::File(path) => read_file(path)?,
            Self::Credential(name) => match env.var("CREDENTIALS_DIRECTORY") {
                Ok(folder) => read_file(&Path::new(&folder).join(name))?,
                Err(_) => return Err(SecretError::NoCredentials),
            },
        })
    }
}

impl fmt::Display for SecretSource {
    /// The reference as the config file has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "{{ env = {} }}", quoted(name)),
            Self::File(path) => write!(f, "{{ file = {} }}", quoted(&path.to_string_lossy())),
            Self::Credential(name) => write!(f, "{{ credential = {} }}", quoted(name)),
        }
    }
}

/// A secret's value: zeroed when dropped, without `Display`, and with a `Debug` that hides it.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl Secret {
    /// The fewest bytes a secret has.
    pub const MIN_BYTES: usize = 16;

    /// The most bytes a secret has.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// The value, for the one place that signs or sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self, SecretError> {
        Self::from_text(bytes, char::is_control)
    }

    fn from_text(bytes: Vec<u8>, is_odd: impl Fn(char) -> bool) -> Result<Self, SecretError> {
        let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText)?;
        let value = text.trim_end_matches(['\n', '\r']);
        match value.len() {
            0..Self::MIN_BYTES => Err(SecretError::TooShort(value.len())),
            _ if value.chars().any(is_odd) => Err(SecretError::Control),
            _ => Ok(Self(SecretString::from(value))),
        }
    }
}

/// Why a secret can't be had; says nothing of its value.
#[derive(Debug, Error)]
pub enum SecretError {
    /// `env` names a variable that is not there.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// `credential` is used, but nobody passes credentials.
    #[error("$CREDENTIALS_DIRECTORY is not set")]
    NoCredentials,
    /// The file can't be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Longer than any secret is.
    #[error("is longer than {} bytes", Secret::MAX_BYTES)]
    TooLong,
    /// Not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// A line break inside, or another control character.
    #[error("holds a line break or another control character")]
    Control,
    /// Easily guessed.
    #[error("has {0} bytes, at least {least} are needed", least = Secret::MIN_BYTES)]
    TooShort(usize),
}

fn read_file(path: &Path) -> Result<Vec<u8>, SecretError> {
    let fail = |source| SecretError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = Secret::MAX_BYTES as u64;
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(fail)?;
    if bytes.len() > Secret::MAX_BYTES {
        return Err(SecretError::TooLong);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    fn env(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_file_is_read_anew_and_its_last_newline_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = SecretSource::File(path.clone());
        fs::write(&path, "0123456789abcdef\n").unwrap();
        assert_eq!(source.read(&BTreeMap::new()).unwrap().expose(), "0123456789abcdef");
        fs::write(&path, "fedcba9876543210\r\n").unwrap();
        assert_eq!(source.read(&BTreeMap::new()).unwrap().expose(), "fedcba9876543210");
    }

    #[test]
    fn a_credential_is_a_file_in_the_credentials_directory() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "0123456789abcdef").unwrap();
        let env = env("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());
        let source = SecretSource::Credential("token".into());
        assert_eq!(source.read(&env).unwrap().expose(), "0123456789abcdef");
        assert!(matches!(source.read(&BTreeMap::new()), Err(SecretError::NoCredentials)));
    }

    #[test]
    fn fifteen_bytes_are_too_few_and_no_line_break_is_inside() {
        let source = SecretSource::Env("S".into());
        assert!(matches!(
            source.read(&env("S", "0123456789abcde\n")),
            Err(SecretError::TooShort(15))
        ));
        assert!(matches!(source.read(&env("S", "01234567\n89abcdef")), Err(SecretError::Control)));
    }

    #[test]
    fn a_secret_of_several_lines_has_breaks_and_tabs_and_nothing_odder() {
        let source = SecretSource::Env("S".into());
        let read = |text: &str| source.read_pem(&env("S", text));
        let text = "-----BEGIN-----\r\n\tabc\n-----END-----";
        assert_eq!(read(&format!("{text}\n")).unwrap().expose(), text);
        assert!(matches!(read("0123456789\u{7}abcdef"), Err(SecretError::Control)));
    }

    #[test]
    fn a_file_may_be_64_kib_long_and_is_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = SecretSource::File(path.clone());
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            source.read(&BTreeMap::new())
        };
        assert!(read(&[b'a'; 16]).is_ok());
        assert!(read(&[b'a'; 65_536]).is_ok());
        let longer = read(&[b'a'; 65_537]);
        assert!(matches!(longer, Err(SecretError::TooLong)));
        assert!(matches!(read(&[0xff; 20]), Err(SecretError::NotText)));
    }

    #[test]
    fn a_value_is_never_shown() {
        let secret = SecretSource::Env("S".into()).read(&env("S", "0123456789abcdef")).unwrap();
        assert!(!format!("{secret:?}").contains("0123"));
    }
}

//! The listener's certificate and key (`server.tls`, spec §3): read anew whenever they are asked for,
//! and found to belong together.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    CertificateError, Error, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _, verify_server_name},
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject as _},
    },
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use thiserror::Error;

use super::{
    checked::Tls,
    env::Env,
    mistake::secret_mend,
    secret::{Secret, SecretError, SecretSource},
};
use crate::model::time::Wall;

/// No chain of certificates is longer, in bytes.
const LONGEST: u64 = 1 << 20;
/// The first second after the last one that a certificate can name.
const NEVER: u64 = 253_402_300_800;

/// A certificate with its chain, and the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Identity(CertifiedKey);

impl Identity {
    /// Reads what `tls` names as it is now.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when one of the two can't be had, or they don't belong together.
    pub fn read(tls: &Tls, env: &dyn Env) -> Result<Self, TlsError> {
        let chain = chain(&tls.certificate)?;
        let place = || tls.key.clone();
        let text = tls.key.read_pem(env);
        let key = key(&text.map_err(|source| TlsError::Key { place: place(), source })?)?;
        let provider = ring::default_provider();
        let key = provider.key_provider.load_private_key(key).map_err(|_| TlsError::KeyUnusable)?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            Ok(()) => Ok(Self(pair)),
            Err(Error::InconsistentKeys(_)) => {
                Err(TlsError::Mismatch { certificate: tls.certificate.clone(), place: place() })
            }
            Err(_) => Err(TlsError::NotX509(tls.certificate.clone())),
        }
    }

    /// Both, as rustls signs with them.
    #[must_use]
    pub fn certified_key(&self) -> CertifiedKey {
        self.0.clone()
    }

    /// From when until when the certificate holds; `None` where it doesn't tell.
    pub(super) fn validity(&self) -> Option<(Wall, Wall)> {
        // Asked on a day before or after its time the verifier names the bound that was passed.
        let refused =
            |second| self.refused_at(UnixTime::since_unix_epoch(Duration::from_secs(second)));
        let CertificateError::NotValidYetContext { not_before: from, .. } = refused(0)? else {
            return None;
        };
        let CertificateError::ExpiredContext { not_after: until, .. } = refused(NEVER)? else {
            return None;
        };
        let wall = |at: UnixTime| i64::try_from(at.as_secs()).ok().map(|at| Wall(at * 1_000_000));
        Some((wall(from)?, wall(until)?))
    }

    /// Whether the certificate is for this host.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let parsed = self.0.end_entity_cert().and_then(ParsedCertificate::try_from);
        // A url writes an IPv6 address in brackets.
        let name = ServerName::try_from(host.trim_matches(['[', ']']));
        match (parsed, name) {
            (Ok(parsed), Ok(name)) => verify_server_name(&parsed, &name).is_ok(),
            _ => false,
        }
    }

    /// What a client would find wrong with the certificate alone at this time.
    fn refused_at(&self, at: UnixTime) -> Option<CertificateError> {
        let certificate = self.0.end_entity_cert().ok()?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).ok()?;
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
        let name = ServerName::try_from("localhost").ok()?;
        match verifier.verify_server_cert(certificate, &[], &name, &[], at) {
            Err(Error::InvalidCertificate(error)) => Some(error),
            Ok(_) | Err(_) => None,
        }
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Certificate { path: path.to_owned(), source })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate {
            path: path.to_owned(),
            holds_key: PrivateKeyDer::from_pem_slice(&bytes).is_ok(),
        }),
        Ok(chain) => Ok(chain),
        Err(_) => Err(TlsError::NotX509(path.to_owned())),
    }
}

fn key(text: &Secret) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = text.expose();
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound if text.contains("ENCRYPTED") => TlsError::KeyEncrypted,
        pem::Error::NoItemsFound => {
            TlsError::NoKey { holds_certificate: text.contains("BEGIN CERTIFICATE") }
        }
        _ => TlsError::KeyUnusable,
    })
}

/// Why TLS cannot be spoken with what `server.tls` names; says nothing of the key's value.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate's file can't be read.
    #[error("{} cannot be read", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} holds no certificate{}", path.display(), but(*holds_key, "a key"))]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// Whether it holds a key.
        holds_key: bool,
    },
    /// What should be a certificate is damaged, or too old a kind.
    #[error("{} holds a certificate that is damaged, or not of X.509 version 3", .0.display())]
    NotX509(PathBuf),
    /// The key can't be had.
    #[error("the private key cannot be had")]
    Key {
        /// Where it should be.
        place: SecretSource,
        /// What is wrong there.
        source: SecretError,
    },
    /// What is there is no key.
    #[error("there is no private key{}", but(*holds_certificate, "a certificate"))]
    NoKey {
        /// Whether it holds a certificate.
        holds_certificate: bool,
    },
    /// A passphrase would be needed.
    #[error("the private key is encrypted, and nobody is there to type its passphrase")]
    KeyEncrypted,
    /// Damaged, or of a kind that is not spoken.
    #[error("the private key is damaged, or of a kind that is not spoken")]
    KeyUnusable,
    /// Two that have nothing to do with each other.
    #[error("the private key is not that of the certificate in {}", certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// Where the key is.
        place: SecretSource,
    },
}

fn but(it_holds: bool, what: &str) -> String {
    if it_holds { format!(", but {what}") } else { String::new() }
}

impl TlsError {
    /// The key of the config that it is about.
    pub(super) fn config_key(&self) -> &'static str {
        if self.is_of_the_certificate() { "server.tls.certificate" } else { "server.tls.key" }
    }

    fn is_of_the_certificate(&self) -> bool {
        match self {
            Self::Certificate { .. } | Self::NoCertificate { .. } | Self::NotX509(_) => true,
            Self::Key { .. }
            | Self::NoKey { .. }
            | Self::KeyEncrypted
            | Self::KeyUnusable
            | Self::Mismatch { .. } => false,
        }
    }

    /// What was found, its cause included.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Certificate { source, .. } => format!("{self}: {source}"),
            Self::Key { source: SecretError::File { path, source }, .. } => {
                format!("{} cannot be read: {source}", path.display())
            }
            Self::Key {
                source: source @ (SecretError::NotSet(_) | SecretError::NoCredentials),
                ..
            } => source.to_string(),
            Self::Key { source, .. } => format!("what should be the private key {source}"),
            Self::NoCertificate { .. }
            | Self::NotX509(_)
            | Self::NoKey { .. }
            | Self::KeyEncrypted
            | Self::KeyUnusable
            | Self::Mismatch { .. } => self.to_string(),
        }
    }

    /// What should be there.
    pub(super) fn expected(&self) -> &'static str {
        if self.is_of_the_certificate() {
            "a PEM file: the certificate, and below it those that lead to its authority"
        } else {
            "a private key as PEM: RSA of 2048 to 8192 bits, P-256, P-384 or Ed25519"
        }
    }

    /// What to do.
    pub(super) fn mend(&self) -> String {
        match self {
            Self::Certificate { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    "let the user that callwarden runs as read it".to_owned()
                }
                _ => "write the certificate into that file, or name another".to_owned(),
            },
            Self::NoCertificate { holds_key: true, .. }
            | Self::NoKey { holds_certificate: true } => {
                "give `certificate` the file of the certificate, and `key` that of the key"
                    .to_owned()
            }
            Self::NoCertificate { .. } | Self::NotX509(_) => {
                "take the file whose first line is -----BEGIN CERTIFICATE-----, such as certbot's \
                 fullchain.pem"
                    .to_owned()
            }
            Self::Key {
                place,
                source:
                    source @ (SecretError::NotSet(_)
                    | SecretError::NoCredentials
                    | SecretError::File { .. }),
            } => secret_mend(place, source),
            Self::Key { .. } | Self::NoKey { .. } | Self::KeyUnusable => {
                "take the file whose first line is -----BEGIN PRIVATE KEY-----, such as certbot's \
                 privkey.pem"
                    .to_owned()
            }
            Self::KeyEncrypted => {
                "decrypt it: `openssl pkey -in KEY -out PLAIN`, for its owner alone to read"
                    .to_owned()
            }
            Self::Mismatch { place: SecretSource::Credential(name), .. } => format!(
                "systemd copies the credential {name} once at start: where the key was renewed with \
                 the certificate, restart; else name the two that were made together"
            ),
            Self::Mismatch { .. } => "name the two that were made together".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;

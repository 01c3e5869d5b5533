//! Certificates and keys as they are found in files, whole and otherwise.

use std::{collections::BTreeMap, fs};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// A certificate that holds in 2026, for one name and one address, and its key.
fn issued() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names = ["warden.example".to_owned(), "::1".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 12, 31);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// What is read where these texts lie.
fn read(certificate: &str, key: &str) -> Result<Identity, TlsError> {
    let folder = TempDir::new().unwrap();
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let tls = Tls {
        certificate: at("cert.pem", certificate),
        key: SecretSource::File(at("key.pem", key)),
    };
    Identity::read(&tls, &BTreeMap::<String, String>::new())
}

#[test]
fn a_certificate_tells_for_whom_and_how_long_it_holds() {
    let (certificate, key) = issued();
    let identity = read(&certificate, &key).unwrap();
    let day = |text: &str| Wall(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let validity = (day("2026-01-01T00:00:00Z"), day("2026-12-31T00:00:00Z"));
    assert_eq!(identity.validity(), Some(validity));
    for (host, is_for) in [
        ("warden.example", true),
        ("[::1]", true),
        ("other.example", false),
        ("[::2]", false),
        ("no host!", false),
    ] {
        assert_eq!(identity.is_for(host), is_for, "{host}");
    }
}

/// What is wrong: the key of the config that it is about, and a part of its title and of its mend.
type Wrong = (&'static str, &'static str, &'static str);

fn is_refused(certificate: &str, key: &str, (of, title, mend): Wrong) {
    let error = read(certificate, key).unwrap_err();
    assert_eq!(error.config_key(), of, "{error}");
    assert!(error.title().contains(title), "{}", error.title());
    assert!(error.mend().contains(mend), "{}", error.mend());
    let expected = match of {
        "server.tls.key" => "a private key as PEM",
        _ => "a PEM file",
    };
    assert!(error.expected().starts_with(expected), "{}", error.expected());
}

const CERTIFICATE: &str = "server.tls.certificate";
const KEY: &str = "server.tls.key";

#[test]
fn what_is_no_certificate_is_told_so() {
    let (certificate, key) = issued();
    let each = "give `certificate` the file of the certificate";
    is_refused("", &key, (CERTIFICATE, "cert.pem holds no certificate", "fullchain.pem"));
    is_refused(&key, &key, (CERTIFICATE, "no certificate, but a key", each));
    let damaged = certificate.replacen('M', "!", 1);
    is_refused(&damaged, &key, (CERTIFICATE, "a certificate that is damaged", "fullchain.pem"));
    let title = read("", &key).unwrap_err().title();
    assert!(title.ends_with("holds no certificate"), "{title}");
}

#[test]
fn what_is_no_key_is_told_so() {
    let (certificate, key) = issued();
    let each = "give `certificate` the file of the certificate";
    let text = "thirty-two bytes of no key at all";
    is_refused(&certificate, text, (KEY, "there is no private key", "privkey.pem"));
    let title = read(&certificate, text).unwrap_err().title();
    assert_eq!(title, "there is no private key");
    is_refused(&certificate, &certificate, (KEY, "no private key, but a certificate", each));
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    is_refused(&certificate, &encrypted, (KEY, "the private key is encrypted", "openssl pkey"));
    let damaged = key.replacen("M", "!", 1);
    is_refused(&certificate, &damaged, (KEY, "the private key is damaged", "privkey.pem"));
    let (_, another) = issued();
    is_refused(&certificate, &another, (KEY, "is not that of the certificate", "made together"));
    is_refused(&certificate, "short", (KEY, "what should be the private key", "privkey.pem"));
}

#[test]
fn what_cannot_be_had_is_told_with_why() {
    let of = |kind: io::ErrorKind| TlsError::Certificate {
        path: "/etc/cert.pem".into(),
        source: kind.into(),
    };
    let denied = of(io::ErrorKind::PermissionDenied);
    assert_eq!(denied.mend(), "let the user that callwarden runs as read it");
    assert_eq!(denied.title(), "/etc/cert.pem cannot be read: permission denied");
    assert!(of(io::ErrorKind::NotFound).mend().starts_with("write the certificate into that file"));
    let place = SecretSource::Credential("tls".to_owned());
    let key = |source| TlsError::Key { place: place.clone(), source };
    let unset = key(SecretError::NoCredentials);
    assert_eq!(unset.title(), "$CREDENTIALS_DIRECTORY is not set");
    assert!(unset.mend().contains("LoadCredential=tls:PATH"), "{}", unset.mend());
    let file = SecretError::File { path: "/key".into(), source: io::ErrorKind::NotFound.into() };
    let absent = key(file);
    assert!(absent.title().starts_with("/key cannot be read"), "{}", absent.title());
    assert!(absent.mend().starts_with("write the secret into"), "{}", absent.mend());
    let mismatch = TlsError::Mismatch { certificate: "/etc/cert.pem".into(), place };
    assert!(mismatch.mend().contains("the credential tls once at start"), "{}", mismatch.mend());
}

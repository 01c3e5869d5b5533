//! Single values of the config file: each function reads one, or says what is wrong with it.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use toml::de::DeValue;
use url::{Host, Url};

use crate::model::{decode::pointers::Pointer, ids::AgentId, policy::Adopt};

use super::{
    checked::{
        Database, Quota, SignatureEncoding, SignatureHeader, SignaturePrefix, WebhookScheme,
    },
    duration::{MINUTE, SECOND},
    env::Env,
    mistake::Mistake,
    reader::wrong_type,
    suggest::nearest,
};

/// A string, which is `expected` to be something.
pub(super) fn text<'v>(value: &'v DeValue<'_>, expected: &str) -> Result<&'v str, Mistake> {
    value.as_str().ok_or_else(|| wrong_type(value, expected))
}

pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Mistake> {
    let found = value.as_bool();
    found.ok_or_else(|| match value.as_str() {
        Some(word @ ("true" | "false")) => {
            wrong_type(value, "true or false").mended(format!("write {word} without quotes"))
        }
        _ => wrong_type(value, "true or false"),
    })
}

/// A whole number within `bounds`.
pub(super) fn count(
    bounds: RangeInclusive<usize>,
) -> impl Fn(&DeValue<'_>) -> Result<usize, Mistake> {
    move |value| {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let Some(integer) = value.as_integer() else {
            let mistake = wrong_type(value, expected);
            return Err(match value.as_str() {
                Some(text) if text.parse::<usize>().is_ok() => {
                    mistake.mended(format!("write {text} without quotes"))
                }
                _ => mistake,
            });
        };
        usize::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| Mistake::BadValue { found: integer.to_string(), expected, mend: None })
    }
}

/// A socket address.
pub(super) fn address(value: &DeValue<'_>) -> Result<SocketAddr, Mistake> {
    const EXPECTED: &str = "an IP address and a port, such as \"127.0.0.1:8080\"";
    if let DeValue::Integer(port) = value {
        return Err(wrong_type(value, EXPECTED).mended(format!("write \"127.0.0.1:{port}\"")));
    }
    let text = text(value, EXPECTED)?;
    text.parse().map_err(|_| {
        let mistake = Mistake::bad(text, EXPECTED);
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        match port.parse::<u16>() {
            Ok(port) if matches!(host, "" | "localhost") => {
                mistake.mended(format!("write \"127.0.0.1:{port}\""))
            }
            Ok(port) if host == "*" => mistake.mended(format!("write \"0.0.0.0:{port}\"")),
            Ok(_) => mistake.mended("names are not looked up: write the IP address"),
            Err(_) => mistake,
        }
    })
}

/// An address of the web: https, or http on loopback; no query, no name, no slash at its end.
pub(super) fn web_url(value: &DeValue<'_>) -> Result<Url, Mistake> {
    const EXPECTED: &str = "an https:// url (http:// on loopback only) without query";
    let text = text(value, EXPECTED)?;
    // What stands before the @ may be a password.
    let shown = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    let wrong = |mend: &str| Mistake::bad(shown, EXPECTED).mended(mend);
    let mut url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => wrong("let it begin with https://"),
        _ => wrong(&error.to_string()),
    })?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(wrong("write https://")),
        _ => return Err(wrong("let it begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("leave out the name and password before the @"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("leave out what follows the ? or #"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

/// A host's name, in lower case.
pub(super) fn host(value: &DeValue<'_>) -> Result<String, Mistake> {
    const EXPECTED: &str = "a host name, such as \"warden.example.com\"";
    let text = text(value, EXPECTED)?;
    Host::parse(text)
        .map(|host| host.to_string())
        .map_err(|_| Mistake::bad(text, EXPECTED).mended("leave out scheme, port and path"))
}

/// The platform's whole default quota.
pub(super) const QUOTA: Quota = Quota { count: 100, window: MINUTE };

/// A number of requests in a window, such as `100/min`.
pub(super) fn quota(value: &DeValue<'_>) -> Result<Quota, Mistake> {
    const EXPECTED: &str = "a number of requests in a second, minute or hour, such as \"100/min\"";
    let text = text(value, EXPECTED)?;
    let parse = || {
        let (count, window) = text.split_once('/')?;
        let count = count.trim().parse().ok()?;
        let seconds = match window.trim() {
            "s" => 1,
            "min" => 60,
            "h" => 3600,
            _ => return None,
        };
        (1..=1_000_000).contains(&count).then_some(Quota { count, window: SECOND * seconds })
    };
    parse().ok_or_else(|| {
        Mistake::bad(text, EXPECTED).mended("write N/s, N/min or N/h, with N from 1 to 1000000")
    })
}

/// A share in percent.
pub(super) fn percent(value: &DeValue<'_>) -> Result<u8, Mistake> {
    const EXPECTED: &str = "a whole number of percent, such as \"20%\"";
    let text = text(value, EXPECTED)?;
    let percent = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
    percent
        .filter(|percent| *percent <= 100)
        .ok_or_else(|| Mistake::bad(text, EXPECTED).mended("write \"0%\" to \"100%\""))
}

/// A file's path.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, Mistake> {
    const EXPECTED: &str = "the path of a file";
    match text(value, EXPECTED)? {
        "" => Err(Mistake::bad("", EXPECTED)),
        path if path.contains('\0') => Err(Mistake::bad(path, EXPECTED)),
        path => Ok(PathBuf::from(path)),
    }
}

/// The name of a systemd credential.
pub(super) fn credential(value: &DeValue<'_>) -> Result<String, Mistake> {
    const EXPECTED: &str = "the name of a credential, such as \"platform-token\"";
    let name = text(value, EXPECTED)?;
    let wrong = |found: &str| Mistake::BadValue {
        found: found.to_owned(),
        expected: EXPECTED.to_owned(),
        mend: Some("for the path of a file, use `file`".to_owned()),
    };
    match name {
        "" => Err(wrong("empty")),
        "." | ".." => Err(wrong("a folder")),
        _ if name.contains(['/', '\0']) => Err(wrong("a path")),
        _ => Ok(name.to_owned()),
    }
}

/// The name of an environment variable.
pub(super) fn variable(value: &DeValue<'_>) -> Result<String, Mistake> {
    const EXPECTED: &str = "the name of an environment variable, such as \"PLATFORM_TOKEN\"";
    let name = text(value, EXPECTED)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(fits)
    {
        // Not shown: some write the value where the name belongs.
        return Err(Mistake::BadValue {
            found: "this text".to_owned(),
            expected: EXPECTED.to_owned(),
            mend: Some("write the name without $, not the value".to_owned()),
        });
    }
    Ok(name.to_owned())
}

/// The name of a header (RFC 9110), in lower case.
pub(super) fn header_name(value: &DeValue<'_>) -> Result<String, Mistake> {
    const EXPECTED: &str = "the name of a header, such as \"X-Signature\"";
    let name = text(value, EXPECTED)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        return Err(Mistake::bad(name, EXPECTED).mended("leave out colon and value"));
    }
    Ok(name.to_ascii_lowercase())
}

pub(super) fn signature_header(value: &DeValue<'_>) -> Result<SignatureHeader, Mistake> {
    let name = header_name(value)?;
    Ok(match name.as_str() {
        "any" => SignatureHeader::Any,
        _ => SignatureHeader::Named(name),
    })
}

pub(super) fn scheme(value: &DeValue<'_>) -> Result<WebhookScheme, Mistake> {
    const EXPECTED: &str = "\"standard-webhooks\"";
    match text(value, EXPECTED)? {
        "standard-webhooks" => Ok(WebhookScheme::StandardWebhooks),
        other => Err(Mistake::bad(other, EXPECTED)
            .mended("leave it out where the platform itself sends the webhooks")),
    }
}

pub(super) fn signature_encoding(value: &DeValue<'_>) -> Result<SignatureEncoding, Mistake> {
    const KNOWN: [&str; 3] = ["auto", "hex", "base64"];
    const EXPECTED: &str = "\"auto\", \"hex\" or \"base64\"";
    match text(value, EXPECTED)? {
        "auto" => Ok(SignatureEncoding::Auto),
        "hex" => Ok(SignatureEncoding::Hex),
        "base64" => Ok(SignatureEncoding::Base64),
        other => Err(match nearest(other, KNOWN) {
            Some(known) => Mistake::bad(other, EXPECTED).mended(format!("write \"{known}\"")),
            None => Mistake::bad(other, EXPECTED),
        }),
    }
}

pub(super) fn signature_prefix(value: &DeValue<'_>) -> Result<SignaturePrefix, Mistake> {
    const EXPECTED: &str = "\"auto\", or the text before the signature, such as \"sha256=\"";
    match text(value, EXPECTED)? {
        "auto" => Ok(SignaturePrefix::Auto),
        prefix if prefix.chars().all(|c| matches!(c, ' '..='~')) => {
            Ok(SignaturePrefix::Text(prefix.to_owned()))
        }
        other => Err(Mistake::bad(other, EXPECTED).mended("use printable ASCII only")),
    }
}

/// A JSON Pointer (RFC 6901) to something inside a body.
pub(super) fn pointer(value: &DeValue<'_>) -> Result<Pointer, Mistake> {
    const EXPECTED: &str = "a JSON Pointer, such as \"/call/id\"";
    let pointer = text(value, EXPECTED)?;
    let wrong = |mend: String| Err::<Pointer, _>(Mistake::bad(pointer, EXPECTED).mended(mend));
    if !pointer.starts_with('/') {
        return wrong(format!("write \"/{}\"", pointer.replace('.', "/")));
    }
    Pointer::parse(pointer).or_else(|_| wrong("~ is written ~0, and / in a name ~1".to_owned()))
}

/// Which listed calls are taken on.
pub(super) fn adopt(value: &DeValue<'_>) -> Result<Adopt, Mistake> {
    const EXPECTED: &str = "\"all\", \"known\" or a list of agents";
    if let DeValue::Array(items) = value {
        let agents = items.iter().map(|item| agent(item.get_ref()));
        return agents.collect::<Result<_, _>>().map(Adopt::Agents);
    }
    match text(value, EXPECTED)? {
        "all" => Ok(Adopt::All),
        "known" => Ok(Adopt::Known),
        other => Err(Mistake::bad(other, EXPECTED)
            .mended(format!("for the agent of this id alone, write [{other:?}]"))),
    }
}

fn agent(value: &DeValue<'_>) -> Result<AgentId, Mistake> {
    const EXPECTED: &str = "the id of an agent";
    let id = text(value, EXPECTED)?;
    AgentId::parse(id).map_err(|error| Mistake::bad(id, EXPECTED).mended(format!("the id {error}")))
}

/// The url of a store, a relative path applied to `$STATE_DIRECTORY` if that is set.
pub(super) fn database(url: &str, env: &dyn Env) -> Result<Database, Mistake> {
    const EXPECTED: &str = "the url of a store, such as \"sqlite:callwarden.db\"";
    // A url that is none of ours is not repeated: it may hold a password.
    let wrong = |found: &str, mend: &str| Mistake::BadValue {
        found: found.to_owned(),
        expected: EXPECTED.to_owned(),
        mend: Some(mend.to_owned()),
    };
    let Some((scheme, path)) = url.split_once(':') else {
        return Err(wrong("a url without a scheme", "write \"sqlite:PATH\""));
    };
    match scheme {
        "sqlite" => {}
        "postgres" | "postgresql" => {
            return Err(Mistake::Unsupported {
                what: "a postgres:// store".to_owned(),
                mend: "write \"sqlite:PATH\"".to_owned(),
            });
        }
        _ => return Err(wrong("a url of another scheme", "write \"sqlite:PATH\"")),
    }
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains(['\0', '?']) || path == ":memory:" || path.ends_with('/') {
        return Err(wrong("a url of no single file", "write \"sqlite:PATH\""));
    }
    let folder = env.var("STATE_DIRECTORY").unwrap_or_default();
    let folder = folder.split(':').next().unwrap_or_default();
    let path = match path.strip_prefix('/') {
        Some(rest) => Path::new("/").join(rest.trim_start_matches('/')),
        None => Path::new(folder).join(path),
    };
    Ok(Database::Sqlite(path))
}

#[cfg(test)]
mod tests;

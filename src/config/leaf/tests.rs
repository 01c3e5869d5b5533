//! Each kind of value at its bounds: what is read, and what a mistake says.

use std::{collections::BTreeMap, fmt::Debug};

use toml::de::DeTable;

use super::*;

/// What `read` makes of a value in TOML; of a mistake the mend, or nothing.
fn read<T>(read: impl Fn(&DeValue<'_>) -> Result<T, Mistake>, value: &str) -> Result<T, String> {
    let text = format!("key = {value}");
    let table = DeTable::parse(&text).unwrap_or_else(|error| panic!("{value}: {error}"));
    read(table.get_ref()["key"].get_ref()).map_err(|mistake| match mistake {
        Mistake::BadValue { mend, .. } | Mistake::WrongType { mend, .. } => {
            mend.unwrap_or_default()
        }
        other => format!("{other:?}"),
    })
}

/// `values` are read as what stands beside them.
fn reads<T: Debug + PartialEq>(
    how: impl Fn(&DeValue<'_>) -> Result<T, Mistake>,
    values: impl IntoIterator<Item = (&'static str, T)>,
) {
    for (value, expected) in values {
        assert_eq!(read(&how, value), Ok(expected), "{value}");
    }
}

/// `values` are mistakes, with the mend that stands beside them.
fn refuses<T: Debug + PartialEq>(
    how: impl Fn(&DeValue<'_>) -> Result<T, Mistake>,
    values: impl IntoIterator<Item = (&'static str, &'static str)>,
) {
    for (value, mend) in values {
        assert_eq!(read(&how, value), Err(mend.to_owned()), "{value}");
    }
}

#[test]
fn flags_and_counts() {
    reads(boolean, [("true", true), ("false", false)]);
    refuses(
        boolean,
        [
            ("\"true\"", "write true without quotes"),
            ("\"false\"", "write false without quotes"),
            ("\"yes\"", ""),
            ("1", ""),
        ],
    );
    reads(count(2..=10), [("2", 2), ("10", 10), ("0xA", 10), ("0b11", 3)]);
    refuses(
        count(2..=10),
        [
            ("1", ""),
            ("11", ""),
            ("-2", ""),
            ("\"5\"", "write 5 without quotes"),
            ("\"five\"", ""),
            ("5.0", ""),
        ],
    );
    reads(percent, [("\"0%\"", 0), ("\"20 %\"", 20), ("\"100%\"", 100)]);
    let mend = "write \"0%\" to \"100%\"";
    refuses(percent, [("\"101%\"", mend), ("\"20\"", mend), ("\"-1%\"", mend), ("\"%\"", mend)]);
}

#[test]
fn addresses() {
    reads(address, [("\"127.0.0.1:80\"", "127.0.0.1:80".parse().unwrap())]);
    reads(address, [("\"[::1]:80\"", "[::1]:80".parse().unwrap())]);
    refuses(
        address,
        [
            ("8080", "write \"127.0.0.1:8080\""),
            ("\"8080\"", "write \"127.0.0.1:8080\""),
            ("\":8080\"", "write \"127.0.0.1:8080\""),
            ("\"localhost:8080\"", "write \"127.0.0.1:8080\""),
            ("\"*:8080\"", "write \"0.0.0.0:8080\""),
            ("\"warden:8080\"", "names are not looked up: write the IP address"),
            ("\"127.0.0.1\"", ""),
            ("\"127.0.0.1:99999\"", ""),
        ],
    );
}

#[test]
fn urls_and_hosts() {
    let url = |text: &str| Url::parse(text).unwrap();
    reads(
        web_url,
        [
            ("\"https://a.example/\"", url("https://a.example")),
            ("\"https://a.example/api//\"", url("https://a.example/api")),
            ("\"http://localhost:1/x\"", url("http://localhost:1/x")),
            ("\"http://127.0.0.9/\"", url("http://127.0.0.9")),
            ("\"http://[::1]/\"", url("http://[::1]")),
        ],
    );
    let (name, rest) =
        ("leave out the name and password before the @", "leave out what follows the ? or #");
    refuses(
        web_url,
        [
            ("\"http://a.example\"", "write https://"),
            ("\"http://10.0.0.1\"", "write https://"),
            ("\"http://[::2]\"", "write https://"),
            ("\"ftp://a.example\"", "let it begin with https://"),
            ("\"mailto:a\"", "let it begin with https://"),
            ("\"a.example\"", "let it begin with https://"),
            ("\"https://me@a.example\"", name),
            ("\"https://:word@a.example\"", name),
            ("\"https://a.example?x\"", rest),
            ("\"https://a.example#x\"", rest),
            ("\"https://\"", "empty host"),
        ],
    );
    reads(host, [("\"Warden.Example.com\"", "warden.example.com".to_owned())]);
    refuses(host, [("\"https://warden\"", "leave out scheme, port and path")]);
}

#[test]
fn quotas() {
    let quota_of = |count, window| Quota { count, window };
    reads(
        quota,
        [
            ("\"1/s\"", quota_of(1, SECOND)),
            ("\"5 / min\"", quota_of(5, MINUTE)),
            ("\"1000000/h\"", quota_of(1_000_000, MINUTE * 60)),
        ],
    );
    let mend = "write N/s, N/min or N/h, with N from 1 to 1000000";
    for value in ["\"0/s\"", "\"1000001/s\"", "\"5/d\"", "\"5\"", "\"/s\"", "\"-1/s\""] {
        refuses(quota, [(value, mend)]);
    }
}

#[test]
fn names_of_files_credentials_and_variables() {
    reads(path, [("\"a b\"", "a b".into())]);
    refuses(path, [("\"\"", ""), ("\"a\\u0000\"", "")]);
    reads(credential, [("\"platform-token\"", "platform-token".to_owned())]);
    for value in ["\"\"", "\".\"", "\"..\"", "\"a/b\"", "\"a\\u0000\""] {
        refuses(credential, [(value, "for the path of a file, use `file`")]);
    }
    reads(variable, [("\"A_1\"", "A_1".to_owned()), ("\"_\"", "_".to_owned())]);
    for value in ["\"\"", "\"1A\"", "\"A-B\"", "\"$A\"", "\"A=b\""] {
        refuses(variable, [(value, "write the name without $, not the value")]);
    }
}

#[test]
fn what_a_credential_cannot_be_is_told() {
    for (value, found) in [("\"\"", "empty"), ("\"..\"", "a folder"), ("\"a/b\"", "a path")] {
        let text = format!("key = {value}");
        let table = DeTable::parse(&text).unwrap();
        let mistake = credential(table.get_ref()["key"].get_ref()).unwrap_err();
        assert_eq!(mistake.title("token"), format!("`token` cannot be {found}"));
    }
}

#[test]
fn signatures() {
    reads(header_name, [("\"X-Sig!\"", "x-sig!".to_owned())]);
    for value in ["\"\"", "\"a:\"", "\"a b\"", "\"ä\""] {
        refuses(header_name, [(value, "leave out colon and value")]);
    }
    reads(
        signature_header,
        [
            ("\"ANY\"", SignatureHeader::Any),
            ("\"X-Sig\"", SignatureHeader::Named("x-sig".to_owned())),
        ],
    );
    reads(scheme, [("\"standard-webhooks\"", WebhookScheme::StandardWebhooks)]);
    refuses(scheme, [("\"\"", "leave it out where the platform itself sends the webhooks")]);
    reads(
        signature_encoding,
        [
            ("\"auto\"", SignatureEncoding::Auto),
            ("\"hex\"", SignatureEncoding::Hex),
            ("\"base64\"", SignatureEncoding::Base64),
        ],
    );
    refuses(signature_encoding, [("\"base46\"", "write \"base64\""), ("\"rot13\"", "")]);
    reads(
        signature_prefix,
        [
            ("\"auto\"", SignaturePrefix::Auto),
            ("\"v1, ~\"", SignaturePrefix::Text("v1, ~".to_owned())),
            ("\"\"", SignaturePrefix::Text(String::new())),
        ],
    );
    refuses(
        signature_prefix,
        [("\"sha256\\u007f\"", "use printable ASCII only"), ("\"ä=\"", "use printable ASCII only")],
    );
}

#[test]
fn pointers_and_agents() {
    reads(pointer, [("\"/a~1b/0\"", Pointer::parse("/a~1b/0").unwrap())]);
    refuses(
        pointer,
        [
            ("\"call.id\"", "write \"/call/id\""),
            ("\"/a~2\"", "~ is written ~0, and / in a name ~1"),
        ],
    );
    let agents = Adopt::Agents(vec![AgentId::parse("a-1").unwrap()]);
    reads(adopt, [("\"all\"", Adopt::All), ("\"known\"", Adopt::Known), ("[\"a-1\"]", agents)]);
    refuses(adopt, [("\"a-1\"", "for the agent of this id alone, write [\"a-1\"]"), ("[1]", "")]);
    assert!(read(adopt, "[\"a/1\"]").unwrap_err().starts_with("the id "));
}

#[test]
fn stores() {
    let nowhere = BTreeMap::new();
    let states = BTreeMap::from([("STATE_DIRECTORY".to_owned(), "/var/lib/cw:/other".to_owned())]);
    let file = |url: &str, env| database(url, env).map(|Database::Sqlite(path)| path);
    for (url, path) in [
        ("sqlite:calls.db", "/var/lib/cw/calls.db"),
        ("sqlite://calls.db", "/var/lib/cw/calls.db"),
        ("sqlite:/srv/calls.db", "/srv/calls.db"),
        ("sqlite:///srv/calls.db", "/srv/calls.db"),
        ("sqlite:////srv/calls.db", "/srv/calls.db"),
    ] {
        assert_eq!(file(url, &states).ok(), Some(path.into()), "{url}");
    }
    assert_eq!(file("sqlite:calls.db", &nowhere).ok(), Some("calls.db".into()));
    for (url, found) in [
        ("calls.db", "a url without a scheme"),
        ("mysql:calls", "a url of another scheme"),
        ("sqlite:", "a url of no single file"),
        ("sqlite:///", "a url of no single file"),
        ("sqlite::memory:", "a url of no single file"),
        ("sqlite:calls.db?mode=ro", "a url of no single file"),
        ("sqlite:calls\0", "a url of no single file"),
        ("sqlite:calls/", "a url of no single file"),
    ] {
        let mistake = file(url, &nowhere).unwrap_err();
        assert_eq!(mistake.title("url"), format!("`url` cannot be {found}"), "{url}");
        let Mistake::BadValue { mend, .. } = mistake else { panic!("{mistake:?}") };
        assert_eq!(mend.as_deref(), Some("write \"sqlite:PATH\""));
    }
    for url in ["postgres://db/calls", "postgresql://db/calls"] {
        assert!(matches!(file(url, &nowhere), Err(Mistake::Unsupported { .. })), "{url}");
    }
}

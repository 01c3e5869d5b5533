//! What comes from outside as text, mangled: config files, policy tests, bodies of webhooks. Nothing
//! panics, what is refused is told with its place, what is accepted works. `fuzz/` looks further.

use proptest::{collection::vec, prelude::*, sample::select};

#[path = "inputs/properties.rs"]
pub mod properties;

const POLICIES: [&str; 3] = [
    include_str!("../config/callwarden.toml"),
    include_str!("../fuzz/seeds/policy/rules.toml"),
    include_str!("../fuzz/seeds/policy/limits.toml"),
];
const CASES: [&str; 2] =
    [include_str!("../config/policy-tests.toml"), include_str!("../fuzz/seeds/cases/shapes.toml")];
const WEBHOOKS: [&str; 3] = [
    include_str!("../fuzz/seeds/webhook/flat.json"),
    include_str!("../fuzz/seeds/webhook/nested.json"),
    include_str!("../fuzz/seeds/webhook/times.json"),
];

/// What is put in: pieces that mean something somewhere.
const PIECES: [&str; 44] = [
    "",
    " ",
    "\n",
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\\",
    "*",
    "-1",
    "0",
    "1e999",
    "99999999999999999999",
    "true",
    "null",
    "inf",
    "\"\"",
    "\"10M\"",
    "\"0s\"",
    "\"31d\"",
    "\"+5*5\"",
    "{ absent = true }",
    "context.a.b = 1\n",
    "[[rule]]\n",
    "[[case]]\n",
    "name = \"x\"\n",
    "at = \"5s\", ",
    "é",
    "\u{1f4de}",
    "\r\n",
    "\0",
    "\t",
    "/context/x",
    "2026-01-01",
    "T",
    ":",
];

#[expect(clippy::disallowed_methods, reason = "how long to look is the caller's choice")]
fn tries() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let cases = cases.unwrap_or(1_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// One of these texts with pieces of it cut out and others put in.
fn mangled(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0..24_usize, select(&PIECES[..]));
    (select(texts), vec(edit, 0..5)).prop_map(|(text, edits)| {
        let mut text = text.to_owned();
        for (place, length, piece) in edits {
            let start = text.floor_char_boundary(place.index(text.len() + 1));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end.max(start), piece);
        }
        text
    })
}

#[test]
fn the_examples_themselves_are_accepted() {
    for text in POLICIES {
        let config = callwarden::config::parse(
            "file.toml".as_ref(),
            text.to_owned(),
            &std::collections::BTreeMap::<String, String>::new(),
        );
        assert!(config.is_ok(), "{}", config.unwrap_err());
        properties::policy(text);
    }
    for text in CASES {
        let cases = callwarden::config::parse_cases("file.toml".as_ref(), text.to_owned());
        assert!(cases.is_ok(), "{}", cases.unwrap_err());
        properties::cases(text);
    }
    for text in WEBHOOKS {
        let decoded = callwarden::model::decode::decode(
            text.as_bytes(),
            &Default::default(),
            &Default::default(),
        );
        assert!(decoded.is_ok(), "{decoded:?}");
        properties::webhook(text.as_bytes());
    }
}

proptest! {
    #![proptest_config(tries())]

    #[test]
    fn a_mangled_config_is_refused_with_its_places_or_decides(text in mangled(&POLICIES)) {
        properties::policy(&text);
    }

    #[test]
    fn rules_of_any_text_are_refused_with_their_places_or_decide(
        lines in vec(select(&PIECES[..]), 0..12),
    ) {
        properties::policy(&properties::base(&format!("[[rule]]\nname = \"x\"\n{}", lines.concat())));
    }

    #[test]
    fn mangled_cases_are_refused_with_their_places_or_can_be_tried(text in mangled(&CASES)) {
        properties::cases(&text);
    }

    #[test]
    fn a_mangled_webhook_is_refused_with_its_places_or_taken_in_once(text in mangled(&WEBHOOKS)) {
        properties::webhook(text.as_bytes());
    }

    #[test]
    fn no_bytes_make_the_webhook_panic(body in vec(any::<u8>(), 0..200)) {
        properties::webhook(&body);
    }
}

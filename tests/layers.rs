//! The rules of the house that no compiler checks (ARCHITECTURE.md): which folder may import which,
//! one home for each crate that holds state or does I/O, and what every file looks like.
//!
//! It reads the source as text. What it cannot see, such as a macro that hides an import, review
//! has to.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "helpers of tests are tests too; places come from match_indices and find"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A source file, without its comments.
struct Source {
    /// From the repository's root, with `/`.
    path: String,
    text: String,
    code: Vec<String>,
    /// Where its tests begin; everything if the whole file is one.
    tests_from: usize,
}

/// Which of our folders a folder may import, itself aside.
const LAYERS: [(&str, &[&str]); 10] = [
    ("model", &[]),
    ("config", &["model"]),
    ("store", &["model"]),
    ("platform", &["model"]),
    ("telemetry", &["model"]),
    ("sim", &[]),
    ("engine", &["model", "config", "store", "platform", "telemetry"]),
    ("http", &["model", "config", "store", "platform", "telemetry", "engine"]),
    ("daemon", &["model", "config", "store", "platform", "telemetry", "engine", "http", "sim"]),
    (
        "cli",
        &["model", "config", "store", "platform", "telemetry", "engine", "http", "sim", "daemon"],
    ),
];

/// What has one home, and where that is. Tests may use it anywhere.
const HOMES: [(&str, &[&str]); 24] = [
    ("dashmap", &["src/engine/calls.rs"]),
    ("DashMap", &["src/engine/calls.rs"]),
    ("DelayQueue", &["src/engine/timer.rs"]),
    ("reqwest", &["src/platform/", "src/engine/notify.rs", "src/cli/api.rs"]),
    (
        "rustls",
        &["src/platform/", "src/config/certificate.rs", "src/http/server/", "src/cli/healthcheck/"],
    ),
    ("tokio_rustls", &["src/http/server/", "src/cli/healthcheck/"]),
    ("rusqlite", &["src/store/"]),
    // The daemon carries routers from http to its listeners, and names a header of the config.
    ("axum", &["src/http/", "src/sim/", "src/daemon/mod.rs", "src/daemon/wiring.rs"]),
    ("hyper", &["src/http/", "src/sim/"]),
    ("clap", &["src/cli/"]),
    ("anyhow", &["src/cli/"]),
    ("sd_notify", &["src/daemon/systemd.rs"]),
    ("tracing_subscriber", &["src/telemetry/log.rs"]),
    ("prometheus_client", &["src/telemetry/"]),
    ("tokio::spawn", &["src/daemon/supervise.rs", "src/sim/"]),
    ("tokio::task::spawn", &["src/daemon/supervise.rs", "src/sim/"]),
    ("clock_gettime", &["src/engine/clock.rs"]),
    ("SystemTime::now", &["src/sim/clock.rs"]),
    ("Instant::now", &[]),
    ("Timestamp::now", &[]),
    ("Zoned::now", &[]),
    ("process::exit", &[]),
    ("env::var", &["src/config/env.rs"]),
    ("env::set_var", &[]),
];

/// What decisions must not rest on: `model` has no async, I/O, clock, chance, lock or log.
const IMPURE: [&str; 12] = [
    "async",
    "await",
    "tokio",
    "tracing",
    "fastrand",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "Instant",
    "SystemTime",
    "Mutex",
];

const MOST_LINES: usize = 500;

#[test]
fn each_folder_imports_only_from_the_layers_below() {
    let sources = sources("src");
    let faults = sources.iter().flat_map(|source| {
        let folder = source.folder();
        let allowed = LAYERS.iter().find(|(layer, _)| *layer == folder).map(|(_, below)| *below);
        let imports = imports(&source.code.join("\n"));
        imports.into_iter().filter_map(move |import| match allowed {
            _ if import == folder => None,
            Some(below) if below.contains(&import.as_str()) => None,
            _ if !is_folder(&import) => None,
            _ => Some(format!("{}: src/{folder} may not import crate::{import}", source.path)),
        })
    });
    none(faults.collect());
}

#[test]
fn every_folder_has_its_layer() {
    let folders = sources("src")
        .iter()
        .map(Source::folder)
        .filter(|folder| !folder.is_empty())
        .collect::<BTreeSet<_>>();
    let layers = LAYERS.iter().map(|(layer, _)| (*layer).to_owned()).collect();
    assert_eq!(folders, layers, "a new folder needs its place in LAYERS and in ARCHITECTURE.md");
}

#[test]
fn each_crate_with_state_or_io_has_one_home() {
    let mut faults = Vec::new();
    for source in sources("src") {
        for (what, homes) in HOMES {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                continue;
            }
            let home = if homes.is_empty() { "nowhere".to_owned() } else { homes.join(", ") };
            let strayed = source.without_tests().filter(|(_, line)| has_word(line, what));
            faults.extend(
                strayed.map(|(n, _)| source.fault(n, &format!("{what} belongs in {home}"))),
            );
        }
    }
    none(faults);
}

#[test]
fn the_model_is_pure() {
    let mut faults = Vec::new();
    for source in sources("src/model") {
        for what in IMPURE {
            let impure = source.without_tests().filter(|(_, line)| has_word(line, what));
            faults.extend(impure.map(|(n, _)| source.fault(n, &format!("{what} in the model"))));
        }
    }
    none(faults);
}

#[test]
fn no_file_is_too_long_and_each_says_what_it_is() {
    let mut faults = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            faults.push(format!("{}: {lines} lines, split it", source.path));
        }
        if !source.text.starts_with("//!") {
            faults.push(format!("{}: begins without //!", source.path));
        }
    }
    none(faults);
}

#[test]
fn nothing_unwraps_outside_tests_and_no_lint_is_allowed() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let unwraps = source.without_tests().filter(|(_, line)| line.contains(".unwrap()"));
        faults
            .extend(unwraps.map(|(n, _)| {
                source.fault(n, "unwrap: say why it holds by expect, or pass it on")
            }));
        let allows = source.code.iter().enumerate().filter(|(_, line)| line.contains("[allow("));
        faults
            .extend(allows.map(|(n, _)| source.fault(n, "allow: write #[expect(…, reason = …)]")));
    }
    none(faults);
}

impl Source {
    fn read(path: &Path, root: &Path, test_modules: &BTreeSet<PathBuf>) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let code: Vec<_> = text.lines().map(without_comment).collect();
        let is_test = path.ancestors().any(|part| test_modules.contains(&part.with_extension("")));
        let inline = code.windows(2).position(|pair| {
            pair[0].trim() == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].ends_with('{')
        });
        let tests_from = if is_test { 0 } else { inline.unwrap_or(code.len()) };
        let path = path.strip_prefix(root).unwrap().display().to_string();
        Self { path, text, code, tests_from }
    }

    /// The folder under `src`; empty for main.rs and lib.rs.
    fn folder(&self) -> String {
        let mut parts = self.path.split('/').skip(1);
        let first = parts.next().unwrap_or_default();
        if parts.next().is_some() { first.to_owned() } else { String::new() }
    }

    fn without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().map(String::as_str).enumerate().take(self.tests_from)
    }

    fn fault(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

/// Every Rust file in a folder of the repository.
fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    walk(&root.join(folder), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no sources in {folder}");
    let test_modules = paths.iter().flat_map(|path| test_modules(path)).collect();
    paths.iter().map(|path| Source::read(path, root, &test_modules)).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a file declares as tests, each as a path without its `.rs`.
fn test_modules(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|root| path.ends_with(root));
    let folder = if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let names = declared.filter_map(|pair| pair[1].split("mod ").nth(1)?.strip_suffix(';'));
    names.map(|name| folder.join(name)).collect()
}

/// A line without its comment; `//` within a word, as in a URL, begins none.
fn without_comment(line: &str) -> String {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices("//").map(|(at, _)| at).find(begins);
    line[..comment.unwrap_or(line.len())].trim_end().to_owned()
}

/// What follows `crate::` in some code: one name, or each first name of a group.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.extend(first_name(rest)),
            Some(group) => found.extend(firsts_of_group(group)),
        }
    }
    found
}

/// The first names in `a::b, c::{d, e}}`, up to the brace that closes it.
fn firsts_of_group(group: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut parts = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(String::new()),
            '{' => depth += 1,
            '}' => depth -= 1,
            c if depth == 0 => parts.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    parts.iter().filter_map(|part| first_name(part.trim())).collect()
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|c| is_of_a_name(*c)).collect();
    (!name.is_empty()).then_some(name)
}

fn is_folder(name: &str) -> bool {
    LAYERS.iter().any(|(layer, _)| *layer == name)
}

/// Whether `line` has `word` with no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_of_a_name) && !after.is_some_and(is_of_a_name)
    })
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The check itself is checked: it sees what it is there to see.
mod of_the_reader {
    use super::*;

    #[test]
    fn imports_are_seen_alone_and_in_groups() {
        let code =
            "use crate::{\n    config::{Config, Env},\n    engine::Engine,\n};\ncrate::sim::Sim";
        let found: Vec<_> = imports(code).into_iter().collect();
        assert_eq!(found, ["config", "engine", "sim"]);
    }

    #[test]
    fn words_are_whole_and_comments_are_none() {
        assert!(has_word("use axum::Router;", "axum"));
        assert!(!has_word("let taxum = 1;", "axum"));
        assert_eq!(without_comment("let url = \"http://x\"; // axum"), "let url = \"http://x\";");
        assert_eq!(without_comment("/// axum"), "");
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_known() {
        let sources = sources("src");
        let tests = |path: &str| sources.iter().find(|it| it.path == path).unwrap().tests_from;
        assert_eq!(tests("src/model/queue/tests.rs"), 0);
        assert!(tests("src/model/queue.rs") > 0);
    }
}

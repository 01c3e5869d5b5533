//! §2: help, versions, and what is wrong on a command line.

use crate::harness::Command;

/// Every command that has a help.
const COMMANDS: [&str; 13] = [
    "run",
    "demo",
    "sim",
    "check",
    "explain",
    "test",
    "calls",
    "history",
    "store",
    "init",
    "healthcheck",
    "completions",
    "man",
];

#[test]
fn the_help_lists_every_command() {
    let output = Command::new(&["--help"]).run();
    assert_eq!(output.code, 0);
    insta::assert_snapshot!("help", output.stdout);
    for command in COMMANDS {
        assert!(output.stdout.contains(&format!("\n  {command} ")), "{command}");
    }
}

#[test]
fn the_help_of_every_command_has_an_example() {
    for command in COMMANDS {
        let output = Command::new(&[command, "--help"]).run();
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{command}");
        assert!(output.stdout.contains("Example"), "{command}");
        // What is to be pasted fits a line.
        let is_cut = |line: &str| line.trim() == "\\";
        assert!(!output.stdout.lines().any(is_cut), "{}", output.stdout);
        insta::assert_snapshot!(format!("help_{command}"), output.stdout);
    }
}

#[test]
fn v_is_the_number_and_version_adds_revision_rustc_and_sqlite() {
    let short = Command::new(&["-V"]).run();
    assert_eq!(short.code, 0);
    assert_eq!(short.stdout, format!("callwarden {}\n", env!("CARGO_PKG_VERSION")));
    let long = Command::new(&["--version"]).run();
    assert_eq!(long.code, 0);
    let words: Vec<_> = long.stdout.split(' ').collect();
    let [name, number, revision, hash, rustc, ..] = words.as_slice() else {
        panic!("{}", long.stdout);
    };
    assert_eq!((*name, *number), ("callwarden", env!("CARGO_PKG_VERSION")));
    assert_eq!((*revision, *rustc), ("(revision", "rustc"));
    assert!(hash.trim_end_matches(',').len() >= 7, "{hash}");
    assert!(long.stdout.contains(", SQLite 3."), "{}", long.stdout);
}

#[test]
fn what_is_wrong_on_the_command_line_is_told_with_code_2() {
    let lines: [&[&str]; 7] = [
        &[],
        &["rnu"],
        &["run", "--confg", "x"],
        &["check", "stray"],
        &["run", "--log-format", "xml"],
        &["sim", "--fault", "earthquake"],
        &["sim", "--listen", "nowhere"],
    ];
    let mut shown = String::new();
    for line in lines {
        let output = Command::new(line).run();
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{line:?}");
        shown += &format!("$ callwarden {}\n{}\n", line.join(" "), output.stderr);
    }
    insta::assert_snapshot!(shown);
}

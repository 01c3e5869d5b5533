//! §2, §6 `callwarden test`: what it tells, and its exit codes.

use std::fs;

use crate::harness::{Command, ConfigFile, Home, Output};

/// A case of which this limit is expected; `voicemail` is right.
fn case(name: &str, limit: &str) -> String {
    format!(
        "[[case]]\nname = \"{name}\"\n\
         event = {{ event = \"event_voicemail_detected\", call_id = \"c\" }}\n\
         expect = {{ limit = \"{limit}\" }}\n"
    )
}

fn test(files: &[(&str, &str)], more: &[&str]) -> Output {
    let home = Home::new();
    home.write(&ConfigFile::new().set("limits.voicemail", "15s"));
    for (name, text) in files {
        fs::write(home.path().join(name), text).unwrap();
    }
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    let arguments = [&["test", "--config", "callwarden.toml"], names.as_slice(), more].concat();
    Command::new_in(&home, &arguments).run()
}

#[test]
fn it_says_how_many_cases_hold_and_ends_with_1_where_one_does_not() {
    let (right, wrong) = (case("cut", "voicemail"), case("let go on", "total"));
    let fine = test(&[("a.toml", &right), ("b.toml", &right)], &[]);
    assert_eq!((fine.code, fine.stdout.as_str()), (0, "2 passed, 0 failed\n"), "{}", fine.all());
    let failed = test(&[("a.toml", &right), ("b.toml", &wrong)], &[]);
    assert_eq!(failed.code, 1);
    assert!(failed.stdout.contains("FAILED let go on (b.toml)"), "{}", failed.stdout);
    for (format, says) in [("json", "\"failed\": 1"), ("junit", "failures=\"1\"")] {
        let told = test(&[("a.toml", &right), ("b.toml", &wrong)], &["--format", format]);
        assert_eq!(told.code, 1);
        assert!(told.stdout.contains(says), "{}", told.stdout);
    }
}

#[test]
fn every_file_that_cannot_be_read_is_named() {
    let home = Home::new();
    home.write(&ConfigFile::new());
    let odd = "[[cases]]\n";
    fs::write(home.path().join("odd.toml"), odd).unwrap();
    for (files, code) in [(&["no-1", "no-2"][..], 1), (&["no-1", "odd.toml", "no-2"], 78)] {
        let arguments = [&["test", "--config", "callwarden.toml"], files].concat();
        let told = Command::new_in(&home, &arguments).run();
        assert_eq!((told.code, told.stdout.as_str()), (code, ""), "{}", told.all());
        for file in files {
            assert!(told.stderr.contains(file), "{file}: {}", told.stderr);
        }
    }
}

#[test]
fn the_mistakes_of_all_files_are_told_at_once_and_nothing_is_tried() {
    let right = case("cut", "voicemail");
    let odd = case("odd", "voicemale").replace("call_id", "at = 5, call_id");
    let lacking = "[[case]]\nname = \"lacking\"\nexpekt = { rule = \"\" }\n";
    let told = test(&[("a.toml", &odd), ("b.toml", &right), ("c.toml", lacking)], &[]);
    assert_eq!((told.code, told.stdout.as_str()), (78, ""));
    insta::assert_snapshot!(told.stderr);
}

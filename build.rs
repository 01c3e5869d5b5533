//! Tells the binary which revision and compiler it is built from (`callwarden --version`).

use std::{ffi::OsStr, path::Path, process::Command};

fn main() {
    // Git keeps them elsewhere in a work tree of its own, and nowhere in a tree without git: a file
    // that is not there would have cargo build anew each time. The log changes with each commit.
    for name in ["HEAD", "logs/HEAD"] {
        let path = output("git", &["rev-parse", "--git-path", name]);
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-env-changed=CALLWARDEN_REVISION");
    if std::env::var_os("CALLWARDEN_REVISION").is_none() {
        let revision = output("git", &["rev-parse", "--short=12", "HEAD"]);
        println!("cargo::rustc-env=CALLWARDEN_REVISION={revision}");
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    println!("cargo::rustc-env=CALLWARDEN_RUSTC={}", output(rustc, &["--version"]));
}

/// What a program prints, on one line; `unknown` where it cannot be run, as in a tree without git.
fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

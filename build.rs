//! Tells the binary which revision and compiler it is built from (`callwarden --version`).

use std::{ffi::OsStr, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/refs/heads");
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

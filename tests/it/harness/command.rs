//! Commands that end by themselves.

use std::{
    ffi::OsStr,
    path::{self, PathBuf},
    process, str,
};

use super::{Home, config::FileLimit};

/// A run of the binary with an environment that holds nothing of the test's.
pub(crate) struct Command {
    command: process::Command,
    home: Home,
}

/// How it ended and what it wrote.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Command {
    /// `callwarden` with these arguments, in a folder of its own.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self::new_in(&Home::new(), arguments)
    }

    /// `callwarden` with these arguments, in that folder.
    pub(crate) fn new_in(home: &Home, arguments: &[&str]) -> Self {
        let mut command = binary();
        command.args(arguments).current_dir(home.path());
        Self { command, home: home.clone() }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Output {
        let output = self.command.output().unwrap();
        let folder = self.home.path().to_str().unwrap();
        let text = |bytes: &[u8]| str::from_utf8(bytes).unwrap().replace(folder, "HOME");
        Output {
            code: output.status.code().expect("it was ended by a signal"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Output {
    /// All of it, for a snapshot; the test's folder reads `HOME`.
    pub(crate) fn all(&self) -> String {
        let Self { code, stdout, stderr } = self;
        format!("exit code: {code}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}

/// The one that was built with the tests, or that of `$CALLWARDEN_BINARY`, for figures of a release.
fn path() -> PathBuf {
    let built = || env!("CARGO_BIN_EXE_callwarden").into();
    let named = std::env::var_os("CALLWARDEN_BINARY").map_or_else(built, PathBuf::from);
    path::absolute(named).unwrap()
}

/// The binary, its environment bare.
pub(crate) fn binary() -> process::Command {
    let mut command = process::Command::new(path());
    command.env_clear().stdin(process::Stdio::null());
    command
}

/// The binary, its files limited: a shell ignores the signal by which such a limit kills, for what
/// it becomes.
pub(super) fn limited(files: Option<FileLimit>) -> process::Command {
    let limit = match files {
        None => return binary(),
        Some(FileLimit::Later) => String::new(),
        Some(FileLimit::Blocks(most)) => format!("ulimit -S -f {most};"),
    };
    let mut command = process::Command::new("/bin/sh");
    let script = format!("trap '' XFSZ; {limit} exec \"$0\" \"$@\"");
    command.env_clear().stdin(process::Stdio::null());
    command.args(["-c", &script]).arg(path());
    command
}

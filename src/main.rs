//! The `callwarden` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    callwarden::cli::run(std::env::args_os())
}

//! `callwarden completions SHELL`: what a shell needs to complete our command line.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Exit};

pub(super) const EXAMPLE: &str = "\
Examples:
  callwarden completions bash > /etc/bash_completion.d/callwarden
  callwarden completions zsh > ~/.zfunc/_callwarden
  callwarden completions fish > ~/.config/fish/completions/callwarden.fish";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    io::stdout().write_all(&script(arguments.shell))?;
    Ok(Exit::Fine)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "callwarden", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {command}");
            }
        }
    }
}

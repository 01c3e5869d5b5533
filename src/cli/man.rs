//! `callwarden man`: the man page, one for the program with all its commands.

use std::io::{self, Write as _};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::{Cli, Exit};

pub(super) const EXAMPLE: &str = "\
Examples:
  callwarden man | man -l -
  callwarden man > /usr/local/share/man/man1/callwarden.1";

/// What no `--help` says: the rest of the interface (spec §2).
const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
0
fine
.TP
1
the command's own negative answer
.TP
2
the command line is wrong
.TP
69
the platform or the daemon is unreachable
.TP
71
a listener cannot be opened
.TP
74
the store is locked by another callwarden, damaged, of a newer version or not ours, or its folder is
missing or forbidden
.TP
78
the config is wrong
.SH SIGNALS
.TP
SIGTERM, SIGINT
stop: accept no more, answer what is in flight, write what is left, exit within 10 s
.TP
SIGHUP
read the config and the secrets anew; a bad file leaves the old one in force
.SH FILES
.TP
/etc/callwarden/callwarden.toml
the config, unless \-\-config or CALLWARDEN_CONFIG names another
.TP
/var/lib/callwarden/callwarden.db
the store, where systemd runs the daemon
.SH ENVIRONMENT
.TP
CALLWARDEN_CONFIG
the config's path
.TP
RUST_LOG
what is logged, as in callwarden=debug
.TP
CREDENTIALS_DIRECTORY, STATE_DIRECTORY, NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, LISTEN_FDNAMES
set by systemd(1)
"#;

pub(super) fn run() -> anyhow::Result<Exit> {
    io::stdout().write_all(&page()?)?;
    Ok(Exit::Fine)
}

fn page() -> io::Result<Vec<u8>> {
    let mut program = Cli::command();
    program.build();
    let mut page = Vec::new();
    let man = Man::new(program.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    described(&program, &mut page)?;
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    Ok(page)
}

/// Each command below `parent` with its usage, arguments and example, as a subsection.
fn described(parent: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in parent.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        writeln!(page, ".SS \"{}\"", name.replace('-', "\\-"))?;
        let mut section = Vec::new();
        let man = Man::new(command.clone());
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        man.render_extra_section(&mut section)?;
        // What is a section of a page of its own is a paragraph here.
        let text = String::from_utf8_lossy(&section);
        for line in text.lines().filter(|line| !line.starts_with(".SH DESCRIPTION")) {
            match line.strip_prefix(".SH ") {
                Some(_) => page.extend_from_slice(b".PP\n"),
                None => writeln!(page, "{line}")?,
            }
        }
        described(command, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_with_its_example() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        for command in Cli::command().get_subcommands() {
            assert!(page.contains(&format!(".SS \"callwarden {}\"", command.get_name())), "{page}");
        }
        assert!(page.contains("Example"), "{page}");
        assert!(page.contains(".SH \"EXIT STATUS\""));
    }
}

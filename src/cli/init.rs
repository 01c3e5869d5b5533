//! `callwarden init`: prints the commented example config.

use std::io::{self, Write as _};

use super::Exit;
use crate::config::EXAMPLE;

pub(super) fn run() -> anyhow::Result<Exit> {
    io::stdout().write_all(EXAMPLE.as_bytes())?;
    Ok(Exit::Fine)
}

//! The environment, behind a trait so that tests need not touch the real one.

use std::{collections::BTreeMap, env::VarError};

/// Where environment variables are looked up.
pub trait Env {
    /// The value of the variable `name`.
    ///
    /// # Errors
    ///
    /// [`VarError`] as [`std::env::var`] has it: not set, or not UTF-8.
    fn var(&self, name: &str) -> Result<String, VarError>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place the config reads the real environment"
    )]
    fn var(&self, name: &str) -> Result<String, VarError> {
        std::env::var(name)
    }
}

impl Env for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Result<String, VarError> {
        self.get(name).cloned().ok_or(VarError::NotPresent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_the_environment_that_it_was_started_with() {
        // Cargo sets it, and tells it to the compiler too.
        let folder = ProcessEnv.var("CARGO_MANIFEST_DIR");
        assert_eq!(folder.as_deref(), Ok(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(ProcessEnv.var("CALLWARDEN_IS_NOT_SET"), Err(VarError::NotPresent));
    }
}

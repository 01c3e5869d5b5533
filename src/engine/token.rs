//! The platform's token: read anew after a 401, since it can be replaced at any minute (spec §3).

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use secrecy::{ExposeSecret, SecretString};

use crate::platform::Client;

/// Reads the token from where the config says it is; an error is a sentence without the token.
pub type TokenReader = Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// The token in use.
pub(super) struct Token {
    reader: TokenReader,
    in_use: Mutex<SecretString>,
    /// Grows each time the token in use is replaced.
    generation: AtomicU64,
}

impl Token {
    pub(super) fn new(reader: TokenReader, in_use: SecretString) -> Self {
        Self { reader, in_use: Mutex::new(in_use), generation: AtomicU64::new(0) }
    }

    /// Which token is in use: to be asked before a request leaves.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A request that left with the token of `generation` was refused. Says whether there is
    /// another by now.
    pub(super) fn refused(&self, generation: u64, client: &Client) -> Result<bool, String> {
        if self.generation() != generation {
            return Ok(true);
        }
        let token = (self.reader)()?;
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if token.expose_secret() == in_use.expose_secret() {
            return Ok(self.generation() != generation);
        }
        client.set_token(&token).map_err(|error| error.to_string())?;
        *in_use = token;
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(true)
    }
}

//! Layer 1: the config file (spec §3), and the file of policy tests (§6). It is read once into a [`Config`], which can't be wrong;
//! whatever is wrong with the file is said at once, each mistake with its place and its mend.

mod advice;
mod cases;
mod certificate;
mod checked;
mod cross;
mod document;
pub(crate) mod duration;
mod env;
mod error;
mod file;
mod leaf;
mod mistake;
mod print;
mod reader;
mod rule;
mod secret;
mod suggest;
mod summary;
mod unsupported;

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

pub use self::{
    advice::{Advice, Weight, advice, on_certificate},
    cases::{Case, Expect},
    certificate::{Identity, TlsError},
    checked::{
        Admin, Config, Database, Enforcement, Origin, Platform, Quota, RequiredHeader, Server,
        SignatureEncoding, SignatureHeader, SignaturePrefix, Store, StoreUrl, StoreUrlError, Tls,
        Webhook, WebhookScheme,
    },
    env::{Env, ProcessEnv},
    error::{ConfigError, ConfigErrors},
    mistake::Mistake,
    print::print,
    secret::{Secret, SecretError, SecretSource},
    summary::amounts_to,
};

/// The commented example, which is also the defaults: what `callwarden init` prints.
pub const EXAMPLE: &str = include_str!("../../config/callwarden.toml");

/// Reads the config file at `path`. The secrets it names are not read:
/// [`Config::check_secrets`] does that.
///
/// # Errors
///
/// All that is wrong with the file.
pub fn load(path: &Path, env: &dyn Env) -> Result<Config, ConfigErrors> {
    let of_file = |mistake| ConfigErrors::one(ConfigError::of_file(path, String::new(), mistake));
    let bytes = fs::read(path).map_err(|error| of_file(Mistake::Unreadable(error)))?;
    let text = String::from_utf8(bytes).map_err(|_| of_file(Mistake::NotText))?;
    parse(path, text, env)
}

/// Reads a config file's `text`, which comes from `path`.
///
/// # Errors
///
/// All that is wrong with the text.
pub fn parse(path: &Path, text: String, env: &dyn Env) -> Result<Config, ConfigErrors> {
    file::parse(path, text, unsupported::UNSUPPORTED, env)
}

/// Reads the cases of `callwarden test` in `text`, which comes from `path`.
///
/// # Errors
///
/// All that is wrong with the text.
pub fn parse_cases(path: &Path, text: String) -> Result<Vec<Case>, ConfigErrors> {
    cases::parse(path, text)
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

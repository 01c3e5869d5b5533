//! The one table from what went wrong to the exit code (spec §2).

use std::process::ExitCode;

use super::api::ApiError;
use crate::{
    config::{ConfigErrors, SecretError, StoreUrlError, TlsError},
    daemon::StartError,
    store::StoreError,
};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Fine.
    Fine = 0,
    /// The command's own negative answer.
    No = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The platform or the daemon is unreachable (`EX_UNAVAILABLE`).
    Unreachable = 69,
    /// A listener cannot be opened (`EX_OSERR`).
    Listener = 71,
    /// The store is locked, damaged, newer, not ours, or its folder is missing (`EX_IOERR`).
    Store = 74,
    /// The config is wrong (`EX_CONFIG`).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The code for a daemon that could not start.
#[must_use]
pub(super) fn of_start(error: &StartError) -> Exit {
    match error {
        StartError::Secret(_)
        | StartError::StoreUrl(_)
        | StartError::Tls(_)
        | StartError::Platform(_) => Exit::Config,
        StartError::Store(_) => Exit::Store,
        StartError::Listen { .. } | StartError::Inherited(_) => Exit::Listener,
    }
}

/// The code for a command that the admin API did not serve.
#[must_use]
pub(super) fn of_api(error: &ApiError) -> Exit {
    match error {
        ApiError::Off | ApiError::Secret(_) => Exit::Config,
        ApiError::NoPort
        | ApiError::Tls(_)
        | ApiError::Client(_)
        | ApiError::Unreachable { .. }
        | ApiError::Stranger { .. } => Exit::Unreachable,
        ApiError::Refused { .. } => Exit::No,
    }
}

/// The code for any error that a command ends with: the first in its chain that has one.
#[must_use]
pub(super) fn of(error: &anyhow::Error) -> Exit {
    error
        .chain()
        .find_map(|cause| {
            if let Some(start) = cause.downcast_ref::<StartError>() {
                Some(of_start(start))
            } else if let Some(error) = cause.downcast_ref::<ApiError>() {
                Some(of_api(error))
            } else if cause.is::<StoreError>() {
                Some(Exit::Store)
            } else if cause.is::<ConfigErrors>()
                || cause.is::<SecretError>()
                || cause.is::<StoreUrlError>()
                || cause.is::<TlsError>()
            {
                Some(Exit::Config)
            } else {
                None
            }
        })
        .unwrap_or(Exit::No)
}

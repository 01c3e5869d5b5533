//! Why there can be no client. What a request meets is no error but an answer: `model::platform`.

use std::error::Error;

use thiserror::Error as ThisError;

/// Why a client cannot be made, or a token cannot be used.
#[derive(Debug, ThisError)]
pub enum PlatformError {
    /// The address is none.
    #[error(
        "platform.base_url: {url:?} is no http(s) address; expected one like \"https://app.talkover.ai/api/v1\""
    )]
    BaseUrl {
        /// What was found.
        url: String,
        /// What is wrong with it; nothing where it is an address, but one without a host.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A token that no HTTP header can carry. The token itself is not told.
    #[error(
        "platform.token: holds characters that no HTTP header can carry; its source must hold the bare token and nothing else"
    )]
    Token,
    /// No certificates, or none that can be used.
    #[error(
        "TLS cannot be set up; install the system's CA certificates, or let SSL_CERT_FILE name them"
    )]
    Tls {
        /// What rustls said.
        source: rustls::Error,
    },
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built")]
    Client {
        /// What reqwest said.
        source: reqwest::Error,
    },
}

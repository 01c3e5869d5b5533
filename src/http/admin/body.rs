//! Bodies of the admin API: small, in time, JSON, and nothing in them that is not understood.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    http::StatusCode,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Problem;
use crate::telemetry::log::printable;

/// No order needs more, in bytes.
const AT_MOST: usize = 64 << 10;
const WITHIN: Duration = Duration::from_secs(10);

/// What `body` says; an empty one says `{}`.
pub(super) async fn json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let too_large = || {
        let detail = format!("the body is larger than {} KiB, which no order needs", AT_MOST >> 10);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    if body.size_hint().lower() > AT_MOST as u64 {
        return Err(too_large());
    }
    let bytes = match timeout(WITHIN, to_bytes(body, AT_MOST)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let detail = format!("the body did not come within {} s", WITHIN.as_secs());
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
        }
    };
    let text = if bytes.is_empty() { b"{}" } else { &*bytes };
    serde_json::from_slice(text).map_err(|error| {
        let detail = printable(&error.to_string());
        if error.is_data() {
            Problem::unprocessable(format!("the body is not what is expected: {detail}"))
        } else {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {detail}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_is_quoted_once_and_moves_no_cursor() {
        let said = async |body: &'static str| json::<bool>(Body::from(body)).await.unwrap_err();
        assert!(said(r#""true""#).await.detail.contains(r#"string "true","#));
        let control = said(r#""\u001b[31m""#).await;
        assert!(!control.detail.contains('\u{1b}'), "{}", control.detail);
    }
}

//! Reading a body within its bounds, and past them where a client has to be let finish.

use std::{pin::pin, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::{sleep, timeout};

use super::BodyLimits;

/// So much of a body that is too large is read on after the answer, in bytes.
const MAX_SWALLOWED: usize = 32 << 20;
/// So much is set aside for a body before it comes, in bytes.
const FIRST_ROOM: usize = 16 << 10;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// By its declared length, or on the way.
    TooLarge,
    /// Not whole in time.
    TooSlow,
    /// It ended before its end, or its chunks make no sense.
    Broken,
}

/// Reads a body; what is left of one that was not read is given back.
pub(super) async fn read(mut body: Body, limits: BodyLimits) -> Result<Bytes, (Unread, Body)> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limits.bytes {
        return Err((Unread::TooLarge, body));
    }
    let mut bytes = BytesMut::with_capacity(declared.min(FIRST_ROOM));
    let mut time = pin!(sleep(limits.within));
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = time.as_mut() => return Err((Unread::TooSlow, body)),
        };
        match frame {
            None => return Ok(bytes.freeze()),
            Some(Err(_)) => return Err((Unread::Broken, body)),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                if data.len() > limits.bytes - bytes.len() {
                    return Err((Unread::TooLarge, body));
                }
                bytes.extend_from_slice(&data);
            }
        }
    }
}

/// Reads on after an early answer, up to 32 MiB and for so long: a client that is still sending when
/// its connection is closed would lose the answer.
pub(super) async fn swallow(mut body: Body, within: Duration) {
    let swallowing = async {
        let mut left = MAX_SWALLOWED;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(size) else {
                break;
            };
            left = rest;
        }
    };
    // Over in time or not: the body is dropped, and with it the connection is closed.
    drop(timeout(within, swallowing).await);
}

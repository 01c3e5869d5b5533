//! Carries webhooks: one courier a call with something to send, so that a call's deliveries leave
//! in the order they were posted.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderName, HeaderValue, Method, Request, StatusCode, header},
};
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use sha2::Sha256;
use tokio::time::timeout;

use super::{
    clock::{self, Micros},
    fault::Encoding,
    journal,
    shared::Shared,
};

/// The pooled HTTP client of all couriers.
pub(super) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

/// One attempt to come.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) webhook: String,
    /// Its entry in the platform's delivery log.
    pub(super) log: Option<u64>,
    pub(super) event: String,
    pub(super) call: String,
    pub(super) agent: String,
    pub(super) body: String,
    pub(super) attempt: u32,
    pub(super) faults: Vec<String>,
}

/// An attempt ready to leave: addressed and signed.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) seq: u64,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) patience: Duration,
}

/// How a body is signed.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    pub(super) header: String,
    pub(super) prefix: String,
    pub(super) encoding: Encoding,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) at: Micros,
    pub(super) took: Duration,
    pub(super) result: Result<(u16, String), String>,
}

pub(super) fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(5))
        .build_http()
}

/// Sends what a call has to send, until nothing is left or the sim stops.
pub(super) async fn serve(shared: Arc<Shared>, call: String) {
    let stopping = shared.stopping.clone();
    stopping.run_until_cancelled(async { while step(&shared, &call).await {} }).await;
}

/// Sends a call's next delivery, once a worker is free. False: there is none.
async fn step(shared: &Arc<Shared>, call: &str) -> bool {
    let _worker = shared.workers.acquire().await;
    let next = shared.act(|world| world.next_parcel(call, clock::now()));
    let Some((delivery, parcel)) = next else { return false };
    let receipt = carry(shared, parcel).await;
    shared.act(|world| world.settle(delivery, &receipt));
    true
}

/// Sends one parcel and records what came of it.
pub(super) async fn carry(shared: &Arc<Shared>, parcel: Parcel) -> Receipt {
    let (seq, started) = (parcel.seq, clock::now());
    let patience = parcel.patience;
    let result = match timeout(patience, send(&shared.client, parcel)).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {patience:?}")),
    };
    let at = clock::now();
    let receipt = Receipt { at, took: clock::until(at, started), result };
    shared.act(|world| world.receipt(seq, &receipt));
    receipt
}

async fn send(client: &Client, parcel: Parcel) -> Result<(u16, String), String> {
    let request = request(parcel)?;
    let response = client.request(request).await.map_err(|error| with_cause(&error))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), 64 * 1024).collect().await;
    let body = body.map(|body| journal::excerpt(&body.to_bytes())).unwrap_or_default();
    Ok((status, body))
}

fn request(parcel: Parcel) -> Result<Request<Full<Bytes>>, String> {
    let method = Method::from_bytes(parcel.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut request = Request::builder()
        .method(method)
        .uri(parcel.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "Talkover-Webhook/1.0");
    for (name, value) in parcel.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("bad header name {name:?}"))?;
        let value: HeaderValue = value.parse().map_err(|_| format!("bad value of {name}"))?;
        request = request.header(name, value);
    }
    request.body(Full::from(parcel.body)).map_err(|error| error.to_string())
}

fn with_cause(error: &legacy::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

impl Seal {
    /// The header that signs a body.
    pub(super) fn sign(&self, secret: &str, body: &str) -> (String, String) {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(body.as_bytes());
        let digest = mac.finalize().into_bytes();
        let spelt = match self.encoding {
            Encoding::Hex => HEXLOWER.encode(&digest),
            Encoding::UpperHex => HEXUPPER.encode(&digest),
            Encoding::Base64 => BASE64.encode(&digest),
        };
        (self.header.clone(), format!("{}{spelt}", self.prefix))
    }
}

impl Receipt {
    pub(super) fn status(&self) -> Option<u16> {
        self.result.as_ref().ok().map(|(status, _)| *status)
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        let code = self.status().and_then(|status| StatusCode::from_u16(status).ok());
        code.is_some_and(|code| code.is_success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_hmac_sha256_over_the_raw_body() {
        let seal = |encoding| Seal { header: "X".into(), prefix: "sha256=".into(), encoding };
        // RFC 4231, test case 2.
        let (secret, body) = ("Jefe", "what do ya want for nothing?");
        let (header, hex) = seal(Encoding::Hex).sign(secret, body);
        let digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!((header.as_str(), hex), ("X", format!("sha256={digest}")));
        let (_, base64) = seal(Encoding::Base64).sign(secret, body);
        assert_eq!(base64, "sha256=W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }
}

//! Webhooks by hand, signed as the platform signs them, or wrongly.

use std::net::SocketAddr;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Answer, Request, config::secret};

/// How a signature is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Encoding {
    Hex,
    Base64,
}

/// The HMAC-SHA256 of a body.
pub(crate) fn sign(secret: &str, body: &[u8], encoding: Encoding) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let mac = mac.finalize().into_bytes();
    match encoding {
        Encoding::Hex => HEXLOWER.encode(&mac),
        Encoding::Base64 => BASE64.encode(&mac),
    }
}

/// A webhook on its way: `POST /webhooks/talkover`, signed with the config's secret in hex in a
/// header `Signature`, unless said otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    addr: SocketAddr,
    request: Request,
    signature: Option<(String, String, Encoding, String)>,
}

impl Webhook {
    pub(crate) fn to(addr: SocketAddr) -> Self {
        let secret = secret("webhook-secret").to_owned();
        let signature = ("Signature".to_owned(), secret, Encoding::Hex, String::new());
        Self {
            addr,
            request: Request::new("POST", "/webhooks/talkover"),
            signature: Some(signature),
        }
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.request.method);
        self
    }

    /// What follows `/webhooks/talkover`, its slash included.
    pub(crate) fn path(mut self, rest: &str) -> Self {
        self.request.target = format!("/webhooks/talkover{rest}");
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn unsigned(mut self) -> Self {
        self.signature = None;
        self
    }

    /// Signs in another header.
    pub(crate) fn signed_in(mut self, header: &str, encoding: Encoding, prefix: &str) -> Self {
        let (_, secret, ..) = self.signature.take().unwrap();
        self.signature = Some((header.to_owned(), secret, encoding, prefix.to_owned()));
        self
    }

    /// Signs with another secret.
    pub(crate) fn signed_with(mut self, secret: &str) -> Self {
        if let Some(signature) = &mut self.signature {
            secret.clone_into(&mut signature.1);
        }
        self
    }

    /// The request with its signature.
    pub(crate) fn request(&self) -> Request {
        let request = self.request.clone();
        match &self.signature {
            None => request,
            Some((header, secret, encoding, prefix)) => {
                let signature = sign(secret, &request.body, *encoding);
                request.header(header, format!("{prefix}{signature}"))
            }
        }
    }

    /// The bytes of the request, to be cut or spoilt.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.request().bytes(self.addr)
    }

    pub(crate) async fn send(&self) -> Answer {
        self.request().send(self.addr).await
    }
}

/// The body of an event, `kind` being `phone_call_started` or the like, of `agent-1`, without a time.
pub(super) fn event(kind: &str, call: &str) -> Value {
    json!({"event": format!("event_{kind}"), "call_id": call, "agent_id": "agent-1"})
}

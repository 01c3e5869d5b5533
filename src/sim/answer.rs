//! What the platform says when it says no: every shape of error body the contract knows.

use axum::{
    Json,
    body::Body,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};

use super::fault::Refused;

/// A refusal, before its body has taken a shape.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) details: Value,
    pub(super) shape: Shape,
    /// The contract fixes this body: no other shape is drawn for it.
    pub(super) is_documented: bool,
}

/// The shapes of error bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Message,
    Code,
    ErrorObject,
    SuccessErrorObject,
    ErrorWord,
    Bare,
    Errors,
    SuccessErrors,
    ErrorsList,
    DetailsOnTop,
    ExistingCall,
}

impl Shape {
    pub(super) const ALL: [Self; 11] = [
        Self::Message,
        Self::Code,
        Self::ErrorObject,
        Self::SuccessErrorObject,
        Self::ErrorWord,
        Self::Bare,
        Self::Errors,
        Self::SuccessErrors,
        Self::ErrorsList,
        Self::DetailsOnTop,
        Self::ExistingCall,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Code => "code",
            Self::ErrorObject => "error-object",
            Self::SuccessErrorObject => "success-error-object",
            Self::ErrorWord => "error-word",
            Self::Bare => "bare",
            Self::Errors => "errors",
            Self::SuccessErrors => "success-errors",
            Self::ErrorsList => "errors-list",
            Self::DetailsOnTop => "details-on-top",
            Self::ExistingCall => "existing-call",
        }
    }

    fn body(self, refusal: &Refusal) -> Value {
        let Refusal { status, code, message, details, .. } = refusal;
        let error = json!({"code": code, "message": message, "details": details});
        let errors = json!({"request": [message]});
        match self {
            Self::Message => json!({"success": false, "message": message}),
            Self::Code => json!({"success": false, "message": message, "code": code}),
            Self::ErrorObject => json!({"error": error}),
            Self::SuccessErrorObject => json!({"success": false, "error": error}),
            Self::ErrorWord => json!({"error": code, "message": message, "status_code": status}),
            Self::Bare => json!({"message": message}),
            Self::Errors => json!({"message": message, "errors": errors}),
            Self::SuccessErrors => json!({"success": false, "message": message, "errors": errors}),
            Self::ErrorsList => json!({"success": false, "message": message, "errors": [message]}),
            Self::DetailsOnTop => {
                json!({"success": false, "message": message, "code": code, "details": details})
            }
            Self::ExistingCall => json!({
                "success": false, "message": message, "code": code, "details": details,
                "existing_call": {"id": "call-before", "status": "answered"},
            }),
        }
    }
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: &str, shape: Shape) -> Self {
        let (message, details) = (message.to_owned(), json!({}));
        Self { status, code, message, details, shape, is_documented: false }
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(401, "UNAUTHENTICATED", "Unauthenticated.", Shape::ErrorWord)
    }

    pub(super) fn unknown_agent() -> Self {
        let message = "Agent not found in this environment.";
        Self::new(404, "AGENT_NOT_FOUND", message, Shape::Message)
    }

    pub(super) fn unknown_call() -> Self {
        let message = "Call not found for this agent";
        let refusal = Self::new(404, "CALL_NOT_FOUND", message, Shape::Message);
        Self { is_documented: true, ..refusal }
    }

    pub(super) fn not_active() -> Self {
        let refusal = Self::new(409, "CALL_NOT_ACTIVE", "Call is not active", Shape::Code);
        Self { is_documented: true, ..refusal }
    }

    pub(super) fn unknown_route(path: &str) -> Self {
        let message = format!("The route {path} could not be found.");
        Self::new(404, "NOT_FOUND", &message, Shape::Bare)
    }

    pub(super) fn unprocessable(message: &str) -> Self {
        Self::new(422, "VALIDATION_ERROR", message, Shape::Errors)
    }

    /// A quota's refusal; without a hint it has the shortest body there is.
    pub(super) fn rate_limited(retry_after: Option<u64>) -> Self {
        let Some(seconds) = retry_after else {
            return Self::new(429, "RATE_LIMIT_EXCEEDED", "Rate limit exceeded", Shape::Message);
        };
        let message = format!("Rate limit exceeded. Try again in {seconds} seconds.");
        let refusal = Self::new(429, "RATE_LIMIT_EXCEEDED", &message, Shape::ErrorObject);
        Self { details: json!({"retry_after": seconds}), ..refusal }
    }

    pub(super) fn of(refused: Refused, path: &str, rng: &mut fastrand::Rng) -> Self {
        match refused {
            Refused::Unauthorized => Self::unauthenticated(),
            Refused::TokenExpired => {
                let message = "The token has expired.";
                Self::new(401, "TOKEN_EXPIRED", message, Shape::SuccessErrorObject)
            }
            Refused::PaymentRequired => {
                Self::new(402, "INSUFFICIENT_CREDITS", "Insufficient credits", Shape::Code)
            }
            Refused::Forbidden => {
                Self::new(403, "FORBIDDEN", "This action is unauthorized.", Shape::Bare)
            }
            Refused::UnknownRoute => Self::unknown_route(path),
            Refused::UnknownAgent => Self::unknown_agent(),
            Refused::UnknownCall => Self::unknown_call(),
            Refused::NotActive => Self::not_active(),
            Refused::Unprocessable => Self::unprocessable("The given data was invalid."),
            Refused::RateLimited => Self::rate_limited(Some(1)),
            Refused::ServerError => Self::status(*[500, 502, 503, 504].choose(rng)),
            Refused::Status(status) => Self::status(status),
        }
    }

    fn status(status: u16) -> Self {
        let reason = StatusCode::from_u16(status).ok().and_then(|known| known.canonical_reason());
        Self::new(status, "ERROR", reason.unwrap_or("Something went wrong"), Shape::Bare)
    }
}

trait Choose<T> {
    fn choose(&self, rng: &mut fastrand::Rng) -> &T;
}

impl<T, const N: usize> Choose<T> for [T; N] {
    fn choose(&self, rng: &mut fastrand::Rng) -> &T {
        &self[rng.usize(..N)]
    }
}

/// Draws one of all shapes.
pub(super) fn any_shape(rng: &mut fastrand::Rng) -> Shape {
    *Shape::ALL.choose(rng)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, Json(self.shape.body(&self))).into_response();
        // Kept beside the body: the gate may yet give it another shape.
        response.extensions_mut().insert(self);
        response
    }
}

/// 200 with a page for a browser.
pub(super) fn html_page() -> Response {
    Html("<!DOCTYPE html><html><head><title>Talkover</title></head><body>Welcome</body></html>")
        .into_response()
}

/// The 404 of some web server that has never heard of the platform.
pub(super) fn foreign_not_found() -> Response {
    let page = "<html><head><title>404 Not Found</title></head><body><center>nginx</center></body>";
    (StatusCode::NOT_FOUND, Html(page)).into_response()
}

/// Where Laravel sends whom it does not know and takes for a browser.
pub(super) fn login_redirect() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "/login")], Html("Redirecting to /login"))
        .into_response()
}

pub(super) fn success_false() -> Response {
    Json(json!({"success": false, "message": "Something went wrong"})).into_response()
}

/// No answer at all: the server cuts the connection when it meets this mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut;

pub(super) fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

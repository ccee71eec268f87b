//! Errors of the HTTP API as problem documents (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::Denied;
use crate::chat::{Code, Failure};
use crate::close::Close;

/// An error answer: a status, and one sentence that says what to do.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    /// What `Retry-After` says, where it is not what it says by default.
    retry_s: Option<u64>,
}

impl Problem {
    /// `detail` goes to the client: never a cause from inside the server.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            detail: detail.into(),
            retry_s: None,
        }
    }

    /// The HTTP face of a failure of a chat.
    pub(crate) fn from_chat(failure: &Failure) -> Problem {
        let status = match failure.code {
            Code::BadRequest => StatusCode::BAD_REQUEST,
            Code::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::TooFast => StatusCode::TOO_MANY_REQUESTS,
            Code::Away => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem {
            retry_s: failure.retry_ms.map(|ms| ms.div_ceil(1_000)),
            ..Problem::new(status, failure.hint.as_str())
        }
    }

    /// The HTTP face of a close.
    pub fn from_close(close: Close) -> Problem {
        let status = match close {
            Close::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Close::Protocol | Close::TextFrame | Close::BadFrame(_) | Close::Flood => StatusCode::BAD_REQUEST,
            Close::Pending | Close::StaleEpoch => StatusCode::CONFLICT,
            Close::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Close::Restart | Close::TryLater(_) | Close::NoProgress | Close::AuthTimeout => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Close::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Close::Forbidden(_) => StatusCode::FORBIDDEN,
        };
        Problem::new(status, close.reason())
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        Problem::from_close(denied.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

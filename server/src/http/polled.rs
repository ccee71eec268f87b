//! `/v1/sessions/{session}`: the native dialect without WebSockets (HT1 to HT4).

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::problem::Problem;
use crate::app::App;
use crate::close::Close;
use crate::polled::Fault;
use crate::socket;

/// Length of a session's name, in characters: too many to guess.
const NAME_LENGTHS: std::ops::RangeInclusive<usize> = 22..=64;

/// Which of a session's frames or fetches it is, from 1.
#[derive(Deserialize)]
pub(super) struct Numbered {
    n: u64,
}

/// `POST`: what the client says. The first one opens the session.
pub(super) async fn say(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(Numbered { n }): Query<Numbered>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    check(&app, &name, &headers)?;
    let frame =
        body.map_err(|_| Problem::from_close(Close::TooLarge("the body is larger than frame_bytes_max")))?;
    if n == 1 && app.hub().is_stopping() {
        return Err(Problem::from_close(Close::Restart));
    }
    let polled = app.polled().of(&app, &name, n == 1).map_err(problem)?;
    polled.take(n, frame).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET`: what the client is to hear.
pub(super) async fn fetch(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(Numbered { n }): Query<Numbered>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check(&app, &name, &headers)?;
    let polled = app.polled().of(&app, &name, false).map_err(problem)?;
    let body = polled.fetch(n).await.map_err(problem)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body).into_response())
}

/// `DELETE`: the client leaves.
pub(super) async fn end(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check(&app, &name, &headers)?;
    app.polled().end(&name);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check(app: &App, name: &str, headers: &HeaderMap) -> Result<(), Problem> {
    socket::check_origin(app, headers)?;
    let is_name = NAME_LENGTHS.contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_name {
        Ok(())
    } else {
        let detail = "a session's name is 22 to 64 letters, digits, - and _, drawn at random";
        Err(Problem::new(StatusCode::BAD_REQUEST, detail))
    }
}

fn problem(fault: Fault) -> Problem {
    match fault {
        Fault::Gone => Problem::new(
            StatusCode::GONE,
            "there is no such session any more; begin another one",
        ),
        Fault::OutOfStep => Problem::new(
            StatusCode::CONFLICT,
            "numbers go up by one; begin another session",
        ),
        Fault::TooEarly => Problem::from_close(Close::AuthTimeout),
        Fault::Full => Problem::from_close(Close::TryLater("too many sessions; come back later")),
    }
}

//! Whether this node lives, is well, and should get traffic; and its metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::app::App;

/// The process answers. A red store does not make this red: a restart would throw the backlog away.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Everything works, the store included.
pub(super) async fn health(State(app): State<App>) -> Response {
    match app.saver().trouble() {
        Some(trouble) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, trouble).into_response(),
        None => "ok\n".into_response(),
    }
}

/// New clients should be sent here.
pub(super) async fn ready(State(app): State<App>) -> Response {
    if app.hub().is_stopping() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping").into_response();
    }
    health(State(app)).await
}

/// Prometheus text.
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        app.render_metrics(),
    )
}

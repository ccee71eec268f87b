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

/// Everything works, the stores included.
pub(super) async fn health(State(app): State<App>) -> Response {
    let of_blobs = app
        .blobs()
        .filter(|blobs| blobs.is_away())
        .map(|_| "the blob store is out of reach; large documents that sleep do not open until it is back");
    answer(app.saver().trouble().or(of_blobs))
}

fn answer(trouble: Option<&'static str>) -> Response {
    match trouble {
        Some(trouble) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, trouble).into_response(),
        None => "ok\n".into_response(),
    }
}

/// New clients should be sent here. Also without the blob store: it is the same for all nodes, and most documents do not need it.
pub(super) async fn ready(State(app): State<App>) -> Response {
    if app.hub().is_stopping() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping").into_response();
    }
    answer(app.saver().trouble())
}

/// Prometheus text.
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        app.render_metrics(),
    )
}

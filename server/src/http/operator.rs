//! What operators ask of a node, `/v1/...`: its drain, and the nodes of the cluster.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::problem::Problem;
use crate::app::App;
use crate::auth::Denied;
use crate::drain::Window;
use crate::socket;

/// What `POST /v1/drain` may hold. Nothing is everything as it is by default.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct DrainRequest {
    window_ms: Option<u64>,
}

/// `POST /v1/drain`: sends everybody away and takes nobody in. The process goes on; a signal ends it.
pub(super) async fn drain(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    authorize(&app, &uri, &headers)?;
    // Not before this: a stranger's body is not read.
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|rejection| Problem::new(rejection.status(), "the body could not be read"))?;
    let request = if body.is_empty() {
        DrainRequest::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the body is not as expected: {error}"),
            )
        })?
    };
    let window = match request.window_ms {
        Some(ms) => Window::from_ms(ms)
            .map_err(|bad| Problem::new(StatusCode::BAD_REQUEST, format!("window_ms: {bad}")))?,
        None => {
            app.registry().look_around().await;
            app.drain_window()
        }
    };
    app.drain().begin(window);
    Ok((StatusCode::ACCEPTED, Json(app.drain().status())).into_response())
}

/// `GET /v1/drain`: how far it is.
pub(super) async fn drain_status(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    authorize(&app, &uri, &headers)?;
    Ok(Json(app.drain().status()).into_response())
}

/// `GET /v1/nodes`: all nodes over the same store.
pub(super) async fn nodes(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    authorize(&app, &uri, &headers)?;
    match app.registry().nodes().await {
        Ok(nodes) => Ok(Json(serde_json::json!({ "nodes": nodes })).into_response()),
        Err(error) => {
            tracing::warn!(%error, "the nodes cannot be listed");
            let detail = "the store is away; ask again later";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        }
    }
}

/// An owner of every document may do it. Pages of foreign origins may not, on an open server either.
fn authorize(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    socket::check_origin(app, headers)?;
    let claims = app.auth().claims(socket::token_of(uri, headers).as_deref())?;
    if claims.is_operator() {
        Ok(())
    } else {
        Err(Denied::Role.into())
    }
}

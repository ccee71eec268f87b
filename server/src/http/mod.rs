//! Every address of the server, on one port.

mod health;
mod messages;
mod operator;
mod page;
mod polled;
pub mod problem;
mod sockets;
mod ysweet;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, header, request};
use axum::routing::{any, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::app::App;
use crate::limits::{BODY_PAUSE_MS_MAX, HTTP_BODY_BYTES_MAX};

/// The routes, by path first: a path tells the dialect.
pub fn router(app: App) -> Router {
    let frame_bytes_max = app.limits().frame_bytes_max;
    let updates = Router::new()
        .route("/d/{id}/update", post(ysweet::update))
        .route("/doc/{id}/update", post(ysweet::update))
        .layer(DefaultBodyLimit::max(frame_bytes_max));
    let ysweet = Router::new()
        .route("/doc/new", post(ysweet::create))
        .route("/doc/{id}/auth", post(ysweet::auth))
        .route("/d/{id}/as-update", get(ysweet::as_update))
        .route("/doc/{id}/as-update", get(ysweet::as_update))
        .route("/check_store", post(ysweet::check_store).get(ysweet::check_store))
        .route("/ready", get(ysweet::ready))
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX))
        .merge(updates);
    let polled = Router::new()
        .route(
            "/v1/sessions/{session}",
            post(polled::say).get(polled::fetch).delete(polled::end),
        )
        .layer(DefaultBodyLimit::max(frame_bytes_max));
    let operator = Router::new()
        .route("/v1/drain", post(operator::drain).get(operator::drain_status))
        .route("/v1/nodes", get(operator::nodes))
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX));
    let messages = Router::new()
        .route(
            "/v1/rooms/{room}/messages",
            get(messages::list).post(messages::post),
        )
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX));
    Router::new()
        .route("/", any(sockets::root))
        .route("/hocuspocus", any(sockets::hocuspocus))
        .route("/hocuspocus/", any(sockets::hocuspocus))
        .route("/v1/connect", any(sockets::native))
        .route("/yjs", any(sockets::yjs))
        .route("/yjs/", any(sockets::yjs))
        .route("/yjs/{*room}", any(sockets::yjs))
        .route("/d/{id}/ws/{again}", any(sockets::ysweet))
        .route("/doc/ws/{id}", any(sockets::ysweet_old))
        .merge(messages)
        .merge(ysweet)
        .merge(operator)
        .merge(polled)
        .route("/livez", get(health::live))
        .route("/healthz", get(health::health))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(sockets::fallback)
        .layer(RequestBodyTimeoutLayer::new(Duration::from_millis(
            BODY_PAUSE_MS_MAX,
        )))
        .layer(cors(&app))
        .layer(CatchPanicLayer::new())
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ))
        .with_state(app)
}

/// Pages of allowed origins may call the HTTP API; none of it works by cookie.
fn cors(app: &App) -> CorsLayer {
    let app = app.clone();
    CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .allow_origin(AllowOrigin::predicate(move |_, parts: &request::Parts| {
            app.origins().allows(&parts.headers)
        }))
}

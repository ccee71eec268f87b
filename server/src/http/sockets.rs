//! The addresses that become sockets: which path speaks which dialect.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use roomtone_crdt::Dialect;
use roomtone_persistence::DocId;

use super::page;
use super::problem::Problem;
use crate::app::App;
use crate::socket::{self, NoUpgrade, Upgrade};

/// The upgrade, if the request is one.
type MaybeUpgrade = Result<Upgrade, NoUpgrade>;

/// What the clients of our SDK offer.
const NATIVE_PROTOCOL: &str = "roomtone.v1";

/// `/`: a Hocuspocus socket, or the playground.
pub(super) async fn root(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upgrade: MaybeUpgrade,
) -> Response {
    match upgrade {
        Ok(upgrade) => open_multiplexed(&app, &headers, upgrade),
        Err(_) => page::file(&method, &uri),
    }
}

/// `/hocuspocus`: a Hocuspocus socket.
pub(super) async fn hocuspocus(
    State(app): State<App>,
    headers: HeaderMap,
    upgrade: MaybeUpgrade,
) -> Response {
    match upgrade {
        Ok(upgrade) => open_multiplexed(&app, &headers, upgrade),
        Err(no) => no.into_response(),
    }
}

/// `/yjs/{room}`: a y-websocket socket.
pub(super) async fn yjs(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: MaybeUpgrade,
) -> Response {
    let room = uri.path().strip_prefix("/yjs/").unwrap_or_default();
    match upgrade {
        Ok(upgrade) => open_yjs(&app, room, &uri, &headers, upgrade),
        Err(_) => inquire(&app, room, &uri, &headers),
    }
}

/// `/v1/connect`: a socket of the native dialect.
pub(super) async fn native(State(app): State<App>, headers: HeaderMap, upgrade: MaybeUpgrade) -> Response {
    if let Err(problem) = socket::check_origin(&app, &headers) {
        return problem.into_response();
    }
    match upgrade {
        Ok(upgrade) => match upgrade.with_protocol(&headers, NATIVE_PROTOCOL) {
            Some(upgrade) => socket::upgrade_native(&app, upgrade),
            None => {
                let detail = format!("this address speaks the WebSocket subprotocol {NATIVE_PROTOCOL}");
                Problem::new(StatusCode::BAD_REQUEST, detail).into_response()
            }
        },
        Err(no) => no.into_response(),
    }
}

/// A browser is not told why an upgrade was refused; a plain request to the same address is.
fn inquire(app: &App, room: &str, uri: &Uri, headers: &HeaderMap) -> Response {
    if let Err(problem) = socket::check_origin(app, headers) {
        return problem.into_response();
    }
    let name = socket::decode_percent(room).and_then(|name| DocId::in_default_tenant(&name).ok());
    let Some(doc) = name else {
        return Problem::new(StatusCode::BAD_REQUEST, "the room name cannot be used").into_response();
    };
    let claims = app.auth().claims(socket::token_of(uri, headers).as_deref());
    match claims.and_then(|claims| claims.role_in(&doc)) {
        Ok(_) => NoUpgrade.into_response(),
        Err(denied) => socket::refuse(denied),
    }
}

/// Every other address: a y-websocket socket whose server URL is the root, or a file of the playground.
pub(super) async fn fallback(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upgrade: MaybeUpgrade,
) -> Response {
    let room = uri.path().trim_start_matches('/');
    match upgrade {
        Ok(upgrade) => open_yjs(&app, room, &uri, &headers, upgrade),
        Err(_) => page::file(&method, &uri),
    }
}

/// `/d/{id}/ws/{id}`: a y-sweet socket. The id stands there twice and must be the same.
pub(super) async fn ysweet(
    State(app): State<App>,
    Path((id, again)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: MaybeUpgrade,
) -> Response {
    if id != again {
        let detail = "the two document ids of the path differ";
        return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    }
    match upgrade {
        Ok(upgrade) => open_ysweet(&app, &id, &uri, &headers, upgrade),
        Err(no) => no.into_response(),
    }
}

/// `/doc/ws/{id}`: the same, as older y-sweet clients ask for it.
pub(super) async fn ysweet_old(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: MaybeUpgrade,
) -> Response {
    match upgrade {
        Ok(upgrade) => open_ysweet(&app, &id, &uri, &headers, upgrade),
        Err(no) => no.into_response(),
    }
}

fn open_multiplexed(app: &App, headers: &HeaderMap, upgrade: Upgrade) -> Response {
    match socket::check_origin(app, headers) {
        Ok(()) => socket::upgrade_multiplexed(app, upgrade),
        Err(problem) => problem.into_response(),
    }
}

/// `room` is as it came over the wire: it is decoded once, here.
fn open_yjs(app: &App, room: &str, uri: &Uri, headers: &HeaderMap, upgrade: Upgrade) -> Response {
    if let Err(problem) = socket::check_origin(app, headers) {
        return problem.into_response();
    }
    let Some(name) = socket::decode_percent(room) else {
        return Problem::new(StatusCode::BAD_REQUEST, "the room name is not UTF-8").into_response();
    };
    let claims = app.auth().claims(socket::token_of(uri, headers).as_deref());
    socket::upgrade_single(app, upgrade, Dialect::YWebsocket, &name, claims)
}

fn open_ysweet(app: &App, id: &str, uri: &Uri, headers: &HeaderMap, upgrade: Upgrade) -> Response {
    if let Err(problem) = socket::check_origin(app, headers) {
        return problem.into_response();
    }
    let claims = app.auth().claims(socket::token_of(uri, headers).as_deref());
    socket::upgrade_single(app, upgrade, Dialect::YSweet, id, claims)
}

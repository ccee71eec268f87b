//! The HTTP half of the y-sweet dialect: documents, client tokens, reading and writing whole updates.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use roomtone_crdt::Update;
use roomtone_persistence::DocId;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::problem::Problem;
use crate::app::App;
use crate::auth::{Claims, Denied, Role};
use crate::close::Close;
use crate::room::Ask;
use crate::socket;

/// How long a client token lasts when nobody says otherwise, in seconds.
const TOKEN_SECONDS: u64 = 3_600;
/// The longest life of a client token, in seconds: a day.
const TOKEN_SECONDS_MAX: u64 = 24 * 3_600;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewDoc {
    doc_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AuthRequest {
    authorization: Authorization,
    user_id: Option<String>,
    valid_for_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Authorization {
    #[default]
    Full,
    ReadOnly,
}

/// What a y-sweet client needs to connect.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientToken {
    url: String,
    base_url: String,
    doc_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    authorization: Authorization,
}

/// `POST /doc/new`: a document id, the caller's own or a fresh one. Nothing is written before somebody edits.
pub(super) async fn create(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let request: NewDoc = read_json(&read_body(request).await?)?;
    let id = request
        .doc_id
        .unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    let doc = doc_id(&id)?;
    authorize(&app, &uri, &headers, &doc, Role::Owner)?;
    Ok(Json(serde_json::json!({ "docId": id })).into_response())
}

/// `POST /doc/{id}/auth`: a client token for one document.
pub(super) async fn auth(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let doc = doc_id(&id)?;
    let claims = authorize(&app, &uri, &headers, &doc, Role::Owner)?;
    let request: AuthRequest = read_json(&read_body(request).await?)?;
    let seconds = request
        .valid_for_seconds
        .unwrap_or(TOKEN_SECONDS)
        .min(TOKEN_SECONDS_MAX);
    let role = match request.authorization {
        Authorization::Full => Role::Editor,
        Authorization::ReadOnly => Role::Viewer,
    };
    let user = request.user_id.or(claims.user);
    // Without a name and without authentication there is nothing to bind, but a read-only link must bind.
    let needs_token = !app.auth().is_open() || user.is_some() || !role.writes();
    let token = needs_token.then(|| {
        app.auth().mint(
            user.as_deref().unwrap_or("anonymous"),
            &doc,
            role,
            Duration::from_secs(seconds),
        )
    });
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    let forwarded = headers
        .get("x-forwarded-proto")
        .and_then(|proto| proto.to_str().ok());
    let (ws, http) = if forwarded == Some("https") {
        ("wss", "https")
    } else {
        ("ws", "http")
    };
    let answer = ClientToken {
        url: format!("{ws}://{host}/d/{id}/ws"),
        base_url: format!("{http}://{host}/d/{id}"),
        doc_id: id,
        token,
        authorization: request.authorization,
    };
    Ok(Json(answer).into_response())
}

/// `GET /d/{id}/as-update`: the whole document as one update.
pub(super) async fn as_update(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let doc = doc_id(&id)?;
    authorize(&app, &uri, &headers, &doc, Role::Viewer)?;
    let (reply, answer) = oneshot::channel();
    let update = ask(&app, &doc, Ask::Snapshot(reply), answer).await?;
    Ok((
        [(header::CONTENT_TYPE, "application/octet-stream")],
        update.bytes().clone(),
    )
        .into_response())
}

/// `POST /d/{id}/update`: merges an update; answers when it is on the disk.
pub(super) async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let doc = doc_id(&id)?;
    let claims = authorize(&app, &uri, &headers, &doc, Role::Viewer)?;
    let role = claims
        .role_in(&doc)
        .map_err(|denied| Problem::new(StatusCode::FORBIDDEN, denied.reason()))?;
    // Not before this: a stranger's body is not read.
    let update = Update::check(read_body(request).await?).map_err(|refusal| {
        Problem::new(StatusCode::BAD_REQUEST, format!("not a Yjs v1 update: {refusal}"))
    })?;
    let (done, answer) = oneshot::channel();
    let user = claims.user.as_deref().map(Arc::from);
    ask(
        &app,
        &doc,
        Ask::Apply {
            update,
            user,
            role,
            done,
        },
        answer,
    )
    .await?;
    Ok(StatusCode::OK.into_response())
}

/// `/check_store`: whether the store takes writes.
pub(super) async fn check_store(State(app): State<App>) -> Response {
    Json(serde_json::json!({ "ok": app.saver().trouble().is_none() })).into_response()
}

/// `GET /ready`: as y-sweet's own server answers.
pub(super) async fn ready(State(app): State<App>) -> Response {
    Json(serde_json::json!({ "ok": !app.hub().is_stopping() })).into_response()
}

/// Asks the room and waits for its answer.
async fn ask<T>(
    app: &App,
    doc: &DocId,
    ask: Ask,
    answer: oneshot::Receiver<Result<T, Close>>,
) -> Result<T, Problem> {
    app.hub().ask(doc, ask).await.map_err(Problem::from_close)?;
    answer
        .await
        .unwrap_or(Err(Close::TryLater("the room is restarting; try again")))
        .map_err(Problem::from_close)
}

/// Reads a body, within the bounds of its route.
async fn read_body(request: Request) -> Result<Bytes, Problem> {
    Bytes::from_request(request, &()).await.map_err(|rejection| {
        let detail = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than this address takes",
            _ => "the body could not be read",
        };
        Problem::new(rejection.status(), detail)
    })
}

/// y-sweet sends no body, or an empty one, for defaults.
fn read_json<T: Default + serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the body is not as expected: {error}"),
        )
    })
}

fn doc_id(id: &str) -> Result<DocId, Problem> {
    DocId::in_default_tenant(id).map_err(|bad| Problem::new(StatusCode::BAD_REQUEST, bad.to_string()))
}

/// The caller's claims, if they reach `least` in this document.
fn authorize(app: &App, uri: &Uri, headers: &HeaderMap, doc: &DocId, least: Role) -> Result<Claims, Problem> {
    // A page anywhere can send a body of bytes to a server on its visitor's machine, and needs nobody's leave for it.
    socket::check_origin(app, headers)?;
    let claims = app.auth().claims(socket::token_of(uri, headers).as_deref())?;
    let role = claims.role_in(doc)?;
    if role < least {
        return Err(Denied::Role.into());
    }
    Ok(claims)
}

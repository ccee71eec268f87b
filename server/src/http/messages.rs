//! The chat of a room by HTTP, `/v1/rooms/{room}/messages`: for back ends, and for pages without a socket.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use roomtone_crdt::ConnectionId;
use roomtone_persistence::{ChatQuery, DocId};

use super::problem::Problem;
use crate::app::App;
use crate::chat::{Caller, Failure, Page, Post, message_answer, page_answer};
use crate::close::Close;
use crate::limits::CHAT_PAGE_DEFAULT_COUNT;
use crate::metrics;
use crate::socket;

/// No socket: all anonymous requests count as one.
const NO_SOCKET: ConnectionId = ConnectionId(0);

/// `GET`: with `after` what changed after that, oldest change first; else messages, newest first, before `before` and of `thread`.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = authorize(&app, &uri, &headers)?;
    let page = page_of(uri.query().unwrap_or_default())?;
    let is_resumed = matches!(page.query, ChatQuery::After(_));
    let page = counted(app.chat().page(&caller, page).await)?;
    Ok(json(page_answer(&page, is_resumed && page.has_more)))
}

/// `POST`: writes a message; answers when it is on the disk.
pub(super) async fn post(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let caller = authorize(&app, &uri, &headers)?;
    // Not before this: a stranger's body is not read.
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|rejection| Problem::new(rejection.status(), "the body could not be read"))?;
    let posted = match Post::parse(&body).and_then(Post::act) {
        Ok(act) => app.chat().change(&caller, act).await,
        Err(failure) => Err(failure),
    };
    Ok(json(message_answer(&counted(posted)?)))
}

fn counted<T>(answered: Result<T, Failure>) -> Result<T, Problem> {
    metrics::chat_call(
        answered
            .as_ref()
            .map_or_else(|failure| failure.code.as_str(), |_| "ok"),
    );
    answered.map_err(|failure| Problem::from_chat(&failure))
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Who may be in the room may read; what else may be done is judged where it is done.
fn authorize(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Problem> {
    socket::check_origin(app, headers)?;
    if app.hub().is_stopping() {
        return Err(Problem::from_close(Close::Restart));
    }
    let claims = app.auth().claims(socket::bearer_of(headers).as_deref())?;
    // As it came over the wire: it may hold an encoded slash, and is decoded once, here.
    let room = uri.path().strip_prefix("/v1/rooms/");
    let room = room.and_then(|rest| rest.strip_suffix("/messages"));
    let name = room.and_then(socket::decode_percent);
    let name = name.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "the room name is not UTF-8"))?;
    let doc = DocId::in_default_tenant(&name)
        .map_err(|bad| Problem::new(StatusCode::BAD_REQUEST, bad.to_string()))?;
    let role = claims.role_in(&doc)?;
    Ok(Caller {
        doc,
        member: None,
        user: claims
            .user
            .as_deref()
            .filter(|user| !user.is_empty())
            .map(Arc::from),
        name: claims.name.as_deref().map(Arc::from),
        role,
        socket: NO_SOCKET,
    })
}

fn page_of(query: &str) -> Result<Page, Problem> {
    let (mut after, mut before, mut thread, mut limit) = (None, None, None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = match name {
            "after" => &mut after,
            "before" => &mut before,
            "thread" => &mut thread,
            "limit" => &mut limit,
            _ => {
                let detail = "the query takes after, before, limit and thread";
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
            }
        };
        let number: u64 = value
            .parse()
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, format!("{name} is a number")))?;
        *place = Some(number);
    }
    let query = match (after, before, thread) {
        (Some(change), None, None) => ChatQuery::After(change),
        (None, seq, thread) => ChatQuery::Before { seq, thread },
        (Some(_), _, _) => {
            let detail = "after stands alone: without before and thread";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    let limit = limit.map_or(CHAT_PAGE_DEFAULT_COUNT, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    Ok(Page { query, limit })
}

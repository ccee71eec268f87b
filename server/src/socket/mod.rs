//! From an HTTP upgrade to a running socket, for every dialect.

mod connection;
mod frame;
mod multiplexed;
mod native;
mod single;
mod upgrade;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use roomtone_crdt::{Dialect, Stamp};
use roomtone_persistence::DocId;
use tokio::time::Instant;

use crate::app::App;
use crate::auth::{Claims, Denied};
use crate::close::Close;
use crate::http::problem::Problem;
use crate::listener::Meter;
use crate::metrics;
use crate::outbox::Outbox;
use multiplexed::Multiplexed;
pub(crate) use native::Native;
use single::Single;
pub(crate) use upgrade::{NoUpgrade, Upgrade};

/// What a socket's frames mean.
pub(crate) enum Session {
    /// One document: y-websocket and y-sweet.
    Single(Single),
    /// Many documents: Hocuspocus.
    Multiplexed(Box<Multiplexed>),
    /// Many documents: `roomtone.v1`.
    Native(Box<Native>),
}

/// Upgrades to a socket that carries one document.
pub(crate) fn upgrade_single(
    app: &App,
    upgrade: Upgrade,
    dialect: Dialect,
    name: &str,
    claims: Result<Claims, Denied>,
) -> Response {
    if let Some(refusal) = refuse_while_draining(app) {
        return refusal;
    }
    let doc = match DocId::in_default_tenant(name) {
        Ok(doc) => doc,
        Err(error) => return Problem::new(StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let granted = claims.and_then(|claims| claims.role_in(&doc).map(|role| (claims, role)));
    let (claims, role) = match granted {
        Ok(granted) => granted,
        Err(denied) => return refuse(denied),
    };
    open(app, upgrade, dialect, move |app, outbox, _| {
        Session::Single(Single::new(app, doc, dialect, claims, role, outbox))
    })
}

/// Upgrades to a socket that carries many documents and authenticates them one by one.
pub(crate) fn upgrade_multiplexed(app: &App, upgrade: Upgrade) -> Response {
    refuse_while_draining(app).unwrap_or_else(|| {
        open(app, upgrade, Dialect::Hocuspocus, |app, outbox, meter| {
            Session::Multiplexed(Box::new(Multiplexed::new(app, outbox, meter)))
        })
    })
}

/// Upgrades to a socket of the native dialect.
pub(crate) fn upgrade_native(app: &App, upgrade: Upgrade) -> Response {
    refuse_while_draining(app).unwrap_or_else(|| {
        open(app, upgrade, Dialect::Native, |app, outbox, meter| {
            Session::Native(Box::new(Native::new(app, outbox, meter)))
        })
    })
}

/// Says yes, and runs the session that `begin` makes once the socket is there.
fn open(
    app: &App,
    upgrade: Upgrade,
    dialect: Dialect,
    begin: impl FnOnce(App, Outbox, Meter) -> Session + Send + 'static,
) -> Response {
    let app = app.clone();
    upgrade.accept(app.limits().frame_bytes_max, move |wire| {
        let outbox = Outbox::new(app.limits().outbox_bytes_max);
        let entry = app.drain().clients().enter(outbox.clone());
        let session = begin(app, outbox.clone(), wire.meter());
        connection::run(wire, outbox, entry, session, dialect)
    })
}

/// In HTTP and not by a close: a balancer then asks another node, and the client notices nothing.
fn refuse_while_draining(app: &App) -> Option<Response> {
    if !app.hub().is_stopping() {
        return None;
    }
    metrics::refused_connection("draining");
    Some(Problem::from_close(Close::Restart).into_response())
}

/// A refusal as cheap as it gets: these clients come back for ever, whatever they are told.
pub(crate) fn refuse(denied: Denied) -> Response {
    metrics::refused_connection(if denied.is_unauthorized() {
        "unauthorized"
    } else {
        "forbidden"
    });
    Problem::from(denied).into_response()
}

/// Refuses pages of foreign origins.
pub(crate) fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    if app.origins().allows(headers) {
        return Ok(());
    }
    metrics::refused_connection("origin");
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "pages of this origin may not connect; the operator can name it with --allow-origin",
    ))
}

/// The token of a request: `token` or `yauth` in the query, else a bearer.
pub(crate) fn token_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    let from_query = query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name == "token" || name == "yauth").then(|| decode_percent(value).unwrap_or_default())
    });
    from_query
        .filter(|token| !token.is_empty())
        .or_else(|| bearer_of(headers))
}

/// The bearer token of a request.
pub(crate) fn bearer_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// Decodes `%xx` once. None when the result is no UTF-8.
pub(crate) fn decode_percent(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// What presence is stamped with: nothing for anonymous users.
fn stamp_of(claims: &Claims) -> Option<Stamp> {
    claims.user.clone().map(|id| Stamp {
        id,
        name: claims.name.clone(),
    })
}

/// When a socket with these claims has to show new ones.
fn expiry_of(claims: &Claims) -> Option<Instant> {
    // A year is for ever here, and keeps the sum within what an instant can hold.
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    claims
        .remaining()
        .map(|remaining| Instant::now() + remaining.min(YEAR))
}

/// A user id that rooms can share.
fn user_of(claims: &Claims) -> Option<Arc<str>> {
    claims.user.as_deref().map(Arc::from)
}

impl Session {
    /// What is to be done before the first frame.
    async fn begin(&mut self) -> Result<(), Close> {
        match self {
            Session::Single(single) => Box::pin(single.join()).await,
            Session::Multiplexed(_) | Session::Native(_) => Ok(()),
        }
    }

    /// When something is due without a frame.
    fn deadline(&self) -> Option<Instant> {
        match self {
            Session::Single(single) => single.deadline(),
            Session::Multiplexed(multiplexed) => multiplexed.deadline(),
            Session::Native(native) => native.deadline(),
        }
    }

    fn on_deadline(&mut self) -> Result<(), Close> {
        match self {
            Session::Single(single) => single.on_deadline(),
            Session::Multiplexed(multiplexed) => multiplexed.on_deadline(),
            Session::Native(native) => native.on_deadline(),
        }
    }

    async fn receive(&mut self, frame: Bytes) -> Result<(), Close> {
        match self {
            Session::Single(single) => single.receive(frame).await,
            // Boxed: sockets of one document would keep the space for it.
            Session::Multiplexed(multiplexed) => Box::pin(multiplexed.receive(frame)).await,
            Session::Native(native) => Box::pin(native.receive(frame)).await,
        }
    }

    /// Leaves every room.
    fn leave(&mut self) {
        match self {
            Session::Single(single) => single.leave(),
            Session::Multiplexed(multiplexed) => multiplexed.leave(),
            Session::Native(native) => native.leave(),
        }
    }
}

//! A look with a fresh connection: what was called saved has to be there.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use roomtone_crdt::{ClientId, StateVector, Update};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::SYNC_PATIENCE;
use crate::connect::connect;
use crate::metrics::{Counter, Metrics};
use crate::scenario::Target;
use crate::wire::{Heard, Wire};

/// Looks with a fresh connection whether an edit that was called saved is there.
pub(super) async fn verify(
    wire: Wire,
    target: Arc<Target>,
    token: Option<Arc<str>>,
    edit: (ClientId, u32),
    metrics: Arc<Metrics>,
) {
    let looking = async {
        let url = wire.url(&target, token.as_deref());
        let mut socket = connect(&url, wire.subprotocol(), 0).await.ok()?;
        let step1 = wire.step1(&StateVector::default(), token.as_deref());
        let first = wire.auth(token.as_deref()).unwrap_or_else(|| step1.clone());
        socket.send(Message::Binary(first)).await.ok()?;
        while let Some(Ok(frame)) = socket.next().await {
            let Message::Binary(frame) = frame else { continue };
            for heard in wire.read(&frame).ok()? {
                match heard {
                    Heard::Authenticated => socket.send(Message::Binary(step1.clone())).await.ok()?,
                    Heard::Step2(update) => {
                        let update = Update::check(update).ok()?;
                        let has =
                            |range: &roomtone_crdt::ClockRange| range.client == edit.0 && range.to >= edit.1;
                        return Some(update.extent().structs.iter().any(has));
                    }
                    _ => {}
                }
            }
        }
        None
    };
    match timeout(SYNC_PATIENCE, looking).await {
        Ok(Some(true)) => {}
        Ok(Some(false)) => metrics.add(Counter::EarlyAcks, 1),
        Ok(None) | Err(_) => metrics.error("an acknowledgement could not be checked"),
    }
}

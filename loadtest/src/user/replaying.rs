//! Replaying a trace: at a rate as any other action, or as fast as the socket takes it.

use std::sync::Arc;

use bytes::Bytes;

use super::User;
use crate::pen::Pen;
use crate::replay::{Replay, Replays};
use crate::scenario::{Action, Kind, Speech};

/// Edits of one turn: then the socket is read again.
const TURN_EDITS_COUNT: usize = 64;
/// What goes out in one write when nothing waits for a clock, in bytes.
pub(super) const FLAT_OUT_WRITE_BYTES: usize = 16 * 1024;

/// A trace, and how far it is written.
pub(super) struct Replayer {
    replay: Arc<Replay>,
    action: Action,
    next: usize,
    is_told: bool,
}

/// Whether there is something to send without waiting for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// No.
    None,
    /// Yes.
    Now,
    /// When somebody has what is on its way.
    Waits,
}

impl Replayer {
    pub(super) fn of(actions: &[(Action, std::time::Instant)], replays: &Replays) -> Option<Replayer> {
        let action = actions
            .iter()
            .map(|(action, _)| action)
            .find(|action| action.kind == Kind::Replay)?;
        Some(Replayer {
            replay: replays.get(&action.trace)?,
            action: action.clone(),
            next: 0,
            is_told: false,
        })
    }

    pub(super) fn is_flat_out(&self) -> bool {
        self.action.is_flat_out
    }

    /// Writes the next edit: the update, and a clock that it deletes. None at the end.
    pub(super) fn next(&mut self, pen: &mut Pen) -> Option<(Vec<u8>, Option<u32>)> {
        let edit = self.replay.edit(self.next)?;
        self.next += 1;
        Some((pen.replay(&edit), edit.deletes.last().map(|(from, _)| *from)))
    }

    fn is_through(&self) -> bool {
        self.next >= self.replay.len()
    }
}

impl User {
    pub(super) fn haste(&self, is_synced: bool) -> Haste {
        match &self.replayer {
            Some(replayer) if replayer.is_flat_out() && is_synced && self.may_act() => {
                if replayer.is_through() && replayer.is_told {
                    Haste::None
                } else if replayer.is_through() || self.on_their_way() >= replayer.action.ahead {
                    Haste::Waits
                } else {
                    Haste::Now
                }
            }
            _ => Haste::None,
        }
    }

    /// Some edits more, as many as may be on their way, and the frames that say them.
    pub(super) fn act_flat_out(&mut self) -> Vec<Bytes> {
        let mut frames = Vec::new();
        let Some(action) = self.replayer.as_ref().map(|replayer| replayer.action.clone()) else {
            return frames;
        };
        for _ in 0..TURN_EDITS_COUNT {
            if self.haste(true) != Haste::Now {
                break;
            }
            self.acted += 1;
            self.perform(&action, &mut frames);
        }
        frames
    }

    /// Edits that nobody is known to have: in a dialect that says so those that are not saved, else those that have
    /// reached no reader. Who is alone, and hears of nothing, is held back by the socket alone.
    fn on_their_way(&self) -> usize {
        match self.wire.speech() {
            Speech::Hocuspocus | Speech::YSweet | Speech::Native => self.unsaved.len(),
            Speech::YWebsocket if self.brief.ledger.present() > 1 => {
                (self.sent_count as usize).saturating_sub(self.own.delivered())
            }
            Speech::YWebsocket => 0,
        }
    }

    /// Tells the run that the trace is through and has arrived.
    pub(super) fn tell_through(&mut self) {
        let is_idle = self.on_their_way() == 0;
        if let Some(replayer) = &mut self.replayer
            && !replayer.is_told
            && replayer.is_through()
            && is_idle
        {
            replayer.is_told = true;
            if !self.brief.ends_caught_up {
                // A run that is over has no use for it.
                let _ = self.brief.through.send(());
            }
        }
    }
}

//! A trace made ready: each transaction as the blocks and deletions of a Yjs update, all of it known before the run.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;

use crate::scenario::{Kind, Plan};
use crate::spans::{Neighbours, Spans};
use crate::trace::Trace;

/// A piece of text.
#[derive(Clone, Debug)]
struct Insert {
    /// Its first clock.
    clock: u32,
    /// Where it stands.
    between: Neighbours,
    /// Where in `text` it is, in bytes.
    text: Range<usize>,
}

/// Every edit of a trace. It belongs to no client yet: any number of virtual users write it, each under its own id.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// All that is ever inserted.
    text: String,
    inserts: Vec<Insert>,
    deletes: Vec<(u32, u32)>,
    /// How many inserts and deletions there are up to the end of each edit.
    ends: Vec<(usize, usize)>,
    /// The clock behind the last.
    clock: u32,
}

/// One edit.
pub struct Edit<'a> {
    replay: &'a Replay,
    inserts: &'a [Insert],
    /// Deleted clocks: the first of each piece, and the one behind its last.
    pub deletes: &'a [(u32, u32)],
}

/// A piece of text with its place.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its first clock.
    pub clock: u32,
    /// Where it stands.
    pub between: Neighbours,
    /// What it says.
    pub text: &'a str,
}

impl<'a> Edit<'a> {
    /// What it inserts, with clocks one behind the other.
    pub fn inserts(&self) -> impl ExactSizeIterator<Item = Piece<'a>> {
        let text = &self.replay.text;
        self.inserts.iter().map(move |one| Piece {
            clock: one.clock,
            between: one.between,
            text: &text[one.text.clone()],
        })
    }
}

/// Clocks of one document. Beyond, no Yjs server takes them.
const CLOCK_COUNT_MAX: usize = 1 << 31;

impl Replay {
    /// Finds the place of every patch. What a transaction leaves as it was is no edit.
    ///
    /// # Errors
    /// A patch lies outside of the text, or the trace is too long.
    pub fn of(trace: &Trace) -> anyhow::Result<Replay> {
        let mut replay = Replay::default();
        let mut spans = Spans::default();
        replay.insert(&mut spans, 0, &trace.start_content)?;
        replay.end();
        for (number, transaction) in trace.txns.iter().enumerate() {
            for patch in &transaction.patches {
                let (at, count) = (patch.0, patch.1);
                ensure!(
                    at.checked_add(count).is_some_and(|end| end <= spans.visible()),
                    "transaction {number}: the patch [{at}, {count}, …] is outside of a text of {} characters",
                    spans.visible()
                );
                spans.delete(at, count, |from, to| replay.deletes.push((from, to)));
                replay.insert(&mut spans, at, &patch.2)?;
            }
            replay.end();
        }
        ensure!(
            spans.visible() == trace.end_content.chars().count(),
            "its patches leave {} characters, and its endContent has {}",
            spans.visible(),
            trace.end_content.chars().count()
        );
        Ok(replay)
    }

    fn insert(&mut self, spans: &mut Spans, at: usize, text: &str) -> anyhow::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let units = text.encode_utf16().count();
        ensure!(
            self.clock as usize + units < CLOCK_COUNT_MAX,
            "it inserts more than a document can count"
        );
        let between = spans.insert(at, self.clock, text);
        let from = self.text.len();
        self.text.push_str(text);
        self.inserts.push(Insert {
            clock: self.clock,
            between,
            text: from..self.text.len(),
        });
        self.clock += units as u32;
        Ok(())
    }

    fn end(&mut self) {
        let end = (self.inserts.len(), self.deletes.len());
        if end != self.ends.last().copied().unwrap_or_default() {
            self.ends.push(end);
        }
    }

    /// How many edits there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One edit.
    pub fn edit(&self, place: usize) -> Option<Edit<'_>> {
        let end = self.ends.get(place)?;
        let begin = place.checked_sub(1).map_or((0, 0), |before| self.ends[before]);
        Some(Edit {
            replay: self,
            inserts: &self.inserts[begin.0..end.0],
            deletes: &self.deletes[begin.1..end.1],
        })
    }
}

/// The traces of a plan, each read once.
#[derive(Clone, Debug, Default)]
pub struct Replays {
    by_path: HashMap<String, Arc<Replay>>,
}

impl Replays {
    /// Reads what the plan names.
    ///
    /// # Errors
    /// A trace cannot be read or does not add up.
    pub fn load(plan: &Plan) -> anyhow::Result<Replays> {
        let mut by_path = HashMap::new();
        let actions = plan.scenarios.iter().flat_map(|scenario| &scenario.actions);
        for action in actions.filter(|action| action.kind == Kind::Replay) {
            if !by_path.contains_key(&action.trace) {
                let trace = Trace::open(Path::new(&action.trace))?;
                let replay = Replay::of(&trace)
                    .map_err(|error| error.context(format!("the trace {}", action.trace)))?;
                by_path.insert(action.trace.clone(), Arc::new(replay));
            }
        }
        Ok(Replays { by_path })
    }

    /// One of them.
    pub fn get(&self, path: &str) -> Option<Arc<Replay>> {
        self.by_path.get(path).cloned()
    }
}

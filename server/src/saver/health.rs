//! Whether the store does one kind of work, as far as the last try of it showed.

use std::time::{Duration, Instant};

use roomtone_persistence::StoreError;

use crate::limits::COMMIT_SLOW_MS;

/// What is known of commits, or of syncs.
#[derive(Default)]
pub(super) struct Health {
    failing: Option<(Instant, String)>,
    running: Option<Instant>,
}

impl Health {
    /// A try begins.
    pub(super) fn begin(&mut self) {
        self.running = Some(Instant::now());
    }

    /// It ended, or the store was asked for nothing but this. Says in the log what is new.
    pub(super) fn end(&mut self, result: Result<(), &StoreError>) {
        self.running = None;
        match (result, self.failing.take()) {
            (Ok(()), None) => {}
            (Ok(()), Some((since, _))) => {
                let away_ms = since.elapsed().as_millis() as u64;
                tracing::info!(away_ms, "the store takes writes again");
            }
            (Err(error), known) => {
                let text = error.to_string();
                let since = match known {
                    Some((since, known)) if known == text => since,
                    Some((since, _)) => {
                        tracing::error!(error = %text, "the store still refuses a commit");
                        since
                    }
                    None => {
                        tracing::error!(error = %text, "the store refused a commit; it is tried again");
                        Instant::now()
                    }
                };
                self.failing = Some((since, text));
            }
        }
    }

    /// What is wrong, in words for an operator. None when nothing is.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        if self.failing.is_some() {
            return Some("the store does not take writes; nothing is acknowledged until it does");
        }
        let slow = Duration::from_millis(COMMIT_SLOW_MS);
        if self.running.is_some_and(|since| since.elapsed() > slow) {
            return Some("a commit has been running for more than 5 s");
        }
        None
    }
}

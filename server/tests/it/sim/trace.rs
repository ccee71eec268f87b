//! The history of one run: a number that two runs share only if everything happened in the same order, and lines to read.

use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How much of a history is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detail {
    /// None: the quickest.
    Nothing,
    /// Its hash.
    Hash,
    /// Its hash, and each line on the standard error as it happens.
    Lines,
}

/// What happened so far.
pub(crate) struct Trace {
    detail: Detail,
    hasher: DefaultHasher,
    lines_count: u64,
}

impl Trace {
    pub(crate) fn new(detail: Detail) -> Trace {
        Trace {
            detail,
            // Of fixed keys, unlike that of a map.
            hasher: DefaultHasher::new(),
            lines_count: 0,
        }
    }

    /// Something happened. The arguments are only put into words when somebody wants them.
    pub(crate) fn note(&mut self, now_ms: u64, what: Arguments<'_>) {
        if self.detail == Detail::Nothing {
            return;
        }
        let line = format!("{now_ms:>7} {what}");
        line.hash(&mut self.hasher);
        self.lines_count += 1;
        if self.detail == Detail::Lines {
            eprintln!("{line}");
        }
    }

    /// Of everything so far.
    pub(crate) fn hash(&self) -> (u64, u64) {
        (self.hasher.finish(), self.lines_count)
    }
}

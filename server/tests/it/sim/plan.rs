//! What a seed decides before anything happens: how many there are, which faults there may be, and how often.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// A kind of thing that goes wrong, or happens beside everything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The store fails, hangs, is slow, or is unclear about what it did.
    Store,
    /// One node cannot reach it.
    StoreCut,
    /// The bus loses, doubles, delays and reorders.
    Bus,
    /// One node is neither heard nor hears.
    BusCut,
    /// One node's connection to the bus is made anew.
    BusReset,
    /// Two nodes do not hear each other, and everyone else does.
    Partition,
    /// A node dies, and starts again.
    Crash,
    /// A node is stopped in order, and starts again.
    Stop,
    /// A node stands still, and goes on.
    Pause,
    /// A node's time of day jumps.
    Clock,
    /// A client loses its socket, one way or another.
    Leave,
    /// A client starts anew without its copy.
    Reload,
    /// A client does not read for a while.
    SlowReader,
    /// A client's line becomes slow, or quick.
    Late,
    /// A document is deleted.
    Delete,
    /// A node compacts a document.
    Compact,
}

const ALL: [Fault; 16] = [
    Fault::Store,
    Fault::StoreCut,
    Fault::Bus,
    Fault::BusCut,
    Fault::BusReset,
    Fault::Partition,
    Fault::Crash,
    Fault::Stop,
    Fault::Pause,
    Fault::Clock,
    Fault::Leave,
    Fault::Reload,
    Fault::SlowReader,
    Fault::Late,
    Fault::Delete,
    Fault::Compact,
];

/// The plan of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes_count: usize,
    pub(crate) clients_count: usize,
    pub(crate) docs_count: usize,
    /// A part of all there are: what is rare beside everything else shows when it is alone.
    pub(crate) faults: Vec<Fault>,
    pub(crate) fault_every_ms: u64,
    pub(crate) lasts_ms_max: u64,
    pub(crate) edit_every_ms: u64,
    /// How long things go wrong.
    pub(crate) meddles_ms: u64,
    pub(crate) step_ms_max: u64,
    pub(crate) outbox_bytes_max: usize,
    pub(crate) backlog_bytes_max: usize,
    pub(crate) relay_deadline_ms: u64,
    pub(crate) room_idle_ms: u64,
}

impl Plan {
    /// Whether a commit may take longer than edits wait for it. Then a y-websocket client that asks has to wait for its answer, and
    /// hears meanwhile what others do.
    pub(crate) fn may_stall(&self) -> bool {
        let stalls = [Fault::Store, Fault::StoreCut, Fault::Pause, Fault::Crash];
        self.relay_deadline_ms < 250 || self.faults.iter().any(|fault| stalls.contains(fault))
    }

    pub(crate) fn draw(random: &mut StdRng) -> Plan {
        let share = [0.2, 0.4, 0.7][random.random_range(0..3)];
        let pick = |random: &mut StdRng, of: &[u64]| *of.choose(random).expect("there are some");
        Plan {
            nodes_count: random.random_range(1..=3),
            clients_count: random.random_range(2..=5),
            docs_count: if random.random_bool(0.2) { 2 } else { 1 },
            faults: ALL.into_iter().filter(|_| random.random_bool(share)).collect(),
            fault_every_ms: pick(random, &[40, 100, 250]),
            lasts_ms_max: pick(random, &[100, 400, 1_500]),
            edit_every_ms: pick(random, &[60, 150, 400]),
            meddles_ms: random.random_range(600..2_500),
            step_ms_max: pick(random, &[3, 8, 15]),
            outbox_bytes_max: pick(random, &[150, 2_000, 1_000_000]) as usize,
            backlog_bytes_max: pick(random, &[2_000, 1_000_000, 1_000_000]) as usize,
            relay_deadline_ms: pick(random, &[0, 50, 250]),
            room_idle_ms: pick(random, &[50, 400, 3_000]),
        }
    }
}

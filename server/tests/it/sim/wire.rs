//! What is between the nodes: messages are lost, doubled, late and overtaken; nodes are cut off with or without a word.

use rand::Rng;
use rand::rngs::StdRng;
use roomtone_server::bus::Bus;
use roomtone_server::bus::memory::{Network, Packet};

use super::trace::Trace;

/// What goes wrong with messages.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Weather {
    pub(crate) lost_permille: u32,
    pub(crate) doubled_permille: u32,
    /// How late a message may be, in milliseconds: the more, the more overtake each other.
    pub(crate) late_ms_max: u64,
}

/// The bus between the nodes of a run.
pub(crate) struct Wire {
    network: Network,
    random: StdRng,
    pub(crate) weather: Weather,
    /// The bus of each run of each node, by the number that the network gives: which node it is.
    ends: Vec<(usize, Bus)>,
    /// The bus end of each node that runs.
    live: Vec<Option<usize>>,
    /// Pairs of nodes that do not hear each other, the smaller number first.
    pub(crate) parted: Vec<(usize, usize)>,
    /// Nodes that neither hear nor are heard.
    pub(crate) cut: Vec<bool>,
    flying: Vec<(u64, u64, Packet)>,
    sent_count: u64,
    pub(crate) published_bytes: u64,
}

impl Wire {
    pub(crate) fn new(seed: u64, random: StdRng, nodes_count: usize) -> Wire {
        let network = Network::new(seed);
        network.carry_by_hand();
        Wire {
            network,
            random,
            weather: Weather::default(),
            ends: Vec::new(),
            live: vec![None; nodes_count],
            parted: Vec::new(),
            cut: vec![false; nodes_count],
            flying: Vec::new(),
            sent_count: 0,
            published_bytes: 0,
        }
    }

    /// The bus of a node that starts.
    pub(crate) fn connect(&mut self, node: usize) -> Bus {
        let bus = self.network.node();
        self.live[node] = Some(self.ends.len());
        self.ends.push((node, bus.clone()));
        bus
    }

    /// A node dies: what it says from now on is never said.
    pub(crate) fn disconnect(&mut self, node: usize, now_ms: u64) {
        self.collect(now_ms);
        self.live[node] = None;
    }

    /// The connections of a node to the bus are made anew. What was on its way is lost, and its rooms are told.
    pub(crate) fn reset(&mut self, node: usize) {
        let Some(end) = self.live[node] else { return };
        self.flying.retain(|(_, _, packet)| packet.to() != end);
        self.network.tell_of_gap(self.ends[end].1.node());
    }

    /// Takes what nodes have said since the last call, and decides what becomes of each message.
    pub(crate) fn collect(&mut self, now_ms: u64) {
        for packet in self.network.take() {
            let (from, to) = (self.ends[packet.from()].0, self.ends[packet.to()].0);
            if self.live[from] != Some(packet.from()) || self.live[to] != Some(packet.to()) || from == to {
                // Its own words come back from a bus as well, and are left out by `Rooms::deliver`.
                continue;
            }
            self.published_bytes += packet.bytes_count() as u64;
            let is_parted = self.parted.contains(&(from.min(to), from.max(to)));
            if is_parted || self.cut[from] || self.cut[to] || self.happens(self.weather.lost_permille) {
                continue;
            }
            for _ in 0..=usize::from(self.happens(self.weather.doubled_permille)) {
                let late_ms = self.random.random_range(0..=self.weather.late_ms_max);
                self.sent_count += 1;
                self.flying
                    .push((now_ms + late_ms, self.sent_count, packet.clone()));
            }
        }
    }

    /// Brings what has arrived by `now_ms`.
    pub(crate) fn step(&mut self, now_ms: u64, trace: &mut Trace) {
        self.collect(now_ms);
        if self.flying.is_empty() {
            return;
        }
        let mut arrived: Vec<_> = self
            .flying
            .extract_if(.., |(at_ms, ..)| *at_ms <= now_ms)
            .collect();
        arrived.sort_by_key(|(at_ms, number, _)| (*at_ms, *number));
        for (_, number, packet) in arrived {
            let (from, to) = (self.ends[packet.from()].0, self.ends[packet.to()].0);
            if self.live[to] == Some(packet.to()) && !self.cut[to] {
                let bytes = packet.bytes_count();
                trace.note(
                    now_ms,
                    format_args!("bus #{number} n{from} > n{to} {bytes} bytes"),
                );
                self.network.deliver(&packet);
            }
        }
    }

    fn happens(&mut self, permille: u32) -> bool {
        permille > 0 && self.random.random_range(0..1_000) < permille
    }
}

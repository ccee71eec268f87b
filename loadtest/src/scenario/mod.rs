//! The scenario file: what is typed into it, checked as a whole before anything connects.

mod action;
mod check;

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;

use crate::threshold::Threshold;

pub use action::{Action, Kind, TRACE};
pub use check::VUS_COUNT_MAX;

/// A scenario file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is called in reports.
    pub name: String,
    /// What it shows, in a sentence.
    #[serde(default)]
    pub about: String,
    /// Seed of everything that is drawn.
    #[serde(default = "one")]
    pub seed: u64,
    /// What is measured before this counts in no trend, nor in the server's cost of a delivery, in seconds.
    #[serde(default)]
    pub warmup_s: f64,
    /// Longest wait for what is still on its way when all have stopped writing, in seconds.
    #[serde(default = "ten")]
    pub drain_s: f64,
    /// How many virtual users keep a real document, to compare all of them at the end.
    #[serde(default)]
    pub sample_docs: usize,
    /// Share of the acknowledgements that a fresh joiner checks, from 0 to 1.
    #[serde(default)]
    pub verify_acks: f64,
    /// Whether the run ends as soon as everybody who comes has caught up, and not with its durations.
    #[serde(default)]
    pub ends_caught_up: bool,
    /// Where the server is.
    #[serde(default)]
    pub target: Target,
    /// Conditions on metrics: `delivery_ms = ["p95<50"]`.
    #[serde(default)]
    pub thresholds: BTreeMap<String, Vec<Threshold>>,
    /// Who does what.
    #[serde(rename = "scenario")]
    pub scenarios: Vec<Scenario>,
}

/// Where the server is, and how one gets in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// `ws://host:port`.
    pub url: String,
    /// Path of a socket with `{room}` in it; each dialect has its own where this is not set.
    pub path: Option<String>,
    /// The token, as it is.
    pub token: Option<String>,
    /// Or: the HS256 secret to mint one with, for editors of all rooms.
    pub token_secret: Option<String>,
    /// Or: where to fetch one, once before the run, as `http://host:port/path`.
    pub token_url: Option<String>,
}

impl Default for Target {
    fn default() -> Target {
        Target {
            url: "ws://127.0.0.1:4000".to_owned(),
            path: None,
            token: None,
            token_secret: None,
            token_url: None,
        }
    }
}

/// A crowd that behaves alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called in reports.
    pub name: String,
    /// When it begins, in seconds.
    #[serde(default)]
    pub start_s: f64,
    /// How many come, and when.
    pub executor: Executor,
    /// What they speak.
    #[serde(default)]
    pub dialect: Speech,
    /// Room names, with `{n}` for the number of the room.
    #[serde(default = "room_template")]
    pub room: String,
    /// Over how many rooms they are spread.
    #[serde(default = "one_usize")]
    pub rooms: usize,
    /// What each of them does; nothing is reading.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Whether each does all of it, or one thing drawn by weight.
    #[serde(default)]
    pub choose: Choose,
    /// How they hold their connection.
    #[serde(default)]
    pub habit: Habit,
    /// Whether they send remote presence back, as y-websocket clients do.
    #[serde(default)]
    pub echo_presence: bool,
    /// Whether what they see counts in trends. What they sent counts at others all the same.
    #[serde(default = "yes")]
    pub measured: bool,
    /// They have not caught up before their document has so many clocks: how much an earlier run wrote.
    #[serde(default)]
    pub expect_clocks: u64,
}

/// How many come, and when, in the words of k6.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Executor {
    /// So many, all the time.
    ConstantVus {
        /// How many.
        vus: usize,
        /// How long, in seconds.
        duration_s: f64,
        /// Time over which their first connections are spread, in seconds.
        #[serde(default)]
        join_over_s: f64,
    },
    /// More and fewer, in stages.
    RampingVus {
        /// How many at the beginning.
        #[serde(default)]
        start_vus: usize,
        /// Where each stage goes.
        stages: Vec<Stage>,
    },
    /// So many new ones a second, each for a while.
    ConstantArrivalRate {
        /// Arrivals a second.
        rate_per_s: f64,
        /// How long arrivals go on, in seconds.
        duration_s: f64,
        /// How long each stays, in seconds.
        session_s: f64,
    },
    /// The same in stages; a stage's target is a rate.
    RampingArrivalRate {
        /// Arrivals a second at the beginning.
        #[serde(default)]
        start_rate_per_s: f64,
        /// Where each stage goes.
        stages: Vec<Stage>,
        /// How long each stays, in seconds.
        session_s: f64,
    },
    /// Each does so much, then only reads.
    PerVuIterations {
        /// How many.
        vus: usize,
        /// How often each acts.
        iterations: u64,
        /// How long at most, in seconds.
        duration_s: f64,
    },
}

/// A way from what was to `target`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How long it takes, in seconds.
    pub duration_s: f64,
    /// Where it goes: users, or arrivals a second.
    pub target: f64,
}

/// What a virtual user speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speech {
    /// As the y-websocket provider.
    #[default]
    YWebsocket,
    /// As the Hocuspocus provider.
    Hocuspocus,
    /// As the y-sweet client.
    YSweet,
    /// As the SDK, in `roomtone.v1`.
    Native,
}

/// Whether a virtual user does all actions or one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choose {
    /// All of them, each at its own rate.
    #[default]
    All,
    /// One, drawn by weight.
    ByWeight,
}

/// How a virtual user holds its connection.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Habit {
    /// It stays, and comes back when it is cut off.
    #[default]
    Stay,
    /// It drops the connection, works on without one, and returns with what it wrote.
    Away {
        /// From one drop to the next, in seconds.
        every_s: f64,
        /// How long it is away, in seconds.
        away_s: f64,
        /// Whether all of them drop at the same moment.
        #[serde(default)]
        together: bool,
    },
    /// It stops reading for a time.
    SlowReader {
        /// When, after it joined, in seconds.
        after_s: f64,
        /// For how long, in seconds.
        for_s: f64,
    },
}

fn one() -> u64 {
    1
}
fn yes() -> bool {
    true
}
fn one_usize() -> usize {
    1
}
fn ten() -> f64 {
    10.0
}
fn room_template() -> String {
    "load-{n}".to_owned()
}

impl Plan {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// What is wrong, with its line where it has one.
    pub fn parse(text: &str, file: &str) -> anyhow::Result<Plan> {
        let plan: Plan = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].matches('\n').count() + 1
            });
            anyhow::anyhow!("{file}:{line}: {}", error.message())
        })?;
        plan.check().with_context(|| file.to_owned())?;
        Ok(plan)
    }

    /// Puts a file where replays leave it open, by [`TRACE`].
    ///
    /// # Errors
    /// There is no file, and one is needed.
    pub fn set_trace(&mut self, file: Option<&str>) -> anyhow::Result<()> {
        for scenario in &mut self.scenarios {
            for action in scenario.actions.iter_mut().filter(|action| action.trace == TRACE) {
                file.context(
                    "this scenario replays a trace: name its file with --trace, or in ROOMTONE_TRACE",
                )?
                .clone_into(&mut action.trace);
            }
        }
        Ok(())
    }

    /// When the last scenario ends, in seconds.
    pub fn duration_s(&self) -> f64 {
        let ends = self.scenarios.iter().map(|one| one.start_s + one.duration_s());
        ends.fold(0.0, f64::max)
    }
}

impl Scenario {
    /// How long it lasts, in seconds.
    pub fn duration_s(&self) -> f64 {
        match &self.executor {
            Executor::ConstantVus { duration_s, .. }
            | Executor::ConstantArrivalRate { duration_s, .. }
            | Executor::PerVuIterations { duration_s, .. } => *duration_s,
            Executor::RampingVus { stages, .. } | Executor::RampingArrivalRate { stages, .. } => {
                stages.iter().map(|stage| stage.duration_s).sum()
            }
        }
    }

    /// Whether all that it writes is traces, as fast as they go.
    pub fn is_flat_out(&self) -> bool {
        let mut writing = self.actions.iter().filter(|action| action.kind != Kind::Cursor);
        writing.all(|action| action.is_flat_out)
    }

    /// The room of a virtual user.
    pub fn room_of(&self, vu: usize) -> String {
        self.room.replace("{n}", &(vu % self.rooms).to_string())
    }
}

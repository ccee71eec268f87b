//! The scenario file: what is typed into it, checked as a whole before anything connects.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::threshold::Threshold;

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
}

impl Default for Target {
    fn default() -> Target {
        Target {
            url: "ws://127.0.0.1:4000".to_owned(),
            path: None,
            token: None,
            token_secret: None,
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
}

/// Something that is done again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What.
    pub kind: Kind,
    /// How often a second.
    pub per_s: f64,
    /// Characters of an edit or a chat message.
    #[serde(default = "six")]
    pub chars: usize,
    /// Whether a cursor move goes with each edit.
    #[serde(default)]
    pub cursor: bool,
    /// Its weight where one action is drawn.
    #[serde(default = "one_f64")]
    pub weight: f64,
}

/// What an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Appends to a text.
    Typing,
    /// Moves a cursor: presence alone.
    Cursor,
    /// Moves a shape of a map.
    Drag,
    /// Pushes to an array.
    Chat,
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
fn one_usize() -> usize {
    1
}
fn one_f64() -> f64 {
    1.0
}
fn six() -> usize {
    6
}
fn ten() -> f64 {
    10.0
}
fn room_template() -> String {
    "load-{n}".to_owned()
}

/// Most virtual users of one file.
pub const VUS_COUNT_MAX: usize = 100_000;

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

    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.scenarios.is_empty(), "there is no [[scenario]]");
        ensure!(
            self.target.url.starts_with("ws://"),
            "target.url must begin with ws://"
        );
        ensure!(
            (0.0..=1.0).contains(&self.verify_acks),
            "verify_acks is from 0 to 1"
        );
        ensure!((0.0..=600.0).contains(&self.drain_s), "drain_s is from 0 to 600");
        ensure!(
            self.warmup_s == 0.0 || (self.warmup_s > 0.0 && self.warmup_s < self.duration_s()),
            "warmup_s is from 0 to less than the {:.0} s that the run takes",
            self.duration_s()
        );
        for metric in self.thresholds.keys() {
            let known = crate::metrics::TRENDS.contains(&metric.as_str())
                || crate::metrics::COUNTERS.contains(&metric.as_str())
                || crate::metrics::GAUGES.contains(&metric.as_str());
            ensure!(
                known,
                "thresholds.{metric}: there is no such metric; there are {}, {}, {}",
                crate::metrics::TRENDS.join(", "),
                crate::metrics::COUNTERS.join(", "),
                crate::metrics::GAUGES.join(", ")
            );
        }
        for scenario in &self.scenarios {
            scenario
                .check()
                .with_context(|| format!("scenario {:?}", scenario.name))?;
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
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.rooms > 0, "rooms is at least 1");
        ensure!(
            self.rooms == 1 || self.room.contains("{n}"),
            "rooms is {}, so room needs {{n}} in it",
            self.rooms
        );
        ensure!(is_time(self.start_s), "start_s is from 0 to a week");
        for action in &self.actions {
            ensure!(
                action.per_s > 0.0 && action.per_s <= 100_000.0,
                "an action's per_s is above 0 and at most 100000"
            );
            ensure!((1..=65_536).contains(&action.chars), "chars is from 1 to 65536");
            ensure!(action.weight > 0.0, "weight is above 0");
        }
        match &self.executor {
            Executor::ConstantVus {
                vus,
                duration_s,
                join_over_s,
            } => {
                ensure!(
                    (1..=VUS_COUNT_MAX).contains(vus),
                    "vus is from 1 to {VUS_COUNT_MAX}"
                );
                ensure!(
                    is_time(*duration_s) && is_time(*join_over_s),
                    "durations are from 0 to a week"
                );
            }
            Executor::PerVuIterations { vus, duration_s, .. } => {
                ensure!(
                    (1..=VUS_COUNT_MAX).contains(vus),
                    "vus is from 1 to {VUS_COUNT_MAX}"
                );
                ensure!(is_time(*duration_s), "durations are from 0 to a week");
                ensure!(
                    !self.actions.is_empty(),
                    "iterations of nothing: there are no actions"
                );
            }
            Executor::ConstantArrivalRate {
                rate_per_s,
                duration_s,
                session_s,
            } => {
                ensure!(*rate_per_s > 0.0, "rate_per_s is above 0");
                ensure!(
                    is_time(*duration_s) && is_time(*session_s),
                    "durations are from 0 to a week"
                );
                let arrivals = rate_per_s * duration_s;
                ensure!(
                    arrivals <= VUS_COUNT_MAX as f64,
                    "that is more than {VUS_COUNT_MAX} arrivals"
                );
            }
            Executor::RampingVus { stages, .. } | Executor::RampingArrivalRate { stages, .. } => {
                if stages.is_empty() {
                    bail!("there are no stages");
                }
                for stage in stages {
                    ensure!(is_time(stage.duration_s), "durations are from 0 to a week");
                    ensure!(
                        (0.0..=VUS_COUNT_MAX as f64).contains(&stage.target),
                        "a stage's target is from 0 to {VUS_COUNT_MAX}"
                    );
                }
            }
        }
        Ok(())
    }

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

    /// The room of a virtual user.
    pub fn room_of(&self, vu: usize) -> String {
        self.room.replace("{n}", &(vu % self.rooms).to_string())
    }
}

fn is_time(seconds: f64) -> bool {
    (0.0..=604_800.0).contains(&seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"x\"\n\n[[scenario]]\nname = \"all\"\nexecutor = { kind = \"constant-vus\", vus = 2, duration_s = 1 }\n";

    #[test]
    fn a_warm_up_ends_before_the_run_does() {
        for (warmup_s, is_valid) in [
            ("0", true),
            ("0.5", true),
            ("1", false),
            ("-1", false),
            ("nan", false),
        ] {
            let plan = Plan::parse(&format!("warmup_s = {warmup_s}\n{GOOD}"), "a.toml");
            assert_eq!(plan.is_ok(), is_valid, "{warmup_s}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert!(Plan::parse(GOOD, "a.toml").is_ok());
        for (bad, wanted) in [
            (GOOD.replace("name = \"x\"", "name = 3"), "a.toml:1: "),
            (
                GOOD.replace("[[scenario]]", "colour = 1\n[[scenario]]"),
                "a.toml:3: unknown field `colour`",
            ),
            (GOOD.replace("constant-vus", "constant"), "constant-vus"),
            (GOOD.replace("vus = 2", "vus = 0"), "vus is from 1"),
            (
                format!("{GOOD}[thresholds]\nspeed = [\"p95<1\"]\n"),
                "no such metric",
            ),
            (
                format!("{GOOD}[thresholds]\ndelivery_ms = [\"p95=1\"]\n"),
                "a.toml:7: ",
            ),
        ] {
            let error = format!("{:#}", Plan::parse(&bad, "a.toml").expect_err(&bad));
            assert!(error.contains(wanted), "{error:?} does not say {wanted:?}");
        }
    }
}

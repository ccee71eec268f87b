//! What a scenario file may not say, beyond what its types already refuse.

use anyhow::{Context, bail, ensure};

use crate::metrics::{COUNTERS, GAUGES, TRENDS};
use crate::threshold::Statistic;

use super::{Action, Choose, Executor, Kind, Plan, Scenario, Target};

/// Most virtual users of one file.
pub const VUS_COUNT_MAX: usize = 100_000;

impl Plan {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.scenarios.is_empty(), "there is no [[scenario]]");
        ensure!(
            self.target.url.starts_with("ws://"),
            "target.url must begin with ws://"
        );
        let Target {
            token,
            token_secret,
            token_url,
            ..
        } = &self.target;
        ensure!(
            [token, token_secret, token_url].into_iter().flatten().count() <= 1,
            "target: one of token, token_secret and token_url"
        );
        ensure!(
            token_url.as_ref().is_none_or(|url| url.starts_with("http://")),
            "target.token_url must begin with http://"
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
        for (metric, thresholds) in &self.thresholds {
            let is_in = |names: &[&str]| names.contains(&metric.as_str());
            let (is_trend, is_counter) = (is_in(&TRENDS), is_in(&COUNTERS));
            for threshold in thresholds {
                let (is_told, has) = match threshold.statistic {
                    Statistic::Value => (!is_trend, "avg, min, max, p0 to p100, count and rate"),
                    Statistic::Count | Statistic::Rate => (is_trend || is_counter, "value"),
                    _ if is_counter => (false, "count, rate and value"),
                    _ => (is_trend, "value"),
                };
                ensure!(
                    is_told || !(is_trend || is_counter || is_in(&GAUGES)),
                    "thresholds.{metric}: {:?} asks for what it does not have; it has {has}",
                    threshold.text
                );
            }
            ensure!(
                is_trend || is_counter || is_in(&GAUGES),
                "thresholds.{metric}: there is no such metric; there are {}, {}, {}",
                TRENDS.join(", "),
                COUNTERS.join(", "),
                GAUGES.join(", ")
            );
        }
        for scenario in &self.scenarios {
            scenario
                .check()
                .with_context(|| format!("scenario {:?}", scenario.name))?;
        }
        Ok(())
    }
}

impl Scenario {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.rooms > 0, "rooms is at least 1");
        ensure!(
            self.rooms == 1 || self.room.contains("{n}"),
            "rooms is {}, so room needs {{n}} in it",
            self.rooms
        );
        ensure!(is_time(self.start_s), "start_s is from 0 to a week");
        let writers = |action: &&Action| action.kind != Kind::Cursor;
        let is_replayed = self.actions.iter().any(|action| action.kind == Kind::Replay);
        ensure!(
            !is_replayed
                || self.choose == Choose::ByWeight
                || self.actions.iter().filter(writers).count() == 1,
            "who replays a trace writes nothing else; a cursor may go with it"
        );
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
}

fn is_time(seconds: f64) -> bool {
    (0.0..=604_800.0).contains(&seconds)
}

#[cfg(test)]
mod tests {
    use crate::scenario::Plan;

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
                format!("target = {{ token = \"a\", token_url = \"http://a\" }}\n{GOOD}"),
                "one of token",
            ),
            (
                format!("target = {{ token_url = \"https://a\" }}\n{GOOD}"),
                "token_url must begin with http://",
            ),
            (
                format!("{GOOD}[thresholds]\nspeed = [\"p95<1\"]\n"),
                "no such metric",
            ),
            (
                format!("{GOOD}[thresholds]\nserver_cpu_us_per_delivery = [\"p95<1\"]\n"),
                "it has value",
            ),
            (
                format!("{GOOD}[thresholds]\ndelivery_ms = [\"value<1\"]\n"),
                "it has avg, min",
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

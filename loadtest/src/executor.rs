//! From an executor to visits: who comes when, and when each leaves. No clock runs here.

use crate::scenario::{Executor, Scenario, Stage};

/// One virtual user's time with the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// Which user of its scenario.
    pub vu: usize,
    /// When it connects, in seconds from the beginning of the run.
    pub joins_s: f64,
    /// When it leaves; none stays to the end of the run.
    pub leaves_s: Option<f64>,
    /// How often it acts at most.
    pub actions_max: Option<u64>,
}

/// Step in which ramps are followed, in seconds.
const STEP_S: f64 = 0.01;

/// All visits of a scenario in a run that ends at `run_s`.
pub fn visits(scenario: &Scenario, run_s: f64) -> Vec<Visit> {
    let start_s = scenario.start_s;
    let end_s = start_s + scenario.duration_s();
    let until = |leaves_s: f64| (leaves_s < run_s - 1e-9).then_some(leaves_s);
    match &scenario.executor {
        Executor::ConstantVus { vus, join_over_s, .. } => (0..*vus)
            .map(|vu| Visit {
                vu,
                joins_s: start_s + join_over_s * vu as f64 / *vus as f64,
                leaves_s: until(end_s),
                actions_max: None,
            })
            .collect(),
        Executor::PerVuIterations { vus, iterations, .. } => (0..*vus)
            .map(|vu| Visit {
                vu,
                joins_s: start_s,
                leaves_s: until(end_s),
                actions_max: Some(*iterations),
            })
            .collect(),
        Executor::RampingVus { start_vus, stages } => ramp(*start_vus, stages, start_s, until),
        Executor::ConstantArrivalRate {
            rate_per_s,
            duration_s,
            session_s,
        } => {
            let stage = Stage {
                duration_s: *duration_s,
                target: *rate_per_s,
            };
            arrivals(*rate_per_s, &[stage], start_s, *session_s, until)
        }
        Executor::RampingArrivalRate {
            start_rate_per_s,
            stages,
            session_s,
        } => arrivals(*start_rate_per_s, stages, start_s, *session_s, until),
    }
}

/// The value of a ramp at every step.
fn steps(from: f64, stages: &[Stage]) -> Vec<f64> {
    let mut values = vec![from];
    let mut level = from;
    for stage in stages {
        let count = (stage.duration_s / STEP_S).round() as usize;
        values.extend((1..=count).map(|step| level + (stage.target - level) * step as f64 / count as f64));
        level = stage.target;
    }
    values
}

fn ramp(start_vus: usize, stages: &[Stage], start_s: f64, until: impl Fn(f64) -> Option<f64>) -> Vec<Visit> {
    let mut visits: Vec<Visit> = Vec::new();
    // The places of those who are here, newest last: the last to come is the first to go.
    let mut here: Vec<usize> = Vec::new();
    let values = steps(start_vus as f64, stages);
    for (step, value) in values.iter().enumerate() {
        let at_s = start_s + step as f64 * STEP_S;
        let wanted = value.round() as usize;
        while here.len() < wanted {
            here.push(visits.len());
            visits.push(Visit {
                vu: here.len() - 1,
                joins_s: at_s,
                leaves_s: None,
                actions_max: None,
            });
        }
        while here.len() > wanted {
            if let Some(place) = here.pop() {
                visits[place].leaves_s = Some(at_s);
            }
        }
    }
    let end_s = start_s + (values.len() - 1) as f64 * STEP_S;
    for place in here {
        visits[place].leaves_s = until(end_s);
    }
    visits
}

fn arrivals(
    from: f64,
    stages: &[Stage],
    start_s: f64,
    session_s: f64,
    until: impl Fn(f64) -> Option<f64>,
) -> Vec<Visit> {
    let mut visits = Vec::new();
    let mut due = 0.0;
    for (step, rate) in steps(from, stages).iter().enumerate().skip(1) {
        due += rate * STEP_S;
        while due >= 1.0 - 1e-9 {
            due -= 1.0;
            let joins_s = start_s + step as f64 * STEP_S;
            visits.push(Visit {
                vu: visits.len(),
                joins_s,
                leaves_s: until(joins_s + session_s),
                actions_max: None,
            });
        }
    }
    visits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Plan;

    fn of(executor: &str) -> Vec<Visit> {
        let text = format!("name = \"x\"\n[[scenario]]\nname = \"y\"\n{executor}\n");
        let plan = Plan::parse(&text, "x").expect("a plan");
        visits(&plan.scenarios[0], plan.duration_s())
    }

    fn here_at(visits: &[Visit], at_s: f64) -> usize {
        let is_here =
            |visit: &&Visit| visit.joins_s <= at_s && visit.leaves_s.is_none_or(|leaves_s| leaves_s > at_s);
        visits.iter().filter(is_here).count()
    }

    #[test]
    fn a_ramp_goes_up_and_down_again() {
        let visits = of(
            "executor = { kind = \"ramping-vus\", stages = [{ duration_s = 10, target = 20 }, { duration_s = 5, target = 20 }, { duration_s = 10, target = 0 }] }",
        );
        assert_eq!(
            [2.5, 5.0, 12.0, 20.0, 25.0].map(|at_s| here_at(&visits, at_s)),
            [5, 10, 20, 10, 0]
        );
    }

    #[test]
    fn arrivals_keep_their_rate_and_sessions_their_length() {
        let visits = of(
            "executor = { kind = \"constant-arrival-rate\", rate_per_s = 5, duration_s = 10, session_s = 2 }",
        );
        assert_eq!(visits.len(), 50);
        assert_eq!(here_at(&visits, 6.0), 10);
    }
}

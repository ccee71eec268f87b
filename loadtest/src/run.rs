//! One run: virtual users come and go by plan, the run drains, and everything is added up.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use roomtone_crdt::Doc;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, sleep_until};

use crate::executor::visits;
use crate::ledger::Ledger;
use crate::metrics::{Counter, Metrics};
use crate::process::{self, Cost};
use crate::replay::Replays;
use crate::report::{Moment, Progress, Second, Summary, Watch};
use crate::scenario::{Kind, Plan, Scenario, Target};
use crate::token;
use crate::user::{Brief, Phase, Remains, live};

/// What is measured beside the virtual users.
#[derive(Default)]
pub struct Watched {
    /// The server's process.
    pub pid: Option<i32>,
    /// Command that starts it.
    pub spawn: Option<String>,
}

/// Waits at most this long for a server that was just started.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// What ends a run that was to end when all are through, and is told as an error.
const OUT_OF_TIME: &str = "the time was up before all were through";
/// A spawned server gets this long to end in order.
const STOP_PATIENCE: Duration = Duration::from_secs(12);

/// Runs a plan.
///
/// # Errors
/// The server cannot be started or reached, or the run could not be set up.
pub async fn run(plan: &Plan, watched: &Watched, progress: &mut Progress) -> anyhow::Result<Summary> {
    // First of all: what is wrong with a trace is said before anything starts.
    let replays = Arc::new(Replays::load(plan)?);
    let mut server = watched.spawn.as_deref().map(spawn).transpose()?;
    reach(&plan.target, START_PATIENCE).await?;
    let pid = match &server {
        Some(child) => child.id().and_then(|id| i32::try_from(id).ok()),
        None => watched.pid,
    };
    if let Some(pid) = pid {
        process::cost(pid).with_context(|| format!("there is no process {pid}"))?;
    }
    let summary = measure(plan, &replays, pid, progress).await;
    if let Some(child) = &mut server {
        stop(child).await;
    }
    summary
}

async fn measure(
    plan: &Plan,
    replays: &Arc<Replays>,
    pid: Option<i32>,
    progress: &mut Progress,
) -> anyhow::Result<Summary> {
    let metrics = Arc::new(Metrics::default());
    let ledger = Ledger::default();
    let target = Arc::new(plan.target.clone());
    let token = token::token(&plan.target).await?;
    let (phase, phases) = watch::channel(Phase::Run);
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let run_s = plan.duration_s();
    let mut coming = Vec::new();
    for scenario in &plan.scenarios {
        let shared = Arc::new(scenario.clone());
        coming.extend(
            visits(scenario, run_s)
                .into_iter()
                .map(|visit| (visit, shared.clone())),
        );
    }
    coming.sort_by(|one, other| one.0.joins_s.total_cmp(&other.0.joins_s));
    // Where all who write replay flat out, the run ends when they are through; where the plan says so, when all have
    // caught up.
    let (through, mut throughs) = mpsc::unbounded_channel();
    let is_writer = |scenario: &Scenario| scenario.actions.iter().any(|action| action.kind != Kind::Cursor);
    let is_replay = plan
        .scenarios
        .iter()
        .all(|scenario| !is_writer(scenario) || scenario.is_flat_out());
    let mut left = if plan.ends_caught_up {
        Some(coming.len())
    } else {
        let replayers = coming.iter().filter(|(_, scenario)| is_writer(scenario));
        is_replay.then(|| replayers.count())
    };
    let mut docs_left = plan.sample_docs;
    let own_before = process::own();
    let mut steady = Moment::of(pid, &metrics, 0.0);
    let mut is_cold = plan.warmup_s > 0.0;
    metrics.set_cold(is_cold);
    let began = Instant::now();
    let at = |s: f64| began + Duration::from_secs_f64(s);

    let mut users: JoinSet<Remains> = JoinSet::new();
    let mut ticks = tokio::time::interval_at((began + Duration::from_secs(1)).into(), Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let before = steady;
    let mut series = Series {
        seconds: Vec::new(),
        last: (steady.server, own_before),
        deliveries: 0,
        pid,
        began,
    };
    let mut remains: Vec<Remains> = Vec::new();
    let mut coming = coming.into_iter().peekable();
    loop {
        while let Some((visit, scenario)) = coming.next_if(|(visit, _)| at(visit.joins_s) <= Instant::now()) {
            let keeps_doc = docs_left > 0 && visit.leaves_s.is_none();
            docs_left -= usize::from(keeps_doc);
            users.spawn(live(Brief {
                ledger: ledger.room(&scenario.room_of(visit.vu)),
                scenario_began: at(scenario.start_s),
                due: at(visit.joins_s),
                ends_caught_up: plan.ends_caught_up,
                scenario,
                target: target.clone(),
                token: token.clone(),
                vu: visit.vu,
                leaves: visit.leaves_s.map(at),
                actions_max: visit.actions_max,
                keeps_doc,
                verify_acks: plan.verify_acks,
                seed: rng.random(),
                replays: replays.clone(),
                through: through.clone(),
                metrics: metrics.clone(),
                phase: phases.clone(),
            }));
        }
        let next_s = coming.peek().map_or(run_s, |(visit, _)| visit.joins_s.min(run_s));
        tokio::select! {
            () = sleep_until(at(next_s).into()) => {
                if coming.peek().is_none() {
                    break;
                }
            }
            Some(()) = throughs.recv() => {
                left = left.map(|left| left.saturating_sub(1));
                if left == Some(0) {
                    break;
                }
            }
            () = sleep_until(at(plan.warmup_s).into()), if is_cold => {
                is_cold = false;
                metrics.set_cold(false);
                steady = Moment::of(pid, &metrics, began.elapsed().as_secs_f64());
            }
            _ = ticks.tick() => progress.show(plan, series.second(&metrics, users.len())),
            Some(ended) = users.join_next(), if !users.is_empty() => remains.push(ended.context("a virtual user panicked")?),
        }
    }
    let end = Moment::of(pid, &metrics, began.elapsed().as_secs_f64());
    if left.is_some_and(|left| left > 0) {
        metrics.error(OUT_OF_TIME);
    }
    let own_at_end = process::own();

    phase.send_replace(Phase::Drain);
    let until = Instant::now() + Duration::from_secs_f64(plan.drain_s);
    while !users.is_empty() {
        tokio::select! {
            ended = users.join_next() => {
                if let Some(ended) = ended {
                    remains.push(ended.context("a virtual user panicked")?);
                }
            }
            _ = ticks.tick() => progress.show(plan, series.second(&metrics, users.len())),
            () = sleep_until(until.into()) => {
                phase.send_replace(Phase::End);
                while let Some(ended) = users.join_next().await {
                    remains.push(ended.context("a virtual user panicked")?);
                }
            }
        }
    }
    // The drain's last deliveries belong into the picture as well.
    progress.show(plan, series.second(&metrics, 0));
    metrics.add(Counter::Diverged, diverged(remains));
    progress.done();

    let watch = Watch {
        before,
        steady,
        end,
        is_server_watched: pid.is_some(),
        generator_cpu_s: own_at_end.cpu_s - own_before.cpu_s,
    };
    Ok(Summary::of(plan, &metrics, series.seconds, &watch))
}

struct Series {
    seconds: Vec<Second>,
    last: (Cost, Cost),
    /// How many there had been a second ago.
    deliveries: u64,
    pid: Option<i32>,
    began: Instant,
}

impl Series {
    fn second(&mut self, metrics: &Metrics, vus: usize) -> &Second {
        let server = self.pid.and_then(process::cost).unwrap_or_default();
        let own = process::own();
        let at_s = self.began.elapsed().as_secs_f64();
        let took_s = (at_s - self.seconds.last().map_or(0.0, |second| second.at_s)).max(1e-3);
        let share = |now: Cost, then: Cost| ((now.cpu_s - then.cpu_s) / took_s).max(0.0);
        let delivery = metrics.second();
        let deliveries = metrics.count(Counter::Deliveries);
        let arrived = deliveries - std::mem::replace(&mut self.deliveries, deliveries);
        let second = Second {
            at_s,
            vus,
            deliveries_per_s: arrived as f64 / took_s,
            delivery_p50_ms: delivery.p50,
            delivery_p95_ms: delivery.p95,
            delivery_p99_ms: delivery.p99,
            server_cpu_share: share(server, self.last.0),
            server_rss_mb: server.rss_bytes as f64 / 1_048_576.0,
            server_fds: server.fds,
            generator_cpu_share: share(own, self.last.1),
        };
        self.last = (server, own);
        self.seconds.push(second);
        &self.seconds[self.seconds.len() - 1]
    }
}

/// Documents of one room that do not hold the same.
fn diverged(remains: Vec<Remains>) -> u64 {
    let mut first: std::collections::HashMap<String, Doc> = std::collections::HashMap::new();
    let mut count = 0;
    for (room, doc) in remains.into_iter().filter_map(|one| one.doc) {
        match first.get(&room) {
            None => drop(first.insert(room, doc)),
            Some(other) => count += u64::from(!same(other, &doc)),
        }
    }
    count
}

fn same(one: &Doc, other: &Doc) -> bool {
    let brings = |from: &Doc, to: &Doc| {
        from.snapshot()
            .and_then(|whole| to.is_news(&whole))
            .unwrap_or(true)
    };
    !brings(one, other) && !brings(other, one)
}

fn spawn(command: &str) -> anyhow::Result<Child> {
    let mut words = command.split_whitespace();
    let program = words.next().context("--spawn is empty")?;
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{program} cannot be started"))
}

async fn stop(child: &mut Child) {
    if let Some(pid) = child.id() {
        // Politely, by the tool that every system has; dropping the child kills it otherwise.
        let _ = Command::new("kill").arg(pid.to_string()).status().await;
        let _ = tokio::time::timeout(STOP_PATIENCE, child.wait()).await;
    }
}

async fn reach(target: &Target, patience: Duration) -> anyhow::Result<()> {
    let rest = target
        .url
        .strip_prefix("ws://")
        .context("the target must begin with ws://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let until = Instant::now() + patience;
    loop {
        match TcpStream::connect(&address).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= until => {
                return Err(error).with_context(|| {
                    format!("nothing listens on {address}; start the server, or name it with --target")
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

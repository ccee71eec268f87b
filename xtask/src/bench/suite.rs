//! The rows of the suite: which plan each runs on which server, and which figures it is about.

use super::aims::{AIMS, Aim};
use super::figures::Metric;

/// One row: a plan, and what is told of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// As `--only` names it.
    pub(crate) name: &'static str,
    /// Where its plan is, from the root of the checkout.
    pub(crate) plan: &'static str,
    /// What its table shows, the most telling first.
    pub(crate) metrics: &'static [Metric],
    /// What is drawn.
    pub(crate) plots: &'static [Metric],
    /// Whether the floor runs beside the servers: it can tell what edits cost to deliver, and nothing else.
    pub(crate) has_floor: bool,
    /// Whether Roomtone alone runs it: it is there to be compared with another row of the same server.
    pub(crate) is_ours_alone: bool,
    /// Whether it goes on with the server, and the documents, that the row before has left.
    pub(crate) follows: bool,
    /// A plan that runs before, and is not told of: what is there when the row begins.
    pub(crate) fill: Option<&'static str>,
    /// Whether the server is started again before the plan.
    pub(crate) restarts: bool,
}

use Metric::{
    CaughtUpMax, CaughtUpP95, CpuPerEdit, CpuPerWritten, CpuShare, CpuWhole, DeliveryP50, DeliveryP99,
    EditsPerS, KbPerConnection, KbPerRoom, PresenceLost, PresenceP95, Reconnects, RssAfter, RssGrowth,
    RssGrowthAllThere, RssMax,
};

/// What most rows are.
const PLAIN: Row = Row {
    name: "",
    plan: "",
    metrics: &[],
    plots: &[],
    has_floor: false,
    is_ours_alone: false,
    follows: false,
    fill: None,
    restarts: false,
};

/// Rows about edits show the same.
const EDITING: &[Metric] = &[CpuPerEdit, DeliveryP50, DeliveryP99, RssMax, RssGrowth];
/// Rows about coming in have no steady window: what the whole run costs is told.
const JOINING: &[Metric] = &[CaughtUpMax, CaughtUpP95, CpuWhole, RssMax, RssGrowth];
/// The two that are compared with each other.
const SLOW: &[Metric] = &[
    RssGrowthAllThere,
    RssGrowth,
    RssMax,
    DeliveryP99,
    DeliveryP50,
    CpuPerEdit,
    Reconnects,
];

/// The suite, in the order in which it runs.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "fanout-50",
        plan: "xtask/peers/plans/fanout-50.toml",
        metrics: EDITING,
        plots: &[CpuPerEdit, DeliveryP99],
        has_floor: true,
        ..PLAIN
    },
    Row {
        name: "fanout-200",
        plan: "loadtest/scenarios/fanout.toml",
        metrics: EDITING,
        plots: &[CpuPerEdit, DeliveryP99],
        has_floor: true,
        ..PLAIN
    },
    Row {
        name: "fanout-80k",
        plan: "xtask/peers/plans/fanout-80k.toml",
        metrics: EDITING,
        plots: &[CpuPerEdit, DeliveryP50, DeliveryP99],
        has_floor: true,
        ..PLAIN
    },
    Row {
        name: "rooms",
        plan: "loadtest/scenarios/rooms.toml",
        metrics: &[CpuPerEdit, DeliveryP50, DeliveryP99, KbPerRoom, RssMax, RssGrowth],
        plots: &[CpuPerEdit, DeliveryP99, KbPerRoom],
        has_floor: true,
        ..PLAIN
    },
    Row {
        name: "idle",
        plan: "loadtest/scenarios/idle.toml",
        metrics: &[KbPerConnection, RssMax, RssGrowth, CpuWhole],
        plots: &[KbPerConnection],
        ..PLAIN
    },
    Row {
        name: "presence-crowd",
        plan: "loadtest/scenarios/presence-crowd.toml",
        metrics: &[PresenceP95, PresenceLost, CpuShare, CpuWhole, RssMax, RssGrowth],
        plots: &[PresenceP95, CpuShare],
        ..PLAIN
    },
    Row {
        name: "join-storm",
        plan: "loadtest/scenarios/join-storm.toml",
        metrics: JOINING,
        plots: &[CaughtUpMax, CpuWhole, RssGrowth],
        ..PLAIN
    },
    Row {
        name: "reconnect-storm",
        plan: "xtask/peers/plans/reconnect-storm.toml",
        metrics: JOINING,
        plots: &[CaughtUpMax, CpuWhole],
        fill: Some("xtask/peers/plans/reconnect-fill.toml"),
        restarts: true,
        ..PLAIN
    },
    Row {
        name: "slow-reader",
        plan: "loadtest/scenarios/slow-reader.toml",
        metrics: SLOW,
        plots: &[RssGrowthAllThere, DeliveryP99],
        ..PLAIN
    },
    Row {
        name: "slow-reader-without",
        plan: "xtask/peers/plans/slow-reader-without.toml",
        metrics: SLOW,
        plots: &[],
        is_ours_alone: true,
        ..PLAIN
    },
    Row {
        name: "replay",
        plan: "xtask/peers/plans/replay.toml",
        metrics: &[EditsPerS, CpuPerWritten, RssAfter, RssMax, DeliveryP99],
        plots: &[EditsPerS, CpuPerWritten, RssAfter],
        has_floor: true,
        ..PLAIN
    },
    Row {
        name: "join-burst",
        plan: "xtask/peers/plans/join-burst.toml",
        metrics: &[CaughtUpMax, CaughtUpP95, CpuWhole, RssMax],
        plots: &[CaughtUpMax, CpuWhole],
        follows: true,
        ..PLAIN
    },
    Row {
        name: "cold-open",
        plan: "xtask/peers/plans/cold-open.toml",
        metrics: &[CaughtUpMax, CpuWhole, RssMax],
        plots: &[CaughtUpMax],
        follows: true,
        restarts: true,
        ..PLAIN
    },
];

/// The rows that run on one server one after the other: each chain begins with a row that follows none.
pub(crate) fn chains() -> Vec<Vec<&'static Row>> {
    let mut chains: Vec<Vec<&'static Row>> = Vec::new();
    for row in ROWS {
        match chains.last_mut() {
            Some(chain) if row.follows => chain.push(row),
            _ => chains.push(vec![row]),
        }
    }
    chains
}

impl Row {
    /// What is aimed at in a figure of this row.
    pub(crate) fn aims(&self, metric: Metric) -> impl Iterator<Item = &'static Aim> {
        AIMS.iter()
            .filter(move |aim| aim.row == self.name && aim.metric == metric)
    }

    /// The most that a figure of this row may be, where it is a figure and no ratio: what a plot can show.
    pub(crate) fn mark(&self, metric: Metric) -> Option<f64> {
        self.aims(metric).find_map(|aim| aim.bar.mark())
    }

    /// Every plan that it runs.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &'static str> {
        self.fill.into_iter().chain([self.plan])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::aims::Bar;
    use crate::workspace::root;

    #[test]
    fn every_row_has_its_plans_and_shows_what_it_draws_and_aims_at() {
        let named = |name: &str| ROWS.iter().find(|row| row.name == name);
        for row in ROWS {
            assert!(
                row.plans().all(|plan| root().join(plan).is_file()),
                "{}",
                row.name
            );
            assert!(
                row.plots.iter().all(|metric| row.metrics.contains(metric)),
                "{}",
                row.name
            );
        }
        for aim in AIMS {
            let row = named(aim.row).expect("an aim of no row");
            assert!(row.metrics.contains(&aim.metric), "{}", aim.row);
            match aim.bar {
                Bar::OfRow(other, _) => {
                    assert!(named(other).is_some_and(|other| other.metrics.contains(&aim.metric)));
                }
                Bar::OfFloor(_) => assert!(row.has_floor, "{}", aim.row),
                Bar::OfBestPeer(_) => assert!(!row.is_ours_alone, "{}", aim.row),
                Bar::Most(_) | Bar::Least(_) => {}
            }
        }
    }

    #[test]
    fn rows_that_follow_others_are_in_their_chain() {
        let chains = chains();
        assert_eq!(chains.iter().map(Vec::len).sum::<usize>(), ROWS.len());
        let names = |chain: &[&Row]| chain.iter().map(|row| row.name).collect::<Vec<_>>();
        let last = chains.last().expect("there are rows");
        assert_eq!(names(last), ["replay", "join-burst", "cold-open"]);
        assert!(chains.iter().all(|chain| !chain[0].follows));
    }

    #[test]
    fn the_twin_of_the_slow_reader_differs_in_the_sleep_alone() {
        let read = |name: &str| {
            let path = ROWS.iter().find(|row| row.name == name).expect("a row").plan;
            let text = std::fs::read_to_string(root().join(path)).expect("a plan");
            let mut plan: toml::Table = text.parse().expect("TOML");
            for key in ["name", "about", "thresholds"] {
                plan.remove(key);
            }
            plan
        };
        let mut with = read("slow-reader");
        let scenarios = with["scenario"].as_array_mut().expect("scenarios");
        let habits = scenarios
            .iter_mut()
            .filter_map(|scenario| scenario.as_table_mut()?.remove("habit"));
        assert_eq!(habits.count(), 1);
        assert_eq!(with, read("slow-reader-without"));
    }
}

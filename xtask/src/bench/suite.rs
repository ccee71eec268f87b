//! The rows of the suite: which plan each runs, which figures it is about, and what is aimed at.

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
}

use Metric::{
    CpuPerEdit, CpuWhole, DeliveryP50, DeliveryP99, KbPerConnection, PresenceP95, RssGrowth, RssMax, SyncMax,
    SyncP95,
};

/// Rows about edits show the same.
const EDITING: &[Metric] = &[
    CpuPerEdit,
    DeliveryP50,
    DeliveryP99,
    RssMax,
    RssGrowth,
    SyncP95,
    SyncMax,
];
/// Rows about coming in have no steady window: what the whole run costs is told.
const JOINING: &[Metric] = &[
    SyncP95,
    SyncMax,
    CpuWhole,
    DeliveryP50,
    DeliveryP99,
    RssMax,
    RssGrowth,
];

/// The suite, in the order in which it runs.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "fanout-50",
        plan: "xtask/peers/plans/fanout-50.toml",
        metrics: EDITING,
        plots: &[CpuPerEdit, DeliveryP99],
        has_floor: true,
    },
    Row {
        name: "fanout-200",
        plan: "loadtest/scenarios/fanout.toml",
        metrics: EDITING,
        plots: &[CpuPerEdit, DeliveryP99],
        has_floor: true,
    },
    Row {
        name: "fanout-80k",
        plan: "xtask/peers/plans/fanout-80k.toml",
        metrics: EDITING,
        plots: &[CpuPerEdit, DeliveryP50, DeliveryP99],
        has_floor: true,
    },
    Row {
        name: "rooms",
        plan: "loadtest/scenarios/rooms.toml",
        metrics: EDITING,
        plots: &[CpuPerEdit, DeliveryP99, RssGrowth],
        has_floor: true,
    },
    Row {
        name: "idle",
        plan: "loadtest/scenarios/idle.toml",
        metrics: &[KbPerConnection, RssMax, RssGrowth, CpuWhole, SyncP95, SyncMax],
        plots: &[KbPerConnection],
        has_floor: false,
    },
    Row {
        name: "presence-crowd",
        plan: "loadtest/scenarios/presence-crowd.toml",
        metrics: &[PresenceP95, CpuWhole, RssMax, RssGrowth, SyncP95, SyncMax],
        plots: &[PresenceP95, CpuWhole],
        has_floor: false,
    },
    Row {
        name: "join-storm",
        plan: "loadtest/scenarios/join-storm.toml",
        metrics: JOINING,
        plots: &[SyncMax, CpuWhole],
        has_floor: false,
    },
    Row {
        name: "reconnect-storm",
        plan: "loadtest/scenarios/reconnect-storm.toml",
        metrics: JOINING,
        plots: &[SyncP95, CpuWhole],
        has_floor: false,
    },
    Row {
        name: "slow-reader",
        plan: "loadtest/scenarios/slow-reader.toml",
        // Of 49 readers one sleeps: what is beyond the 98th percentile is its sleep, whatever the server.
        metrics: &[RssGrowth, RssMax, CpuPerEdit, DeliveryP50, SyncP95, SyncMax],
        plots: &[RssGrowth, DeliveryP50],
        has_floor: false,
    },
];

/// What is aimed at: row, figure, and the most that it may be.
const AIMS: &[(&str, Metric, f64)] = &[
    ("fanout-50", CpuPerEdit, 4.5),
    ("fanout-200", CpuPerEdit, 3.5),
    ("fanout-80k", CpuPerEdit, 1.5),
    ("fanout-80k", DeliveryP50, 6.0),
    ("fanout-80k", DeliveryP99, 15.0),
    ("rooms", CpuPerEdit, 18.0),
    ("rooms", DeliveryP50, 1.0),
    ("rooms", DeliveryP99, 5.0),
    ("idle", KbPerConnection, 6.0),
];

impl Row {
    /// The most that a figure of this row may be, where something is aimed at.
    pub(crate) fn aim(&self, metric: Metric) -> Option<f64> {
        AIMS.iter()
            .find(|(row, of, _)| *row == self.name && *of == metric)
            .map(|(_, _, most)| *most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::root;

    #[test]
    fn every_row_has_its_plan_and_shows_what_it_draws_and_aims_at() {
        for row in ROWS {
            assert!(root().join(row.plan).is_file(), "{}", row.plan);
            assert!(
                row.plots.iter().all(|metric| row.metrics.contains(metric)),
                "{}",
                row.name
            );
        }
        for (name, metric, _) in AIMS {
            let row = ROWS
                .iter()
                .find(|row| row.name == *name)
                .expect("an aim of no row");
            assert!(
                row.metrics.contains(metric) && row.aim(*metric).is_some(),
                "{name}"
            );
        }
    }
}

//! What is aimed at: the bars of the rows, and how Roomtone is judged by them.

use super::figures::{Metric, Spread, number};
use super::peers::FLOOR;

/// One condition on one figure of one row.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) row: &'static str,
    pub(crate) metric: Metric,
    pub(crate) bar: Bar,
}

/// What a figure may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
    /// At most so much of what the floor has.
    OfFloor(f64),
    /// At most so much of what the best peer has.
    OfBestPeer(f64),
    /// At most so much of what Roomtone itself has in another row.
    OfRow(&'static str, f64),
}

use Bar::{Least, Most, OfBestPeer, OfFloor, OfRow};
use Metric::{
    CaughtUpMax, CpuPerEdit, CpuPerWritten, CpuShare, CpuWhole, DeliveryP50, DeliveryP99, EditsPerS,
    KbPerConnection, KbPerRoom, PresenceLost, PresenceP95, Reconnects, RssAfter, RssGrowth,
    RssGrowthAllThere,
};

const fn aim(row: &'static str, metric: Metric, bar: Bar) -> Aim {
    Aim { row, metric, bar }
}

/// All of them, row by row.
pub(crate) const AIMS: &[Aim] = &[
    aim("fanout-50", CpuPerEdit, Most(4.5)),
    aim("fanout-200", CpuPerEdit, Most(3.5)),
    aim("fanout-80k", CpuPerEdit, Most(1.5)),
    aim("fanout-80k", CpuPerEdit, OfFloor(0.6)),
    aim("fanout-80k", CpuPerEdit, OfBestPeer(0.3)),
    aim("fanout-80k", DeliveryP50, Most(6.0)),
    aim("fanout-80k", DeliveryP99, Most(15.0)),
    aim("rooms", CpuPerEdit, Most(18.0)),
    aim("rooms", DeliveryP50, Most(1.0)),
    aim("rooms", DeliveryP99, Most(5.0)),
    aim("rooms", KbPerRoom, Most(30.0)),
    aim("idle", KbPerConnection, Most(6.0)),
    aim("presence-crowd", PresenceP95, Most(150.0)),
    aim("presence-crowd", PresenceLost, Most(0.0)),
    aim("presence-crowd", CpuShare, Most(60.0)),
    aim("join-storm", CaughtUpMax, Most(4_000.0)),
    aim("join-storm", CpuWhole, Most(6.0)),
    aim("join-storm", RssGrowth, Most(150.0)),
    aim("reconnect-storm", CaughtUpMax, Most(500.0)),
    aim("slow-reader", RssGrowthAllThere, Most(8.0)),
    aim("slow-reader", DeliveryP99, OfRow("slow-reader-without", 1.1)),
    aim("slow-reader", Reconnects, Most(0.0)),
    aim("replay", EditsPerS, Least(250_000.0)),
    aim("replay", CpuPerWritten, Most(3.0)),
    aim("replay", RssAfter, Most(24.0)),
    aim("join-burst", CaughtUpMax, Most(180.0)),
    aim("join-burst", CpuWhole, Most(0.05)),
    aim("cold-open", CaughtUpMax, Most(25.0)),
];

/// How a figure stands to its bar.
#[derive(Debug, PartialEq)]
pub(crate) struct Judgement {
    /// What was compared: the median, or a ratio. None where something is missing.
    pub(crate) value: Option<f64>,
    pub(crate) verdict: &'static str,
}

impl Bar {
    /// As it is told.
    pub(crate) fn told(self) -> String {
        match self {
            Most(most) => format!("≤ {most}"),
            Least(least) => format!("≥ {least}"),
            OfFloor(share) => format!("≤ {share} of {FLOOR}"),
            OfBestPeer(share) => format!("≤ {share} of the best peer"),
            OfRow(row, share) => format!("≤ {share} of {row}"),
        }
    }

    /// Where it stands on the axis of its figure.
    pub(crate) fn mark(self) -> Option<f64> {
        match self {
            Most(bar) | Least(bar) => Some(bar),
            OfFloor(_) | OfBestPeer(_) | OfRow(..) => None,
        }
    }

    /// Judges Roomtone. `has_run` says whether it was tried at all; `other` is what a ratio is taken of.
    pub(crate) fn judge(self, ours: Option<Spread>, other: Option<f64>, has_run: bool) -> Judgement {
        let median = ours.map(|ours| ours.median);
        let (value, holds) = match self {
            Most(most) => (median, median.map(|value| value <= most)),
            Least(least) => (median, median.map(|value| value >= least)),
            OfFloor(share) | OfBestPeer(share) | OfRow(_, share) => {
                let ratio = median
                    .zip(other.filter(|other| *other > 0.0))
                    .map(|(ours, other)| ours / other);
                (ratio, ratio.map(|ratio| ratio <= share))
            }
        };
        let verdict = match holds {
            Some(true) => "met",
            Some(false) => "not met",
            // It was tried, and no run counts: that is worse than a high figure.
            None if median.is_none() && has_run => "not met: void",
            None => "not measured",
        };
        Judgement { value, verdict }
    }
}

impl Judgement {
    /// The value as it is told.
    pub(crate) fn told(&self) -> String {
        self.value.map_or("none".to_owned(), number)
    }
}

/// The best peer's median, and its name: neither Roomtone, which comes first, nor the floor.
pub(crate) fn best_peer<'a>(
    metric: Metric,
    spreads: &[Option<Spread>],
    names: &[&'a str],
) -> Option<(f64, &'a str)> {
    let peers = spreads
        .iter()
        .zip(names)
        .skip(1)
        .filter(|(_, name)| **name != FLOOR)
        .filter_map(|(one, name)| Some(((*one)?.median, *name)))
        // What shrank, or is nothing, has no ratio.
        .filter(|(median, _)| *median > 0.0);
    let compare = |one: &(f64, &str), other: &(f64, &str)| one.0.total_cmp(&other.0);
    if metric.is_better_higher() {
        peers.max_by(compare)
    } else {
        peers.min_by(compare)
    }
}

/// The floor's median.
pub(crate) fn floor(spreads: &[Option<Spread>], names: &[&str]) -> Option<f64> {
    let place = names.iter().position(|name| *name == FLOOR)?;
    Some((*spreads.get(place)?)?.median).filter(|median| *median > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(median: f64) -> Option<Spread> {
        Some(Spread {
            median,
            min: median,
            max: median,
        })
    }

    fn verdict(bar: Bar, ours: Option<Spread>, other: Option<f64>) -> &'static str {
        bar.judge(ours, other, true).verdict
    }

    #[test]
    fn bars_are_judged_truthfully() {
        assert_eq!(verdict(Most(4.5), one(4.5), None), "met");
        assert_eq!(verdict(Most(4.5), one(4.51), None), "not met");
        assert_eq!(verdict(Least(4.5), one(4.5), None), "met");
        assert_eq!(verdict(Least(4.5), one(4.49), None), "not met");
        assert_eq!(verdict(OfFloor(0.6), one(0.6), Some(1.0)), "met");
        assert_eq!(verdict(OfFloor(0.6), one(0.61), Some(1.0)), "not met");
        assert_eq!(verdict(OfRow("x", 1.1), one(12.0), Some(10.0)), "not met");
    }

    #[test]
    fn what_is_missing_is_not_met_where_it_was_tried_and_not_measured_where_it_was_not() {
        assert_eq!(verdict(Most(4.5), None, None), "not met: void");
        assert_eq!(Most(4.5).judge(None, None, false).verdict, "not measured");
        // Without peers there is nothing to be compared with.
        assert_eq!(verdict(OfBestPeer(0.3), one(1.0), None), "not measured");
        assert_eq!(verdict(OfFloor(0.6), one(1.0), Some(0.0)), "not measured");
        assert_eq!(Most(1.0).judge(None, None, true).told(), "none");
    }

    #[test]
    fn the_best_peer_is_neither_us_nor_the_floor() {
        let names = ["Roomtone", FLOOR, "a", "b"];
        let spreads = [one(1.0), one(0.5), one(8.0), one(4.0)];
        assert_eq!(best_peer(Metric::CpuPerEdit, &spreads, &names), Some((4.0, "b")));
        assert_eq!(best_peer(Metric::EditsPerS, &spreads, &names), Some((8.0, "a")));
        assert_eq!(floor(&spreads, &names), Some(0.5));
        assert_eq!(
            best_peer(Metric::CpuPerEdit, &[one(1.0), one(2.0), None, one(-1.0)], &names),
            None
        );
    }
}

//! The places that hold a document's history: segments of the archive and parts of the log.

/// Log rows that are read at once.
const LOG_ROWS_AT_ONCE: usize = 64;

/// A place that holds rows, and the range of their ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) kind: PlaceKind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum PlaceKind {
    Segment(i64),
    Log,
}

/// The places in the order of their rows, from segments (number, lowest, highest id) and the ids in the log.
///
/// A row that a compaction had to leave behind has a lower id than the rows of the segment before it: places whose
/// ranges overlap stand in one group, to be read together and sorted.
pub(crate) fn groups(segments: Vec<(i64, i64, i64)>, log: &[i64]) -> Vec<Vec<Place>> {
    let of_log = log.chunks(LOG_ROWS_AT_ONCE).map(|ids| Place {
        first: ids.first().copied().unwrap_or(0),
        last: ids.last().copied().unwrap_or(0),
        kind: PlaceKind::Log,
    });
    let of_segment = |(segment, first, last): (i64, i64, i64)| Place {
        first,
        last,
        kind: PlaceKind::Segment(segment),
    };
    let mut places: Vec<Place> = segments.into_iter().map(of_segment).chain(of_log).collect();
    places.sort_by_key(|place| place.first);
    let mut groups: Vec<Vec<Place>> = Vec::new();
    let mut last = i64::MIN;
    for place in places {
        match groups.last_mut() {
            Some(group) if place.first <= last => group.push(place),
            _ => groups.push(vec![place]),
        }
        last = last.max(place.last);
    }
    groups
}

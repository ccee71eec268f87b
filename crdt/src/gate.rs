//! The gate in front of the engine: one walk over the bytes, before anything else sees them.
//!
//! The engine is memory-unsafe on hostile updates and ends the process on nested ones, and it accepts updates that
//! yjs 13 throws on, which would make a room unopenable for every browser. What passes here is a strict subset of
//! what both can load. The same gate runs on bytes from sockets, from other nodes and from the store.

use std::collections::{HashMap, HashSet};

use crate::ClientId;
use crate::block::{self, Block, Id, Parent};
use crate::lib0::Reader;
use crate::limits::CLOCK_COUNT_MAX;

/// Why bytes were refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule they break.
    pub rule: Rule,
    /// Bytes from the beginning.
    pub offset: usize,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.rule.as_str(), self.offset)
    }
}

impl std::error::Error for Refusal {}

/// What bytes have to hold to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// All that is announced is there.
    Truncated,
    /// Nothing follows the end.
    Trailing,
    /// Integers are within 2^53 and not longer than they need to be.
    Integer,
    /// No more things are announced than the bytes can hold.
    Count,
    /// Strings are UTF-8.
    Utf8,
    /// JSON is JSON.
    Json,
    /// Values have a known kind.
    Any,
    /// Nesting is bounded: of values, of JSON, and of shared types in each other.
    Depth,
    /// Clocks and their sums stay below 2^31.
    Clock,
    /// A client has one section of blocks, with clocks that follow each other, and one of deletions.
    Section,
    /// An update has no gaps inside: yjs writes them when it merges a log with holes.
    Skip,
    /// Blocks have a known kind.
    Block,
    /// Contents have a known kind.
    Content,
    /// Contents that yjs knows and the engine reads wrongly (`ContentJSON`, long replaced by `ContentAny`).
    ContentJson,
    /// Blocks are not empty.
    Empty,
    /// A parent is a name, or the id of a shared type.
    Parent,
    /// Shared types have a kind that both engines read. An XML hook has none: yrs misses its name and everything
    /// after it.
    Type,
    /// The options of a subdocument are an object.
    DocOptions,
    /// A block refers only to what was there before it.
    Reference,
    /// Blocks of different clients do not wait for each other in a circle.
    Circle,
    /// The neighbours of a block are two, and belong to one list.
    Neighbours,
    /// A key of a map holds one value at a time.
    Key,
    /// Deleted ranges are not empty.
    DeleteRange,
}

impl Rule {
    /// The label in metrics and close reasons.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Truncated => "truncated",
            Rule::Trailing => "trailing_bytes",
            Rule::Integer => "integer_out_of_range",
            Rule::Count => "count_beyond_bytes",
            Rule::Utf8 => "invalid_utf8",
            Rule::Json => "invalid_json",
            Rule::Any => "unknown_value",
            Rule::Depth => "nested_too_deep",
            Rule::Clock => "clock_out_of_range",
            Rule::Section => "section_twice",
            Rule::Skip => "gap_inside",
            Rule::Block => "unknown_block",
            Rule::Content => "unknown_content",
            Rule::ContentJson => "old_json_content",
            Rule::Empty => "empty_block",
            Rule::Parent => "unknown_parent",
            Rule::Type => "unknown_type",
            Rule::DocOptions => "bad_subdocument",
            Rule::Reference => "refers_to_itself",
            Rule::Circle => "refers_in_a_circle",
            Rule::Neighbours => "neighbours_apart",
            Rule::Key => "many_values_for_key",
            Rule::DeleteRange => "empty_delete_range",
        }
    }
}

/// Clocks of one client, half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRange {
    /// Whose.
    pub client: ClientId,
    /// The first.
    pub from: u32,
    /// The one after the last.
    pub to: u32,
}

/// What an update holds and what it builds on, found out by the gate in the same walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The blocks, one range a client, in the order of the bytes.
    pub structs: Vec<ClockRange>,
    /// What a document must have for all of it to fit in: client, and the clock it must have reached.
    pub needs: Vec<(ClientId, u32)>,
    /// Deleted ranges.
    pub deletes: Vec<ClockRange>,
    /// Where the blocks of each of `structs` begin, in bytes.
    pub(crate) sections: Vec<usize>,
}

/// What an update refers to, gathered per client. Neighbouring blocks mostly refer to the same client.
#[derive(Default)]
struct Needs {
    last: (ClientId, u32),
    others: HashMap<ClientId, u32>,
}

impl Needs {
    fn add(&mut self, client: ClientId, reached: u32) {
        if self.last.0 != client {
            self.flush();
            self.last = (client, 0);
        }
        self.last.1 = self.last.1.max(reached);
    }

    fn flush(&mut self) {
        let (client, reached) = self.last;
        if reached > 0 {
            let known = self.others.entry(client).or_default();
            *known = reached.max(*known);
        }
    }

    /// What the update itself does not bring.
    fn without(mut self, structs: &[ClockRange]) -> Vec<(ClientId, u32)> {
        self.flush();
        for range in structs {
            let known = self.others.entry(range.client).or_default();
            // Below the section's end only its beginning is needed; the rest comes with it.
            *known = if *known <= range.to { range.from } else { *known };
        }
        self.others
            .into_iter()
            .filter(|(_, reached)| *reached > 0)
            .collect()
    }
}

/// Clients that were met. Few: looked through. Many: looked up.
#[derive(Default)]
struct Seen {
    few: Vec<ClientId>,
    many: HashSet<ClientId>,
}

impl Seen {
    fn twice(&mut self, client: ClientId) -> bool {
        if self.few.contains(&client) {
            return true;
        }
        if self.few.len() < 16 {
            self.few.push(client);
            return false;
        }
        !self.many.insert(client)
    }
}

/// Walks an update (format v1).
///
/// # Errors
/// The first rule that the bytes break.
pub(crate) fn check_update(bytes: &[u8]) -> Result<Extent, Refusal> {
    let mut reader = Reader::new(bytes);
    let mut extent = Extent::default();
    let mut needs = Needs::default();
    // A section takes at least its count, client, clock and one block of two bytes.
    let sections = reader.count(5)?;
    let mut seen = Seen::default();
    for _ in 0..sections {
        let blocks = reader.count(2)?;
        let client = reader.var_uint()?;
        if seen.twice(client) || blocks == 0 {
            return Err(reader.refuse(Rule::Section));
        }
        let from = clock(&mut reader)?;
        extent.sections.push(reader.offset());
        let mut to = from;
        for _ in 0..blocks {
            let block = block::read(&mut reader)?;
            if block.origin.is_some() && block.origin == block.right_origin {
                return Err(reader.refuse(Rule::Neighbours));
            }
            for id in references(&block) {
                // On the same client it lies before the block: yjs never finds anything else.
                if id.client == client && id.clock >= to {
                    return Err(reader.refuse(Rule::Reference));
                }
                needs.add(id.client, id.clock + 1);
            }
            to = end_of(&reader, to, block.length)?;
        }
        extent.structs.push(ClockRange { client, from, to });
    }
    let mut seen = Seen::default();
    for _ in 0..reader.count(2)? {
        let client = reader.var_uint()?;
        // Of two the engine takes the last and yjs takes both.
        if seen.twice(client) {
            return Err(reader.refuse(Rule::Section));
        }
        for _ in 0..reader.count(2)? {
            let from = clock(&mut reader)?;
            let length = reader.var_uint()?;
            if length == 0 {
                return Err(reader.refuse(Rule::DeleteRange));
            }
            let to = end_of(&reader, from, length)?;
            needs.add(client, to);
            extent.deletes.push(ClockRange { client, from, to });
        }
    }
    if !reader.is_done() {
        return Err(reader.refuse(Rule::Trailing));
    }
    extent.needs = needs.without(&extent.structs);
    Ok(extent)
}

/// Reads a clock below the bound.
///
/// # Errors
/// [`Rule::Clock`], and those of reading.
pub(crate) fn clock(reader: &mut Reader<'_>) -> Result<u32, Refusal> {
    let clock = reader.var_uint()?;
    if clock >= CLOCK_COUNT_MAX {
        return Err(reader.refuse(Rule::Clock));
    }
    Ok(clock as u32)
}

/// The ids that a block refers to.
pub(crate) fn references(block: &Block<'_>) -> impl Iterator<Item = Id> + use<> {
    let parent = match block.parent {
        Some(Parent::Item(id)) => Some(id),
        Some(Parent::Root(_)) | None => None,
    };
    [block.origin, block.right_origin, parent].into_iter().flatten()
}

fn end_of(reader: &Reader<'_>, from: u32, length: u64) -> Result<u32, Refusal> {
    match u64::from(from).checked_add(length) {
        Some(to) if to < CLOCK_COUNT_MAX => Ok(to as u32),
        Some(_) | None => Err(reader.refuse(Rule::Clock)),
    }
}

//! Where every block of a document belongs: what the gate cannot see, because it looks at one update alone.
//!
//! Both engines take a parent from a neighbour without asking whether the other neighbour has the same one, and
//! differ in what they do when it has not, or when a parent is no shared type. Both delete nested types by calling
//! themselves. So updates that are crooked in one of these ways are refused before the engine sees them. The shape is
//! kept as runs: text that was typed in one go is one of them, whatever its length.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::ClientId;
use crate::block::{self, Block, Id, Kind, Parent};
use crate::gate::{ClockRange, Refusal, Rule, references};
use crate::lib0::Reader;
use crate::limits::TYPE_DEPTH_MAX;
use crate::update::Update;

/// A list of blocks: the children of a shared type, or what was ever set under one of its keys. A keyed hash of what
/// names it: a collision, which nobody can aim at, would let one crooked block through.
type ListName = u64;

#[derive(Clone, Copy, Debug)]
struct List {
    /// The shared type. None at the top of the document.
    parent: Option<Id>,
    depth: u16,
    /// What was ever set under one key.
    is_keyed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a part of the document of which only the length is left.
    Collected,
    /// In this list.
    List(ListName),
}

/// Clocks of one client that belong together and hold the same kind of thing, up to where the next run begins.
#[derive(Clone, Copy, Debug)]
struct Run {
    from: u32,
    place: Place,
    kind: Kind,
}

#[derive(Debug, Default)]
struct Runs {
    runs: Vec<Run>,
    end: u32,
}

/// The shape of a document. It goes on holding what has been deleted since it was made.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    clients: HashMap<ClientId, Runs>,
    runs_count: usize,
    lists: HashMap<ListName, List>,
    names: RandomState,
}

/// How far one section of an update was read.
struct Cursor<'a> {
    reader: Reader<'a>,
    client: ClientId,
    clock: u32,
    to: u32,
    waits: bool,
}

impl Shape {
    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.runs_count * size_of::<Run>() + self.lists.len() * size_of::<(ListName, List)>()
    }

    /// Takes an update in, in the order in which its blocks build on each other. Everything that it needs has to be
    /// here. `is_alive` says whether a shared type is in the document and not deleted. When the update is refused,
    /// the shape is that of no document any more.
    ///
    /// # Errors
    /// [`Rule::Circle`], [`Rule::Neighbours`], [`Rule::Key`], [`Rule::Parent`], [`Rule::Depth`], [`Rule::Reference`].
    pub(crate) fn admit(&mut self, update: &Update, is_alive: impl Fn(Id) -> bool) -> Result<(), Refusal> {
        let extent = update.extent();
        let mut cursors: Vec<Cursor<'_>> = Vec::with_capacity(extent.structs.len());
        for (range, start) in extent.structs.iter().zip(&extent.sections) {
            if range.to > self.end(range.client) {
                let reader = Reader::starting_at(update.bytes(), *start);
                let (client, clock, to) = (range.client, range.from, range.to);
                cursors.push(Cursor {
                    reader,
                    client,
                    clock,
                    to,
                    waits: false,
                });
            }
        }
        let is_deleted = |client: ClientId, from: u32, to: u32| {
            let holds = |range: &ClockRange| range.client == client && range.from <= from && to <= range.to;
            extent.deletes.iter().any(holds)
        };
        // What this very update deletes is still there while its blocks go in.
        let is_alive = |id: Id| is_alive(id) && !is_deleted(id.client, id.clock, id.clock + 1);
        // Few sections: look through them. Many: by client.
        let by_client: HashMap<ClientId, usize> = if cursors.len() > 8 {
            cursors
                .iter()
                .enumerate()
                .map(|(index, cursor)| (cursor.client, index))
                .collect()
        } else {
            HashMap::new()
        };
        let find = |cursors: &[Cursor<'_>], client: ClientId| {
            if cursors.len() > 8 {
                by_client.get(&client).copied()
            } else {
                cursors.iter().position(|cursor| cursor.client == client)
            }
        };
        // A section that builds on another one waits until that one is far enough.
        let mut stack: Vec<(usize, u32)> = Vec::new();
        for index in 0..cursors.len() {
            stack.push((index, cursors[index].to));
            while let Some((index, until)) = stack.last().copied() {
                let missing = self.advance(&mut cursors[index], until, &is_alive, &is_deleted)?;
                let Some(id) = missing else {
                    cursors[index].waits = false;
                    stack.pop();
                    continue;
                };
                let refuse = |rule| Err(cursors[index].reader.refuse(rule));
                let Some(other) = find(&cursors, id.client) else {
                    return refuse(Rule::Reference);
                };
                if id.clock >= cursors[other].to {
                    return refuse(Rule::Reference);
                }
                if cursors[other].waits || other == index {
                    return refuse(Rule::Circle);
                }
                cursors[index].waits = true;
                stack.push((other, id.clock + 1));
            }
        }
        Ok(())
    }

    /// Reads on in one section, up to a clock or to a block that builds on what is not here yet.
    fn advance(
        &mut self,
        cursor: &mut Cursor<'_>,
        until: u32,
        is_alive: &impl Fn(Id) -> bool,
        is_deleted: &impl Fn(ClientId, u32, u32) -> bool,
    ) -> Result<Option<Id>, Refusal> {
        while cursor.clock < until {
            let mut ahead = cursor.reader.clone();
            let block = block::read(&mut ahead)?;
            let end = cursor.clock + block.length as u32;
            if end > self.end(cursor.client) {
                let missing = references(&block)
                    .find(|id| id.client != cursor.client && id.clock >= self.end(id.client));
                if missing.is_some() {
                    return Ok(missing);
                }
                let mut place = self.place(&block, is_alive).map_err(|rule| ahead.refuse(rule))?;
                // The first part of it may be here: then the rest goes where the end of that went, in both engines.
                let known = self.end(cursor.client);
                let before = (known > cursor.clock).then(|| Id {
                    client: cursor.client,
                    clock: known - 1,
                });
                if let Some(known) = before.and_then(|id| self.at(id)) {
                    place = self
                        .agreed(known.place, place, is_alive)
                        .map_err(|rule| ahead.refuse(rule))?;
                }
                // A client sets one value at a time. More of them are one block only after all of them were deleted;
                // yjs throws when it later collects what it took for the only value.
                if block.length > 1
                    && matches!(block.kind, Kind::Type | Kind::Value)
                    && self.is_keyed(place)
                    && !is_deleted(cursor.client, cursor.clock, end)
                {
                    return Err(ahead.refuse(Rule::Key));
                }
                let kind = if place == Place::Collected {
                    Kind::Collected
                } else {
                    block.kind
                };
                self.push(cursor.client, end, place, kind);
            }
            cursor.reader = ahead;
            cursor.clock = end;
        }
        Ok(None)
    }

    /// The list that a block belongs to.
    fn place(&mut self, block: &Block<'_>, is_alive: &impl Fn(Id) -> bool) -> Result<Place, Rule> {
        if block.kind == Kind::Collected {
            return Ok(Place::Collected);
        }
        let neighbour = |id: Option<Id>| id.map(|id| self.at(id).ok_or(Rule::Reference)).transpose();
        match (
            neighbour(block.origin)?,
            neighbour(block.right_origin)?,
            block.parent,
        ) {
            (Some(left), Some(right), _) => self.agreed(left.place, right.place, is_alive),
            (Some(only), None, _) | (None, Some(only), _) => Ok(only.place),
            (None, None, Some(Parent::Root(name))) => {
                let name = self.names.hash_one((name, block.key));
                self.lists.entry(name).or_insert(List {
                    parent: None,
                    depth: 0,
                    is_keyed: block.key.is_some(),
                });
                Ok(Place::List(name))
            }
            (None, None, Some(Parent::Item(id))) => {
                let parent = self.at(id).ok_or(Rule::Reference)?;
                let list = match (parent.kind, parent.place) {
                    (Kind::Collected | Kind::Deleted, _) | (_, Place::Collected) => {
                        return Ok(Place::Collected);
                    }
                    (Kind::Value, Place::List(_)) => return Err(Rule::Parent),
                    (Kind::Type, Place::List(list)) => list,
                };
                let depth = self.lists.get(&list).map_or(0, |list| list.depth) + 1;
                if depth > TYPE_DEPTH_MAX {
                    return Err(Rule::Depth);
                }
                let name = self.names.hash_one((id.client, id.clock, block.key));
                self.lists.entry(name).or_insert(List {
                    parent: Some(id),
                    depth,
                    is_keyed: block.key.is_some(),
                });
                Ok(Place::List(name))
            }
            // The gate lets no block pass that has neither neighbour nor parent, except collected ones.
            (None, None, None) => Err(Rule::Parent),
        }
    }

    /// The place of a block that has two.
    fn agreed(&self, one: Place, other: Place, is_alive: &impl Fn(Id) -> bool) -> Result<Place, Rule> {
        match (one, other) {
            (Place::Collected, Place::Collected) => Ok(Place::Collected),
            (Place::List(one), Place::List(other)) if one == other => Ok(Place::List(one)),
            (Place::List(_), Place::List(_)) => Err(Rule::Neighbours),
            // yjs collects such a block and the engine does not. A client makes one only where the whole list is
            // deleted and it does not know that yet; there it is gone in both.
            (Place::Collected, Place::List(name)) | (Place::List(name), Place::Collected) => {
                match self.lists.get(&name).and_then(|list| list.parent) {
                    Some(parent) if !is_alive(parent) => Ok(Place::List(name)),
                    Some(_) | None => Err(Rule::Neighbours),
                }
            }
        }
    }

    fn is_keyed(&self, place: Place) -> bool {
        match place {
            Place::Collected => false,
            Place::List(name) => self.lists.get(&name).is_some_and(|list| list.is_keyed),
        }
    }

    fn end(&self, client: ClientId) -> u32 {
        self.clients.get(&client).map_or(0, |runs| runs.end)
    }

    fn at(&self, id: Id) -> Option<Run> {
        let runs = self.clients.get(&id.client)?;
        if id.clock >= runs.end {
            return None;
        }
        let after = runs.runs.partition_point(|run| run.from <= id.clock);
        after
            .checked_sub(1)
            .and_then(|index| runs.runs.get(index))
            .copied()
    }

    fn push(&mut self, client: ClientId, end: u32, place: Place, kind: Kind) {
        let runs = self.clients.entry(client).or_default();
        if runs
            .runs
            .last()
            .is_none_or(|last| last.place != place || last.kind != kind)
        {
            runs.runs.push(Run {
                from: runs.end,
                place,
                kind,
            });
            self.runs_count += 1;
        }
        runs.end = end;
    }
}

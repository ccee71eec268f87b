//! Updates written by hand: what no client would send and somebody may.

use bytes::Bytes;
use roomtone_crdt::{Update, Writer};

use crate::random::Random;

/// One block of a written update.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    /// A collected block of so many clocks.
    Collected(u32),
    /// Content with what it refers to.
    Item {
        origin: Option<(u64, u32)>,
        right_origin: Option<(u64, u32)>,
        parent: Parent,
        key: Option<&'static str>,
        content: Content,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Parent {
    Root(&'static str),
    Item(u64, u32),
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Deleted(u32),
    Binary,
    Text(&'static str),
    Embed(&'static str),
    Format(&'static str),
    Type(u8),
    Values(u8),
    /// With `meta` in the options.
    Subdocument,
}

impl Content {
    pub(crate) fn length(&self) -> u32 {
        match self {
            Content::Deleted(length) => *length,
            Content::Text(text) => text.encode_utf16().count() as u32,
            Content::Values(count) => u32::from(*count),
            Content::Binary
            | Content::Embed(_)
            | Content::Format(_)
            | Content::Type(_)
            | Content::Subdocument => 1,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Content::Deleted(_) => 1,
            Content::Binary => 3,
            Content::Text(_) => 4,
            Content::Embed(_) => 5,
            Content::Format(_) => 6,
            Content::Type(_) => 7,
            Content::Values(_) => 8,
            Content::Subdocument => 9,
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Content::Deleted(length) => writer.var_uint(u64::from(*length)),
            Content::Binary => writer.var_bytes(b"bin"),
            Content::Text(text) => writer.var_string(text),
            Content::Embed(json) => writer.var_string(json),
            Content::Format(json) => writer.var_string("bold").var_string(json),
            Content::Type(3) => writer.var_uint(3).var_string("p"),
            Content::Type(kind) => writer.var_uint(u64::from(*kind)),
            Content::Values(count) => {
                writer.var_uint(u64::from(*count));
                for index in 0..*count {
                    match index % 4 {
                        0 => writer.u8(125).var_uint(7),
                        1 => writer.u8(119).var_string("s"),
                        2 => writer.u8(118).var_uint(1).var_string("k").u8(126),
                        _ => writer.u8(117).var_uint(1).u8(120),
                    };
                }
                writer
            }
            Content::Subdocument => writer
                .var_string("guid")
                .u8(118)
                .var_uint(1)
                .var_string("autoLoad")
                .u8(120),
        };
    }
}

impl Written {
    pub(crate) fn length(&self) -> u32 {
        match self {
            Written::Collected(length) => *length,
            Written::Item { content, .. } => content.length(),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Written::Collected(length) => {
                writer.u8(0).var_uint(u64::from(*length));
            }
            Written::Item {
                origin,
                right_origin,
                parent,
                key,
                content,
            } => {
                let mut info = content.kind();
                info |= if origin.is_some() { 0x80 } else { 0 };
                info |= if right_origin.is_some() { 0x40 } else { 0 };
                info |= if key.is_some() { 0x20 } else { 0 };
                writer.u8(info);
                for (client, clock) in [origin, right_origin].into_iter().flatten() {
                    writer.var_uint(*client).var_uint(u64::from(*clock));
                }
                if origin.is_none() && right_origin.is_none() {
                    match parent {
                        Parent::Root(name) => writer.var_uint(1).var_string(name),
                        Parent::Item(client, clock) => {
                            writer.var_uint(0).var_uint(*client).var_uint(u64::from(*clock))
                        }
                    };
                    if let Some(key) = key {
                        writer.var_string(key);
                    }
                }
                content.write(writer);
            }
        }
    }
}

/// What passes the gate, as these tests expect of it.
pub(crate) fn checked(bytes: Vec<u8>) -> Update {
    Update::check(Bytes::from(bytes)).expect("written well")
}

/// The bytes of an update: sections of client, first clock and blocks; and deleted ranges.
pub(crate) fn update(sections: &[(u64, u32, Vec<Written>)], deletes: &[(u64, u32, u32)]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.var_uint(sections.len() as u64);
    for (client, clock, blocks) in sections {
        writer
            .var_uint(blocks.len() as u64)
            .var_uint(*client)
            .var_uint(u64::from(*clock));
        for block in blocks {
            block.write(&mut writer);
        }
    }
    writer.var_uint(deletes.len() as u64);
    for (client, clock, length) in deletes {
        writer
            .var_uint(*client)
            .var_uint(1)
            .var_uint(u64::from(*clock))
            .var_uint(u64::from(*length));
    }
    writer.into_bytes()
}

/// Hostile updates that mostly fit on each other: a few clients, references into everything that was ever there.
pub(crate) fn hostile(seed: u64, count: u64) -> Vec<Vec<u8>> {
    const CLIENTS: u64 = 3;
    let mut random = Random::new(seed);
    let mut clocks = [0u32; CLIENTS as usize];
    let mut updates = Vec::new();
    for _ in 0..count {
        let before = clocks;
        let mut sections = Vec::new();
        let mut order: Vec<u64> = (1..=CLIENTS).collect();
        random.shuffle(&mut order);
        order.truncate(1 + random.below(2) as usize);
        for client in order {
            let index = client as usize - 1;
            // Sometimes from within what is there: the beginning is known then, or another one.
            let known = if random.chance(4) {
                random.below(3) as u32
            } else {
                0
            };
            let from = clocks[index].saturating_sub(known);
            clocks[index] = from;
            let blocks: Vec<Written> = (0..=random.below(4))
                .map(|_| {
                    let block = block(&mut random, &clocks);
                    clocks[index] += block.length();
                    block
                })
                .collect();
            clocks[index] = clocks[index].max(before[index]);
            sections.push((client, from, blocks));
        }
        let mut deletes = Vec::new();
        for client in 1..=CLIENTS {
            let end = u64::from(clocks[client as usize - 1]);
            if end > 0 && random.chance(4) {
                let from = random.below(end);
                deletes.push((
                    client,
                    from as u32,
                    (1 + random.below((end - from).min(6))) as u32,
                ));
            }
        }
        let bytes = update(&sections, &deletes);
        // What is refused never was: the next one builds on what is there.
        match roomtone_crdt::Update::check(bytes.clone().into()) {
            Ok(_) => updates.push(bytes),
            Err(_) => clocks = before,
        }
    }
    updates
}

fn block(random: &mut Random, clocks: &[u32; 3]) -> Written {
    let refer = |random: &mut Random| {
        let client = random.below(3);
        let end = u64::from(clocks[client as usize]);
        (end > 0).then(|| (client + 1, random.below(end) as u32))
    };
    if random.chance(15) {
        return Written::Collected(1 + random.below(3) as u32);
    }
    let origin = if random.chance(3) { None } else { refer(random) };
    let right_origin = if random.chance(2) { refer(random) } else { None };
    let parent = match refer(random) {
        Some((client, clock)) if random.chance(2) => Parent::Item(client, clock),
        Some(_) | None => Parent::Root(if random.chance(4) { "u" } else { "t" }),
    };
    let key = if random.chance(4) {
        Some(*random.pick(&["k", "l"]))
    } else {
        None
    };
    let content = match random.below(12) {
        0 => Content::Deleted(1 + random.below(3) as u32),
        1 => Content::Binary,
        2..=4 => Content::Text(random.pick::<&str>(&["a", "bcd", "Gr\u{fc}n", "x\u{1f600}y"])),
        5 => Content::Embed("{\"a\":[1,null]}"),
        6 => Content::Format(random.pick::<&str>(&["true", "null"])),
        7..=9 => Content::Type(*random.pick(&[0, 1, 2, 3, 4, 6])),
        10 => Content::Values(1 + random.below(4) as u8),
        _ => Content::Subdocument,
    };
    Written::Item {
        origin,
        right_origin,
        parent,
        key,
        content,
    }
}

//! One block of an update as it stands in the bytes: what it refers to, where it belongs, what it holds.

use crate::ClientId;
use crate::any::{check_any, check_doc_options, check_json};
use crate::gate::{Refusal, Rule, clock};
use crate::lib0::Reader;

/// Bits of a block's first byte.
const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_PARENT_SUB: u8 = 0x20;
const CONTENT: u8 = 0x1f;
/// The content kind of a gap inside.
const SKIP: u8 = 10;

/// The name of one clock of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    /// Whose.
    pub(crate) client: ClientId,
    /// Which.
    pub(crate) clock: u32,
}

/// What a block that has no neighbour belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parent<'a> {
    /// A shared type at the top of the document, by name.
    Root(&'a str),
    /// The shared type that this block holds.
    Item(Id),
}

/// As much of a block's content as its neighbours have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A collected block: nothing is known but the length.
    Collected,
    /// A deleted block: it may have been a shared type.
    Deleted,
    /// A shared type.
    Type,
    /// A value, text, a format, a subdocument.
    Value,
}

/// A block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    /// In clocks. Not 0.
    pub(crate) length: u64,
    /// Its left neighbour when it was made.
    pub(crate) origin: Option<Id>,
    /// Its right neighbour when it was made.
    pub(crate) right_origin: Option<Id>,
    /// Only where there is no neighbour, and not on collected blocks.
    pub(crate) parent: Option<Parent<'a>>,
    /// The key under which it stands in its parent, where it does and there is no neighbour to have it from.
    pub(crate) key: Option<&'a str>,
    /// What it holds.
    pub(crate) kind: Kind,
}

/// Reads one block.
///
/// # Errors
/// The rule it breaks.
pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<Block<'a>, Refusal> {
    let info = reader.u8()?;
    if info == 0 {
        let length = not_empty(reader, |reader| reader.var_uint())?;
        let kind = Kind::Collected;
        return Ok(Block {
            length,
            origin: None,
            right_origin: None,
            parent: None,
            key: None,
            kind,
        });
    }
    match info & CONTENT {
        // yjs looks at the low bits for a collected block and the engine at all of them.
        0 => return Err(reader.refuse(Rule::Block)),
        SKIP => return Err(reader.refuse(Rule::Skip)),
        _ => {}
    }
    let origin = if info & HAS_ORIGIN == 0 {
        None
    } else {
        Some(id(reader)?)
    };
    let right_origin = if info & HAS_RIGHT_ORIGIN == 0 {
        None
    } else {
        Some(id(reader)?)
    };
    // A block with a neighbour has its parent and its key from there.
    let (mut parent, mut key) = (None, None);
    if origin.is_none() && right_origin.is_none() {
        parent = Some(match reader.var_uint()? {
            1 => Parent::Root(reader.var_string()?),
            0 => Parent::Item(id(reader)?),
            _ => return Err(reader.refuse(Rule::Parent)),
        });
        if info & HAS_PARENT_SUB != 0 {
            key = Some(reader.var_string()?);
        }
    }
    let kind = match info & CONTENT {
        1 => Kind::Deleted,
        7 => Kind::Type,
        _ => Kind::Value,
    };
    let length = not_empty(reader, |reader| content(reader, info & CONTENT))?;
    Ok(Block {
        length,
        origin,
        right_origin,
        parent,
        key,
        kind,
    })
}

fn id(reader: &mut Reader<'_>) -> Result<Id, Refusal> {
    Ok(Id {
        client: reader.var_uint()?,
        clock: clock(reader)?,
    })
}

fn not_empty<'a>(
    reader: &mut Reader<'a>,
    length: impl FnOnce(&mut Reader<'a>) -> Result<u64, Refusal>,
) -> Result<u64, Refusal> {
    let length = length(reader)?;
    if length == 0 {
        Err(reader.refuse(Rule::Empty))
    } else {
        Ok(length)
    }
}

/// Walks a block's content and returns its length in clocks.
fn content(reader: &mut Reader<'_>, kind: u8) -> Result<u64, Refusal> {
    match kind {
        // Deleted
        1 => reader.var_uint(),
        2 => Err(reader.refuse(Rule::ContentJson)),
        // Binary
        3 => reader.var_bytes().map(|_| 1),
        // String: clocks count UTF-16 units.
        4 => {
            let text = reader.var_string()?;
            let units = if text.is_ascii() {
                text.len()
            } else {
                text.encode_utf16().count()
            };
            Ok(units as u64)
        }
        // Embed
        5 => check_json(reader).map(|()| 1),
        // Format
        6 => {
            reader.var_string()?;
            check_json(reader).map(|()| 1)
        }
        // Type
        7 => match reader.var_uint()? {
            // array, map, text, XML fragment, XML text
            0 | 1 | 2 | 4 | 6 => Ok(1),
            // An XML element carries a name. So does an XML hook (5), which the engine does not know.
            3 => reader.var_string().map(|_| 1),
            _ => Err(reader.refuse(Rule::Type)),
        },
        // Any
        8 => {
            let count = reader.count(1)?;
            for _ in 0..count {
                check_any(reader)?;
            }
            Ok(count)
        }
        // Subdocument
        9 => {
            reader.var_string()?;
            check_doc_options(reader).map(|()| 1)
        }
        _ => Err(reader.refuse(Rule::Content)),
    }
}

//! `Any` values and JSON inside updates: walked for their shape, never built from bytes that nobody has checked.

use crate::gate::{Refusal, Rule};
use crate::lib0::Reader;
use crate::limits::NESTING_DEPTH_MAX;

/// Tag of an object.
const OBJECT: u8 = 118;

/// Walks one `Any` value.
///
/// # Errors
/// [`Rule::Depth`], [`Rule::Any`], and those of reading.
pub(crate) fn check_any(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    walk(reader, 0)
}

/// Walks the options of a subdocument: an object, which yjs spreads over what it makes the document from.
///
/// # Errors
/// As [`check_any`], and [`Rule::DocOptions`].
pub(crate) fn check_doc_options(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    if reader.u8()? != OBJECT {
        return Err(reader.refuse(Rule::DocOptions));
    }
    for _ in 0..reader.count(2)? {
        // The name would be another one than what the engine reads, and a filter that is no function throws later.
        if matches!(reader.var_string()?, "guid" | "gcFilter") {
            return Err(reader.refuse(Rule::DocOptions));
        }
        walk(reader, 1)?;
    }
    Ok(())
}

fn walk(reader: &mut Reader<'_>, depth: usize) -> Result<(), Refusal> {
    if depth > NESTING_DEPTH_MAX {
        return Err(reader.refuse(Rule::Depth));
    }
    match reader.u8()? {
        // undefined, null, true, false
        127 | 126 | 120 | 121 => {}
        125 => {
            reader.var_int()?;
        }
        // 32 and 64 bit floats, 64 bit integers
        124 => {
            reader.bytes(4)?;
        }
        123 | 122 => {
            reader.bytes(8)?;
        }
        119 => {
            reader.var_string()?;
        }
        OBJECT => {
            for _ in 0..reader.count(2)? {
                reader.var_string()?;
                walk(reader, depth + 1)?;
            }
        }
        117 => {
            for _ in 0..reader.count(1)? {
                walk(reader, depth + 1)?;
            }
        }
        116 => {
            reader.var_bytes()?;
        }
        _ => return Err(reader.refuse(Rule::Any)),
    }
    Ok(())
}

/// Reads a string that has to be JSON.
///
/// # Errors
/// [`Rule::Json`], [`Rule::Depth`], and those of reading.
pub(crate) fn check_json(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    let text = reader.var_string()?;
    is_json(text, NESTING_DEPTH_MAX).map_err(|rule| reader.refuse(rule))
}

/// Whether a text is JSON that both JavaScript and the engine parse, nested at most `depth_max` deep.
pub(crate) fn is_json(text: &str, depth_max: usize) -> Result<(), Rule> {
    // The depth first: a parser recurses.
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_string = false,
            (true, _) => {}
            (false, b'"') => in_string = true,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > depth_max {
                    return Err(Rule::Depth);
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
    }
    serde_json::from_str::<serde_json::Value>(text)
        .map(drop)
        .map_err(|_| Rule::Json)
}

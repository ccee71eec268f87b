//! What a client says of who is here, as it comes from the wire, and what others may be shown of it.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::ClientId;
use crate::any::is_json;
use crate::gate::{Refusal, Rule};
use crate::lib0::Reader;
use crate::limits::{AWARENESS_DEPTH_MAX, AWARENESS_STATE_BYTES_MAX};

/// Identity from a token, put into the states of its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Becomes `user.id`.
    pub id: String,
    /// Becomes `user.name`, if there is one.
    pub name: Option<String>,
}

/// An awareness update from the wire, its structure checked. The JSON inside is not looked at yet.
#[derive(Clone, Debug)]
pub struct AwarenessUpdate {
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) client: ClientId,
    pub(crate) clock: u32,
    /// None for `null`: the client is gone.
    pub(crate) state: Option<Bytes>,
}

impl AwarenessUpdate {
    /// Reads `varUint n`, then n times client, clock and JSON. Clocks of 2^31 and more are dropped with their entry
    /// when it is received, so that one bad entry does not hide the others.
    ///
    /// # Errors
    /// [`Rule::Count`], [`Rule::Truncated`], [`Rule::Integer`], [`Rule::Utf8`], [`Rule::Trailing`].
    pub fn decode(bytes: Bytes) -> Result<AwarenessUpdate, Refusal> {
        let mut reader = Reader::new(&bytes);
        let count = reader.count(3)?;
        // Bounded by the bytes that are there; most frames hold one entry.
        let mut entries = Vec::with_capacity(count.min(64) as usize);
        for _ in 0..count {
            let client = reader.var_uint()?;
            let clock = u32::try_from(reader.var_uint()?).unwrap_or(u32::MAX);
            let text = reader.var_string()?;
            // Readers parse it: white space around a null makes it no less one.
            let is_null = text.trim_matches([' ', '\t', '\n', '\r']) == "null";
            let state = (!is_null).then(|| bytes.slice_ref(text.as_bytes()));
            entries.push(Entry { client, clock, state });
        }
        if !reader.is_done() {
            return Err(reader.refuse(Rule::Trailing));
        }
        Ok(AwarenessUpdate { entries })
    }

    /// Entries in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A state that others may be shown: valid JSON within its bounds, stamped. None when it is not.
pub(crate) fn checked(state: &Bytes, stamp: Option<&Stamp>) -> Option<Bytes> {
    if state.len() > AWARENESS_STATE_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(state).ok()?;
    is_json(text, AWARENESS_DEPTH_MAX).ok()?;
    let Some(stamp) = stamp else {
        // A copy: a slice would keep the whole frame alive for as long as the state stands.
        return Some(Bytes::copy_from_slice(state));
    };
    let mut value: Value = serde_json::from_str(text).ok()?;
    if let Value::Object(fields) = &mut value {
        let user = fields.entry("user").or_insert_with(|| Value::Object(Map::new()));
        if !user.is_object() {
            *user = Value::Object(Map::new());
        }
        if let Value::Object(user) = user {
            user.insert("id".to_owned(), Value::String(stamp.id.clone()));
            if let Some(name) = &stamp.name {
                user.insert("name".to_owned(), Value::String(name.clone()));
            }
        }
    }
    serde_json::to_vec(&value).ok().map(Bytes::from)
}

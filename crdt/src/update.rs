//! An update that has passed the gate. There is no other way to make one.

use std::sync::Arc;

use bytes::Bytes;

use crate::gate::{Extent, Refusal, check_update};

/// A checked Yjs update, format v1. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Update {
    bytes: Bytes,
    extent: Arc<Extent>,
}

impl Update {
    /// Checks bytes from anywhere.
    ///
    /// # Errors
    /// The rule of the gate that they break.
    pub fn check(bytes: Bytes) -> Result<Update, Refusal> {
        let extent = Arc::new(check_update(&bytes)?);
        Ok(Update { bytes, extent })
    }

    /// The update that brings nothing: `00 00`.
    pub fn empty() -> Update {
        Update {
            bytes: Bytes::from_static(&[0, 0]),
            extent: Arc::new(Extent::default()),
        }
    }

    /// The bytes, as they came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What it holds and what it builds on.
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Whether there is nothing in it: no block and no deletion.
    pub fn is_empty(&self) -> bool {
        self.extent.structs.is_empty() && self.extent.deletes.is_empty()
    }
}

impl PartialEq for Update {
    fn eq(&self, other: &Update) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Update {}

//! Rows as the SQL backends keep them: how each is checked and packed, whatever database it lies in.

pub(crate) mod blob;
pub(crate) mod chat;
pub(crate) mod checksum;
pub(crate) mod compact;
pub(crate) mod document;
pub(crate) mod history;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod places;
pub(crate) mod quarantined;
pub(crate) mod segment;
pub(crate) mod snapshot;
pub(crate) mod sql;

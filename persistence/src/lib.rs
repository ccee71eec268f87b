//! The durable side of Roomtone: update log, snapshots, archive and quarantine behind one [`Store`].
//!
//! In reading order: what a document is called ([`DocId`]), what is kept about an edit ([`Record`]), what a load
//! returns ([`Stored`]), the promises ([`Store`], and [`Chats`] for the messages beside a document), the backends ([`SqliteStore`], [`PostgresStore`], [`MemoryStore`]), where
//! large snapshots are kept beside them ([`BlobStore`]), and the one thing that is built on top of them ([`compact`]).
//!
//! Everything here is bytes. Only [`compact`] knows the CRDT engine, and it is the only caller of it.

// A test that meets what it did not expect should stop there and then.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod aside;
mod blobs;
mod chat;
mod compact;
mod doc_id;
mod errors;
mod faults;
mod follow;
mod frame;
mod history;
pub mod limits;
mod memory;
mod nodes;
mod postgres;
mod record;
mod rows;
mod sqlite;
mod store;
mod stored;

pub use aside::aside;
pub use blobs::{
    BadBlobUrl, BlobCall, BlobError, BlobHash, BlobId, BlobKey, BlobOperation, BlobOptions, BlobOutcome,
    BlobStore,
};
pub use chat::{Act, Actor, Changed, ChatMessage, ChatPage, ChatQuery, Chats, Marked};
pub use compact::{CompactError, CompactReport, compact};
pub use doc_id::{BadDocId, DEFAULT_TENANT, DocId};
pub use faults::{Faults, FaultyStore};
pub use follow::{Follow, Followed, Listener, Vouched, WatchId};
pub use memory::MemoryStore;
pub use nodes::{NodeEntry, NodeReport, NodeState};
pub use postgres::{BadPostgresUrl, PostgresOptions, PostgresStore};
pub use record::{AppendId, Batch, Epoch, Generation, Record, Row, RowId};
pub use sqlite::SqliteStore;
pub use store::{
    Appended, Compacted, Compaction, DocInfo, HistoryCursor, HistoryPage, Quarantined, Store, StoreError,
    Written,
};
pub use stored::{Damage, Damaged, Stored, StoredSnapshot};

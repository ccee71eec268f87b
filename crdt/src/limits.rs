//! Every bound of this crate, with its unit and what happens when it is reached.

/// Nesting of `Any` values and of JSON inside updates, in levels. Deeper: refused ([`crate::Rule::Depth`]). yrs
/// recurses, and a few thousand levels end the process.
pub const NESTING_DEPTH_MAX: usize = 64;
/// Shared types inside each other, in levels. Deeper: refused ([`crate::Rule::Depth`]). Both engines delete a tree
/// by calling themselves, and end or throw when it is deep.
pub const TYPE_DEPTH_MAX: u16 = 256;
/// End of a client's clock range, exclusive. Beyond: refused ([`crate::Rule::Clock`]). Half of what 32 bits hold, so
/// that no sum of two clocks overflows.
pub const CLOCK_COUNT_MAX: u64 = 1 << 31;
/// Largest integer on the wire: what JavaScript can count to. Beyond: refused ([`crate::Rule::Integer`]).
pub const INTEGER_COUNT_MAX: u64 = (1 << 53) - 1;
/// Bytes of one varint. Longer: refused ([`crate::Rule::Integer`]).
pub const VARINT_BYTES_MAX: usize = 10;

/// Updates whose past is missing, for one document, in bytes. Over it: [`crate::Outcome::PendingFull`].
pub const PENDING_DOC_BYTES_MAX: usize = 1024 * 1024;
/// The same for one connection, in bytes. Over it: [`crate::Outcome::PendingFull`].
pub const PENDING_CONNECTION_BYTES_MAX: usize = 256 * 1024;
/// The same, as a number of updates of one document. Over it: [`crate::Outcome::PendingFull`].
pub const PENDING_DOC_COUNT_MAX: usize = 4_096;

/// Bytes that may always be kept of a document's past edits. Over it, and over twice what they took when the document was made:
/// it is made anew ([`crate::Doc::wants_repack`]).
pub const SHAPE_BYTES_MIN: usize = 256 * 1024;
/// And so much beside a large document, in percent of its bytes: making it anew takes time by its size.
pub const SHAPE_DOC_PERCENT: usize = 12;

/// Updates that a document is loaded of in one transaction. More at once take more memory meanwhile, fewer more time: each
/// transaction ends with a look at what it touched.
pub const LOAD_UPDATES_COUNT: usize = 1_000;

/// One awareness state as JSON, in bytes. Larger: that entry is refused, the others live.
pub const AWARENESS_STATE_BYTES_MAX: usize = 16 * 1024;
/// Nesting of one awareness state, in levels. Deeper: that entry is refused.
pub const AWARENESS_DEPTH_MAX: usize = 32;
/// Awareness ids that one connection may own. More: the entry is refused.
pub const AWARENESS_IDS_COUNT_MAX: usize = 8;
/// Ids owned by somebody else that one connection may claim for later. More: the oldest claim is forgotten.
pub const AWARENESS_CLAIMS_COUNT_MAX: usize = 8;
/// Awareness ids that another node may speak for. More: the entry is refused.
pub const AWARENESS_NODE_IDS_COUNT_MAX: usize = 8_192;
/// Ids owned by somebody else that another node may claim for later. More: the oldest claim is forgotten.
pub const AWARENESS_NODE_CLAIMS_COUNT_MAX: usize = 1_024;
/// Removed ids whose clock a room remembers. More: the oldest is forgotten, and an echo of it that is still on
/// its way would bring it back until its sender leaves.
pub const AWARENESS_TOMBSTONES_COUNT_MAX: usize = 4_096;

/// Messages in one frame. More: refused ([`crate::BadFrame::Crowded`]).
pub const FRAME_MESSAGES_COUNT_MAX: usize = 1_024;

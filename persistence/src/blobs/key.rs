//! What an object is called.

use std::fmt;

use aws_lc_rs::digest::{self, Context, SHA256, SHA256_OUTPUT_LEN};

/// The SHA-256 of an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobHash(pub(crate) [u8; SHA256_OUTPUT_LEN]);

impl BlobHash {
    /// Of these bytes. Takes about a millisecond per MiB: not on a thread that serves others, where there are many.
    pub fn of(object: &[u8]) -> BlobHash {
        BlobHash::from_digest(digest::digest(&SHA256, object))
    }

    fn from_digest(digest: digest::Digest) -> BlobHash {
        let bytes = digest.as_ref().try_into();
        BlobHash(bytes.expect("a SHA-256 has the length of a SHA-256"))
    }
}

/// In hexadecimal.
impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes an object part by part.
pub(crate) struct Hasher(Context);

impl Hasher {
    pub(crate) fn new() -> Hasher {
        Hasher(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> BlobHash {
        BlobHash::from_digest(self.0.finish())
    }
}

/// The number of a row in the table `blobs`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlobId(pub i64);

impl BlobId {
    /// Of no row.
    pub(crate) const PROBE: BlobId = BlobId(0);
}

/// What an object is called and what it holds.
///
/// The id is a part of the name: bytes that come back after they were condemned get another object, which a late deletion of
/// the old one does not hit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlobKey {
    /// Its row.
    pub id: BlobId,
    /// Its hash.
    pub hash: BlobHash,
    /// Its size.
    pub bytes: u64,
}

impl BlobKey {
    /// Of these bytes. See [`BlobHash::of`] for what it costs.
    pub fn of(id: BlobId, object: &[u8]) -> BlobKey {
        BlobKey {
            id,
            hash: BlobHash::of(object),
            bytes: object.len() as u64,
        }
    }

    /// The name below the prefix: 256 folders by the first byte of the hash, then hash and id.
    pub fn path(&self) -> String {
        let hash = self.hash.to_string();
        format!("sha256/{}/{hash}-{}", &hash[..2], self.id.0)
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// A blob that cannot be read, and never will be as it was put.
#[derive(Clone, Debug)]
pub(crate) struct LostBlob {
    pub(crate) id: BlobId,
    pub(crate) reason: String,
}

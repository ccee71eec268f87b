//! Checksums of rows. Each covers the row's place as well as its content: a row that turns up under another document
//! or epoch is damaged, however intact its bytes are.

use crc32fast::Hasher;

/// The CRC-32 of a row: its numbers, then its bytes, each with its length. As the integer that SQL keeps.
pub(crate) fn of(numbers: &[i64], blobs: &[&[u8]]) -> i64 {
    let mut hasher = Hasher::new();
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    for blob in blobs {
        hasher.update(&(blob.len() as u64).to_le_bytes());
        hasher.update(blob);
    }
    i64::from(hasher.finalize())
}

//! One of the two files of a tail.
//!
//! ```text
//! half  = group*                                     then what earlier generations left
//! group = mark:u64  length:u32  crc32:u32  entry*    the checksum covers mark and entries
//! entry = document:i64  epoch:u32  length:u32  blob  the blob is one of persistence/src/frame.rs
//! ```
//!
//! All numbers are little-endian. The mark is the generation plus the key of the database.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};

use super::{create, remove};
use crate::errors::of_file;
use crate::limits::TAIL_BYTES_MAX;
use crate::rows::checksum;
use crate::{DocId, StoreError};

/// Bytes before the entries of a group.
const HEADER_BYTES: usize = 16;

/// Bytes before the blob of an entry.
const ENTRY_BYTES: usize = 16;

#[derive(Debug)]
pub(super) struct Half {
    path: PathBuf,
    file: Option<Arc<File>>,
    /// What was written, and how much of it is known to be on the disk.
    content: Vec<u8>,
    pub(super) synced: usize,
    /// Hashes of the documents that something in it belongs to.
    pub(super) docs: HashSet<u64>,
}

impl Half {
    pub(super) fn new(path: PathBuf) -> Half {
        Half {
            path,
            file: None,
            content: Vec::new(),
            synced: 0,
            docs: HashSet::new(),
        }
    }

    /// How much was written.
    pub(super) fn bytes(&self) -> usize {
        self.content.len()
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Writes a group behind the others. After an error nothing more may be written before this was rewound.
    pub(super) fn write(&mut self, group: &[u8]) -> Result<(), StoreError> {
        self.try_write(group).map_err(|error| {
            // Made anew then.
            self.file = None;
            of_file(&self.path, &error)
        })
    }

    fn try_write(&mut self, group: &[u8]) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let file = create(&self.path)?;
                (&file).rewind()?;
                self.file.insert(Arc::new(file))
            }
        };
        (&**file).write_all(group)?;
        if self.content.capacity() == 0 {
            self.content.reserve_exact(TAIL_BYTES_MAX);
        }
        self.content.extend_from_slice(group);
        Ok(())
    }

    /// A copy of what was written.
    pub(super) fn content(&self) -> Bytes {
        Bytes::copy_from_slice(&self.content)
    }

    /// The file, if something in it is not known to be on the disk.
    pub(super) fn unsynced(&self) -> Option<Arc<File>> {
        self.file.clone().filter(|_| self.bytes() > self.synced)
    }

    /// Begins it anew, for the next generation.
    pub(super) fn rewind(&mut self) {
        self.content = Vec::new();
        self.synced = 0;
        self.docs.clear();
        if let Some(file) = &self.file
            && (&**file).rewind().is_err()
        {
            self.file = None;
        }
    }

    #[cfg(test)]
    pub(super) fn fail_writes(&mut self) {
        let file = File::open(&self.path).expect("it was written to");
        self.file = Some(Arc::new(file));
    }

    pub(super) fn delete(&mut self) {
        self.file = None;
        remove(&self.path);
    }
}

/// What one append writes.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    bytes: Vec<u8>,
    docs: Vec<&'a DocId>,
}

impl<'a> Group<'a> {
    pub(crate) fn new() -> Group<'a> {
        Group {
            bytes: vec![0; HEADER_BYTES],
            docs: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, doc: &'a DocId, entry: Entry<'_>) {
        self.bytes.put_i64_le(entry.document_id);
        self.bytes.put_u32_le(entry.epoch);
        self.bytes.put_u32_le(entry.blob.len() as u32);
        self.bytes.put_slice(entry.blob);
        self.docs.push(doc);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn docs(&self) -> &[&'a DocId] {
        &self.docs
    }

    /// The group as it is written.
    pub(super) fn seal(self, mark: u64) -> Vec<u8> {
        let mut bytes = self.bytes;
        let (mut header, entries) = bytes.split_at_mut(HEADER_BYTES);
        header.put_u64_le(mark);
        header.put_u32_le(entries.len() as u32);
        header.put_u32_le(checksum::of(&[mark as i64], &[entries]) as u32);
        bytes
    }
}

/// What an append wrote for one document.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) document_id: i64,
    pub(crate) epoch: u32,
    pub(crate) blob: &'a [u8],
}

/// An entry as it was read. Its blob shares the memory of the file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) document_id: i64,
    pub(super) epoch: u32,
    pub(super) blob: Bytes,
}

/// Reads all groups with this mark, and how many bytes before the last of them belong to none: a loss of power may have taken
/// some that were not synced and left later ones, and a disk may have damaged others.
pub(super) fn read(bytes: &Bytes, mark: u64) -> (Vec<Found>, usize) {
    let (mut found, mut lost) = (Vec::new(), 0);
    let (mut at, mut begin) = (0, 0);
    while at + HEADER_BYTES <= bytes.len() {
        match read_group(&bytes.slice(at..), mark) {
            Some((entries, length)) => {
                lost += at - begin;
                found.extend(entries);
                at += length;
                begin = at;
            }
            None => at += 1,
        }
    }
    (found, lost)
}

fn read_group(bytes: &Bytes, mark: u64) -> Option<(Vec<Found>, usize)> {
    let mut header = &bytes[..HEADER_BYTES];
    if header.get_u64_le() != mark {
        return None;
    }
    let length = header.get_u32_le() as usize;
    let crc32 = header.get_u32_le();
    let end = HEADER_BYTES
        .checked_add(length)
        .filter(|end| *end <= bytes.len())?;
    let mut entries = bytes.slice(HEADER_BYTES..end);
    if checksum::of(&[mark as i64], &[&entries]) as u32 != crc32 {
        return None;
    }
    let mut found = Vec::new();
    while entries.len() >= ENTRY_BYTES {
        let document_id = entries.get_i64_le();
        let epoch = entries.get_u32_le();
        let length = entries.get_u32_le() as usize;
        if length > entries.len() {
            return None;
        }
        let blob = entries.split_to(length);
        found.push(Found {
            document_id,
            epoch,
            blob,
        });
    }
    entries.is_empty().then_some((found, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(mark: u64, blobs: &[&[u8]]) -> Vec<u8> {
        let doc = DocId::in_default_tenant("a").expect("a name");
        let mut group = Group::new();
        for (place, blob) in blobs.iter().enumerate() {
            let entry = Entry {
                document_id: place as i64 + 1,
                epoch: 7,
                blob,
            };
            group.push(&doc, entry);
        }
        group.seal(mark)
    }

    fn blobs(bytes: Vec<u8>, mark: u64) -> (Vec<Bytes>, usize) {
        let (found, lost) = read(&bytes.into(), mark);
        (found.into_iter().map(|found| found.blob).collect(), lost)
    }

    #[test]
    fn the_bytes_of_a_group_are_fixed() {
        let bytes = group(0x0102, &[b"xy"]);
        let expected =
            b"\x02\x01\0\0\0\0\0\0\x12\0\0\0\x4a\xc6\x9d\x0b\x01\0\0\0\0\0\0\0\x07\0\0\0\x02\0\0\0xy";
        assert_eq!(bytes[..12], expected[..12]);
        assert_eq!(bytes[16..], expected[16..]);
    }

    #[test]
    fn groups_of_a_generation_are_found_and_no_others() {
        let bytes = [
            group(5, &[b"a", b""]),
            group(5, &[b"b"]),
            group(4, &[b"old"]),
            vec![0; 99],
        ]
        .concat();
        assert_eq!(
            blobs(bytes.clone(), 5),
            (vec!["a".into(), "".into(), "b".into()], 0)
        );
        assert_eq!(blobs(bytes.clone(), 4).0, ["old"]);
        assert_eq!(blobs(bytes, 6), (vec![], 0));
        assert_eq!(blobs(Vec::new(), 6), (vec![], 0));
    }

    #[test]
    fn a_damaged_group_costs_itself_alone() {
        let (first, second, third) = (group(5, &[b"one"]), group(5, &[b"two"]), group(5, &[b"three"]));
        let whole = [first.clone(), second.clone(), third].concat();
        for at in first.len()..first.len() + second.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let (found, lost) = blobs(bytes, 5);
                assert_eq!(found, ["one", "three"], "byte {at}");
                assert_eq!(lost, second.len());
            }
        }
        for end in 0..whole.len() {
            let (found, lost) = blobs(whole[..end].to_vec(), 5);
            let expected: [Bytes; 3] = ["one".into(), "two".into(), "three".into()];
            assert_eq!(found[..], expected[..found.len()], "cut at {end}");
            assert_eq!(lost, 0);
        }
    }
}

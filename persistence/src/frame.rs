//! The bytes of log rows and archive segments. A promise to every database that exists.
//!
//! ```text
//! segment = version:u8 (1)  count:varint  (row_id:varint  length:varint  blob:byte[length])*
//! blob    = version:u8 (1)  count:varint  record*
//! record  = user  client:varint  time_ms:varint  length:varint  update:byte[length]
//! user    = 0                             no user
//!         | length+1:varint  utf8:byte[length]
//! varint  = lib0's: 7 bits a byte, lowest first, the top bit says "more"
//! ```

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use crate::record::{Record, Row, RowId};

/// The only version so far.
const VERSION: u8 = 1;

/// The smallest record: no user, client 0, time 0, an empty update.
const RECORD_BYTES_MIN: usize = 4;

/// Frames records.
pub(crate) fn encode(records: &[Record]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(16 + records.iter().map(framed_bytes).sum::<usize>());
    blob.put_u8(VERSION);
    put_varint(&mut blob, records.len() as u64);
    for record in records {
        match &record.user {
            None => put_varint(&mut blob, 0),
            Some(user) => {
                put_varint(&mut blob, user.len() as u64 + 1);
                blob.put_slice(user.as_bytes());
            }
        }
        put_varint(&mut blob, record.client);
        put_varint(&mut blob, record.time_ms);
        put_varint(&mut blob, record.update.len() as u64);
        blob.put_slice(&record.update);
    }
    blob
}

/// One blob of all records of several.
pub(crate) fn join(blobs: &[Bytes]) -> Result<Vec<u8>, BadFrame> {
    let mut count = 0;
    let mut bodies = Vec::with_capacity(blobs.len());
    for blob in blobs {
        let mut reader = Reader { blob, at: 0 };
        let version = reader.byte()?;
        if version != VERSION {
            return Err(BadFrame::Version(version));
        }
        count += reader.varint()?;
        bodies.push(&blob[reader.at..]);
    }
    let mut joined = Vec::with_capacity(16 + bodies.iter().map(|body| body.len()).sum::<usize>());
    joined.put_u8(VERSION);
    put_varint(&mut joined, count);
    for body in bodies {
        joined.put_slice(body);
    }
    Ok(joined)
}

/// An upper bound of what a record takes in a frame.
pub(crate) fn framed_bytes(record: &Record) -> usize {
    40 + record.user.as_ref().map_or(0, |user| user.len()) + record.update.len()
}

/// Reads frames back. The updates share `blob`'s memory. Never trusts a count or a length, though a checksum stands
/// before this: a frame of a later version, or a fault in this file, must not become a crash.
pub(crate) fn decode(blob: &Bytes) -> Result<Vec<Record>, BadFrame> {
    let mut reader = Reader { blob, at: 0 };
    let version = reader.byte()?;
    if version != VERSION {
        return Err(BadFrame::Version(version));
    }
    let count = reader.varint()?;
    if count > (blob.len() / RECORD_BYTES_MIN) as u64 {
        return Err(BadFrame::Short);
    }
    let mut records: Vec<Record> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let user = match reader.varint()? {
            0 => None,
            length => Some(reader.user(length - 1, records.last())?),
        };
        let client = reader.varint()?;
        let time_ms = reader.varint()?;
        let length = reader.varint()?;
        let update = reader.slice(length)?;
        records.push(Record {
            user,
            client,
            time_ms,
            update,
        });
    }
    if reader.at != blob.len() {
        return Err(BadFrame::Long);
    }
    Ok(records)
}

/// Frames the blobs of log rows as they are, with the ids of the rows.
pub(crate) fn encode_segment(rows: &[(RowId, Bytes)]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(16 + rows.iter().map(|(_, blob)| blob.len() + 20).sum::<usize>());
    segment.put_u8(VERSION);
    put_varint(&mut segment, rows.len() as u64);
    for (id, blob) in rows {
        put_varint(&mut segment, id.0 as u64);
        put_varint(&mut segment, blob.len() as u64);
        segment.put_slice(blob);
    }
    segment
}

/// Reads the rows of a segment back, with the same care as [`decode`].
pub(crate) fn decode_segment(segment: &Bytes) -> Result<Vec<Row>, BadFrame> {
    let mut reader = Reader { blob: segment, at: 0 };
    let version = reader.byte()?;
    if version != VERSION {
        return Err(BadFrame::Version(version));
    }
    let count = reader.varint()?;
    let mut rows = Vec::new();
    for _ in 0..count {
        let id = RowId(reader.varint()? as i64);
        let length = reader.varint()?;
        rows.push(Row {
            id,
            records: decode(&reader.slice(length)?)?,
        });
    }
    if reader.at != segment.len() {
        return Err(BadFrame::Long);
    }
    Ok(rows)
}

/// Why bytes are not framed records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error("unknown frame version {0}")]
    Version(u8),
    #[error("the frame ends too early")]
    Short,
    #[error("the frame goes on behind its records")]
    Long,
    #[error("a number has more than 64 bits")]
    Number,
    #[error("a user id is not UTF-8")]
    User,
}

fn put_varint(blob: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        blob.push(number as u8 | 0x80);
        number >>= 7;
    }
    blob.push(number as u8);
}

/// Reads the pieces of a blob, in bounds.
struct Reader<'a> {
    blob: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, BadFrame> {
        let byte = *self.blob.get(self.at).ok_or(BadFrame::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, BadFrame> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(BadFrame::Number);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(BadFrame::Number)
    }

    fn slice(&mut self, length: u64) -> Result<Bytes, BadFrame> {
        let length = usize::try_from(length).map_err(|_| BadFrame::Short)?;
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.blob.len())
            .ok_or(BadFrame::Short)?;
        let slice = self.blob.slice(self.at..end);
        self.at = end;
        Ok(slice)
    }

    /// Most rows have one author: the allocation of the record before is shared when it is the same one.
    fn user(&mut self, length: u64, before: Option<&Record>) -> Result<Arc<str>, BadFrame> {
        let bytes = self.slice(length)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| BadFrame::User)?;
        match before.and_then(|record| record.user.as_ref()) {
            Some(user) if **user == *text => Ok(user.clone()),
            _ => Ok(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let record = |user: Option<&str>, client, time_ms, update: &'static [u8]| Record {
            user: user.map(Arc::from),
            client,
            time_ms,
            update: Bytes::from_static(update),
        };
        vec![
            record(None, 0, 0, b""),
            record(Some(""), 1, 127, b"x"),
            record(Some("zoë"), 128, 1_760_000_000_000, b"hello"),
            record(Some("zoë"), u64::MAX, u64::MAX, &[0; 300]),
        ]
    }

    #[test]
    fn a_frame_comes_back_as_it_went() {
        for count in 0..=4 {
            let before = &records()[..count];
            assert_eq!(decode(&encode(before).into()).unwrap(), before);
        }
    }

    #[test]
    fn joined_frames_are_the_frame_of_all() {
        let all = records();
        for cut in 0..=4 {
            let (first, second) = (encode(&all[..cut]), encode(&all[cut..]));
            let joined = join(&[first.into(), second.into()]).unwrap();
            assert_eq!(joined, encode(&all));
        }
        assert!(join(&[Bytes::from_static(&[2, 0])]).is_err());
        assert!(join(&[Bytes::new()]).is_err());
    }

    #[test]
    fn the_bytes_of_version_1_are_fixed() {
        assert_eq!(
            encode(&records()[1..3])[..],
            b"\x01\x02\x01\x01\x7f\x01x\x05zo\xc3\xab\x80\x01\x80\x80\xb3\xc1\x9c\x33\x05hello"[..]
        );
    }

    #[test]
    fn a_segment_comes_back_as_it_went() {
        let (first, second) = (records()[..1].to_vec(), records()[1..].to_vec());
        let blobs = [
            (RowId(7), encode(&first).into()),
            (RowId(1 << 40), encode(&second).into()),
        ];
        let rows = vec![
            Row {
                id: RowId(7),
                records: first,
            },
            Row {
                id: RowId(1 << 40),
                records: second,
            },
        ];
        let segment = Bytes::from(encode_segment(&blobs));
        assert_eq!(decode_segment(&segment).unwrap(), rows);
        for end in 0..segment.len() {
            assert!(decode_segment(&segment.slice(..end)).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn no_cut_and_no_flip_is_a_crash() {
        let whole = encode(&records());
        for end in 0..whole.len() {
            assert!(
                decode(&Bytes::copy_from_slice(&whole[..end])).is_err(),
                "cut at {end}"
            );
        }
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let _ = decode(&bytes.into());
            }
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(decode(&longer.into()), Err(BadFrame::Long));
        assert_eq!(decode(&Bytes::from_static(&[2, 0])), Err(BadFrame::Version(2)));
        let huge_count = b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(decode(&Bytes::from_static(huge_count)), Err(BadFrame::Short));
    }
}

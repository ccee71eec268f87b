//! The lib0 encoding, bounded: nothing is allocated because a number claims that it will be needed.

use crate::gate::{Refusal, Rule};
use crate::limits::{INTEGER_COUNT_MAX, VARINT_BYTES_MAX};

/// Reads lib0 values from bytes that nobody has checked.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

type Read<T> = Result<T, Refusal>;

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0 }
    }

    /// Begins at a place within; at the end where that lies beyond it.
    pub(crate) fn starting_at(bytes: &'a [u8], offset: usize) -> Reader<'a> {
        Reader {
            bytes,
            offset: offset.min(bytes.len()),
        }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Whether everything was read.
    pub fn is_done(&self) -> bool {
        self.remaining() == 0
    }

    /// A refusal at this place.
    pub fn refuse(&self, rule: Rule) -> Refusal {
        Refusal {
            rule,
            offset: self.offset,
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Rule::Truncated`].
    pub fn u8(&mut self) -> Read<u8> {
        let byte = *self.bytes.get(self.offset).ok_or(self.refuse(Rule::Truncated))?;
        self.offset += 1;
        Ok(byte)
    }

    /// `varUint`: LEB128, low bits first, at most 2^53 - 1.
    ///
    /// # Errors
    /// [`Rule::Truncated`], [`Rule::Integer`].
    pub fn var_uint(&mut self) -> Read<u64> {
        let mut value: u64 = 0;
        for index in 0..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return Err(self.refuse(Rule::Integer));
            }
            value |= bits << (7 * index);
            if byte < 0x80 {
                return if value > INTEGER_COUNT_MAX {
                    Err(self.refuse(Rule::Integer))
                } else {
                    Ok(value)
                };
            }
        }
        Err(self.refuse(Rule::Integer))
    }

    /// `varInt`: sign in bit 6 of the first byte, magnitude at most 2^53 - 1. Returns whether it is negative, and
    /// the magnitude, because lib0 knows a negative zero.
    ///
    /// # Errors
    /// [`Rule::Truncated`], [`Rule::Integer`].
    pub fn var_int(&mut self) -> Read<(bool, u64)> {
        let first = self.u8()?;
        let negative = first & 0x40 != 0;
        let mut value = u64::from(first & 0x3f);
        let mut more = first & 0x80 != 0;
        let mut shift = 6;
        while more {
            if shift > 60 {
                return Err(self.refuse(Rule::Integer));
            }
            let byte = self.u8()?;
            // At a shift of 55 and more only zeros keep the value within 2^53.
            let bits = u64::from(byte & 0x7f);
            value = match bits
                .checked_mul(1 << shift)
                .and_then(|bits| value.checked_add(bits))
            {
                Some(value) if value <= INTEGER_COUNT_MAX => value,
                Some(_) | None => return Err(self.refuse(Rule::Integer)),
            };
            more = byte & 0x80 != 0;
            shift += 7;
        }
        Ok((negative, value))
    }

    /// Exactly `count` bytes.
    ///
    /// # Errors
    /// [`Rule::Truncated`].
    pub fn bytes(&mut self, count: u64) -> Read<&'a [u8]> {
        if count > self.remaining() as u64 {
            return Err(self.refuse(Rule::Truncated));
        }
        let start = self.offset;
        self.offset += count as usize;
        Ok(&self.bytes[start..self.offset])
    }

    /// `varUint8Array`.
    ///
    /// # Errors
    /// [`Rule::Truncated`], [`Rule::Integer`].
    pub fn var_bytes(&mut self) -> Read<&'a [u8]> {
        let count = self.var_uint()?;
        self.bytes(count)
    }

    /// `varString`.
    ///
    /// # Errors
    /// As [`Reader::var_bytes`], and [`Rule::Utf8`].
    pub fn var_string(&mut self) -> Read<&'a str> {
        let bytes = self.var_bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.refuse(Rule::Utf8))
    }

    /// A number of things that take at least `each_bytes` each: more than the bytes left could hold is refused
    /// before anything is done for it.
    ///
    /// # Errors
    /// [`Rule::Count`], and those of [`Reader::var_uint`].
    pub fn count(&mut self, each_bytes: u64) -> Read<u64> {
        let count = self.var_uint()?;
        if count.saturating_mul(each_bytes) > self.remaining() as u64 {
            return Err(self.refuse(Rule::Count));
        }
        Ok(count)
    }
}

/// Writes lib0 values.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Nothing written yet.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Nothing written yet, with space for `bytes`.
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer {
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// One byte.
    pub fn u8(&mut self, byte: u8) -> &mut Writer {
        self.bytes.push(byte);
        self
    }

    /// `varUint`.
    pub fn var_uint(&mut self, mut value: u64) -> &mut Writer {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    /// Bytes without their length.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Writer {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// `varUint8Array`.
    pub fn var_bytes(&mut self, bytes: &[u8]) -> &mut Writer {
        self.var_uint(bytes.len() as u64).raw(bytes)
    }

    /// `varString`.
    pub fn var_string(&mut self, text: &str) -> &mut Writer {
        self.var_bytes(text.as_bytes())
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_up_to_what_javascript_counts() {
        for value in [0, 1, 127, 128, 300, 1 << 31, INTEGER_COUNT_MAX] {
            let mut writer = Writer::new();
            writer.var_uint(value);
            assert_eq!(Reader::new(&writer.into_bytes()).var_uint(), Ok(value));
        }
        let mut writer = Writer::new();
        writer.var_uint(INTEGER_COUNT_MAX + 1);
        let bytes = writer.into_bytes();
        assert_eq!(
            Reader::new(&bytes).var_uint().expect_err("too large").rule,
            Rule::Integer
        );
        assert_eq!(
            Reader::new(&[0xff; 11]).var_uint().expect_err("too long").rule,
            Rule::Integer
        );
        assert_eq!(
            Reader::new(&[0x80]).var_uint().expect_err("cut off").rule,
            Rule::Truncated
        );
    }

    #[test]
    fn signed_numbers_keep_their_sign_and_their_bound() {
        assert_eq!(Reader::new(&[0x05]).var_int(), Ok((false, 5)));
        assert_eq!(Reader::new(&[0x45]).var_int(), Ok((true, 5)));
        assert_eq!(Reader::new(&[0x80 | 0x3f, 0x01]).var_int(), Ok((false, 127)));
        // 2^53 - 1, and one more.
        let largest = [0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f];
        assert_eq!(Reader::new(&largest).var_int(), Ok((false, INTEGER_COUNT_MAX)));
        let more = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
        assert_eq!(
            Reader::new(&more).var_int().expect_err("too large").rule,
            Rule::Integer
        );
        assert!(Reader::new(&[0xff; 12]).var_int().is_err());
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_before_anything_is_done_for_it() {
        let mut writer = Writer::new();
        writer.var_uint(1 << 28);
        assert_eq!(
            Reader::new(&writer.into_bytes())
                .count(1)
                .expect_err("a bomb")
                .rule,
            Rule::Count
        );
    }
}

//! Strings, bytes and lists whose bound is part of their type and is checked before memory is taken.

use std::fmt;
use std::ops::Deref;

use bincode::de::{BorrowDecode, BorrowDecoder, Decode, Decoder, read::Reader};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

/// A value was longer than its type allows, or held a NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    /// Longer than the bound.
    #[error("{found} is over the limit of {max}")]
    TooLong {
        /// What came.
        found: usize,
        /// What is allowed.
        max: usize,
    },
    /// Held a NUL, which ends a string for the kernel.
    #[error("holds a NUL byte")]
    Nul,
}

/// UTF-8 of at most `MAX` bytes without NUL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Takes `text` if it fits.
    pub fn new(text: impl Into<String>) -> Result<Self, OutOfBounds> {
        let text = text.into();
        check_len(text.len(), MAX)?;
        if text.contains('\0') {
            return Err(OutOfBounds::Nul);
        }
        Ok(Self(text))
    }

    /// Takes as much of `text` as fits: for words to a person, never for what is run.
    pub fn clipped(text: impl Into<String>) -> Self {
        let mut text = text.into().replace('\0', " ");
        let mut end = MAX.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> Encode for Text<MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<const MAX: usize, C> Decode<C> for Text<MAX> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let bytes = decode_bytes(decoder, MAX)?;
        let text =
            String::from_utf8(bytes).map_err(|e| DecodeError::Utf8 { inner: e.utf8_error() })?;
        Self::new(text).map_err(refused)
    }
}

impl<'de, const MAX: usize, C> BorrowDecode<'de, C> for Text<MAX> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

/// At most `MAX` bytes of anything.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Blob<MAX> {
    /// Takes `bytes` if they fit.
    pub fn new(bytes: Vec<u8>) -> Result<Self, OutOfBounds> {
        check_len(bytes.len(), MAX)?;
        Ok(Self(bytes))
    }

    /// The bytes, owned.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> Deref for Blob<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const MAX: usize> Encode for Blob<MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<const MAX: usize, C> Decode<C> for Blob<MAX> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        decode_bytes(decoder, MAX).map(Self)
    }
}

impl<'de, const MAX: usize, C> BorrowDecode<'de, C> for Blob<MAX> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

/// At most `MAX` items.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes `items` if they fit.
    pub fn new(items: Vec<T>) -> Result<Self, OutOfBounds> {
        check_len(items.len(), MAX)?;
        Ok(Self(items))
    }

    /// The items, owned.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Encode, const MAX: usize> Encode for List<T, MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encode_len(self.0.len(), encoder)?;
        self.0.iter().try_for_each(|item| item.encode(encoder))
    }
}

impl<T: Decode<C>, const MAX: usize, C> Decode<C> for List<T, MAX> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let len = decode_len(decoder, MAX)?;
        decoder.claim_container_read::<T>(len)?;
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            decoder.unclaim_bytes_read(size_of::<T>());
            items.push(T::decode(decoder)?);
        }
        Ok(Self(items))
    }
}

impl<'de, T: Decode<C>, const MAX: usize, C> BorrowDecode<'de, C> for List<T, MAX> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

fn encode_len<E: Encoder>(len: usize, encoder: &mut E) -> Result<(), EncodeError> {
    u64::try_from(len).map_err(|_over| EncodeError::Other("length over 64 bits"))?.encode(encoder)
}

fn decode_len<D: Decoder>(decoder: &mut D, max: usize) -> Result<usize, DecodeError> {
    let claimed = u64::decode(decoder)?;
    let len = usize::try_from(claimed).unwrap_or(usize::MAX);
    check_len(len, max).map_err(refused)?;
    Ok(len)
}

fn decode_bytes<D: Decoder>(decoder: &mut D, max: usize) -> Result<Vec<u8>, DecodeError> {
    let len = decode_len(decoder, max)?;
    decoder.claim_container_read::<u8>(len)?;
    let mut bytes = vec![0; len];
    decoder.reader().read(&mut bytes)?;
    Ok(bytes)
}

fn check_len(found: usize, max: usize) -> Result<(), OutOfBounds> {
    if found > max { Err(OutOfBounds::TooLong { found, max }) } else { Ok(()) }
}

fn refused(reason: OutOfBounds) -> DecodeError {
    DecodeError::OtherString(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_refuses_what_is_too_long_and_what_holds_a_nul() {
        assert_eq!(Text::<4>::new("abcde"), Err(OutOfBounds::TooLong { found: 5, max: 4 }));
        assert_eq!(Text::<4>::new("a\0b"), Err(OutOfBounds::Nul));
        assert_eq!(Text::<4>::new("abcd").unwrap().as_str(), "abcd");
    }

    #[test]
    fn clipped_text_ends_on_a_character() {
        assert_eq!(Text::<3>::clipped("a\u{20ac}").as_str(), "a");
        assert_eq!(Text::<4>::clipped("a\u{20ac}b").as_str(), "a\u{20ac}");
    }
}

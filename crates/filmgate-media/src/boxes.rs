//! Boxes: how they are found in a file or in memory, and how the fields in one are read.
//!
//! An MP4 file is a row of boxes: 4 bytes of size, 4 bytes of kind, a body; the bodies of some kinds are rows
//! of boxes again (ISO/IEC 14496-12, 4.2). Nothing here reads past the bytes it was given.

use std::io::{Read, Seek, SeekFrom};

use crate::ProbeError;

/// Reads `count` bytes at `at` of a file of `len` bytes. Memory grows with the bytes that arrive, not with
/// `count`.
pub(crate) fn read_at(
    reader: &mut (impl Read + Seek),
    at: u64,
    count: u64,
    len: u64,
) -> Result<Vec<u8>, ProbeError> {
    reader.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    reader.take(count).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == count {
        true => Ok(bytes),
        false => Err(ProbeError::Truncated { what: "it is shorter than it was said to be", len }),
    }
}

/// The head of a box.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: [u8; 4],
    /// Bytes of the head itself, 8 or 16.
    pub(crate) head: u64,
    /// Bytes of the whole box, at least `head` and at most the room there was.
    pub(crate) size: u64,
}

impl Header {
    /// Reads the head at `at` of a file of `len` bytes; `at` is less than `len`.
    pub(crate) fn read(reader: &mut (impl Read + Seek), at: u64, len: u64) -> Result<Self, ProbeError> {
        let room = len - at;
        let front = read_at(reader, at, room.min(16), len)?;
        Self::parse(&front, room)?.ok_or(ProbeError::Truncated { what: "a part goes on beyond its end", len })
    }

    /// Reads the head from the first bytes of a box that has `room` bytes to lie in; `None` if the box needs
    /// more.
    fn parse(front: &[u8], room: u64) -> Result<Option<Self>, ProbeError> {
        let Some((size, rest)) = front.split_first_chunk() else { return Ok(None) };
        let Some((&kind, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let (head, size) = match u32::from_be_bytes(*size) {
            0 => (8, room),
            1 => match rest.first_chunk() {
                Some(size) => (16, u64::from_be_bytes(*size)),
                None => return Ok(None),
            },
            size => (8, size.into()),
        };
        if size < head {
            return Err(ProbeError::damaged("box", "a part is smaller than its own head"));
        }
        Ok((size <= room).then_some(Self { kind, head, size }))
    }

    /// Reads the body of this box, which starts at `at`, and takes its size off `budget`.
    pub(crate) fn read_body(
        &self,
        reader: &mut (impl Read + Seek),
        at: u64,
        len: u64,
        budget: &mut u64,
    ) -> Result<Vec<u8>, ProbeError> {
        *budget = budget.checked_sub(self.size).ok_or_else(|| {
            let claimed = (crate::MAX_INDEX_BYTES - *budget).saturating_add(self.size);
            ProbeError::absurd("index size in bytes", claimed, crate::MAX_INDEX_BYTES)
        })?;
        read_at(reader, at + self.head, self.size - self.head, len)
    }
}

/// The boxes in `body`, in order: kind and body of each. Ends after the first error, and at fewer than 8
/// bytes left over, with which some writers end a row.
pub(crate) fn children(mut body: &[u8]) -> impl Iterator<Item = Result<(&[u8; 4], &[u8]), ProbeError>> {
    std::iter::from_fn(move || {
        let kind = body.get(4..8)?.first_chunk()?;
        let whole = body;
        body = &[];
        let header = match Header::parse(whole, whole.len() as u64) {
            Ok(Some(header)) => header,
            Ok(None) => return Some(Err(ProbeError::damaged("box", "a part goes on beyond what holds it"))),
            Err(error) => return Some(Err(error)),
        };
        let inner = whole.get(header.head as usize..header.size as usize)?;
        body = whole.get(header.size as usize..)?;
        Some(Ok((kind, inner)))
    })
}

/// The bodies of the boxes of one kind in `body`.
pub(crate) fn all<'a>(body: &'a [u8], kind: &str) -> impl Iterator<Item = Result<&'a [u8], ProbeError>> {
    children(body).filter_map(move |child| match child {
        Ok((found, inner)) => (found == kind.as_bytes()).then_some(Ok(inner)),
        Err(error) => Some(Err(error)),
    })
}

/// The first box of a kind in `body`, if there is one.
pub(crate) fn find<'a>(body: &'a [u8], kind: &str) -> Result<Option<&'a [u8]>, ProbeError> {
    all(body, kind).next().transpose()
}

/// The first box of a kind in `body`, which must be there.
pub(crate) fn need<'a>(body: &'a [u8], kind: &'static str) -> Result<&'a [u8], ProbeError> {
    find(body, kind)?.ok_or(ProbeError::damaged(kind, "a part is missing"))
}

/// The fields of a box, taken from the front; a field that is not there is an error that names the box.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    kind: &'static str,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], kind: &'static str) -> Self {
        Self { bytes, kind }
    }

    /// The fields of a "full" box, after its version and flags.
    pub(crate) fn full(bytes: &'a [u8], kind: &'static str) -> Result<(Self, u8, u32), ProbeError> {
        let mut fields = Self::new(bytes, kind);
        let word = fields.u32()?;
        Ok((fields, (word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: u64) -> Result<&'a [u8], ProbeError> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(ProbeError::damaged(self.kind, "a part ends before what it lists"))?;
        self.bytes = rest;
        Ok(taken)
    }

    /// No bytes are left.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All bytes that are left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProbeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ProbeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ProbeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ProbeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ProbeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn fourcc(&mut self) -> Result<[u8; 4], ProbeError> {
        self.array()
    }

    /// The next `count` 32-bit numbers, left where they lie. All of them must be there.
    pub(crate) fn words(&mut self, count: u64) -> Result<&'a [[u8; 4]], ProbeError> {
        Ok(self.take(count.saturating_mul(4))?.as_chunks().0)
    }

    /// A table: the number of its rows, then rows of `N` 32-bit numbers. All of them must be there.
    pub(crate) fn table<const N: usize>(mut self) -> Result<impl Iterator<Item = [u32; N]> + 'a, ProbeError> {
        let rows = self.u32()?;
        let words = self.words(u64::from(rows) * N as u64)?;
        Ok(words.as_chunks::<N>().0.iter().map(|row| row.map(u32::from_be_bytes)))
    }
}

//! The samples (frames, pieces of sound) of a track: how many, how large, how long, and whether all lie in
//! the file.
//!
//! Four tables say it (ISO/IEC 14496-12, 8.6 and 8.7): `stsz` sizes, `stsc` samples per chunk, `stco` or
//! `co64` where each chunk lies, `stts` durations. They are walked side by side, once, in the bytes in which
//! they came.

use crate::ProbeError;
use crate::boxes::{Fields, find, need};

/// Sums over the samples of a track. Saturating: a file can claim more than any sum holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Samples {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    /// Duration in the track's own unit.
    pub(crate) ticks: u64,
}

/// Where a sample lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) bytes: u64,
}

impl Samples {
    /// Sums the tables in `stbl`, and finds the first sync sample; every sample must lie within the `len`
    /// bytes of the file.
    pub(crate) fn from_tables(stbl: &[u8], len: u64) -> Result<(Self, Option<Place>), ProbeError> {
        let sizes = Sizes::parse(stbl)?;
        let count = sizes.left;
        let (bytes, key) = place(sizes, first_sync(stbl), stbl, len)?;
        Ok((Self { count, bytes, ticks: ticks(stbl, count)? }, key))
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.ticks = self.ticks.saturating_add(more.ticks);
    }
}

/// An error unless `bytes` bytes at `at` lie within a file of `len` bytes.
pub(crate) fn within_file(at: u64, bytes: u64, len: u64) -> Result<(), ProbeError> {
    match at.saturating_add(bytes) <= len {
        true => Ok(()),
        false => Err(ProbeError::Truncated { what: "frames or sound that it lists lie beyond its end", len }),
    }
}

/// How many samples come before the first that can be decoded alone. Without a table (`stss`) that is the very
/// first; and also with one that makes no sense, because a video can be measured and played without it.
fn first_sync(stbl: &[u8]) -> u64 {
    let number = |stss| Fields::full(stss, "stss").ok()?.0.table::<1>().ok()?.next();
    let first = find(stbl, "stss").ok().flatten().and_then(number);
    first.map_or(0, |[number]| u64::from(number).saturating_sub(1))
}

/// Walks the chunks and gives each its samples; returns the bytes of all samples, and the place of the one
/// that comes after `before_key` others.
fn place(
    mut sizes: Sizes<'_>,
    before_key: u64,
    stbl: &[u8],
    len: u64,
) -> Result<(u64, Option<Place>), ProbeError> {
    let (count, mut key) = (sizes.left, None);
    let mut runs = Fields::full(need(stbl, "stsc")?, "stsc")?.0.table::<3>()?.peekable();
    let (mut per_chunk, mut total) = (0, 0_u64);
    for (number, offset) in (1_u64..).zip(chunk_offsets(stbl)?) {
        if sizes.left == 0 {
            break;
        }
        while let Some([_, samples, _]) = runs.next_if(|[first, ..]| u64::from(*first) <= number) {
            per_chunk = samples;
        }
        let done = count - sizes.left;
        let mut chunk = sizes;
        let bytes = sizes.take(per_chunk);
        within_file(offset, bytes, len)?;
        if (done..count - sizes.left).contains(&before_key) {
            let at = offset + chunk.take((before_key - done) as u32);
            key = Some(Place { at, bytes: chunk.take(1) });
        }
        total = total.saturating_add(bytes);
    }
    match sizes.left {
        0 => Ok((total, key)),
        _ => Err(ProbeError::damaged("stsc", "it lists frames or sound without a place in the file")),
    }
}

/// Where each chunk lies in the file.
fn chunk_offsets(stbl: &[u8]) -> Result<Box<dyn Iterator<Item = u64> + '_>, ProbeError> {
    if let Some(co64) = find(stbl, "co64")? {
        let offsets = Fields::full(co64, "co64")?.0.table::<2>()?;
        return Ok(Box::new(offsets.map(|[high, low]| u64::from(high) << 32 | u64::from(low))));
    }
    let offsets = Fields::full(need(stbl, "stco")?, "stco")?.0.table::<1>()?;
    Ok(Box::new(offsets.map(|[offset]| offset.into())))
}

/// The duration of the first `samples` samples; a table that lists more of them than there are cannot
/// lengthen it.
fn ticks(stbl: &[u8], samples: u64) -> Result<u64, ProbeError> {
    let (mut left, mut ticks) = (samples, 0_u64);
    for [count, each] in Fields::full(need(stbl, "stts")?, "stts")?.0.table::<2>()? {
        let count = left.min(count.into());
        left -= count;
        ticks = ticks.saturating_add(count * u64::from(each));
    }
    Ok(ticks)
}

/// The sizes of the samples not yet placed: one size for all, or one each.
#[derive(Clone, Copy)]
struct Sizes<'a> {
    left: u64,
    each: u32,
    listed: &'a [[u8; 4]],
}

impl<'a> Sizes<'a> {
    fn parse(stbl: &'a [u8]) -> Result<Self, ProbeError> {
        if find(stbl, "stz2")?.is_some() {
            return Err(ProbeError::Unsupported { what: "an MP4 with packed sample sizes (stz2)" });
        }
        let (mut fields, ..) = Fields::full(need(stbl, "stsz")?, "stsz")?;
        let (each, count) = (fields.u32()?, fields.u32()?.into());
        let listed = if each == 0 { fields.words(count)? } else { &[] };
        Ok(Self { left: count, each, listed })
    }

    /// Takes up to `count` samples and returns their bytes. A loop only over sizes that are there.
    fn take(&mut self, count: u32) -> u64 {
        let count = self.left.min(count.into());
        self.left -= count;
        if self.each > 0 {
            return count * u64::from(self.each);
        }
        let (taken, rest) = self.listed.split_at(self.listed.len().min(count as usize));
        self.listed = rest;
        taken.iter().map(|size| u64::from(u32::from_be_bytes(*size))).sum()
    }
}

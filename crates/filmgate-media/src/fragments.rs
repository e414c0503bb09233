//! Fragments: a `moof` box lists samples that came after the index was written (ISO/IEC 14496-12, 8.8).

use crate::ProbeError;
use crate::boxes::{Fields, all, need};
use crate::moov::Movie;
use crate::samples::{Place, Samples, within_file};

/// What holds for a sample about which a fragment says nothing itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Defaults {
    pub(crate) ticks: u32,
    pub(crate) bytes: u32,
    pub(crate) flags: u32,
}

/// The flag of a sample that cannot be decoded alone.
const NOT_SYNC: u32 = 0x1_0000;

/// Adds the samples of the fragment `moof`, whose box starts at `at`, to the tracks of `movie`; every sample
/// must lie within the `len` bytes of the file.
pub(crate) fn add(movie: &mut Movie, moof: &[u8], at: u64, len: u64) -> Result<(), ProbeError> {
    let mut end_of_last = at;
    for traf in all(moof, "traf") {
        let traf = traf?;
        let (mut fields, _, flags) = Fields::full(need(traf, "tfhd")?, "tfhd")?;
        let id = fields.u32()?;
        let track = movie
            .tracks
            .iter_mut()
            .find(|track| track.id == id)
            .ok_or(ProbeError::damaged("tfhd", "a fragment belongs to a track that does not exist"))?;
        let mut next = match flags {
            _ if flags & 0x1 != 0 => fields.u64()?,
            _ if flags & 0x2_0000 != 0 => at,
            _ => end_of_last,
        };
        if flags & 0x2 != 0 {
            fields.u32()?;
        }
        let ticks = if flags & 0x8 != 0 { fields.u32()? } else { track.defaults.ticks };
        let bytes = if flags & 0x10 != 0 { fields.u32()? } else { track.defaults.bytes };
        // Only a poster needs these, so no delivery fails for want of them.
        let flags = if flags & 0x20 != 0 { fields.u32().unwrap_or(0) } else { track.defaults.flags };
        let base = next;
        for trun in all(traf, "trun") {
            let Run { samples, offset, key } = run(trun?, Defaults { ticks, bytes, flags })?;
            let start = match offset {
                Some(offset) => base.saturating_add_signed(offset.into()),
                None => next,
            };
            within_file(start, samples.bytes, len)?;
            next = start.saturating_add(samples.bytes);
            if let (None, Some((before, bytes))) = (track.key, key) {
                track.key = Some(Place { at: start.saturating_add(before), bytes });
            }
            track.samples.add(samples);
        }
        end_of_last = next;
    }
    Ok(())
}

/// A run of samples.
struct Run {
    samples: Samples,
    /// Where it starts relative to the base, if it says so.
    offset: Option<i32>,
    /// The first sync sample: the bytes before it in the run, and its own.
    key: Option<(u64, u64)>,
}

/// Sums one run of samples.
fn run(trun: &[u8], defaults: Defaults) -> Result<Run, ProbeError> {
    let (mut fields, _, flags) = Fields::full(trun, "trun")?;
    let count = fields.u32()?;
    let offset = if flags & 0x1 != 0 { Some(fields.u32()?.cast_signed()) } else { None };
    let first_flags = if flags & 0x4 != 0 { Some(fields.u32()?) } else { None };
    let (lists_ticks, lists_bytes, lists_flags) =
        (flags & 0x100 != 0, flags & 0x200 != 0, flags & 0x400 != 0);
    let width = (flags & 0xf00).count_ones();
    let words = fields.words(u64::from(count) * u64::from(width))?;
    let mut samples = Samples { count: count.into(), ..Samples::default() };
    // Nothing listed per sample: `count` is only a claim, so it is multiplied and never looped over.
    if !lists_ticks {
        samples.ticks = samples.count * u64::from(defaults.ticks);
    }
    let each = u64::from(defaults.bytes);
    let is_sync = |flags: u32| flags & NOT_SYNC == 0;
    let (mut before, mut key) = (0, None);
    for (number, row) in words.chunks_exact(width.max(1) as usize).enumerate() {
        // A row holds what the flags announce, in the order of the flags: ticks, bytes, the sample's own
        // flags, and one that does not matter.
        let mut row = row.iter().copied().map(u32::from_be_bytes);
        let mut listed = |it_is: bool| if it_is { row.next() } else { None };
        samples.ticks += u64::from(listed(lists_ticks).unwrap_or(0));
        let bytes = listed(lists_bytes).map_or(each, u64::from);
        let own = listed(lists_flags).unwrap_or(defaults.flags);
        if key.is_none() && is_sync(first_flags.filter(|_| number == 0).unwrap_or(own)) {
            key = Some((before, bytes));
        }
        before += bytes;
    }
    if width == 0 {
        key = match (is_sync(first_flags.unwrap_or(defaults.flags)), is_sync(defaults.flags)) {
            (true, _) if count > 0 => Some((0, each)),
            (false, true) if count > 1 => Some((each, each)),
            _ => None,
        };
    }
    samples.bytes = if lists_bytes { before } else { samples.count * each };
    Ok(Run { samples, offset, key })
}

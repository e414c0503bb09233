//! Fragments: a `moof` box lists samples that came after the index was written (ISO/IEC 14496-12, 8.8).

use crate::ProbeError;
use crate::boxes::{Fields, all, need};
use crate::moov::Movie;
use crate::samples::{Samples, within_file};

/// What holds for a sample about which a fragment says nothing itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Defaults {
    pub(crate) ticks: u32,
    pub(crate) bytes: u32,
}

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
        let base = next;
        for trun in all(traf, "trun") {
            let (samples, offset) = run(trun?, Defaults { ticks, bytes })?;
            let start = match offset {
                Some(offset) => base.saturating_add_signed(offset.into()),
                None => next,
            };
            within_file(start, samples.bytes, len)?;
            next = start.saturating_add(samples.bytes);
            track.samples.add(samples);
        }
        end_of_last = next;
    }
    Ok(())
}

/// Sums one run of samples, and says where it starts relative to the base, if it says so.
fn run(trun: &[u8], defaults: Defaults) -> Result<(Samples, Option<i32>), ProbeError> {
    let (mut fields, _, flags) = Fields::full(trun, "trun")?;
    let count = fields.u32()?;
    let offset = if flags & 0x1 != 0 { Some(fields.u32()?.cast_signed()) } else { None };
    if flags & 0x4 != 0 {
        fields.u32()?;
    }
    let (lists_ticks, lists_bytes) = (flags & 0x100 != 0, flags & 0x200 != 0);
    let width = (flags & 0xf00).count_ones();
    let words = fields.words(u64::from(count) * u64::from(width))?;
    let mut sums = Samples { count: count.into(), ..Samples::default() };
    // Nothing listed per sample: `count` is only a claim, so it is multiplied and never looped over.
    if !lists_ticks {
        sums.ticks = sums.count * u64::from(defaults.ticks);
    }
    if !lists_bytes {
        sums.bytes = sums.count * u64::from(defaults.bytes);
    }
    for row in words.chunks_exact(width.max(1) as usize) {
        let mut row = row.iter().map(|word| u64::from(u32::from_be_bytes(*word)));
        // A row holds what the flags announce, in the order of the flags: ticks, bytes, and two that do not
        // matter.
        if lists_ticks {
            sums.ticks += row.next().unwrap_or(0);
        }
        if lists_bytes {
            sums.bytes += row.next().unwrap_or(0);
        }
    }
    Ok((sums, offset))
}

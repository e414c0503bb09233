//! What a decoder gets to see: the parameter sets and the slices of one key frame, checked and in the form that
//! it reads.
//!
//! An MP4 keeps NAL units behind their lengths (ISO/IEC 14496-15, 5.3); a decoder wants start codes between
//! them (H.264, Annex B).

use super::{MAX_MACROBLOCKS, PosterError};
use crate::ProbeError;
use crate::bits::Bits;
use crate::boxes::Fields;
use crate::h264::{Colours, Sampling, Sps};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The most macroblocks that all reference pictures may have together, as in level 5.2 (H.264, table A-1:
/// MaxDpbMbs). A decoder reserves memory for them at once.
const MAX_REFERENCE_MACROBLOCKS: u64 = 184_320;

/// The most slices of a picture. An encoder makes one, or one for each of its threads, or one for each row.
const MAX_SLICES: u64 = 128;

/// The most macroblocks that are decoded. A slice says where it begins, but not where it ends, so it may
/// hold all that is left of the picture, and so may the next one.
const MAX_WORK: u64 = 8 * MAX_MACROBLOCKS;

/// A stream that can be given to a decoder.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) annex_b: Vec<u8>,
    pub(super) colours: Colours,
}

/// Puts together the parameter sets in `avcc` and the first picture in `sample`; an error unless that picture
/// is of a kind and size that is decoded here.
pub(super) fn checked(avcc: &[u8], sample: &[u8]) -> Result<Stream, PosterError> {
    let mut stream = Builder::default();
    let mut fields = Fields::new(avcc, "avcC");
    fields.take(4)?;
    let length_bytes = u32::from(fields.u8()? & 0x3) + 1;
    for mask in [0x1f, 0xff] {
        for _ in 0..fields.u8()? & mask {
            let length = fields.u16()?;
            stream.add(fields.take(length.into())?)?;
        }
    }
    let mut fields = Fields::new(sample, "mdat");
    while !fields.is_empty() {
        let mut length = 0;
        for _ in 0..length_bytes {
            length = length << 8 | u64::from(fields.u8()?);
        }
        stream.add(fields.take(length)?)?;
    }
    stream.finish()
}

#[derive(Default)]
struct Builder {
    annex_b: Vec<u8>,
    colours: Option<Colours>,
    /// Of the largest picture that a parameter set describes.
    macroblocks: u64,
    slices: u64,
    last_first: u64,
    work: u64,
}

impl Builder {
    /// Adds a NAL unit if a decoder needs it.
    fn add(&mut self, nal: &[u8]) -> Result<(), PosterError> {
        let Some(header) = nal.first() else { return Ok(()) };
        match (header & 0x1f, self.slices) {
            (5, _) => self.check_slice(nal)?,
            (7, 0) => self.check_sps(nal)?,
            (8, 0) => check_pps(nal)?,
            // Notes, delimiters, extensions; and parameter sets of what follows the picture.
            _ => return Ok(()),
        }
        // With one inside, a decoder would see more units than were checked.
        if nal.windows(3).any(|bytes| bytes == [0, 0, 1]) {
            return Err(PosterError::Damaged { what: "a part of it holds the mark of another" });
        }
        self.annex_b.extend(START_CODE);
        self.annex_b.extend(nal);
        Ok(())
    }

    fn check_sps(&mut self, nal: &[u8]) -> Result<(), PosterError> {
        let sps = Sps::parse(nal)?;
        if sps.interlaced {
            return Err(PosterError::Kind { what: "an interlaced video" });
        }
        if sps.sampling != (Sampling { chroma: 1, apart: false, deep: false }) {
            return Err(PosterError::Kind { what: "a video that is not sampled as 4:2:0 in 8 bits" });
        }
        within(
            "first picture is too large to decode, in blocks of 16x16 pixels",
            sps.macroblocks,
            MAX_MACROBLOCKS,
        )?;
        within(
            "pictures to which others refer are too large together, in blocks of 16x16 pixels",
            sps.macroblocks.saturating_mul(sps.references),
            MAX_REFERENCE_MACROBLOCKS,
        )?;
        if sps.width == 0 || sps.height == 0 {
            return Err(PosterError::Damaged { what: "all of it is cropped" });
        }
        self.macroblocks = self.macroblocks.max(sps.macroblocks);
        self.colours = Some(sps.colours);
        Ok(())
    }

    /// A slice begins with the number of its first macroblock and its type. When the number does not grow,
    /// the next picture has begun, or it is one that hardly any player shows.
    fn check_slice(&mut self, nal: &[u8]) -> Result<(), PosterError> {
        let mut bits = Bits::new(nal, "mdat");
        bits.bits(8)?;
        let (first, kind) = (bits.number()?, bits.number()?);
        let in_order = if self.slices == 0 { first == 0 } else { first > self.last_first };
        if !in_order {
            return Err(PosterError::Damaged { what: "its parts are not in their order" });
        }
        if !matches!(kind, 2 | 7) {
            return Err(PosterError::Damaged {
                what: "it builds on others, though it is said to stand alone",
            });
        }
        self.slices += 1;
        self.last_first = first;
        self.work += self.macroblocks.saturating_sub(first);
        within("first picture has too many slices", self.slices, MAX_SLICES)?;
        within(
            "slices of the first picture are too long together, in blocks of 16x16 pixels",
            self.work,
            MAX_WORK,
        )
    }

    fn finish(self) -> Result<Stream, PosterError> {
        if self.slices == 0 {
            return Err(PosterError::Kind {
                what: "a video that begins without a picture that stands alone (IDR)",
            });
        }
        let colours = self.colours.ok_or(PosterError::Damaged { what: "it is not described (no SPS)" })?;
        Ok(Stream { annex_b: self.annex_b, colours })
    }
}

fn within(what: &'static str, value: u64, limit: u64) -> Result<(), PosterError> {
    match value <= limit {
        true => Ok(()),
        false => Err(PosterError::TooLarge { what, value, limit }),
    }
}

/// Slice groups are of a profile that hardly any player knows, and only give a decoder more to do wrong.
fn check_pps(nal: &[u8]) -> Result<(), PosterError> {
    let read = |bits: &mut Bits<'_>| -> Result<u64, ProbeError> {
        bits.bits(8)?;
        bits.skip_numbers(2)?;
        bits.bits(2)?;
        bits.number()
    };
    match read(&mut Bits::new(nal, "avcC"))? {
        0 => Ok(()),
        _ => Err(PosterError::Kind { what: "a video with slice groups" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NAL unit of this kind, its bits written as ones and zeros.
    fn nal(header: u8, bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        let bytes =
            bits.chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit) << (8 - byte.len()));
        [header].into_iter().chain(bytes).collect()
    }

    fn number(number: u64) -> String {
        let length = (number + 1).ilog2() as usize;
        format!("{:0>width$b}", number + 1, width = 2 * length + 1)
    }

    /// An SPS of the baseline profile.
    fn sps(columns: u64, rows: u64, references: u64) -> Vec<u8> {
        let sides = format!("{} {}", number(columns - 1), number(rows - 1));
        nal(0x67, &format!("01000010 00000000 00011110 1 1 1 1 {} 0 {sides} 1 1 0 0 1", number(references)))
    }

    fn slice(first: u64, kind: u64) -> Vec<u8> {
        nal(0x65, &format!("{} {} 1 1", number(first), number(kind)))
    }

    fn added(units: &[Vec<u8>]) -> Result<Stream, PosterError> {
        let mut builder = Builder::default();
        units.iter().try_for_each(|unit| builder.add(unit))?;
        builder.finish()
    }

    fn refused(units: &[Vec<u8>], code: &str, words: &str) {
        let error = added(units).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    const PPS: &str = "1 1 0 0 1 1";

    #[test]
    fn only_what_is_needed_and_in_annex_b() {
        let (sps, pps, slice) = (sps(4, 3, 1), nal(0x68, PPS), slice(0, 7));
        let units = [vec![0x09, 0xf0], sps.clone(), pps.clone(), vec![0x06, 1], slice.clone(), sps.clone()];
        let wanted: Vec<u8> =
            [&sps, &pps, &slice].iter().flat_map(|nal| [&START_CODE[..], nal].concat()).collect();
        assert_eq!(added(&units).unwrap().annex_b, wanted);
    }

    #[test]
    fn memory_is_bounded_by_the_picture_and_its_references() {
        let first = slice(0, 7);
        added(&[sps(256, 144, 5), first.clone()]).unwrap();
        refused(&[sps(256, 144, 6), first.clone()], "picture_too_large", "to which others refer");
        refused(&[sps(256, 145, 1), first.clone()], "picture_too_large", "37120 (at most 36864)");
        refused(&[sps(1, u32::MAX.into(), 1), first], "picture_too_large", "blocks");
    }

    #[test]
    fn time_is_bounded_by_what_the_slices_may_hold() {
        let picture = |columns, rows, slices: std::ops::Range<u64>, step| -> Vec<Vec<u8>> {
            [sps(columns, rows, 1)].into_iter().chain(slices.map(|number| slice(number * step, 7))).collect()
        };
        added(&picture(120, 68, 0..68, 120)).expect("a slice for each row of 1080p");
        added(&picture(240, 135, 0..16, 8 * 240)).expect("sixteen slices in 4K");
        refused(&picture(256, 144, 0..9, 1), "picture_too_large", "too long together");
        refused(&picture(4, 3, 0..129, 1), "picture_too_large", "129 (at most 128)");
    }

    #[test]
    fn one_picture_that_stands_alone() {
        let sps = sps(4, 3, 1);
        added(&[sps.clone(), slice(0, 2), slice(5, 2)]).unwrap();
        refused(&[sps.clone(), slice(0, 7), slice(0, 7)], "damaged_picture", "order");
        refused(&[sps.clone(), slice(5, 7)], "damaged_picture", "order");
        refused(&[sps.clone(), slice(0, 5)], "damaged_picture", "builds on others");
        refused(&[sps], "unsupported_picture", "IDR");
        refused(&[slice(0, 7)], "damaged_picture", "no SPS");
    }

    #[test]
    fn slice_groups_and_units_within_units() {
        let (sps, slice) = (sps(4, 3, 1), slice(0, 7));
        refused(
            &[sps.clone(), nal(0x68, "1 1 0 0 010 1"), slice.clone()],
            "unsupported_picture",
            "slice groups",
        );
        let two = [&slice[..], &[0, 0, 1], &sps].concat();
        refused(&[sps, two], "damaged_picture", "the mark of another");
    }
}

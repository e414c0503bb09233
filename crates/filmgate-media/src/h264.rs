//! What H.264 says of its pictures in the sequence parameter set in `avcC` (ISO/IEC 14496-15, 5.3.3; H.264,
//! 7.3.2.1.1 and E.1.1).

use crate::ProbeError;
use crate::bits::{Bits, cropped};
use crate::boxes::Fields;

/// The profiles whose SPS says more about colour (H.264, 7.3.2.1.1).
const LONG_PROFILES: [u64; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Width and height after cropping, in pixels; `None` when the SPS does not lie in `avcC` (as in `avc3`).
pub(crate) fn size(avcc: &[u8]) -> Result<Option<(u64, u64)>, ProbeError> {
    let mut fields = Fields::new(avcc, "avcC");
    fields.take(5)?;
    if fields.u8()? & 0x1f == 0 {
        return Ok(None);
    }
    let length = fields.u16()?;
    let sps = Sps::parse(fields.take(length.into())?)?;
    Ok(Some((sps.width, sps.height)))
}

/// What is used of a sequence parameter set. The figures are as claimed; only the cropping is checked.
#[derive(Debug)]
pub(crate) struct Sps {
    /// After cropping, in pixels.
    pub(crate) width: u64,
    pub(crate) height: u64,
    /// What is coded, in macroblocks of 16x16 pixels.
    pub(crate) macroblocks: u64,
    /// The most pictures to which others may refer.
    pub(crate) references: u64,
    /// Made of fields, or of frames that may be.
    pub(crate) interlaced: bool,
    pub(crate) sampling: Sampling,
    pub(crate) colours: Colours,
}

/// How colour is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sampling {
    /// 0 for grey, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
    pub(crate) chroma: u64,
    /// The three planes are coded as three pictures.
    pub(crate) apart: bool,
    /// More than 8 bits in luma or chroma.
    pub(crate) deep: bool,
}

/// What the numbers of a pixel mean (H.264, table E-5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Colours {
    /// 0 to 255, not 16 to 235.
    pub(crate) full_range: bool,
    /// `matrix_coefficients`, if the video says it.
    pub(crate) matrix: Option<u8>,
}

impl Sps {
    /// Reads an SPS, a NAL unit with its header.
    pub(crate) fn parse(nal: &[u8]) -> Result<Self, ProbeError> {
        let bits = &mut Bits::new(nal, "avcC");
        bits.bits(8)?;
        let profile = bits.bits(8)?;
        bits.bits(16)?;
        bits.number()?;
        let plain = Sampling { chroma: 1, apart: false, deep: false };
        let sampling = if LONG_PROFILES.contains(&profile) { sampling(bits)? } else { plain };
        bits.number()?;
        match bits.number()? {
            0 => drop(bits.number()?),
            1 => {
                bits.flag()?;
                bits.skip_numbers(2)?;
                let cycle = bits.number()?;
                bits.skip_numbers(cycle)?;
            }
            _ => {}
        }
        let references = bits.number()?;
        bits.flag()?;
        let (columns, rows) = (bits.number()? + 1, bits.number()? + 1);
        let interlaced = !bits.flag()?;
        if interlaced {
            bits.flag()?;
        }
        bits.flag()?;
        let (mut across, mut down) = ([0; 2], [0; 2]);
        if bits.flag()? {
            across = [bits.number()?, bits.number()?];
            down = [bits.number()?, bits.number()?];
        }
        // Cropping counts in steps of the coarsest plane (table 6-1).
        let chroma = if sampling.apart { 0 } else { sampling.chroma };
        let rows_per_unit = if interlaced { 2 } else { 1 };
        let across_unit = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let down_unit = if chroma == 1 { 2 } else { 1 } * rows_per_unit;
        Ok(Self {
            width: cropped(columns * 16, across_unit, across, "avcC")?,
            height: cropped(rows * 16 * rows_per_unit, down_unit, down, "avcC")?,
            macroblocks: columns.saturating_mul(rows * rows_per_unit),
            references,
            interlaced,
            sampling,
            // A video whose SPS ends in its appendix can be measured and played without it.
            colours: colours(bits).unwrap_or_default(),
        })
    }
}

/// Reads what only the long profiles have.
fn sampling(bits: &mut Bits<'_>) -> Result<Sampling, ProbeError> {
    let chroma = bits.number()?;
    let apart = chroma == 3 && bits.flag()?;
    let deep = bits.number()? > 0;
    let deep = bits.number()? > 0 || deep;
    bits.flag()?;
    if bits.flag()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(Sampling { chroma, apart, deep })
}

/// Reads the colours in the appendix of an SPS (VUI; E.1.1).
fn colours(bits: &mut Bits<'_>) -> Result<Colours, ProbeError> {
    /// The aspect ratio that is followed by two numbers of 16 bits.
    const EXTENDED: u64 = 255;
    if !bits.flag()? {
        return Ok(Colours::default());
    }
    if bits.flag()? && bits.bits(8)? == EXTENDED {
        bits.bits(32)?;
    }
    if bits.flag()? {
        bits.flag()?;
    }
    if !bits.flag()? {
        return Ok(Colours::default());
    }
    bits.bits(3)?;
    let full_range = bits.flag()?;
    let matrix = if bits.flag()? { Some((bits.bits(24)? & 0xff) as u8) } else { None };
    Ok(Colours { full_range, matrix })
}

/// Reads past a scaling list (H.264, 7.3.2.1.1.1); it may end early, at a scale of zero.
fn scaling_list(bits: &mut Bits<'_>, entries: u32) -> Result<(), ProbeError> {
    let mut scale = 8;
    for _ in 0..entries {
        scale = (scale + bits.signed()?).rem_euclid(256);
        if scale == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size in an SPS of this profile, its bits after the level written as ones and zeros.
    fn size_of(profile: u8, bits: &str) -> (u64, u64) {
        let bits: Vec<u8> =
            bits.bytes().filter(|bit| !bit.is_ascii_whitespace()).map(|bit| bit - b'0').collect();
        let bytes =
            bits.chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit) << (8 - byte.len()));
        let sps: Vec<u8> = [0x67, profile, 0, 30].into_iter().chain(bytes).collect();
        let sps = Sps::parse(&sps).unwrap();
        (sps.width, sps.height)
    }

    /// Frame numbers, picture order 0, one reference, no gaps; 2 columns, 3 rows, no fields, no cropping.
    const PLAIN: &str = "1 1 1 010 0  010 011 1 1 0  0 1";

    #[test]
    fn plain() {
        assert_eq!(size_of(66, &format!("1 {PLAIN}")), (32, 48));
    }

    #[test]
    fn picture_order_of_the_second_kind() {
        let order = "010  1 010 011  011 00100 00101";
        assert_eq!(size_of(66, &format!("1  1 {order} 010 0  010 011 1 1 0  0 1")), (32, 48));
    }

    #[test]
    fn scaling_lists() {
        let (kept, ended) = ("1".repeat(16), "0000 10001".to_owned()); // 0 sixteen times; -8 once, which makes the scale 0
        let long = "1".repeat(64);
        let lists = format!("1 {kept}  1 {ended}  0 0 0 0  1 {long}  1 {ended}");
        let start = |chroma| format!("1 {chroma} 1 1 0 1");
        assert_eq!(size_of(100, &format!("{} {lists} {PLAIN}", start("010"))), (32, 48));
        let four_more = format!("0 1 {long} 0 1 {ended}");
        assert_eq!(size_of(244, &format!("{} {lists} {four_more} {PLAIN}", start("00100 0"))), (32, 48));
    }

    #[test]
    fn cropping_by_the_coarsest_plane() {
        let cropped = "1 1 1 010 0  010 011 1 1 1 010 1 1 010  0 1"; // one step left, one step below
        assert_eq!(size_of(66, &format!("1 {cropped}")), (30, 46));
        for (colour, size) in [
            ("1", (31, 47)),
            ("010", (30, 46)),
            ("011", (30, 47)),
            ("00100 0", (31, 47)),
            ("00100 1", (31, 47)),
        ] {
            assert_eq!(size_of(100, &format!("1 {colour} 1 1 0 0 {cropped}")), size, "{colour}");
        }
    }

    #[test]
    fn no_sps() {
        assert_eq!(size(&[1, 66, 0, 30, 0xff, 0xe0, 0]).unwrap(), None);
        assert_eq!(size(&[1, 66, 0, 30, 0xff, 0xe1, 0, 9]).unwrap_err().code(), "damaged_video");
    }
}

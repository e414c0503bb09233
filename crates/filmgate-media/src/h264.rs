//! The size of H.264 pictures, from the sequence parameter set in `avcC` (ISO/IEC 14496-15, 5.3.3; H.264,
//! 7.3.2.1.1).

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
    sps_size(fields.take(length.into())?).map(Some)
}

fn sps_size(sps: &[u8]) -> Result<(u64, u64), ProbeError> {
    let bits = &mut Bits::new(sps, "avcC");
    bits.bits(8)?;
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.number()?;
    let chroma = if LONG_PROFILES.contains(&profile) { colour(bits)? } else { 1 };
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
    bits.number()?;
    bits.flag()?;
    let (columns, rows) = (bits.number()? + 1, bits.number()? + 1);
    let rows_per_unit = if bits.flag()? { 1 } else { 2 };
    if rows_per_unit == 2 {
        bits.flag()?;
    }
    bits.flag()?;
    let (mut across, mut down) = ([0; 2], [0; 2]);
    if bits.flag()? {
        across = [bits.number()?, bits.number()?];
        down = [bits.number()?, bits.number()?];
    }
    // Cropping counts in steps of the coarsest plane (table 6-1).
    let across_unit = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let down_unit = if chroma == 1 { 2 } else { 1 } * rows_per_unit;
    Ok((
        cropped(columns * 16, across_unit, across, "avcC")?,
        cropped(rows * 16 * rows_per_unit, down_unit, down, "avcC")?,
    ))
}

/// Reads past what only the long profiles have; returns how colour is sampled (0 when the planes are apart).
fn colour(bits: &mut Bits<'_>) -> Result<u64, ProbeError> {
    let chroma = bits.number()?;
    let apart = chroma == 3 && bits.flag()?;
    bits.skip_numbers(2)?;
    bits.flag()?;
    if bits.flag()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(if apart { 0 } else { chroma })
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
        sps_size(&sps).unwrap()
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

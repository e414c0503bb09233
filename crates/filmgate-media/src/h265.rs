//! The size of H.265 pictures, from the sequence parameter set in `hvcC` (ISO/IEC 14496-15, 8.3.3; H.265,
//! 7.3.2.2).

use crate::ProbeError;
use crate::bits::{Bits, cropped};
use crate::boxes::Fields;

/// The kind of NAL unit that is a sequence parameter set.
const SPS: u8 = 33;

/// Width and height after cropping, in pixels; `None` when the SPS does not lie in `hvcC` (as in some
/// `hev1`).
pub(crate) fn size(hvcc: &[u8]) -> Result<Option<(u64, u64)>, ProbeError> {
    let mut fields = Fields::new(hvcc, "hvcC");
    fields.take(22)?;
    for _ in 0..fields.u8()? {
        let kind = fields.u8()? & 0x3f;
        for _ in 0..fields.u16()? {
            let length = fields.u16()?;
            let nal = fields.take(length.into())?;
            if kind == SPS {
                return sps_size(nal).map(Some);
            }
        }
    }
    Ok(None)
}

fn sps_size(sps: &[u8]) -> Result<(u64, u64), ProbeError> {
    let bits = &mut Bits::new(sps, "hvcC");
    bits.bits(16 + 4)?;
    let layers_below = bits.bits(3)? as usize;
    bits.flag()?;
    profile_and_level(bits, layers_below)?;
    bits.number()?;
    let chroma = bits.number()?;
    let apart = chroma == 3 && bits.flag()?;
    let (width, height) = (bits.number()?, bits.number()?);
    let (mut across, mut down) = ([0; 2], [0; 2]);
    if bits.flag()? {
        across = [bits.number()?, bits.number()?];
        down = [bits.number()?, bits.number()?];
    }
    // Cropping counts in steps of the coarsest plane (table 6-1).
    let across_unit = if !apart && matches!(chroma, 1 | 2) { 2 } else { 1 };
    let down_unit = if !apart && chroma == 1 { 2 } else { 1 };
    Ok((cropped(width, across_unit, across, "hvcC")?, cropped(height, down_unit, down, "hvcC")?))
}

/// Reads past the profile and level of the whole and of each layer below (H.265, 7.3.3).
fn profile_and_level(bits: &mut Bits<'_>, layers_below: usize) -> Result<(), ProbeError> {
    const PROFILE: u32 = 88;
    const LEVEL: u32 = 8;
    skip(bits, PROFILE + LEVEL)?;
    if layers_below == 0 {
        return Ok(());
    }
    let mut present = [(false, false); 8];
    for layer in &mut present {
        *layer = (bits.flag()?, bits.flag()?);
    }
    for (profile, level) in present.into_iter().take(layers_below) {
        skip(bits, if profile { PROFILE } else { 0 } + if level { LEVEL } else { 0 })?;
    }
    Ok(())
}

fn skip(bits: &mut Bits<'_>, count: u32) -> Result<(), ProbeError> {
    (0..count).try_for_each(|_| bits.flag().map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of what x265 wrote for 130x98 in 10 bits: coded as 136x104, cropped by 3 steps of 2.
    const CROPPED: [u8; 25] = [
        0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x1e, 0xa0, 0x11, 0x20, 0x69, 0xc9, 0x23, 0x65,
    ];

    fn hvcc(kind: u8, nal: &[u8]) -> Vec<u8> {
        [&[0; 22][..], &[1, kind, 0, 1, 0, nal.len() as u8], nal].concat()
    }

    #[test]
    fn cropped() {
        assert_eq!(size(&hvcc(SPS, &CROPPED)).unwrap(), Some((130, 98)));
        assert_eq!(size(&hvcc(SPS | 0x80, &CROPPED)).unwrap(), Some((130, 98)), "marked as complete");
    }

    #[test]
    fn no_sps() {
        assert_eq!(size(&hvcc(32, &CROPPED)).unwrap(), None);
        assert_eq!(size(&[0; 23]).unwrap(), None);
        assert_eq!(size(&hvcc(SPS, &CROPPED[..18])).unwrap_err().code(), "damaged_video");
    }
}

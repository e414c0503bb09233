//! Reads the bits of an H.264 or H.265 parameter set.

use crate::ProbeError;

/// The bits of a NAL unit from its front, without the bytes that were put in to avoid start codes (a 3 after
/// two zeros). A bit that is not there is an error, so every loop that reads one ends.
#[derive(Debug)]
pub(crate) struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    zeros: u32,
    current: u8,
    left: u32,
    kind: &'static str,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(nal: &'a [u8], kind: &'static str) -> Self {
        Self { bytes: nal.iter(), zeros: 0, current: 0, left: 0, kind }
    }

    fn byte(&mut self) -> Result<u8, ProbeError> {
        self.bytes
            .next()
            .copied()
            .ok_or(ProbeError::damaged(self.kind, "the description of its pictures is cut off"))
    }

    /// The next bit.
    pub(crate) fn flag(&mut self) -> Result<bool, ProbeError> {
        if self.left == 0 {
            self.current = self.byte()?;
            if self.zeros >= 2 && self.current == 3 {
                self.zeros = 0;
                self.current = self.byte()?;
            }
            self.zeros = if self.current == 0 { self.zeros + 1 } else { 0 };
            self.left = 8;
        }
        self.left -= 1;
        Ok(self.current >> self.left & 1 == 1)
    }

    /// The next `count` bits, at most 64, as a number.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u64, ProbeError> {
        (0..count).try_fold(0, |value, _| Ok(value << 1 | u64::from(self.flag()?)))
    }

    /// A number in the unsigned code of H.264, 9.1 (ue), below 2^32.
    pub(crate) fn number(&mut self) -> Result<u64, ProbeError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(ProbeError::damaged(self.kind, "the description of its pictures makes no sense"));
            }
        }
        Ok((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// A number in the signed code of H.264, 9.1.1 (se).
    pub(crate) fn signed(&mut self) -> Result<i64, ProbeError> {
        let number = self.number()?.cast_signed();
        Ok(if number % 2 == 1 { number / 2 + 1 } else { -(number / 2) })
    }

    /// Skips `count` numbers of either code.
    pub(crate) fn skip_numbers(&mut self, count: u64) -> Result<(), ProbeError> {
        (0..count).try_for_each(|_| self.number().map(drop))
    }
}

/// One side of a picture: what is coded, less `unit` times what is cropped at both ends.
pub(crate) fn cropped(coded: u64, unit: u64, ends: [u64; 2], kind: &'static str) -> Result<u64, ProbeError> {
    coded
        .checked_sub(unit * (ends[0] + ends[1]))
        .ok_or(ProbeError::damaged(kind, "more of its pictures is cropped than there is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_standards_table() {
        // 1, 010, 011, 00100, 00101 are 0, 1, 2, 3, 4 (H.264, table 9-2) and 0, 1, -1, 2, -2 when signed.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::new(&bytes, "test");
        let numbers: Vec<_> = (0..5).map(|_| bits.number().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        let mut bits = Bits::new(&bytes, "test");
        let signed: Vec<_> = (0..5).map(|_| bits.signed().unwrap()).collect();
        assert_eq!(signed, [0, 1, -1, 2, -2]);
    }

    #[test]
    fn the_largest_number_is_read_and_a_longer_one_refused() {
        let largest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(Bits::new(&largest, "test").number().unwrap(), u64::from(u32::MAX) - 1);
        let longer = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Bits::new(&longer, "test").number().unwrap_err().code(), "damaged_video");
    }

    #[test]
    fn bytes_against_start_codes_are_left_out() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 0, 0, 3], "test");
        assert_eq!(bits.bits(40).unwrap(), 0x01_0000);
        assert!(bits.flag().is_err(), "a 3 at the very end is left out too");
        assert_eq!(Bits::new(&[0, 3, 0, 3], "test").bits(32).unwrap(), 0x0003_0003);
    }

    #[test]
    fn nothing_there_is_an_error() {
        assert!(Bits::new(&[], "test").flag().is_err());
        assert!(Bits::new(&[1], "test").bits(9).is_err());
    }
}

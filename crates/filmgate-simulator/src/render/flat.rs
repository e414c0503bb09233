//! H.264 without an encoder: one flat colour, any size and length, a few bytes a picture.
//!
//! The first picture has one uncompressed macroblock in the tier's colour, and all others copy their
//! neighbour; every further picture says "nothing changed". Clause numbers are those of ITU-T H.264.

use super::{
    Clip,
    colour::palette,
    mp4::{Sample, Track},
};

const FRAMES_PER_SECOND: u32 = 12;
const MACROBLOCK: u32 = 16;
/// Bits of `frame_num`: the smallest that the standard allows.
const FRAME_NUM_BITS: u32 = 4;

const NAL_SPS: u8 = 0x67;
const NAL_PPS: u8 = 0x68;
const NAL_KEY_PICTURE: u8 = 0x65;
const NAL_PICTURE: u8 = 0x41;

pub(super) fn encode(clip: &Clip) -> Track {
    let columns = clip.width.div_ceil(MACROBLOCK);
    let rows = clip.height.div_ceil(MACROBLOCK);
    let sample = |nal: Vec<u8>, key| Sample { data: with_length(&nal), key };
    let mut samples = vec![sample(key_picture(clip, columns, rows), true)];
    for number in 1..clip.seconds * FRAMES_PER_SECOND {
        samples.push(sample(unchanged_picture(number, columns * rows), false));
    }
    Track {
        width: clip.width,
        height: clip.height,
        frames_per_second: FRAMES_PER_SECOND,
        sps: sequence_parameters(clip, columns, rows),
        pps: picture_parameters(),
        samples,
    }
}

/// 7.3.2.1: constrained baseline, one reference picture, cropped to the size.
fn sequence_parameters(clip: &Clip, columns: u32, rows: u32) -> Vec<u8> {
    // Table A-1: the largest picture, in macroblocks, of each level.
    let levels = [(1620, 30), (3600, 31), (8192, 40)];
    let level = levels.iter().find(|(most, _)| columns * rows <= *most).map_or(51, |&(_, level)| level);
    let mut bits = Bits::default();
    bits.put(66, 8); // profile_idc
    bits.put(0b1100_0000, 8); // constraint flags
    bits.put(level, 8);
    bits.ue(0); // seq_parameter_set_id
    bits.ue(FRAME_NUM_BITS - 4);
    bits.ue(2); // pic_order_cnt_type: shown in the order in which they are stored
    bits.ue(1); // max_num_ref_frames
    bits.put(0, 1); // gaps_in_frame_num_value_allowed_flag
    bits.ue(columns - 1);
    bits.ue(rows - 1);
    bits.put(1, 1); // frame_mbs_only_flag
    bits.put(1, 1); // direct_8x8_inference_flag
    let (right, bottom) = (columns * MACROBLOCK - clip.width, rows * MACROBLOCK - clip.height);
    let cropped = right > 0 || bottom > 0;
    bits.put(u32::from(cropped), 1);
    if cropped {
        // In units of two pixels (4:2:0).
        for side in [0, right / 2, 0, bottom / 2] {
            bits.ue(side);
        }
    }
    bits.put(0, 1); // vui_parameters_present_flag
    bits.nal(NAL_SPS)
}

/// 7.3.2.2: CAVLC, one slice group, loop filter under control of the slices.
fn picture_parameters() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.ue(0); // pic_parameter_set_id
    bits.ue(0); // seq_parameter_set_id
    bits.put(0, 2); // entropy_coding_mode_flag, bottom_field_pic_order_in_frame_present_flag
    bits.ue(0); // num_slice_groups_minus1
    bits.ue(0); // num_ref_idx_l0_default_active_minus1
    bits.ue(0); // num_ref_idx_l1_default_active_minus1
    bits.put(0, 3); // weighted_pred_flag, weighted_bipred_idc
    bits.ue(0); // pic_init_qp_minus26
    bits.ue(0); // pic_init_qs_minus26
    bits.ue(0); // chroma_qp_index_offset
    bits.put(0b100, 3); // deblocking_filter_control_present_flag, and two that are off
    bits.nal(NAL_PPS)
}

fn key_picture(clip: &Clip, columns: u32, rows: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.ue(0); // first_mb_in_slice
    bits.ue(7); // slice_type: every slice of the picture is I
    bits.ue(0); // pic_parameter_set_id
    bits.put(0, FRAME_NUM_BITS);
    bits.ue(0); // idr_pic_id
    bits.put(0, 2); // no_output_of_prior_pics_flag, long_term_reference_flag
    slice_end(&mut bits);

    bits.ue(25); // I_PCM: the samples themselves
    bits.align();
    let colour = palette(&clip.tier).horizon;
    for (value, count) in [(colour.y, 256), (colour.u, 64), (colour.v, 64)] {
        for _ in 0..count {
            bits.put(value.into(), 8);
        }
    }
    for index in 1..columns * rows {
        bits.ue(3); // Intra_16x16, predicted from the mean of its neighbours, nothing added
        bits.ue(0); // intra_chroma_pred_mode: the mean again
        bits.ue(0); // mb_qp_delta
        // "No coefficients" (table 9-5), whose code depends on how many the neighbours have: I_PCM
        // counts as 16, and it stands left of macroblock 1 and above the first of the second row.
        if index == 1 || index == columns {
            bits.put(0b00_0011, 6);
        } else {
            bits.put(1, 1);
        }
    }
    bits.nal(NAL_KEY_PICTURE)
}

fn unchanged_picture(number: u32, macroblocks: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.ue(0); // first_mb_in_slice
    bits.ue(5); // slice_type: every slice of the picture is P
    bits.ue(0); // pic_parameter_set_id
    bits.put(number % (1 << FRAME_NUM_BITS), FRAME_NUM_BITS);
    bits.put(0, 3); // no override, no reordering, no adaptive marking
    slice_end(&mut bits);
    bits.ue(macroblocks); // mb_skip_run: all of them
    bits.nal(NAL_PICTURE)
}

fn slice_end(bits: &mut Bits) {
    bits.ue(0); // slice_qp_delta
    bits.ue(1); // disable_deblocking_filter_idc
}

fn with_length(nal: &[u8]) -> Vec<u8> {
    let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), nal].concat()
}

/// Writes bits, most significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits in use of the last byte; 0 when it is full.
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let bit = u8::from(value >> shift & 1 == 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// 9.1: an unsigned Exp-Golomb code. The signed code of 0 is the same.
    fn ue(&mut self, value: u32) {
        let bits = (value + 1).ilog2();
        self.put(0, bits);
        self.put(value + 1, bits + 1);
    }

    fn align(&mut self) {
        self.used = 0;
    }

    /// 7.3.1: ends the bits, and keeps start codes from appearing in them.
    fn nal(mut self, header: u8) -> Vec<u8> {
        self.put(1, 1);
        let mut nal = vec![header];
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros == 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes() {
        let code = |value| {
            let mut bits = Bits::default();
            bits.ue(value);
            (bits.bytes[0], bits.used)
        };
        assert_eq!(code(0), (0b1000_0000, 1));
        assert_eq!(code(1), (0b0100_0000, 3));
        assert_eq!(code(2), (0b0110_0000, 3));
        assert_eq!(code(3), (0b0010_0000, 5));
        assert_eq!(code(7), (0b0001_0000, 7));
    }

    #[test]
    fn start_codes_are_kept_out() {
        let mut bits = Bits::default();
        for byte in [0, 0, 1, 0, 0, 0, 9] {
            bits.put(byte, 8);
        }
        assert_eq!(bits.nal(0x65), [0x65, 0, 0, 3, 1, 0, 0, 3, 0, 9, 0x80]);
    }

    #[test]
    fn pictures_are_small_and_there_are_enough_of_them() {
        let track = encode(&crate::render::test_clip(1280, 720, 15, "super"));
        assert_eq!(track.samples.len(), 15 * 12);
        assert!(track.samples[0].key && !track.samples[1].key);
        assert!(track.samples[1..].iter().all(|sample| sample.data.len() < 16));
    }
}

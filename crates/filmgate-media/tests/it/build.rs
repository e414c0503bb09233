//! Builds small MP4 files box by box, right ones and wrong ones.

/// A box: size, kind, body.
pub(crate) fn bx(kind: &str, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let size = (body.len() as u32 + 8).to_be_bytes();
    [&size[..], kind.as_bytes(), &body].concat()
}

/// 32-bit numbers as bytes. A "full" box begins with one for version and flags.
pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A box of nothing but 32-bit numbers.
pub(crate) fn table(kind: &str, numbers: &[u32]) -> Vec<u8> {
    bx(kind, &[&words(numbers)])
}

pub(crate) fn ftyp() -> Vec<u8> {
    bx("ftyp", &[b"isom\0\0\0\0isom"])
}

/// Where the index of a clip stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Index {
    First,
    Last,
    /// First, and the frames come in fragments of this many.
    Fragments(u32),
}

/// A clip of one picture track, one chunk, and frames of zeros. [`Clip::file`] makes the file.
#[derive(Clone)]
pub(crate) struct Clip {
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) frames: u32,
    pub(crate) frame_bytes: u32,
    pub(crate) ticks_per_frame: u32,
    pub(crate) ticks_per_second: u32,
    /// a, b, c, d of the track's matrix.
    pub(crate) matrix: [u32; 4],
    pub(crate) index: Index,
    /// Stands in the place of the boxes of its kind.
    pub(crate) replaced: Vec<(&'static str, Vec<u8>)>,
}

impl Default for Clip {
    /// Six seconds of 1280x720 with 24 frames a second, index first.
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            frames: 144,
            frame_bytes: 3,
            ticks_per_frame: 512,
            ticks_per_second: 12_288,
            matrix: [0x1_0000, 0, 0, 0x1_0000],
            index: Index::First,
            replaced: Vec::new(),
        }
    }
}

impl Clip {
    /// This clip with a box of its own in the place of the one of that kind.
    pub(crate) fn with(mut self, kind: &'static str, whole_box: Vec<u8>) -> Self {
        self.replaced.push((kind, whole_box));
        self
    }

    /// The bytes of the clip.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mdat = self.part("mdat", || bx("mdat", &[&vec![0; (self.frames * self.frame_bytes) as usize]]));
        match self.index {
            Index::First => {
                let offset = ftyp().len() + self.moov(0).len() + 8;
                [ftyp(), self.moov(offset), mdat].concat()
            }
            Index::Last => [ftyp(), mdat, self.moov(ftyp().len() + 8)].concat(),
            Index::Fragments(size) => {
                let fragments: Vec<_> = (0..self.frames / size).flat_map(|_| self.fragment(size)).collect();
                [ftyp(), self.moov(0), fragments].concat()
            }
        }
    }

    /// The index of this clip, its frames starting at `offset`.
    pub(crate) fn moov(&self, offset: usize) -> Vec<u8> {
        let mvex = match self.index {
            Index::Fragments(_) => bx("mvex", &[&table("trex", &[0, 1, 1, self.ticks_per_frame, 0, 0])]),
            _ => Vec::new(),
        };
        bx("moov", &[&self.part("trak", || self.trak(offset)), &mvex])
    }

    pub(crate) fn trak(&self, offset: usize) -> Vec<u8> {
        let [a, b, c, d] = self.matrix;
        let tkhd = [3, 0, 0, 1, 0, 0, 0, 0, 0, 0, a, b, 0, c, d, 0, 0, 0, 0x4000_0000, 0, 0];
        let tkhd = self.part("tkhd", || table("tkhd", &tkhd));
        let mdhd = self.part("mdhd", || table("mdhd", &[0, 0, 0, self.ticks_per_second, 0, 0]));
        let hdlr = self.part("hdlr", || bx("hdlr", &[&words(&[0, 0]), b"vide", &words(&[0, 0, 0, 0])]));
        let stbl = self.part("stbl", || self.stbl(offset as u32));
        bx("trak", &[&tkhd, &bx("mdia", &[&mdhd, &hdlr, &bx("minf", &[&stbl])])])
    }

    fn stbl(&self, offset: u32) -> Vec<u8> {
        let frames = if let Index::Fragments(_) = self.index { 0 } else { self.frames };
        let sizes: Vec<u32> = (0..frames).map(|_| self.frame_bytes).collect();
        let stsd = self.part("stsd", || bx("stsd", &[&words(&[0, 1]), &self.description("avc1")]));
        let stts = self.part("stts", || table("stts", &[0, 1, frames, self.ticks_per_frame]));
        let stsc = self.part("stsc", || table("stsc", &[0, 1, 1, frames, 1]));
        let stsz = self.part("stsz", || bx("stsz", &[&words(&[0, 0, frames]), &words(&sizes)]));
        let stco = self.part("stco", || table("stco", &[0, 1, offset]));
        bx("stbl", &[&stsd, &stts, &stsc, &stsz, &stco])
    }

    /// A sample description of some kind with an H.264 SPS.
    pub(crate) fn description(&self, kind: &str) -> Vec<u8> {
        let sps = sps(self.width, self.height, 0);
        entry(kind, self.width as u16, self.height as u16, &avcc(&sps))
    }

    /// A fragment: `moof` and `mdat`.
    fn fragment(&self, frames: u32) -> Vec<u8> {
        let trun = |offset: u32| {
            let rows: Vec<u32> = (0..frames).map(|_| self.frame_bytes).collect();
            self.part("trun", || bx("trun", &[&words(&[0x201, frames, offset]), &words(&rows)]))
        };
        let tfhd = self.part("tfhd", || table("tfhd", &[0x2_0000, 1]));
        let moof = |offset: u32| bx("moof", &[&bx("traf", &[&tfhd, &trun(offset)])]);
        let offset = moof(0).len() as u32 + 8;
        [moof(offset), bx("mdat", &[&vec![0; (frames * self.frame_bytes) as usize]])].concat()
    }

    fn part(&self, kind: &str, otherwise: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        match self.replaced.iter().find(|(replaced, _)| *replaced == kind) {
            Some((_, whole_box)) => whole_box.clone(),
            None => otherwise(),
        }
    }
}

/// A visual sample entry with the sides in 16 bits, and the boxes in it.
pub(crate) fn entry(kind: &str, width: u16, height: u16, details: &[u8]) -> Vec<u8> {
    bx(kind, &[&[0; 24], &width.to_be_bytes(), &height.to_be_bytes(), &[0; 50], details])
}

/// An `avcC` box around one SPS.
pub(crate) fn avcc(sps: &[u8]) -> Vec<u8> {
    let length = (sps.len() as u16).to_be_bytes();
    bx("avcC", &[&[1, 66, 0, 30, 0xff, 0xe1], &length, sps, &[0]])
}

/// An SPS of the baseline profile for these sides, with `more_crop` cropped from the right, in steps of two
/// pixels.
pub(crate) fn sps(width: u64, height: u64, more_crop: u64) -> Vec<u8> {
    let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
    let mut bits = vec![];
    number(&mut bits, 0); // id
    number(&mut bits, 0); // frame number
    number(&mut bits, 2); // picture order
    number(&mut bits, 1); // reference frames
    bits.push(false); // gaps
    number(&mut bits, columns.saturating_sub(1));
    number(&mut bits, rows.saturating_sub(1));
    bits.extend([true, true, true]); // frames only, direct 8x8, cropping
    number(&mut bits, 0);
    number(&mut bits, (columns.max(1) * 16 - width) / 2 + more_crop);
    number(&mut bits, 0);
    number(&mut bits, (rows.max(1) * 16 - height) / 2);
    bits.extend([false, true]); // no VUI, end
    let bytes = bits.chunks(8).map(|byte| {
        byte.iter().enumerate().fold(0, |value, (place, bit)| value | u8::from(*bit) << (7 - place))
    });
    let mut nal = vec![0x67, 66, 0, 30];
    for byte in bytes {
        if byte <= 3 && nal.ends_with(&[0, 0]) {
            nal.push(3);
        }
        nal.push(byte);
    }
    nal
}

/// Appends a number in the unsigned code of H.264.
fn number(bits: &mut Vec<bool>, number: u64) {
    let length = (number + 1).ilog2();
    bits.extend((0..length).map(|_| false));
    bits.extend((0..=length).rev().map(|place| (number + 1) >> place & 1 == 1));
}

//! The video that an edit, an extension or a remix starts from: its size and its length.

use mp4_atom::{Atom as _, Decode as _, DecodeAtom as _, Header, Moov};

use crate::{
    frame::{Aspect, Resolution},
    jobs::Delivered,
};

/// The most pixels of a picture that the simulator draws in its own size: 1080p in whole macroblocks.
const MOST_PIXELS: u64 = 1920 * 1088;

/// A video to start from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Footage {
    /// Pixels.
    pub(crate) width: u32,
    /// Pixels.
    pub(crate) height: u32,
    pub(crate) seconds: f64,
}

impl Footage {
    /// What a video elsewhere is taken for, because nothing is ever fetched: 480p, 16:9, 6 s.
    pub(crate) const ELSEWHERE: Self = Self { width: 752, height: 416, seconds: 6.0 };

    /// Reads size and length from the header of an MP4.
    pub(crate) fn measure(file: &[u8]) -> Result<Self, String> {
        let moov = movie(file).map_err(|err| format!("this is no MP4: {err}"))?;
        let moov = moov.ok_or("this is no MP4: it has no moov")?;
        let sizes = moov.trak.iter().map(|trak| (trak.tkhd.width.integer(), trak.tkhd.height.integer()));
        let (width, height) = sizes
            .max()
            .filter(|&(width, height)| width > 0 && height > 0)
            .ok_or("the MP4 shows no picture")?;
        if moov.mvhd.duration == 0 {
            return Err("the header of the MP4 does not tell its length, as in fragmented files".to_owned());
        }
        let seconds = moov.mvhd.duration as f64 / f64::from(moov.mvhd.timescale.max(1));
        Ok(Self { width: width.into(), height: height.into(), seconds })
    }

    pub(crate) fn resolution(&self) -> Resolution {
        Resolution::of_size(self.width, self.height)
    }

    pub(crate) fn aspect(&self) -> Aspect {
        Aspect::nearest(self.width, self.height)
    }

    /// The length in whole seconds, in which the simulator draws.
    pub(crate) fn whole_seconds(&self) -> u32 {
        self.seconds.round().max(1.0) as u32
    }

    /// As reports show it.
    pub(crate) fn rounded(&self) -> Delivered {
        let (width, height) = (self.width, self.height);
        Delivered { resolution: self.resolution(), width, height, seconds: self.whole_seconds() }
    }

    /// Its own size if that can be drawn: even, and no larger than 1080p.
    pub(crate) fn drawable_size(&self) -> Option<(u32, u32)> {
        let even = |pixels: u32| (pixels & !1).max(2);
        let fits = u64::from(self.width) * u64::from(self.height) <= MOST_PIXELS;
        fits.then(|| (even(self.width), even(self.height)))
    }
}

impl From<&Delivered> for Footage {
    fn from(made: &Delivered) -> Self {
        Self { width: made.width, height: made.height, seconds: made.seconds.into() }
    }
}

fn movie(file: &[u8]) -> mp4_atom::Result<Option<Moov>> {
    let mut rest = file;
    while !rest.is_empty() {
        let header = Header::decode(&mut rest)?;
        if header.kind == Moov::KIND {
            return Moov::decode_atom(&header, &mut rest).map(Some);
        }
        let length = header.size.unwrap_or(rest.len());
        rest = rest.get(length..).ok_or(mp4_atom::Error::OutOfBounds)?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Encode as _, Mvhd, Tkhd, Trak};

    use super::*;
    use crate::{
        config::Render,
        render::{render, test_clip},
    };

    #[test]
    fn a_drawn_file_is_measured() {
        for (width, height, seconds) in [(752, 416, 6), (1080, 1920, 2), (62, 64, 1)] {
            let file = render(&test_clip(width, height, seconds, "super"), Render::Flat).expect("rendered");
            let footage = Footage::measure(&file).expect("an MP4");
            assert_eq!(footage, Footage { width, height, seconds: seconds.into() });
        }
    }

    #[test]
    fn what_is_no_mp4_is_told() {
        let file = render(&test_clip(752, 416, 1, "super"), Render::Flat).expect("rendered");
        assert!(Footage::measure(b"").is_err());
        assert!(Footage::measure(b"hello").is_err());
        assert!(Footage::measure(b"\0\0\0\x09mdat\0").is_err());
        assert!(Footage::measure(&file[..100]).is_err());
        let cut_in_its_pictures = &file[..file.len() - 1];
        assert!(Footage::measure(cut_in_its_pictures).is_ok(), "its header is whole");
    }

    #[test]
    fn headers_that_do_not_say_enough() {
        let file = |width: u16, duration| {
            let tkhd = Tkhd { width: width.into(), height: 360.into(), ..Tkhd::default() };
            let mvhd = Mvhd { timescale: 1000, duration, ..Mvhd::default() };
            let moov = Moov { mvhd, trak: vec![Trak { tkhd, ..Trak::default() }], ..Moov::default() };
            let mut file = Vec::new();
            moov.encode(&mut file).expect("encoded");
            file
        };
        let footage = Footage::measure(&file(640, 2500)).expect("enough");
        assert_eq!(footage, Footage { width: 640, height: 360, seconds: 2.5 });
        assert!(Footage::measure(&file(640, 0)).expect_err("no length").contains("length"));
        assert!(Footage::measure(&file(0, 2500)).expect_err("no picture").contains("picture"));
    }

    #[test]
    fn sizes_that_cannot_be_drawn() {
        let footage = |width, height| Footage { width, height, seconds: 2.4 };
        assert_eq!(footage(641, 359).drawable_size(), Some((640, 358)));
        assert_eq!(footage(3840, 2160).drawable_size(), None);
        assert_eq!(footage(640, 360).whole_seconds(), 2);
    }
}

//! A file of five gigabytes that nobody has to store.

use std::io::{self, Read, Seek, SeekFrom};

use crate::build::{Clip, Index, ftyp, table, words};

const GIB: u64 = 1 << 30;
const FRAMES: u64 = 5 * GIB;

/// `front`, then zeros, then `back` at the very end; counts the bytes read.
struct Large {
    front: Vec<u8>,
    back: Vec<u8>,
    len: u64,
    at: u64,
    read: u64,
}

impl Large {
    /// A box of 5 GiB of frames, then the index, in which the one chunk lies at `offset`.
    fn new(offset: u64) -> Self {
        let numbers = [0, 1, (offset >> 32) as u32, offset as u32];
        let clip = Clip { index: Index::Last, ..Clip::default() }.with("stco", table("co64", &numbers));
        let size = FRAMES + 16;
        let head = [&words(&[1])[..], b"mdat", &size.to_be_bytes()].concat();
        let (front, back) = ([ftyp(), head].concat(), clip.moov(0));
        let len = front.len() as u64 + FRAMES + back.len() as u64;
        Self { front, back, len, at: 0, read: 0 }
    }
}

impl Read for Large {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let back = self.len - self.back.len() as u64;
        let source = if self.at >= back {
            &self.back[(self.at - back) as usize..]
        } else {
            self.front.get(self.at as usize..).unwrap_or(&[])
        };
        let count = match source.len() {
            0 => buffer.len().min((self.len - self.at) as usize),
            some => some.min(buffer.len()),
        };
        buffer[..count].fill(0);
        let known = count.min(source.len());
        buffer[..known].copy_from_slice(&source[..known]);
        self.at += count as u64;
        self.read += count as u64;
        Ok(count)
    }
}

impl Seek for Large {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.at = at.min(self.len);
        Ok(self.at)
    }
}

#[test]
fn is_measured_from_its_index_alone() {
    let mut file = Large::new(FRAMES - 1000);
    let len = file.len;
    let measured = filmgate_media::probe(&mut file, len).unwrap();
    assert_eq!((measured.width, measured.height, measured.frames), (1280, 720, 144));
    assert!(file.read < 4096, "{} bytes were read", file.read);
}

#[cfg(feature = "h264")]
#[test]
fn a_poster_needs_the_index_and_one_sample() {
    let mut file = Large::new(FRAMES - 1000);
    let len = file.len;
    let error = filmgate_media::poster(&mut file, len, 640).unwrap_err();
    assert_eq!(error.code(), "damaged_picture", "the sample is three zeros: {error}");
    assert!(file.read < 4096, "{} bytes were read", file.read);
}

#[test]
fn offsets_have_64_bits() {
    let mut file = Large::new(FRAMES + GIB);
    let len = file.len;
    assert_eq!(filmgate_media::probe(&mut file, len).unwrap_err().code(), "truncated_video");
}

#[test]
fn a_shorter_file_than_announced_is_cut_off() {
    let file = Clip::default().file();
    let error = filmgate_media::probe(&mut io::Cursor::new(&file), file.len() as u64 + 1).unwrap_err();
    assert_eq!(error.code(), "truncated_video");
}

#[test]
fn a_reader_that_fails_says_nothing_about_the_video() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }
    let error = filmgate_media::probe(&mut Broken, 100).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("unreadable_file", "the file could not be read: disk on fire")
    );
}

//! Damage at random: no panic, no endless walk, no figure beyond the limits.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use filmgate_media::{MAX_DURATION_MS, MAX_FRAMES, MAX_SIDE, PosterError};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::posters::{Picture, assert_fits};
use crate::{corpus, samples};

/// Counts what is asked of a file.
struct Counted<'a> {
    file: Cursor<&'a [u8]>,
    seeks: Cell<u64>,
    bytes: Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bytes.set(self.bytes.get() + read as u64);
        Ok(read)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seeks.set(self.seeks.get() + 1);
        self.file.seek(to)
    }
}

/// Probes and checks what holds for every file whatsoever.
fn check(file: &[u8]) {
    let len = file.len() as u64;
    let mut reader = Counted { file: Cursor::new(file), seeks: Cell::new(0), bytes: Cell::new(0) };
    match filmgate_media::probe(&mut reader, len) {
        Ok(it) => {
            assert!(
                (1..=MAX_SIDE).contains(&it.width.into()) && (1..=MAX_SIDE).contains(&it.height.into()),
                "{it:?}"
            );
            assert!((1..=MAX_DURATION_MS).contains(&it.duration_ms), "{it:?}");
            assert!((1..=MAX_FRAMES).contains(&it.frames) && it.frames <= len, "{it:?}");
        }
        Err(error) => assert_ne!(error.code(), "unreadable_file", "{error}"),
    }
    // The look at the front; per box of at least 8 bytes its head of at most 16; and each index once.
    assert!(reader.bytes.get() <= 512 + 2 * len + len, "{} bytes read of {len}", reader.bytes.get());
    assert!(reader.seeks.get() <= 1 + 2 * (len / 8 + 1), "{} seeks in {len} bytes", reader.seeks.get());
}

/// Makes a poster and checks what holds for every file whatsoever: what cannot be measured has none, for the
/// same reason; and what has one is measured to have its sides.
fn check_poster(file: &[u8]) {
    let len = file.len() as u64;
    let measured = filmgate_media::probe(&mut Cursor::new(file), len);
    let mut reader = Counted { file: Cursor::new(file), seeks: Cell::new(0), bytes: Cell::new(0) };
    match (filmgate_media::poster(&mut reader, len, 48), measured) {
        (Ok(webp), Ok(_)) => assert_fits(&Picture::read(&webp), file, 48),
        (Err(PosterError::Video(error)), Err(same)) => assert_eq!(error.to_string(), same.to_string()),
        (Err(error), Ok(_)) => {
            let code = error.code();
            let known = ["unsupported_codec", "unsupported_picture", "picture_too_large", "damaged_picture"];
            assert!(known.contains(&code), "{code}: {error}");
        }
        (poster, measured) => panic!("{poster:?} of {measured:?}"),
    }
    // As much as the prober reads, and the one sample.
    assert!(reader.bytes.get() <= 512 + 2 * len + 2 * len, "{} bytes read of {len}", reader.bytes.get());
}

fn files() -> impl Strategy<Value = Vec<u8>> {
    let files: Vec<Vec<u8>> = samples::all()
        .into_iter()
        .map(|(_, file)| file)
        .chain(corpus::all().into_iter().map(|case| case.file).filter(|file| file.len() <= 20_000))
        .collect();
    prop::sample::select(files)
}

/// A byte that is likely to matter: any, or the ends of the ranges of sizes and counts.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), prop::sample::select(vec![0, 1, 7, 8, 0x7f, 0x80, 0xff])]
}

/// A number that is likely to matter as a size or a count.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), 0..20_u32, Just(u32::MAX), Just(1 << 31)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn edits_of_bytes(mut file in files(), edits in prop::collection::vec((any::<Index>(), byte()), 1..=8)) {
        for (place, byte) in edits {
            if !file.is_empty() {
                let place = place.index(file.len());
                file[place] = byte;
            }
        }
        check(&file);
    }

    #[test]
    fn edits_of_numbers_in_the_index(mut file in files(), place in any::<Index>(), number in number()) {
        let is_index = |kind: &[u8]| kind == b"moov" || kind == b"moof";
        let Some(index) = file.windows(4).position(is_index) else { return Ok(()) };
        let place = index + place.index(file.len() - index);
        let end = file.len().min(place + 4);
        file[place..end].copy_from_slice(&number.to_be_bytes()[..end - place]);
        check(&file);
    }

    #[test]
    fn cuts_and_joins(first in files(), second in files(), cut in any::<Index>(), from in any::<Index>()) {
        let mut file = first[..cut.index(first.len() + 1)].to_vec();
        file.extend_from_slice(&second[from.index(second.len() + 1)..]);
        check(&file);
    }

    #[test]
    fn noise(file in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&file);
        check(&[b"\0\0\0\x08ftyp", &file[..]].concat());
    }
}

/// The samples of which posters are made, without the large pictures, which make this slow.
fn small_h264() -> impl Strategy<Value = Vec<u8>> {
    let large = ["1080p", "portrait", "720p", "480p", "rotated"];
    let small = |name: &str| name.starts_with("h264") && !large.iter().any(|part| name.contains(part));
    let files: Vec<_> =
        samples::all().into_iter().filter(|(name, _)| small(name)).map(|(_, file)| file).collect();
    prop::sample::select(files)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn posters_of_edited_files(mut file in small_h264(), edits in prop::collection::vec((any::<Index>(), byte()), 1..=8)) {
        for (place, byte) in edits {
            let place = place.index(file.len());
            file[place] = byte;
        }
        check_poster(&file);
    }

    #[test]
    fn posters_of_files_edited_where_the_decoder_looks(
        mut file in small_h264(),
        in_sets in any::<bool>(),
        edits in prop::collection::vec((0..120_usize, byte()), 1..=4),
    ) {
        let kind = if in_sets { b"avcC" } else { b"mdat" };
        let start = file.windows(4).position(|found| found == kind).unwrap() + 4;
        for (place, byte) in edits {
            file[start + place] = byte;
        }
        check_poster(&file);
    }

    #[test]
    fn posters_of_cut_and_joined_files(first in files(), second in files(), cut in any::<Index>(), from in any::<Index>()) {
        let mut file = first[..cut.index(first.len() + 1)].to_vec();
        file.extend_from_slice(&second[from.index(second.len() + 1)..]);
        check_poster(&file);
    }
}

#[test]
fn bad_deliveries_keep_the_same_promises() {
    for case in corpus::all() {
        check(&case.file);
        check_poster(&case.file);
    }
}

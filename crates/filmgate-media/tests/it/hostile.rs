//! Key frames that are in unusual places, and such as no encoder makes.

use crate::build::{Clip, Index, avcc as avcc_of, bx, entry, ftyp, sps, table, words};
use crate::encoded::{Encoded, SIDES, avcc, sample, stss};
use crate::poster;
use crate::posters::Picture;

/// The poster is the encoded picture.
fn assert_made(file: &[u8]) {
    let picture = Picture::read(&poster(file, 640).unwrap());
    assert_eq!((picture.width, picture.height), SIDES);
    for (x, wanted) in [(8, [254, 0, 0]), (56, [128, 128, 128])] {
        let pixel = picture.pixels[(24 * SIDES.0 + x) as usize];
        assert!(pixel.iter().zip(wanted).all(|(one, other): (_, u8)| one.abs_diff(other) <= 8), "{pixel:?}");
    }
}

fn assert_refused(file: &[u8], code: &str, words: &str) {
    let error = poster(file, 640).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// A `stbl` with this sync table among the others of the clip.
fn with_stss(clip: Clip, numbers: &[u32]) -> Vec<u8> {
    // Any box of the table will do to carry it: they are told apart by their names.
    let stsz = &clip.replaced.iter().find(|(kind, _)| *kind == "stsz").unwrap().1;
    let both = [&stsz[..], &stss(numbers)].concat();
    Clip { replaced: vec![("stsz", both)].into_iter().chain(clip.replaced.clone()).collect(), ..clip }.file()
}

#[test]
fn the_first_sync_sample_is_taken() {
    let it = Encoded::new();
    let (junk, key) = (sample(&[&[0x41, 0x9a, 1, 2, 3]]), sample(&[&it.slice]));
    assert_made(&it.file(&[&it.slice]));
    assert_made(&with_stss(it.clip(&[&junk, &junk, &key, &junk]), &[3, 4]));
    assert_made(&with_stss(it.clip(&[&key, &junk]), &[]));
    assert_refused(&it.clip(&[&junk, &key]).file(), "unsupported_picture", "IDR");
    assert_refused(&with_stss(it.clip(&[&key, &key]), &[9]), "unsupported_picture", "without a key frame");
}

#[test]
fn the_first_sync_sample_of_fragments_is_taken() {
    let (sync, not) = (0x0200_0000, 0x0101_0000);
    let it = Encoded::new();
    let (junk, key) = (sample(&[&[0x41, 0x9a, 1, 2, 3]]), sample(&[&it.slice]));
    let (small, large) = (junk.len() as u32, key.len() as u32);
    let fragmented = |samples: &[&[u8]], tfhd: &[u32], trun: &dyn Fn(u32) -> Vec<u32>| {
        let count = samples.len() as u32;
        let clip = Clip { index: Index::Fragments(count), replaced: Vec::new(), ..it.clip(samples) };
        let description = entry("avc1", 64, 48, &avcc(&[&it.sps], &[&it.pps]));
        let tfhd = table("tfhd", tfhd);
        let moof = |offset| bx("moof", &[&bx("traf", &[&tfhd, &table("trun", &trun(offset))])]);
        let offset = moof(0).len() as u32 + 8;
        let clip = clip.with("stsd", bx("stsd", &[&words(&[0, 1]), &description]));
        [ftyp(), clip.moov(0), moof(offset), bx("mdat", samples)].concat()
    };
    let (all_sync, none_sync) = ([0x2_0020, 1, sync], [0x2_0020, 1, not]);
    let own_flags = |offset| vec![0x601, 2, offset, small, not, large, sync];
    assert_made(&fragmented(&[&junk, &key], &all_sync, &own_flags));
    assert_made(&fragmented(&[&junk, &key], &none_sync, &own_flags));
    let first_is_not = |offset| vec![0x205, 2, offset, not, small, large];
    assert_made(&fragmented(&[&junk, &key], &all_sync, &first_is_not));
    let first_is_sync = |offset| vec![0x205, 2, offset, sync, large, small];
    assert_made(&fragmented(&[&key, &junk], &none_sync, &first_is_sync));
    let nothing_said = |offset| vec![0x201, 2, offset, large, small];
    assert_made(&fragmented(&[&key, &junk], &all_sync, &nothing_said));
    let error = ("unsupported_picture", "without a key frame");
    assert_refused(&fragmented(&[&key, &junk], &none_sync, &nothing_said), error.0, error.1);

    // Samples of one size and one kind, of which nothing is listed.
    let padded = [&junk[..], &sample(&[&vec![0x0c; (large - small - 4) as usize]])].concat();
    let (all_sync, none_sync) = ([0x2_0030, 1, large, sync], [0x2_0030, 1, large, not]);
    let first_is_not = |offset| vec![0x5, 2, offset, not];
    assert_made(&fragmented(&[&padded, &key], &all_sync, &first_is_not));
    assert_refused(&fragmented(&[&key, &padded], &none_sync, &first_is_not), error.0, error.1);
    assert_made(&fragmented(&[&key, &padded], &none_sync, &|offset| vec![0x5, 2, offset, sync]));
    assert_made(&fragmented(&[&key, &padded], &all_sync, &|offset| vec![0x1, 2, offset]));
}

#[test]
fn parameter_sets_may_lie_in_the_sample_and_others_are_left_out() {
    let it = Encoded::new();
    let description = entry("avc3", SIDES.0 as u16, SIDES.1 as u16, &avcc(&[], &[]));
    let stsd = || bx("stsd", &[&words(&[0, 1]), &description]);
    let with_stsd = |units: &[&[u8]]| {
        let mut clip = it.clip(&[&sample(units)]);
        clip.replaced.retain(|(kind, _)| *kind != "stsd");
        clip.with("stsd", stsd()).file()
    };
    assert_made(&with_stsd(&[&[9, 0xf0], &it.sps, &it.pps, &[6, 1, 1, 0, 0x80], &it.slice]));
    assert_refused(&with_stsd(&[&it.slice]), "damaged_picture", "no SPS");
    assert_refused(&with_stsd(&[&it.sps, &it.slice]), "damaged_picture", "cannot be decoded");
    let huge = sps(16_384, 16_384, 0);
    assert_refused(&with_stsd(&[&huge, &it.pps, &it.slice]), "picture_too_large", "1048576");
    assert_made(&with_stsd(&[&it.sps, &it.pps, &it.slice, &huge]));
    let other = sps(128, 48, 0);
    assert_refused(&with_stsd(&[&other, &it.pps, &it.slice]), "damaged_picture", "");
}

#[test]
fn nothing_reaches_the_decoder_unchecked() {
    let it = Encoded::new();
    let smuggled = [&it.slice[..], &[0, 0, 0, 1], &sps(16_384, 16_384, 0)].concat();
    assert_refused(&it.file(&[&smuggled]), "damaged_picture", "the mark of another");
    assert_refused(&it.file(&[&it.slice, &it.slice]), "damaged_picture", "order");
    assert_refused(&it.file(&[]), "damaged_video", "sizes");
    assert_refused(&it.file(&[&it.slice[..it.slice.len() / 2]]), "damaged_picture", "");
    assert_refused(&it.file(&[&it.slice[..2]]), "damaged_picture", "");
    let beyond = [&0xffff_u32.to_be_bytes()[..], &it.slice].concat();
    assert_refused(&it.clip(&[&beyond]).file(), "damaged_picture", "ends before what it lists");
    // Slices that each begin a picture of their own, of which all but a row is missing.
    let many: Vec<Vec<u8>> = (0..200_u32).map(|first| slice_of(first, first)).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    assert_refused(&it.file(&many), "picture_too_large", "too many slices");
    assert_refused(&it.file(&many[..100]), "damaged_picture", "");
}

/// The head of a slice that begins at this macroblock, of the picture with this number, and noise.
fn slice_of(first: u32, picture: u32) -> Vec<u8> {
    let number = |number: u32| {
        let length = (number + 1).ilog2();
        format!("{:0>width$b}", number + 1, width = 2 * length as usize + 1)
    };
    let bits = format!("{}{}{}0000{}0101101110111", number(first), number(7), number(0), number(picture));
    let bytes = bits.as_bytes().chunks(8).map(|byte| {
        byte.iter().enumerate().fold(0, |value, (place, bit)| value | (bit - b'0') << (7 - place))
    });
    [0x65].into_iter().chain(bytes).chain([0xa5; 8]).collect()
}

#[test]
fn a_picture_too_large_is_not_decoded() {
    let large = |width, height| Clip { width, height, ..Clip::default() }.file();
    assert_refused(&large(8192, 4096), "picture_too_large", "131072");
    let cropped = entry("avc1", 64, 48, &avcc_of(&sps(16_384, 2560, 8000)));
    let cropped = Clip::default().with("stsd", bx("stsd", &[&words(&[0, 1]), &cropped])).file();
    assert_refused(&cropped, "picture_too_large", "163840");
    let long = Clip { frames: 1, frame_bytes: 9 << 20, ..Clip::default() }.file();
    assert_refused(&long, "picture_too_large", "9437184");
}

//! The posters of any bytes: they must end, stay within the memory limits of the run, and never panic; a poster
//! has the sides that were measured, and what cannot be measured has none.

#![no_main]

use std::io::Cursor;

use filmgate_media::{PosterError, poster, probe};
use libfuzzer_sys::fuzz_target;

const LONGEST: u32 = 64;

fuzz_target!(|file: &[u8]| {
    let len = file.len() as u64;
    match (poster(&mut Cursor::new(file), len, LONGEST), probe(&mut Cursor::new(file), len)) {
        (Ok(webp), Ok(it)) => {
            // The sides stand 14 bits each, less one, behind the mark of a lossless WebP.
            let bits = u32::from_le_bytes(webp[21..25].try_into().unwrap());
            let (width, height) = ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
            assert!(webp.starts_with(b"RIFF") && webp[12..].starts_with(b"VP8L") && webp[20] == 0x2f);
            assert_eq!(width.max(height), it.width.max(it.height).min(LONGEST));
            assert!(it.width == it.height || width == height || (width > height) == (it.width > it.height));
        }
        (Err(PosterError::Video(poster)), Err(probe)) => assert_eq!(poster.code(), probe.code()),
        (Err(error), Ok(_)) if !matches!(error, PosterError::Video(_)) => {
            assert!(!error.to_string().is_empty() && !error.code().ends_with("_video"));
        }
        (poster, probe) => panic!("{poster:?} of {probe:?}"),
    }
});

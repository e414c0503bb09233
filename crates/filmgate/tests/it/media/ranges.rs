//! A thousand ranges of one file, of every kind: each is the slice that the standard says.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};

use super::{at_once, finished, get_with, header, link_of};
use crate::app::seed;

const RANGES: usize = 1000;

/// What a range means.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Whole,
    Part(Range<usize>),
    Nothing,
}

/// A range of one of these kinds in a file of that size, and what it means. What it means is known from how it was made:
/// nothing is read here.
fn range(kind: usize, size: usize, rng: &mut StdRng) -> (String, Expected) {
    let first = rng.random_range(0..size);
    let last = rng.random_range(first..size);
    let beyond = size + rng.random_range(0..size);
    let part = |range: Range<usize>| Expected::Part(range);
    match kind {
        0 => (format!("bytes={first}-{last}"), part(first..last + 1)),
        1 => (format!("bytes={first}-{beyond}"), part(first..size)),
        2 => (format!("bytes={first}-99999999999999999999999"), part(first..size)),
        3 => (format!("bytes={first}-"), part(first..size)),
        4 => (format!("bytes=-{}", size - first), part(first..size)),
        5 => (format!("bytes=-{}", beyond + 1), part(0..size)),
        6 => (format!("BYTES=00{first}-0{last}"), part(first..last + 1)),
        7 => (format!("bytes={beyond}-"), Expected::Nothing),
        8 => (format!("bytes={beyond}-{}", beyond + first), Expected::Nothing),
        9 => ("bytes=-0".to_owned(), Expected::Nothing),
        10 => (format!("bytes={}-{first}", last + 1), Expected::Whole),
        11 => (format!("bytes={first}-{last},0-0"), Expected::Whole),
        12 => (format!("bytes=0-{first}, {last}-"), Expected::Whole),
        13 => (format!("seconds={first}-{last}"), Expected::Whole),
        _ => {
            const NONE: [&str; 9] = [
                "bytes",
                "bytes=",
                "bytes=-",
                "=0-1",
                "bytes=a-b",
                "bytes=1-2x",
                "bytes=+1-2",
                "bytes=0x1-2",
                "1-2",
            ];
            (NONE[rng.random_range(0..NONE.len())].to_owned(), Expected::Whole)
        }
    }
}
const KINDS: usize = 15;

/// A condition, and whether it is met: only a range of the same file is of use to a client.
fn condition(tag: &str, rng: &mut StdRng) -> Option<(String, bool)> {
    match rng.random_range(0..10) {
        0 | 1 => Some((tag.to_owned(), true)),
        2 => Some((format!("W/{tag}"), false)),
        3 => Some(("\"another\"".to_owned(), false)),
        4 => Some(("Mon, 01 Jan 2024 00:00:00 GMT".to_owned(), false)),
        _ => None,
    }
}

#[tokio::test]
async fn a_thousand_ranges_are_the_slices_that_the_standard_says() {
    let app = at_once().start().await;
    let (path, file) = finished(&app).await;
    let link = link_of(&app, &path).await;
    let link = link.strip_prefix(&app.url).unwrap();
    let tag = header(&get_with(&app, Method::HEAD, &path, &[]).await, "etag").to_owned();
    let (mut rng, size) = (StdRng::seed_from_u64(seed(20_261_207)), file.len());
    for n in 0..RANGES {
        let (range, mut expected) = range(n % KINDS, size, &mut rng);
        let method = if rng.random_bool(0.15) { Method::HEAD } else { Method::GET };
        let condition = condition(&tag, &mut rng);
        let path = if rng.random_bool(0.5) { &*path } else { link };
        let mut headers = vec![("range", &*range)];
        if let Some((tag, is_met)) = &condition {
            headers.push(("if-range", tag));
            expected = if *is_met { expected } else { Expected::Whole };
        }
        if method == Method::HEAD {
            // Ranges are defined for GET only.
            expected = Expected::Whole;
        }
        let answer = get_with(&app, method.clone(), path, &headers).await;
        let (status, content_range, body) = match &expected {
            Expected::Whole => (StatusCode::OK, String::new(), &file[..]),
            Expected::Part(part) => (
                StatusCode::PARTIAL_CONTENT,
                format!("bytes {}-{}/{size}", part.start, part.end - 1),
                &file[part.clone()],
            ),
            Expected::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{size}"), &[][..]),
        };
        let what = format!("{method} {headers:?}, {expected:?}");
        assert_eq!((answer.status(), header(&answer, "content-range")), (status, &*content_range), "{what}");
        if expected != Expected::Nothing {
            assert_eq!(header(&answer, "content-length"), body.len().to_string(), "{what}");
            assert_eq!(header(&answer, "etag"), tag, "{what}");
        }
        let body = if method == Method::HEAD { &[][..] } else { body };
        assert!(answer.bytes().await.unwrap() == body, "{what}");
    }
}

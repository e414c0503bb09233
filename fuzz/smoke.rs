//! What the ordinary tests do with the seeds of a fuzz target: they replay each, and thousands of mutations of it,
//! the same ones in every run. The crates that have targets include this file in their tests.

use std::path::{Path, PathBuf};

/// Pieces that take a parser where random bytes do not.
const PIECES: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"-1",
    b"1e308",
    b"18446744073709551616",
    b"\0",
    b"\r\n",
    b"\xff",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "狐".as_bytes(),
    b"%",
    b"=",
    b"--",
    b";",
    b"a=b",
];

/// Runs a target on every seed, and on so many mutations of each.
pub(crate) fn replay(target: &str, mutations: u32, run: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(seeds.len() > 2, "fuzz/seeds/{target} has too few seeds");
    let contents: Vec<Vec<u8>> = seeds.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for (nth, path) in seeds.iter().enumerate() {
        attempt(target, path, 0, &contents[nth], run);
        for number in 1..=mutations {
            let mut random = fastrand::Rng::with_seed(u64::from(number) << 32 | nth as u64);
            let mut input = contents[nth].clone();
            for _ in 0..random.u32(1..6) {
                mutate(&mut input, &contents, &mut random);
            }
            attempt(target, path, number, &input, run);
        }
    }
}

/// The files of a target, in their order.
fn seeds(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Says which input it was, when a target panics.
fn attempt(target: &str, seed: &Path, number: u32, input: &[u8], run: fn(&[u8])) {
    let outcome = std::panic::catch_unwind(|| run(input));
    if outcome.is_err() {
        panic!("{target}: mutation {number} of {}: {}", seed.display(), input.escape_ascii());
    }
}

fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut fastrand::Rng) {
    let at = random.usize(..=input.len());
    let end = at + random.usize(..=(input.len() - at).min(16));
    match random.u32(..8) {
        0 => drop(input.drain(at..end)),
        1 => drop(input.splice(at..at, random.choice(PIECES).unwrap().iter().copied())),
        2 => drop(input.splice(at..end, random.choice(PIECES).unwrap().iter().copied())),
        3 if at < input.len() => input[at] = random.u8(..),
        4 if at < input.len() => input[at] ^= 1 << random.u32(..8),
        5 => input.truncate(at),
        6 => {
            let piece = input[at..end].to_vec();
            let piece = piece.repeat(random.usize(1..40));
            drop(input.splice(at..at, piece));
        }
        _ => {
            let other = random.choice(others).unwrap();
            let from = random.usize(..=other.len());
            drop(input.splice(at..end, other[from..].iter().copied().take(64)));
        }
    }
}

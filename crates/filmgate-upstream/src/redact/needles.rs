//! Finds known secrets in a text, whole or in part, plain or encoded.

use std::collections::HashSet;

use base64::prelude::*;
use filmgate_domain::Secret;

/// So many bytes of a secret in a row are taken out; fewer are no use to anybody.
const RUN: usize = 12;

/// A secret shorter than this is left alone.
const SHORTEST: usize = 4;

/// The text with every run of a secret replaced by `mark`.
pub(super) fn take_out(text: &str, secrets: &[&Secret], mark: &str) -> String {
    let plain: View = text.bytes().enumerate().map(|(at, b)| Byte::plain(b, at)).collect();
    let once = decode(&plain);
    let twice = decode(&once);
    let views = [plain, once, twice].map(|view| {
        let bytes: Vec<u8> = view.iter().map(|byte| byte.value.to_ascii_lowercase()).collect();
        (bytes, view)
    });

    let mut hidden = vec![false; text.len()];
    for needle in secrets.iter().flat_map(|secret| forms(secret.expose())) {
        let run = needle.len().min(RUN);
        let runs: HashSet<&[u8]> = needle.windows(run).collect();
        for (bytes, view) in &views {
            for (at, window) in bytes.windows(run).enumerate() {
                if runs.contains(window) {
                    hidden[view[at].start..view[at + run - 1].end].fill(true);
                }
            }
        }
    }
    rewrite(text, &hidden, mark)
}

fn rewrite(text: &str, hidden: &[bool], mark: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for (at, c) in text.char_indices() {
        if !hidden[at..at + c.len_utf8()].contains(&true) {
            out.push(c);
            inside = false;
        } else if !inside {
            out.push_str(mark);
            inside = true;
        }
    }
    out
}

/// How the secret may be spelled, in lower case: plain, and in both base64 alphabets at each of the three places
/// that it can take in a group of three bytes.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    if secret.len() >= SHORTEST {
        forms.push(secret.to_ascii_lowercase().into_bytes());
    }
    // Of `clean`ed text: there, white space inside a secret looks like this.
    let spaced = secret.split_whitespace().collect::<Vec<_>>().join(" ");
    if spaced != secret && spaced.len() >= SHORTEST {
        forms.push(spaced.to_ascii_lowercase().into_bytes());
    }
    for offset in 0..3 {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(secret.as_bytes());
        // The digits at both ends that also depend on the neighbours.
        let skip = [0, 2, 3][offset];
        let keep = bytes.len() * 8 / 6;
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let digits = engine.encode(&bytes);
            let sure = digits.as_bytes().get(skip..keep).unwrap_or_default();
            if sure.len() >= RUN {
                forms.push(sure.to_ascii_lowercase());
            }
        }
    }
    forms
}

/// A byte, and where in the text it was spelled.
#[derive(Clone, Copy)]
struct Byte {
    value: u8,
    start: usize,
    end: usize,
}

impl Byte {
    fn plain(value: u8, at: usize) -> Self {
        Self { value, start: at, end: at + 1 }
    }
}

type View = Vec<Byte>;

/// Undoes percent-encoding and the escapes of JSON and HTML, once.
fn decode(view: &[Byte]) -> View {
    let mut out = Vec::with_capacity(view.len());
    let mut at = 0;
    while at < view.len() {
        let (value, width) = escape(&view[at..]).unwrap_or((view[at].value, 1));
        out.push(Byte { value, start: view[at].start, end: view[at + width - 1].end });
        at += width;
    }
    out
}

/// The byte that an escape here stands for, and how many bytes spell it.
fn escape(view: &[Byte]) -> Option<(u8, usize)> {
    let byte = |at: usize| view.get(at).map(|byte| byte.value);
    let number = |from: usize, digits: usize, radix: u32| {
        let value = (from..from + digits).try_fold(0u32, |sum, at| {
            let digit = char::from(byte(at)?).to_digit(radix)?;
            sum.checked_mul(radix)?.checked_add(digit)
        })?;
        u8::try_from(value).ok()
    };
    match (byte(0)?, byte(1)?) {
        (b'%', _) => Some((number(1, 2, 16)?, 3)),
        (b'\\', b'u') => Some((number(2, 4, 16)?, 6)),
        (b'\\', b'x') => Some((number(2, 2, 16)?, 4)),
        (b'\\', c @ (b'/' | b'"' | b'\\' | b'\'')) => Some((c, 2)),
        (b'&', b'#') => {
            let (from, radix) = if matches!(byte(2)?, b'x' | b'X') { (3, 16) } else { (2, 10) };
            let digits = (from..from + 8).position(|at| byte(at) == Some(b';'))?;
            (digits > 0).then_some(())?;
            Some((number(from, digits, radix)?, from + digits + 1))
        }
        _ => None,
    }
}

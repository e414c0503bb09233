//! Ways to spoil an MP4.

/// A box of this kind around that.
fn part(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes(), kind, body].concat()
}

/// Where the body of the first box of this kind begins.
fn body_of(file: &[u8], kind: &[u8; 4]) -> usize {
    file.windows(4).position(|window| window == kind).unwrap() + 4
}

fn put(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

pub(super) fn cut_off(mut file: Vec<u8>) -> Vec<u8> {
    file.truncate(file.len() * 6 / 10);
    file
}

/// A last box that says it has 2^62 bytes.
pub(super) fn endless_part(mut file: Vec<u8>) -> Vec<u8> {
    file.extend([0, 0, 0, 1]);
    file.extend(b"free");
    file.extend((1u64 << 62).to_be_bytes());
    file
}

/// A million empty boxes.
pub(super) fn many_parts(mut file: Vec<u8>) -> Vec<u8> {
    file.extend(part(b"free", &[]).repeat(1_000_000));
    file
}

/// An index that is there, and larger than any.
pub(super) fn large_index(file: Vec<u8>) -> Vec<u8> {
    let filler = part(b"free", &vec![0; 17 << 20]);
    let front = body_of(&file, b"ftyp") - 8;
    let size = u32::from_be_bytes(file[front..front + 4].try_into().unwrap()) as usize;
    [&file[..front + size], &part(b"moov", &filler), &file[front + size..]].concat()
}

/// A table of sizes with four billion rows, all alike, that takes no room.
pub(super) fn many_frames(mut file: Vec<u8>) -> Vec<u8> {
    let sizes = body_of(&file, b"stsz");
    put(&mut file, sizes + 4, 1);
    put(&mut file, sizes + 8, u32::MAX);
    file
}

/// Frames that last as long as a number can say.
pub(super) fn long_frames(mut file: Vec<u8>) -> Vec<u8> {
    let times = body_of(&file, b"stts");
    put(&mut file, times + 12, u32::MAX);
    file
}

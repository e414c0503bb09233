//! Deliveries as they come, right and wrong, each with the verdict it must get.

use crate::build::{Clip, Index, avcc, bx, entry, ftyp, sps, table, words};
use crate::probe;

/// A delivery.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) file: Vec<u8>,
    verdict: Verdict,
}

enum Verdict {
    /// Width, height, milliseconds, frames.
    Measured(u32, u32, u64, u64),
    /// The code, and words of the message.
    Refused(&'static str, &'static str),
}

fn measured(name: &'static str, file: Vec<u8>, figures: (u32, u32, u64, u64)) -> Case {
    Case { name, file, verdict: Verdict::Measured(figures.0, figures.1, figures.2, figures.3) }
}

fn refused(name: &'static str, file: impl Into<Vec<u8>>, code: &'static str, message: &'static str) -> Case {
    Case { name, file: file.into(), verdict: Verdict::Refused(code, message) }
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [
        right(),
        right_in_other_words(),
        not_video(),
        cut_off(),
        absurd_boxes(),
        absurd_figures(),
        damaged_tables(),
        fragments(),
        chained_fragments(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_delivery_gets_its_verdict() {
    for Case { name, file, verdict } in all() {
        match (probe(&file), verdict) {
            (Ok(it), Verdict::Measured(width, height, ms, frames)) => {
                assert_eq!(
                    (it.width, it.height, it.duration_ms, it.frames),
                    (width, height, ms, frames),
                    "{name}"
                );
            }
            (Err(error), Verdict::Refused(code, message)) => {
                assert_eq!(error.code(), code, "{name}: {error}");
                assert!(error.to_string().contains(message), "{name}: {error}");
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

/// Files that are right, some of them not what was asked for.
fn right() -> Vec<Case> {
    let clip = Clip::default();
    let plain = (1280, 720, 6000, 144);
    let small = Clip { width: 752, height: 416, ..clip.clone() };
    let quarter = [0, 0x1_0000, 0xffff_0000, 0];
    let half = [0xffff_0000, 0, 0, 0xffff_0000];
    let to_the_end = |mut file: Vec<u8>| {
        let size = file.windows(4).position(|kind| kind == b"mdat").unwrap() - 4;
        file[size..size + 4].fill(0);
        file
    };
    let wide_head = Clip {
        index: Index::First,
        replaced: vec![("mdat", [&words(&[1])[..], b"mdat", &words(&[0, 16 + 432 + 8]), &[0; 440]].concat())],
        ..clip.clone()
    };
    vec![
        measured("right_index_first", clip.file(), plain),
        measured("right_index_last", Clip { index: Index::Last, ..clip.clone() }.file(), plain),
        measured("right_but_small", small.file(), (752, 416, 6000, 144)),
        measured(
            "right_1080p_cropped",
            Clip { width: 1920, height: 1080, ..clip.clone() }.file(),
            (1920, 1080, 6000, 144),
        ),
        measured("right_turned_90", Clip { matrix: quarter, ..clip.clone() }.file(), (720, 1280, 6000, 144)),
        measured("right_turned_180", Clip { matrix: half, ..clip.clone() }.file(), plain),
        measured("right_fragmented", Clip { index: Index::Fragments(24), ..clip.clone() }.file(), plain),
        measured("right_mdat_of_size_0", to_the_end(clip.file()), plain),
        measured("right_mdat_with_64_bit_size", wide_head.file(), plain),
        measured("right_zeros_after_the_end", [clip.file(), vec![0; 100]].concat(), plain),
        measured("right_other_codec", other_codec(&clip), plain),
        measured("right_64_bit_offsets", long_offsets(&clip), plain),
        measured(
            "right_durations_beyond_the_frames",
            clip.clone().with("stts", table("stts", &[0, 2, 100, 512, u32::MAX, 512])).file(),
            plain,
        ),
        measured("right_one_frame", Clip { frames: 1, ..clip }.file(), (1280, 720, 42, 1)),
    ]
}

/// Right files that say the same in a rarer way.
fn right_in_other_words() -> Vec<Case> {
    let clip = Clip::default();
    let plain = (1280, 720, 6000, 144);
    let long_mdhd = table("mdhd", &[0x0100_0000, 0, 0, 0, 0, 12_288, 0, 0, 0]);
    let quarter = [0, 0x1_0000, 0, 0xffff_0000, 0];
    let long_tkhd = [&[0x0100_0003, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0][..], &quarter, &[0; 6]].concat();
    let askew = [0xb504, 0xb504, 0xffff_4afc, 0xb504];
    let described = |entry: Vec<u8>| clip.clone().with("stsd", bx("stsd", &[&words(&[0, 1]), &entry])).file();
    let no_sps = bx("avcC", &[&[1, 66, 0, 30, 0xff, 0xe0, 0]]);
    let no_nal = bx("hvcC", &[&[0; 23]]);
    vec![
        measured("right_long_mdhd", clip.clone().with("mdhd", long_mdhd).file(), plain),
        measured(
            "right_long_tkhd",
            clip.clone().with("tkhd", table("tkhd", &long_tkhd)).file(),
            (720, 1280, 6000, 144),
        ),
        measured("right_turned_45", Clip { matrix: askew, ..clip.clone() }.file(), plain),
        measured("right_sps_elsewhere", described(entry("avc3", 1280, 720, &no_sps)), plain),
        measured("right_sps_elsewhere_h265", described(entry("hev1", 1280, 720, &no_nal)), plain),
    ]
}

fn other_codec(clip: &Clip) -> Vec<u8> {
    clip.clone().with("stsd", bx("stsd", &[&words(&[0, 1]), &entry("av01", 1280, 720, &[])])).file()
}

/// The `stco` of the clip replaced by a `co64` with the same offset.
fn long_offsets(clip: &Clip) -> Vec<u8> {
    let with = |offset| clip.clone().with("stco", table("co64", &[0, 1, 0, offset]));
    let offset = ftyp().len() + with(0).moov(0).len() + 8;
    with(offset as u32).file()
}

fn not_video() -> Vec<Case> {
    let clip = Clip::default();
    let no_frames = Clip { frames: 0, ..clip.clone() };
    let encrypted = bx("stsd", &[&words(&[0, 1]), &clip.description("encv")]);
    let sound = bx("hdlr", &[&words(&[0, 0]), b"soun", &words(&[0, 0, 0, 0])]);
    let html = "<!DOCTYPE html>\n<html><head><title>404</title></head></html>";
    let xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
    vec![
        refused("not_empty", "", "not_a_video", "the file is empty, not a video"),
        refused("not_html", html, "not_a_video", "the file is an HTML page, not a video"),
        refused("not_json", "{\"error\":\"not found\"}", "not_a_video", "the file is JSON text, not a video"),
        refused("not_xml", xml, "not_a_video", "an XML document"),
        refused("not_text", "upstream connect error", "not_a_video", "plain text"),
        refused("not_png", *b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not_a_video", "a PNG image"),
        refused("not_jpeg", *b"\xff\xd8\xff\xe0\0\x10JFIF\0", "not_a_video", "a JPEG image"),
        refused("not_zeros", [0; 4096], "not_a_video", "of an unknown kind"),
        refused("not_without_pictures", no_frames.file(), "not_a_video", "without a single picture"),
        refused(
            "not_sound",
            clip.clone().with("hdlr", sound).file(),
            "not_a_video",
            "without a picture track",
        ),
        refused(
            "not_without_tracks",
            [ftyp(), bx("moov", &[])].concat(),
            "not_a_video",
            "without a picture track",
        ),
        refused(
            "not_encrypted",
            clip.clone().with("stsd", encrypted).file(),
            "unsupported_video",
            "encrypted",
        ),
        refused(
            "not_packed_sizes",
            clip.with("stsz", table("stz2", &[0, 4, 0])).file(),
            "unsupported_video",
            "stz2",
        ),
    ]
}

fn cut_off() -> Vec<Case> {
    let first = Clip::default().file();
    let last = Clip { index: Index::Last, ..Clip::default() }.file();
    let cut = |file: &[u8], percent: usize| file[..file.len() * percent / 100].to_vec();
    let far = |kind, numbers: &[u32]| Clip::default().with("stco", table(kind, numbers)).file();
    let one_size = Clip::default().with("stsz", table("stsz", &[0, 1, u32::MAX]));
    let one_size = one_size.with("stsc", table("stsc", &[0, 1, 1, u32::MAX, 1]));
    vec![
        refused("cut_in_first_box", cut(&first, 1), "truncated_video", "cut off"),
        refused("cut_in_index", cut(&first, 40), "truncated_video", "cut off"),
        refused("cut_in_frames", cut(&first, 95), "truncated_video", "cut off"),
        refused(
            "cut_before_index",
            last[..ftyp().len() + 8 + 432].to_vec(),
            "truncated_video",
            "index (moov) is missing",
        ),
        refused("cut_in_index_at_end", cut(&last, 60), "truncated_video", "cut off"),
        refused("cut_frames_gone", first[..first.len() - 440].to_vec(), "truncated_video", "beyond its end"),
        refused("cut_offset_beyond", far("stco", &[0, 1, 0xffff_0000]), "truncated_video", "beyond its end"),
        refused(
            "cut_offset_64_beyond",
            far("co64", &[0, 1, u32::MAX, u32::MAX]),
            "truncated_video",
            "beyond its end",
        ),
        refused("cut_four_thousand_million_samples", one_size.file(), "truncated_video", "beyond its end"),
    ]
}

fn absurd_boxes() -> Vec<Case> {
    let clip = Clip::default();
    let after_ftyp = |rest: Vec<u8>| [ftyp(), rest].concat();
    let nested = (0..2000).fold(Vec::new(), |inner, _| bx("moov", &[&inner]));
    let nested_tracks = (0..2000).fold(clip.trak(0), |inner, _| bx("trak", &[&inner]));
    let huge = [&words(&[1])[..], b"mdat", &[0xff; 8]].concat();
    let tiny = [&words(&[7])[..], b"free"].concat();
    let tiny_wide = [&words(&[1])[..], b"free", &words(&[0, 15])].concat();
    let large_index = bx("moov", &[&vec![0; 16 * 1024 * 1024]]);
    let many_in_index = bx("moov", &[&bx("free", &[]).repeat(2_000_000)]);
    let many = bx("free", &[]).repeat(20_001);
    let tracks = bx("moov", &[&clip.trak(0).repeat(65)]).repeat(1);
    let beyond = bx("moov", &[&words(&[1000]), b"trak", &[0; 100]]);
    vec![
        refused("bomb_of_nested_boxes", after_ftyp(nested), "not_a_video", "without a picture track"),
        refused(
            "bomb_of_nested_tracks",
            after_ftyp(bx("moov", &[&nested_tracks])),
            "damaged_video",
            "missing",
        ),
        refused("bomb_of_many_boxes", after_ftyp(many), "absurd_video", "number of boxes"),
        refused("bomb_of_many_boxes_in_index", after_ftyp(many_in_index), "not_a_video", "picture track"),
        refused("bomb_of_large_index", after_ftyp(large_index), "absurd_video", "index size"),
        refused(
            "bomb_of_many_tracks",
            [after_ftyp(tracks), vec![0; 5000]].concat(),
            "absurd_video",
            "number of tracks",
        ),
        refused("box_of_64_bit_size", after_ftyp(huge), "truncated_video", "beyond its end"),
        refused("box_smaller_than_its_head", after_ftyp(tiny), "damaged_video", "smaller than its own head"),
        refused(
            "box_smaller_than_its_wide_head",
            after_ftyp(tiny_wide),
            "damaged_video",
            "smaller than its own head",
        ),
        refused("box_beyond_its_parent", after_ftyp(beyond), "damaged_video", "beyond what holds it"),
    ]
}

fn absurd_figures() -> Vec<Case> {
    let clip = Clip::default();
    let sized = |width, height| Clip { width, height, ..clip.clone() }.file();
    let described = |entry: Vec<u8>| clip.clone().with("stsd", bx("stsd", &[&words(&[0, 1]), &entry])).file();
    let lasting =
        |ticks_per_frame, ticks_per_second| Clip { ticks_per_frame, ticks_per_second, ..clip.clone() }.file();
    let coded = |sps: &[u8]| described(entry("avc1", 1280, 720, &avcc(sps)));
    let cropped = sps(1280, 720, 641);
    vec![
        refused("figures_wide", sized(16_386, 720), "absurd_video", "impossible width in pixels: 16386"),
        refused("figures_high", sized(1280, 65_536), "absurd_video", "impossible height in pixels: 65536"),
        refused(
            "figures_no_width",
            described(entry("vp09", 0, 720, &[])),
            "absurd_video",
            "width in pixels: 0",
        ),
        refused(
            "figures_no_height",
            described(entry("vp09", 1280, 0, &[])),
            "absurd_video",
            "height in pixels: 0",
        ),
        refused("figures_cropped_to_less_than_nothing", coded(&cropped), "damaged_video", "cropped"),
        refused("figures_sps_cut", coded(&cropped[..5]), "damaged_video", "cut off (avcC)"),
        refused(
            "figures_sps_missing",
            described(entry("avc1", 1280, 720, &[])),
            "damaged_video",
            "missing (avcC)",
        ),
        refused(
            "figures_two_hours",
            lasting(614_400, 12_288),
            "absurd_video",
            "duration in milliseconds: 7200000",
        ),
        refused("figures_longest", lasting(u32::MAX, 1), "absurd_video", "duration in milliseconds"),
        refused("figures_no_duration", lasting(0, 12_288), "absurd_video", "duration in milliseconds: 0"),
        refused("figures_no_second", lasting(512, 0), "damaged_video", "(mdhd)"),
    ]
}

fn damaged_tables() -> Vec<Case> {
    let with = |kind, numbers: &[u32]| Clip::default().with(kind, table(kind, numbers)).file();
    let empty = |kind| Clip::default().with(kind, bx(kind, &[])).file();
    let none = |kind| Clip::default().with(kind, Vec::new()).file();
    let offset = (ftyp().len() + 8) as u32;
    let overlapping = Clip { index: Index::Last, ..Clip::default() }
        .with("stco", table("stco", &[&[0, 144][..], &[offset; 144]].concat()))
        .with("stsc", table("stsc", &[0, 1, 1, 1, 1]))
        .with("stsz", table("stsz", &[0, 100, 144]));
    vec![
        refused("tables_sizes_claimed", with("stsz", &[0, 0, u32::MAX, 1, 2]), "damaged_video", "(stsz)"),
        refused("tables_offsets_claimed", with("stco", &[0, u32::MAX, 1]), "damaged_video", "(stco)"),
        refused("tables_durations_claimed", with("stts", &[0, u32::MAX, 1]), "damaged_video", "(stts)"),
        refused("tables_chunks_claimed", with("stsc", &[0, u32::MAX, 1]), "damaged_video", "(stsc)"),
        refused("tables_no_chunk", with("stsc", &[0, 0]), "damaged_video", "without a place"),
        refused("tables_empty_chunks", with("stsc", &[0, 1, 1, 0, 1]), "damaged_video", "without a place"),
        refused("tables_late_chunk", with("stsc", &[0, 1, 2, 144, 1]), "damaged_video", "without a place"),
        refused("tables_overlapping", overlapping.file(), "damaged_video", "sizes"),
        refused(
            "tables_frames_of_nothing",
            Clip { frame_bytes: 0, ..Clip::default() }.file(),
            "damaged_video",
            "sizes",
        ),
        refused("tables_no_description", with("stsd", &[0, 0]), "damaged_video", "not described"),
        refused("tables_empty_header", empty("tkhd"), "damaged_video", "(tkhd)"),
        refused("tables_missing", none("stbl"), "damaged_video", "missing (stbl)"),
        refused("tables_missing_header", none("mdhd"), "damaged_video", "missing (mdhd)"),
    ]
}

fn fragments() -> Vec<Case> {
    let clip = Clip { index: Index::Fragments(24), ..Clip::default() };
    let file = clip.file();
    let run = |numbers: &[u32]| clip.clone().with("trun", table("trun", numbers)).file();
    let head = |numbers: &[u32]| clip.clone().with("tfhd", table("tfhd", numbers)).file();
    let start = ftyp().len() + clip.moov(0).len();
    let no_fragments = file[..start].to_vec();
    let moof_first = [ftyp(), file[start..].to_vec()].concat();
    vec![
        refused("fragments_missing", no_fragments, "truncated_video", "fragments are missing"),
        refused("fragments_cut", file[..file.len() - 80].to_vec(), "truncated_video", "beyond its end"),
        refused("fragments_before_index", moof_first, "damaged_video", "before the index"),
        refused("fragments_of_no_track", head(&[0x2_0000, 9]), "damaged_video", "does not exist"),
        refused("fragments_far_away", head(&[1, 1, 0x7fff_ffff, 0]), "truncated_video", "beyond its end"),
        refused("fragments_claimed", run(&[0x201, u32::MAX, 0, 1]), "damaged_video", "(trun)"),
        refused("fragments_claimed_of_no_size", run(&[0, u32::MAX]), "absurd_video", "number of frames"),
    ]
}

/// Fragments that give no offsets: what is listed lies one after the other, from the start of the fragment.
fn chained_fragments() -> Vec<Case> {
    let clip = Clip { index: Index::Fragments(1), ..Clip::default() };
    // A description (of no interest), 1,024 ticks and 100 bytes for each sample.
    let tfhd = table("tfhd", &[0x1a, 1, 1, 1024, 100]);
    let trun = table("trun", &[0x4, 24, 0]);
    let file = |tracks: &[Vec<u8>], bytes: usize| {
        let moof = bx("moof", &[&tracks.concat()]);
        let mdat = bx("mdat", &[&vec![0; bytes - moof.len() - 8]]);
        [ftyp(), clip.moov(0), moof, mdat].concat()
    };
    let two_runs = [bx("traf", &[&tfhd, &trun, &trun])];
    let two_tracks = [bx("traf", &[&tfhd, &trun]), bx("traf", &[&tfhd, &trun])];
    let figures = (1280, 720, 4000, 48);
    vec![
        measured("chained_runs", file(&two_runs, 4800), figures),
        refused("chained_runs_cut", file(&two_runs, 4799), "truncated_video", "beyond its end"),
        measured("chained_tracks", file(&two_tracks, 4800), figures),
        refused("chained_tracks_cut", file(&two_tracks, 4799), "truncated_video", "beyond its end"),
    ]
}

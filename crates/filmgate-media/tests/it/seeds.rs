//! The seeds of the fuzzer in `fuzz/seeds/mp4_probe`: the samples and the bad deliveries as files.
//!
//! After a change of either, `FILMGATE_WRITE_SEEDS=1 cargo test -p filmgate-media seeds_are` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{corpus, probe, samples};

/// Larger files make a fuzzer slow, and are tested as they are.
const LARGEST_SEED: usize = 20_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/mp4_probe")
}

fn wanted() -> BTreeMap<String, Vec<u8>> {
    let deliveries = corpus::all().into_iter().map(|case| (case.name.to_owned(), case.file));
    samples::all().into_iter().chain(deliveries).filter(|(_, file)| file.len() <= LARGEST_SEED).collect()
}

#[test]
fn seeds_are_the_samples_and_the_corpus() {
    let wanted = wanted();
    if std::env::var_os("FILMGATE_WRITE_SEEDS").is_some() {
        fs::create_dir_all(folder()).unwrap();
        for (name, file) in &wanted {
            fs::write(folder().join(name), file).unwrap();
        }
    }
    for (name, file) in &wanted {
        assert!(
            fs::read(folder().join(name)).is_ok_and(|seed| seed == *file),
            "the seed {name} is missing or old"
        );
    }
}

#[test]
fn every_seed_gets_a_verdict() {
    let (mut measured, mut refused) = (0, 0);
    for seed in fs::read_dir(folder()).unwrap() {
        let path = seed.unwrap().path();
        match probe(&fs::read(&path).unwrap()) {
            Ok(_) => measured += 1,
            Err(error) => {
                assert_ne!(error.code(), "unreadable_file", "{}: {error}", path.display());
                refused += 1;
            }
        }
    }
    assert!(measured >= 20 && refused >= 30, "{measured} measured, {refused} refused");
}

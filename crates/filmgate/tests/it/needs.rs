//! What some tests need beside the toolchain.

use std::io::Write as _;

/// Whether everything is there. Says on every channel when not: a test that does not run counts only where that
/// is allowed.
pub(crate) fn met(test: &str, needs: Result<(), String>) -> bool {
    let Err(missing) = needs else { return true };
    assert!(
        std::env::var("FILMGATE_ALLOW_SKIP").is_ok_and(|allowed| allowed == "1"),
        "{missing}; `cargo xtask test` installs or makes what is missing, or says how to get it. \
         FILMGATE_ALLOW_SKIP=1 does without this test"
    );
    eprintln!("SKIPPED: {test}: {missing}");
    if let Ok(log) = std::env::var("FILMGATE_SKIP_LOG") {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log);
        writeln!(log.unwrap(), "{test}: {missing}").unwrap();
    }
    false
}

/// A program that says its version when it is asked.
pub(crate) fn program(name: &str, ask: &str) -> Result<(), String> {
    let asked = std::process::Command::new(name).arg(ask).output();
    match asked {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{name} does not work ({})", output.status)),
        Err(error) => Err(format!("no {name}: {error}")),
    }
}

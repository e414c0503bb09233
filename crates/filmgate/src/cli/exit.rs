//! How the program ends: exit codes, and what is said of an error.

use std::process::ExitCode;

use super::out::{Closed, remark};
use super::refused::Refused;

/// The video was delivered, and is less than what was asked for.
pub(super) const DOWNGRADED: u8 = 3;
/// No token is available at the moment; later one may be.
pub(super) const NO_TOKEN: u8 = 4;
/// Stopped with Ctrl-C, as shells have it.
pub(super) const INTERRUPTED: u8 = 130;

/// Tells an error on stderr and says how the program is to end.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<Closed>() {
        return ExitCode::SUCCESS;
    }
    remark(format_args!("error: {}", super::out::clean(&format!("{error:#}"))));
    match error.downcast_ref::<Refused>() {
        Some(refused) if refused.status == 429 => ExitCode::from(NO_TOKEN),
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn errors_keep_their_exit_code_under_a_context() {
        let busy = Refused::read(429, None, br#"{"error":{"message":"later","code":"rate_limit_exceeded"}}"#);
        let error = Err::<(), _>(busy).context("while making the video").unwrap_err();
        assert_eq!(report(&error), ExitCode::from(NO_TOKEN));
        assert_eq!(report(&anyhow::anyhow!("no")), ExitCode::FAILURE);
        assert_eq!(report(&Closed.into()), ExitCode::SUCCESS);
    }
}

//! How the program ends: exit codes beyond success and failure.

use std::process::ExitCode;

use filmgate_store::StoreError;

use super::out::{Closed, remark};
use super::refused::Refused;

/// The video was delivered, and is less than what was asked for.
pub(super) const DOWNGRADED: u8 = 3;
/// No token is available at the moment; later one may be.
pub(super) const NO_TOKEN: u8 = 4;
/// The database is damaged, or was removed while it was in use: starting again would not help.
pub(super) const LOST: u8 = 5;
/// Stopped with Ctrl-C, as shells have it.
pub(super) const INTERRUPTED: u8 = 130;

/// The exit code of an error that has one of its own; other errors go on to the caller.
pub(super) fn settle(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    if error.is::<Closed>() {
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(error.downcast_ref(), Some(StoreError::Damaged { .. } | StoreError::Vanished { .. })) {
        remark(format_args!("filmgate: {error:#}"));
        return Ok(ExitCode::from(LOST));
    }
    match error.downcast_ref::<Refused>() {
        Some(refused) if refused.status == 429 => {
            remark(format_args!("filmgate: {error:#}"));
            Ok(ExitCode::from(NO_TOKEN))
        }
        _ => Err(error),
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
        assert_eq!(settle(error).unwrap(), ExitCode::from(NO_TOKEN));
        assert_eq!(settle(Closed.into()).unwrap(), ExitCode::SUCCESS);
        assert!(settle(anyhow::anyhow!("no")).is_err());
    }
}

//! Why an address that a client named was of no use, in words for the client.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use url::Url;

use crate::client::host_of;
use crate::failure::reasons;
use crate::redact;

/// Why nothing was fetched from, or delivered to, an address that a client named.
///
/// The messages are fit for that client: they repeat neither the address, which may be a signed one, nor what
/// its name resolves to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// The address is not of the kind that filmgate goes to. Nothing was sent.
    #[error("the address cannot be used: {0}")]
    Address(&'static str),
    /// The address leads to a private network, or a redirect from it does. Nothing was sent there.
    #[error("the address leads to a private network, and filmgate does not go there")]
    Private,
    /// There is no connection to be had: the name, the host, or its certificate is wrong. Nothing was sent.
    #[error("the server of the address cannot be reached: {0}")]
    Unreachable(&'static str),
    /// The address redirects too often, or to where filmgate does not go.
    #[error("the address redirects {0}")]
    Redirect(&'static str),
    /// The server answered with a status other than success.
    #[error("the server of the address answered {0}")]
    Status(StatusCode),
    /// There is more than the limit, in bytes.
    #[error("what is at the address is larger than the {0} bytes that are allowed")]
    TooLarge(usize),
    /// There is no room for it.
    #[error("there is no room for what is at the address at the moment")]
    NoRoom,
    /// The whole took longer than it may.
    #[error("the server of the address did not finish within {0:?}")]
    TooSlow(Duration),
    /// The server compressed what is to be taken as it is.
    #[error("the server of the address sends it compressed, although it was asked not to")]
    Compressed,
    /// The connection broke, or what came is no HTTP. A delivery may have arrived all the same.
    #[error("the server of the address broke the connection off, or speaks no HTTP")]
    Broken,
}

impl OutsideError {
    /// Whether filmgate refused to go there: trying again does not help, another address may.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Address(_) | Self::Private)
    }

    /// The HTTP client gave up. The operator's log gets the reasons; the client of filmgate does not, as they
    /// may speak of the operator's network.
    pub(super) fn transport(url: &Url, error: reqwest::Error) -> Self {
        let error = error.without_url();
        if has_cause::<LeadsInside>(&error) {
            return Self::Private;
        }
        let why = redact(&reasons(&error), &[]);
        tracing::debug!(host = host_of(url), why, "an address that a client named failed");
        if error.is_builder() {
            Self::Address("it is no URL")
        } else if !error.is_connect() {
            Self::Broken
        } else if error.is_dns() {
            Self::Unreachable("its name is not known")
        } else if has_cause::<rustls::Error>(&error) {
            Self::Unreachable("no secure connection comes about; see whether its certificate is valid")
        } else {
            Self::Unreachable("it takes no connection")
        }
    }
}

/// What the guarded resolver says of a name with a private address.
#[derive(Debug, thiserror::Error)]
#[error("the name has a private address")]
pub(super) struct LeadsInside;

fn has_cause<E: Error + 'static>(error: &reqwest::Error) -> bool {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| cause(error))
        .any(<dyn Error>::is::<E>)
}

/// What an I/O error wraps is not its source.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

//! Which hosts a file may be fetched from.
//!
//! The upstream names the file's address, and it must not send filmgate to the operator's own network.

use std::net::IpAddr;

use url::{Host, Url};

use crate::ranges::is_public;

/// Whether a file may be fetched from `file` for an upstream at `base`.
///
/// An operator may well run an upstream in a private network, so its own host is fine, whatever it is (and all
/// names of the loopback interface are one host). Any other host must not be a literal internal address.
pub(crate) fn may_fetch(file: &Url, base: &Url) -> bool {
    match (file.host(), base.host()) {
        (None, _) | (_, None) => false,
        (Some(file), Some(base)) => {
            file == base || (is_loopback(&file) && is_loopback(&base)) || !is_internal(&file)
        }
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match *host {
        Host::Domain(name) => is_localhost(name),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

/// RFC 6761, section 6.3: `localhost` and everything below it is the loopback interface.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether the name cannot be one of the Internet: it has one label only, or belongs to those kept for local use:
/// `.local` (RFC 6762), `.internal` (ICANN, 2024), `.home.arpa` (RFC 8375) and `.localhost`.
pub(crate) fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    !name.contains('.')
        || [".local", ".internal", ".home.arpa", ".localhost"].iter().any(|end| name.ends_with(end))
}

/// Whether the host is, as far as can be seen, not one of the Internet: a literal address outside of it, or a
/// name of the loopback interface.
pub(crate) fn is_internal(host: &Host<&str>) -> bool {
    match *host {
        Host::Domain(name) => is_localhost(name),
        Host::Ipv4(ip) => !is_public(IpAddr::V4(ip)),
        Host::Ipv6(ip) => !is_public(IpAddr::V6(ip)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn allowed(file: &str, base: &str) -> bool {
        may_fetch(&Url::parse(file).unwrap(), &Url::parse(base).unwrap())
    }

    #[rstest]
    #[case("https://vidgen.x.ai/a.mp4", true)]
    #[case("http://8.8.8.8/a.mp4", true)]
    #[case("http://172.32.0.1/", true)]
    #[case("http://100.128.0.1/", true)]
    #[case("http://[2606:4700::1111]/", true)]
    #[case("http://[::ffff:8.8.8.8]/", true)]
    #[case("http://[64:ff9b::8.8.8.8]/", true)]
    #[case("http://127.0.0.1/", false)]
    #[case("http://2130706433/", false)]
    #[case("http://0x7f.1/", false)]
    #[case("http://0177.0.0.1/", false)]
    #[case("http://0.0.0.0/", false)]
    #[case("http://10.1.2.3/", false)]
    #[case("http://100.64.0.1/", false)]
    #[case("http://169.254.169.254/latest/meta-data", false)]
    #[case("http://172.16.0.1/", false)]
    #[case("http://172.31.255.255/", false)]
    #[case("http://192.168.1.1/", false)]
    #[case("http://198.18.0.1/", false)]
    #[case("http://224.0.0.1/", false)]
    #[case("http://255.255.255.255/", false)]
    #[case("http://localhost/", false)]
    #[case("http://LOCALHOST./", false)]
    #[case("http://db.localhost:5432/", false)]
    #[case("http://[::]/", false)]
    #[case("http://[::1]/", false)]
    #[case("http://[::ffff:127.0.0.1]/", false)]
    #[case("http://[::ffff:c0a8:101]/", false)]
    #[case("http://[::127.0.0.1]/", false)]
    #[case("http://[64:ff9b::10.0.0.1]/", false)]
    #[case("http://[64:ff9b:1::1]/", false)]
    #[case("http://[2002:7f00:1::]/", false)]
    #[case("http://[2001:0:1::1]/", false)]
    #[case("http://[fc00::1]/", false)]
    #[case("http://[fd12::1]/", false)]
    #[case("http://[fe80::1]/", false)]
    #[case("http://[ff02::1]/", false)]
    fn for_an_upstream_on_the_internet(#[case] file: &str, #[case] expected: bool) {
        assert_eq!(allowed(file, "https://api.x.ai/v1"), expected);
    }

    #[rstest]
    #[case("http://192.168.1.5:9000/a", "http://192.168.1.5:8000/v1", true)]
    #[case("http://192.168.1.6/a", "http://192.168.1.5:8000/v1", false)]
    #[case("http://127.0.0.1:9/a", "http://localhost:8/v1", true)]
    #[case("http://localhost:9/a", "http://[::1]:8/v1", true)]
    #[case("http://10.0.0.1/a", "http://127.0.0.1/v1", false)]
    #[case("http://127.0.0.1/a", "http://10.0.0.1/v1", false)]
    fn for_an_upstream_in_a_private_network(#[case] file: &str, #[case] base: &str, #[case] expected: bool) {
        assert_eq!(allowed(file, base), expected);
    }
}

//! Which hosts a file may be fetched from.
//!
//! The upstream names the file's address, and it must not send filmgate to the operator's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

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

fn is_internal(host: &Host<&str>) -> bool {
    match *host {
        Host::Domain(name) => is_localhost(name),
        Host::Ipv4(ip) => !is_public(IpAddr::V4(ip)),
        Host::Ipv6(ip) => !is_public(IpAddr::V6(ip)),
    }
}

/// Whether the address may belong to a host on the Internet (IANA special-purpose address registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (224.., _, _)
    )
}

/// Global unicast is 2000::/3. Addresses that carry an IPv4 address count as that address.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        // NAT64, RFC 6052.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // 6to4, RFC 3056.
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo, RFC 4380: what it leads to cannot be read off it.
        [0x2001, 0, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
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

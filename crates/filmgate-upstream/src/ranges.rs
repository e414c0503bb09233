//! Which IP addresses belong to the Internet: IANA's registries of special-purpose addresses, as tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Everything that is not a host on the Internet (or may not be), as network and length of its prefix.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8), // this network; 0.0.0.0 is this host (RFC 791, RFC 1122)
    (Ipv4Addr::new(10, 0, 0, 0), 8), // private (RFC 1918)
    (Ipv4Addr::new(100, 64, 0, 0), 10), // shared by a carrier's customers (RFC 6598)
    (Ipv4Addr::new(127, 0, 0, 0), 8), // loopback (RFC 1122)
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local, and the metadata of clouds (RFC 3927)
    (Ipv4Addr::new(172, 16, 0, 0), 12), // private (RFC 1918)
    (Ipv4Addr::new(192, 0, 0, 0), 24), // protocol assignments (RFC 6890)
    (Ipv4Addr::new(192, 0, 2, 0), 24), // documentation (RFC 5737)
    (Ipv4Addr::new(192, 88, 99, 0), 24), // relays of 6to4, gone (RFC 7526)
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private (RFC 1918)
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarks (RFC 2544)
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation (RFC 5737)
    (Ipv4Addr::new(203, 0, 113, 0), 24), // documentation (RFC 5737)
    (Ipv4Addr::new(224, 0, 0, 0), 4), // multicast (RFC 5771)
    (Ipv4Addr::new(240, 0, 0, 0), 4), // reserved; 255.255.255.255 is broadcast (RFC 1112, RFC 919)
];

/// All that is global unicast (RFC 4291). Outside of it are `::` and `::1`, IPv4-compatible (`::a.b.c.d`) and
/// IPv4-translated addresses, local NAT64 64:ff9b:1::/48 (RFC 8215), discard-only 100::/64 (RFC 6666), segment
/// routing 5f00::/16 (RFC 9602), unique local fc00::/7 (RFC 4193), link-local fe80::/10, the former site-local
/// fec0::/10 and multicast ff00::/8.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The exceptions within [`GLOBAL_V6`].
const SPECIAL_V6: [(Ipv6Addr, u32); 3] = [
    // Protocol assignments (RFC 2928): Teredo (RFC 4380), benchmarks (RFC 5180), ORCHID (RFC 7343) and others.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation (RFC 3849)
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation (RFC 9637)
];

/// Whether the address may be that of a host on the Internet.
///
/// An IPv6 address that carries an IPv4 address counts as that one too. What cannot be told is whether the
/// operator's own network translates a prefix of its own to IPv4.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|&(network, prefix)| (ip.to_bits() ^ network.to_bits()) >> (32 - prefix) == 0)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match ip.segments() {
        // IPv4-mapped, RFC 4291. The system connects to the IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        // NAT64, RFC 6052. In a network without IPv4, all of the IPv4 Internet is reached so.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // 6to4, RFC 3056.
        [0x2002, high, low, ..] => v4(high, low),
        // ISATAP, RFC 5214.
        [.., 0 | 0x200, 0x5efe, high, low] if !v4(high, low) => false,
        _ => within(ip, GLOBAL_V6) && !SPECIAL_V6.iter().any(|&network| within(ip, network)),
    }
}

fn within(ip: Ipv6Addr, (network, prefix): (Ipv6Addr, u32)) -> bool {
    (ip.to_bits() ^ network.to_bits()) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The first and the last address of each range, and their neighbours outside.
    #[rstest]
    #[case("0.0.0.0", "0.255.255.255", "1.0.0.0")]
    #[case("10.0.0.0", "10.255.255.255", "9.255.255.255 11.0.0.0")]
    #[case("100.64.0.0", "100.127.255.255", "100.63.255.255 100.128.0.0")]
    #[case("127.0.0.0", "127.255.255.255", "126.255.255.255 128.0.0.0")]
    #[case("169.254.0.0", "169.254.255.255", "169.253.255.255 169.255.0.0")]
    #[case("172.16.0.0", "172.31.255.255", "172.15.255.255 172.32.0.0")]
    #[case("192.0.0.0", "192.0.0.255", "191.255.255.255 192.0.1.0")]
    #[case("192.0.2.0", "192.0.2.255", "192.0.1.255 192.0.3.0")]
    #[case("192.88.99.0", "192.88.99.255", "192.88.98.255 192.88.100.0")]
    #[case("192.168.0.0", "192.168.255.255", "192.167.255.255 192.169.0.0")]
    #[case("198.18.0.0", "198.19.255.255", "198.17.255.255 198.20.0.0")]
    #[case("198.51.100.0", "198.51.100.255", "198.51.99.255 198.51.101.0")]
    #[case("203.0.113.0", "203.0.113.255", "203.0.112.255 203.0.114.0")]
    #[case("224.0.0.0", "239.255.255.255", "223.255.255.255")]
    #[case("240.0.0.0", "255.255.255.255", "")]
    #[case("::", "::1", "")]
    #[case("::127.0.0.1", "::ffff:0:127.0.0.1", "")]
    #[case("::ffff:10.0.0.0", "::ffff:10.255.255.255", "::ffff:9.255.255.255 ::ffff:11.0.0.0")]
    #[case("64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8")]
    #[case("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "")]
    #[case("100::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "")]
    #[case("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff:: 2001:200::")]
    #[case("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:: 2001:db9::")]
    #[case("2002:7f00:1::", "2002:c0a8:101::ffff", "2002:808:808:: 2003::")]
    #[case("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:: 3fff:1000::")]
    #[case("4000::", "5f00::1", "")]
    #[case("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "")]
    #[case("fe80::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "")]
    #[case("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "")]
    #[case("2606:4700::5efe:a00:1", "2606:4700::200:5efe:7f00:1", "2606:4700::5efe:808:808 2606:4700::1111")]
    fn edges(#[case] first: &str, #[case] last: &str, #[case] outside: &str) {
        for ip in [first, last] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in outside.split_whitespace() {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    /// All of IPv4, in steps.
    #[test]
    fn std_knows_nothing_private_that_the_table_does_not() {
        for bits in (0..=u32::MAX).step_by(4_099) {
            let ip = Ipv4Addr::from_bits(bits);
            let special = ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_unspecified();
            assert!(!(special && is_public(IpAddr::V4(ip))), "{ip}");
            assert_eq!(is_public(IpAddr::V4(ip)), is_public(IpAddr::V6(ip.to_ipv6_mapped())), "{ip}");
        }
    }
}

//! Colours, and which tier has which.

/// A colour as video stores it: BT.709, limited range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) y: u8,
    pub(super) u: u8,
    pub(super) v: u8,
}

impl Colour {
    pub(super) const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        let (r, g, b) = (red as i32, green as i32, blue as i32);
        Self {
            y: (16 + (1826 * r + 6142 * g + 620 * b + 5000) / 10_000) as u8,
            u: (128 + (-1006 * r - 3386 * g + 4392 * b) / 10_000) as u8,
            v: (128 + (4392 * r - 3989 * g - 403 * b) / 10_000) as u8,
        }
    }
}

/// The colours of a tier's landscape.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "h264"), expect(dead_code, reason = "flat clips show only the horizon"))]
pub(super) struct Palette {
    pub(super) zenith: Colour,
    pub(super) horizon: Colour,
    pub(super) sun: Colour,
    pub(super) far_hill: Colour,
    pub(super) near_hill: Colour,
    pub(super) accent: Colour,
}

/// Super sees a sunset, Basic a blue morning, any other tier green hills.
pub(super) fn palette(tier: &str) -> Palette {
    match tier {
        "basic" => Palette {
            zenith: Colour::rgb(14, 30, 66),
            horizon: Colour::rgb(92, 164, 186),
            sun: Colour::rgb(255, 240, 200),
            far_hill: Colour::rgb(34, 84, 112),
            near_hill: Colour::rgb(12, 36, 58),
            accent: Colour::rgb(120, 214, 226),
        },
        "super" => Palette {
            zenith: Colour::rgb(40, 16, 78),
            horizon: Colour::rgb(244, 126, 92),
            sun: Colour::rgb(255, 222, 130),
            far_hill: Colour::rgb(116, 42, 100),
            near_hill: Colour::rgb(46, 16, 60),
            accent: Colour::rgb(255, 200, 87),
        },
        _ => Palette {
            zenith: Colour::rgb(14, 44, 52),
            horizon: Colour::rgb(186, 206, 140),
            sun: Colour::rgb(255, 250, 220),
            far_hill: Colour::rgb(58, 112, 80),
            near_hill: Colour::rgb(16, 50, 40),
            accent: Colour::rgb(206, 232, 130),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_white_and_primaries() {
        assert_eq!(Colour::rgb(0, 0, 0), Colour { y: 16, u: 128, v: 128 });
        assert_eq!(Colour::rgb(255, 255, 255), Colour { y: 235, u: 128, v: 128 });
        assert_eq!(Colour::rgb(255, 0, 0).v, 239);
        assert_eq!(Colour::rgb(0, 0, 255).u, 239);
    }
}

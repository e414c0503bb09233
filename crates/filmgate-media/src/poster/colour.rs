//! Colours: from luma and chroma to red, green and blue, and the turn of the picture.

use super::plane::Frame;
use crate::h264::Colours;
use crate::moov::Turn;

/// A picture of pixels of three bytes: red, green, blue.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rgb {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
}

/// The parts of red and blue in luma (H.264, table E-5).
type Weights = (f32, f32);

const BT601: Weights = (0.299, 0.114);
const BT709: Weights = (0.2126, 0.0722);

impl Frame {
    /// This picture, whose planes are of one size, in red, green and blue. `large` says that it came from a
    /// picture of high definition.
    pub(super) fn to_rgb(&self, colours: Colours, large: bool) -> Rgb {
        let weights = match colours.matrix {
            Some(1) => BT709,
            Some(4) => (0.3, 0.11),
            Some(5 | 6) => BT601,
            Some(7) => (0.212, 0.087),
            Some(9 | 10) => (0.2627, 0.0593),
            _ if large => BT709,
            _ => BT601,
        };
        let planes = self.luma.pixels.iter().zip(&self.blue.pixels).zip(&self.red.pixels);
        let pixels = planes.flat_map(|((y, u), v)| rgb([*y, *u, *v], weights, colours.full_range)).collect();
        Rgb { width: self.luma.width, height: self.luma.height, pixels }
    }
}

/// One pixel (H.264, E.2.1).
fn rgb(yuv: [u8; 3], (red_part, blue_part): Weights, full_range: bool) -> [u8; 3] {
    let [y, u, v] = yuv.map(f32::from);
    let (y, chroma) = if full_range { (y / 255.0, 255.0) } else { ((y - 16.0) / 219.0, 224.0) };
    let red = y + 2.0 * (1.0 - red_part) * (v - 128.0) / chroma;
    let blue = y + 2.0 * (1.0 - blue_part) * (u - 128.0) / chroma;
    let green = (y - red_part * red - blue_part * blue) / (1.0 - red_part - blue_part);
    // The conversion keeps to the range of a byte by itself.
    [red, green, blue].map(|value| (value * 255.0).round() as u8)
}

impl Rgb {
    /// This picture as it is shown.
    pub(super) fn turned(&self, turn: Turn) -> Self {
        let (width, height) =
            if turn.transposed { (self.height, self.width) } else { (self.width, self.height) };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..height {
            for x in 0..width {
                let x = if turn.mirrored_x { width - 1 - x } else { x };
                let y = if turn.mirrored_y { height - 1 - y } else { y };
                let (column, row) = if turn.transposed { (y, x) } else { (x, y) };
                let start = 3 * (row * self.width + column);
                pixels.extend_from_slice(&self.pixels[start..start + 3]);
            }
        }
        Self { width, height, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours() {
        // As in the tables of the standards: white, black, and pure red in either matrix.
        assert_eq!(rgb([235, 128, 128], BT601, false), [255, 255, 255]);
        assert_eq!(rgb([16, 128, 128], BT709, false), [0, 0, 0]);
        assert_eq!(rgb([81, 90, 240], BT601, false), [254, 0, 0]);
        assert_eq!(rgb([63, 102, 240], BT709, false), [255, 1, 0]);
        assert_eq!(rgb([255, 128, 128], BT601, true), [255, 255, 255]);
        assert_eq!(rgb([76, 85, 255], BT601, true), [254, 0, 0]);
        assert_eq!(rgb([0, 0, 0], BT709, false)[0], 0, "below the range");
        assert_eq!(rgb([255, 255, 255], BT709, false)[0], 255, "above the range");
    }

    #[test]
    fn turned() {
        let picture = |width, pixels: &[u8]| Rgb {
            width,
            height: pixels.len() / width,
            pixels: pixels.iter().flat_map(|pixel| [*pixel; 3]).collect(),
        };
        let lying = picture(3, &[1, 2, 3, 4, 5, 6]);
        let turn = |transposed, mirrored_x, mirrored_y| Turn { transposed, mirrored_x, mirrored_y };
        assert_eq!(lying.turned(Turn::default()), lying);
        assert_eq!(lying.turned(turn(false, true, false)), picture(3, &[3, 2, 1, 6, 5, 4]));
        assert_eq!(lying.turned(turn(false, true, true)), picture(3, &[6, 5, 4, 3, 2, 1]), "180 degrees");
        assert_eq!(lying.turned(turn(true, true, false)), picture(2, &[4, 1, 5, 2, 6, 3]), "90 to the right");
        assert_eq!(lying.turned(turn(true, false, true)), picture(2, &[3, 6, 2, 5, 1, 4]), "90 to the left");
    }
}

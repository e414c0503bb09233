//! Planes of a picture, and how they are scaled.

/// A picture as it is decoded: luma, and two planes of chroma at half its size.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) luma: Plane,
    pub(super) blue: Plane,
    pub(super) red: Plane,
}

impl Frame {
    /// All planes at this size.
    pub(super) fn scaled(&self, width: usize, height: usize) -> Self {
        let scaled = |plane: &Plane| plane.scaled(width, height);
        Self { luma: scaled(&self.luma), blue: scaled(&self.blue), red: scaled(&self.red) }
    }
}

/// Rows of numbers, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
}

impl Plane {
    /// Copies a plane out of rows that begin `stride` bytes apart; `None` if they are not all there.
    #[cfg_attr(not(feature = "h264"), expect(dead_code, reason = "only a decoder has planes to copy"))]
    pub(super) fn copied(bytes: &[u8], stride: usize, width: usize, height: usize) -> Option<Self> {
        let mut pixels = Vec::with_capacity(width.checked_mul(height)?.min(bytes.len()));
        for row in 0..height {
            let start = row.checked_mul(stride)?;
            pixels.extend(bytes.get(start..start.checked_add(width)?)?);
        }
        Some(Self { width, height, pixels })
    }

    /// This plane at another size, larger or smaller: each pixel is the average of the area it covers.
    pub(super) fn scaled(&self, width: usize, height: usize) -> Self {
        self.scaled_across(width).scaled_across(height)
    }

    /// The rows of this plane, each scaled to `length` pixels, as the columns of a new one. Done twice, both
    /// sides are scaled and rows are rows again.
    fn scaled_across(&self, length: usize) -> Self {
        let mut pixels = vec![0; self.height * length];
        for (number, row) in self.pixels.chunks_exact(self.width).enumerate() {
            for (place, value) in averages(row, length).enumerate() {
                pixels[place * self.height + number] = value;
            }
        }
        Self { width: self.height, height: length, pixels }
    }
}

/// Divides `row` into `parts` of equal length, and gives the average of each.
fn averages(row: &[u8], parts: usize) -> impl Iterator<Item = u8> {
    let length = row.len();
    (0..parts).map(move |part| {
        // In units of which a pixel has as many as there are parts, and a part as many as there are pixels.
        let (start, end) = (part * length, (part + 1) * length);
        let sum: usize = (start / parts..end.div_ceil(parts))
            .map(|pixel| {
                let overlap = end.min((pixel + 1) * parts) - start.max(pixel * parts);
                overlap * usize::from(row[pixel])
            })
            .sum();
        ((sum + length / 2) / length) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: usize, pixels: &[u8]) -> Plane {
        Plane { width, height: pixels.len() / width, pixels: pixels.to_vec() }
    }

    #[test]
    fn rows_are_averaged() {
        let scaled = |row: &[u8], parts| averages(row, parts).collect::<Vec<_>>();
        assert_eq!(scaled(&[10, 20, 30, 40], 2), [15, 35]);
        assert_eq!(scaled(&[0, 90, 180], 2), [30, 150], "half of the pixel in the middle for each");
        assert_eq!(scaled(&[1, 2, 3], 3), [1, 2, 3]);
        assert_eq!(scaled(&[7, 9], 4), [7, 7, 9, 9]);
        assert_eq!(scaled(&[0, 100], 3), [0, 50, 100]);
        assert_eq!(scaled(&[255; 8688], 1), [255]);
    }

    #[test]
    fn both_sides_are_scaled() {
        let four = plane(4, &[10, 20, 30, 40, 20, 30, 40, 50]);
        assert_eq!(four.scaled(2, 1), plane(2, &[20, 40]));
        assert_eq!(four.scaled(4, 2), four);
        assert_eq!(plane(2, &[1, 2, 3, 4]).scaled(2, 4), plane(2, &[1, 2, 1, 2, 3, 4, 3, 4]));
    }

    #[cfg(feature = "h264")]
    #[test]
    fn rows_are_copied_without_what_is_between_them() {
        assert_eq!(Plane::copied(&[1, 2, 0, 3, 4], 3, 2, 2), Some(plane(2, &[1, 2, 3, 4])));
        assert_eq!(Plane::copied(&[1, 2, 0, 3], 3, 2, 2), None);
        assert_eq!(Plane::copied(&[], usize::MAX, 2, usize::MAX), None);
    }
}

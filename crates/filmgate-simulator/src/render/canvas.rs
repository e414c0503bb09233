//! A picture to draw on: 4:2:0, filled row by row, because tests draw in unoptimised builds.

use super::{colour::Colour, font};

/// Pixels from one character to the next, before scaling.
pub(super) const ADVANCE: usize = font::WIDTH + 1;

/// One picture: full-size luma, half-size chroma. Width and height are even.
#[derive(Clone)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
}

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Rect {
    /// Larger by `by` pixels on each side; stays at the top and left edges.
    pub(super) fn grown(self, by: usize) -> Self {
        let (x, y) = (self.x.saturating_sub(by), self.y.saturating_sub(by));
        let (right, bottom) = (self.x + self.width + by, self.y + self.height + by);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let chroma = width / 2 * (height / 2);
        Self { width, height, y: vec![16; width * height], u: vec![128; chroma], v: vec![128; chroma] }
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.y.copy_from_slice(&other.y);
        self.u.copy_from_slice(&other.u);
        self.v.copy_from_slice(&other.v);
    }

    /// Fills a rectangle; what lies outside the picture is left out.
    pub(super) fn fill(&mut self, rect: Rect, colour: Colour) {
        self.fill_luma(rect, colour.y);
        let half =
            |from: usize, length: usize, end: usize| (from / 2, (from + length).div_ceil(2).min(end / 2));
        let (left, right) = half(rect.x, rect.width, self.width);
        let (top, bottom) = half(rect.y, rect.height, self.height);
        let stride = self.width / 2;
        for row in top..bottom {
            if left < right {
                self.u[row * stride + left..row * stride + right].fill(colour.u);
                self.v[row * stride + left..row * stride + right].fill(colour.v);
            }
        }
    }

    /// Fills only the brightness: for grey on grey.
    pub(super) fn fill_luma(&mut self, rect: Rect, luma: u8) {
        let (left, right) = (rect.x, (rect.x + rect.width).min(self.width));
        for row in rect.y..(rect.y + rect.height).min(self.height) {
            if left < right {
                self.y[row * self.width + left..row * self.width + right].fill(luma);
            }
        }
    }

    /// Writes one line, its top left corner at (`x`, `y`).
    pub(super) fn write(&mut self, text: &str, x: usize, y: usize, scale: usize, colour: Colour) {
        for rect in strokes(text, x, y, scale) {
            self.fill(rect, colour);
        }
    }
}

/// Width in pixels of a line of text.
pub(super) fn text_width(characters: usize, scale: usize) -> usize {
    (characters * ADVANCE).saturating_sub(1) * scale
}

/// The rectangles that a line of text is made of.
pub(super) fn strokes(text: &str, x: usize, y: usize, scale: usize) -> Vec<Rect> {
    let mut rects = Vec::new();
    for (index, character) in text.chars().enumerate() {
        let left = x + index * ADVANCE * scale;
        let top = y + font::drop(character) * scale;
        for row in 0..font::HEIGHT {
            let mut column = 0;
            while column < font::WIDTH {
                let start = column;
                while column < font::WIDTH && font::pixel(character, column, row) {
                    column += 1;
                }
                if column > start {
                    let (x, y) = (left + start * scale, top + row * scale);
                    rects.push(Rect { x, y, width: (column - start) * scale, height: scale });
                }
                column += 1;
            }
        }
    }
    rects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_made_of_runs() {
        let rects = strokes("T", 10, 20, 2);
        assert_eq!(rects[0], Rect { x: 10, y: 20, width: 10, height: 2 });
        assert_eq!(rects[1], Rect { x: 14, y: 22, width: 2, height: 2 });
        assert_eq!(rects.len(), 7);
        assert_eq!(text_width(2, 3), 33);
    }

    #[test]
    fn drawing_over_the_edge_is_cut() {
        let mut canvas = Canvas::new(8, 6);
        let white = Colour { y: 235, u: 1, v: 2 };
        canvas.fill(Rect { x: 6, y: 4, width: 100, height: 100 }, white);
        canvas.fill(Rect { x: 100, y: 100, width: 1, height: 1 }, white);
        assert_eq!(canvas.y.iter().filter(|&&luma| luma == 235).count(), 4);
        assert_eq!(canvas.u.iter().filter(|&&u| u == 1).count(), 1);
        assert_eq!(
            Rect { x: 1, y: 5, width: 2, height: 2 }.grown(3),
            Rect { x: 0, y: 2, width: 6, height: 8 }
        );
    }
}

//! The picture: a sun that crosses the sky over hills, between the edges of a film strip, with the prompt,
//! the tier, the sizes and the time.
//!
//! What does not move is drawn once and copied into each picture.

use std::f64::consts::{PI, TAU};

use super::{
    Clip,
    canvas::{Canvas, Rect, strokes, text_width},
    colour::{Colour, Palette, palette},
    font,
    text::{LEADING, fit, line_height},
};

const WHITE: Colour = Colour::rgb(255, 255, 255);
const INK: Colour = Colour::rgb(16, 12, 24);
const FILM: Colour = Colour::rgb(14, 14, 18);
const HOLE_LUMA: u8 = 196;

/// Steps from the middle of the sun to the end of its glow, by squared distance.
const GLOW_STEPS: usize = 512;
/// The glow reaches this many times the sun's radius.
const GLOW_RADII: usize = 3;

/// A clip's picture, ready to be drawn at any time of it.
pub(super) struct Scene {
    layout: Layout,
    palette: Palette,
    seconds: f64,
    background: Canvas,
    /// Where the sun must not be drawn: hills, text, film strip. One byte a pixel.
    covered: Vec<bool>,
    glow: [u16; GLOW_STEPS],
}

/// Where things are, in pixels.
struct Layout {
    width: usize,
    height: usize,
    /// Height of the film strip's edges.
    strip: usize,
    margin: usize,
    /// Scales of the font.
    small: usize,
    large: usize,
    bar: Rect,
    counter_y: usize,
}

impl Layout {
    fn new(width: usize, height: usize) -> Self {
        let short = width.min(height);
        let strip = (short / 14).next_multiple_of(2);
        let margin = (short / 18).next_multiple_of(2);
        let (small, large) = ((short / 180).max(1), (short / 90).max(2));
        let thickness = (short / 60).max(2).next_multiple_of(2);
        let bar_y = height - strip - margin - thickness;
        let bar = Rect { x: margin, y: bar_y, width: width - 2 * margin, height: thickness };
        let counter_y = bar_y - margin / 2 - font::HEIGHT * large;
        Self { width, height, strip, margin, small, large, bar, counter_y }
    }

    fn small_line(&self) -> usize {
        line_height(self.small)
    }

    /// From the badge to the counter: the prompt's place.
    fn prompt_box(&self) -> Rect {
        let top = self.strip + self.margin + 2 * self.small_line();
        let bottom = (self.height * 66 / 100).min(self.counter_y - self.margin);
        Rect {
            x: self.margin,
            y: top,
            width: self.width - 2 * self.margin,
            height: bottom.saturating_sub(top),
        }
    }
}

impl Scene {
    pub(super) fn new(clip: &Clip) -> Self {
        let layout = Layout::new(clip.width as usize, clip.height as usize);
        let palette = palette(&clip.tier);
        let background = Canvas::new(layout.width, layout.height);
        let covered = vec![false; layout.width * layout.height];
        let seconds = f64::from(clip.seconds);
        let mut scene = Self { layout, palette, seconds, background, covered, glow: glow() };
        scene.paint_sky();
        scene.paint_hills();
        scene.paint_strip();
        scene.paint_labels(clip);
        scene.paint_prompt(&clip.prompt);
        scene
    }

    /// A picture of the right size to draw on.
    pub(super) fn canvas(&self) -> Canvas {
        self.background.clone()
    }

    /// Draws the picture of the moment `at`, in seconds from the start.
    pub(super) fn draw(&self, canvas: &mut Canvas, at: f64) {
        canvas.copy_from(&self.background);
        let part = (at / self.seconds).clamp(0.0, 1.0);
        self.draw_sun(canvas, part);
        self.draw_holes(canvas, at);
        let bar = self.layout.bar;
        let done = ((bar.width as f64 * part) as usize).next_multiple_of(2).min(bar.width);
        canvas.fill(Rect { width: done, ..bar }, self.palette.accent);
        canvas.write(
            &format!("{at:04.1} s"),
            self.layout.margin,
            self.layout.counter_y,
            self.layout.large,
            WHITE,
        );
    }

    fn paint_sky(&mut self) {
        let (top, low) = (self.palette.zenith, self.palette.horizon);
        let (width, height) = (self.layout.width, self.layout.height);
        let bottom = height * 3 / 4;
        for y in 0..height {
            let luma = mix(top.y, low.y, y.min(bottom) * 256 / bottom);
            self.background.fill_luma(Rect { x: 0, y, width, height: 1 }, luma);
        }
        let stride = width / 2;
        for row in 0..height / 2 {
            let part = (row * 2).min(bottom) * 256 / bottom;
            self.background.u[row * stride..][..stride].fill(mix(top.u, low.u, part));
            self.background.v[row * stride..][..stride].fill(mix(top.v, low.v, part));
        }
    }

    fn paint_hills(&mut self) {
        let (width, height) = (self.layout.width, self.layout.height);
        let far = |x: f64| 0.70 + 0.045 * (TAU * x * 1.3 + 0.6).sin() + 0.012 * (TAU * x * 4.1).sin();
        let near = |x: f64| 0.80 + 0.055 * (TAU * x * 0.8 + 2.6).sin() + 0.010 * (TAU * x * 3.0 + 1.0).sin();
        // Two columns at a time: a chroma sample is two wide.
        for x in (0..width).step_by(2) {
            let along = x as f64 / width as f64;
            let hills = [(far(along), self.palette.far_hill), (near(along), self.palette.near_hill)];
            for (top, colour) in hills {
                let y = ((height as f64 * top) as usize).next_multiple_of(2).min(height);
                self.background.fill(Rect { x, y, width: 2, height: height - y }, colour);
                self.cover(Rect { x, y, width: 2, height: height - y });
            }
        }
    }

    fn paint_strip(&mut self) {
        let Layout { width, height, strip, bar, .. } = self.layout;
        for y in [0, height - strip] {
            let rect = Rect { x: 0, y, width, height: strip };
            self.background.fill(rect, FILM);
            self.cover(rect);
        }
        self.background.fill(bar, Colour { y: FILM.y + 44, ..self.palette.near_hill });
    }

    /// The tier on a badge, the size of the frame, and what was asked and made.
    fn paint_labels(&mut self, clip: &Clip) {
        let Layout { width, margin, strip, small, large, counter_y, .. } = self.layout;
        let tier: String = clip.tier.to_uppercase().chars().take(16).collect();
        let top = strip + margin;
        let pad = 2 * small;
        let badge = Rect {
            x: margin,
            y: top,
            width: text_width(tier.chars().count(), small) + 4 * pad,
            height: font::HEIGHT * small + 2 * pad,
        };
        self.background.fill(badge, self.palette.accent);
        self.cover(badge);
        self.background.write(&tier, badge.x + 2 * pad, badge.y + pad, small, INK);

        let right = |text: &str| width - margin - text_width(text.chars().count(), small);
        let size = format!("{}x{}", clip.width, clip.height);
        self.paint_text(&size, right(&size), top + pad, small);
        let asked = format!("asked {}", clip.asked);
        let made = format!("made {}", clip.made);
        let foot = counter_y + (font::HEIGHT * large).saturating_sub(font::HEIGHT * small);
        self.paint_text(&asked, right(&asked), foot - self.layout.small_line(), small);
        self.paint_text(&made, right(&made), foot, small);
    }

    /// The prompt, as large as its place allows, cut where even small letters do not fit.
    fn paint_prompt(&mut self, prompt: &str) {
        let place = self.layout.prompt_box();
        let largest = self.layout.width.min(self.layout.height) / 56;
        let (scale, lines) = fit(prompt, place, largest.max(1), self.layout.small);
        let height = (lines.len() * line_height(scale)).saturating_sub(LEADING * scale);
        let mut y = place.y + place.height.saturating_sub(height) / 2;
        for line in lines {
            let free = place.width.saturating_sub(text_width(line.chars().count(), scale));
            self.paint_text(&line, place.x + free / 2, y, scale);
            y += line_height(scale);
        }
    }

    /// White letters with a dark edge, so that they can be read on any sky.
    fn paint_text(&mut self, text: &str, x: usize, y: usize, scale: usize) {
        let edge = (scale / 3).max(1);
        let strokes = strokes(text, x, y, scale);
        for stroke in &strokes {
            // Only brightness: dark chroma would bleed into the sky.
            self.background.fill_luma(stroke.grown(edge), INK.y + 18);
            self.cover(stroke.grown(edge));
        }
        for &stroke in &strokes {
            self.background.fill(stroke, WHITE);
        }
    }

    fn cover(&mut self, rect: Rect) {
        let (left, right) = (rect.x.min(self.layout.width), (rect.x + rect.width).min(self.layout.width));
        for row in rect.y..(rect.y + rect.height).min(self.layout.height) {
            self.covered[row * self.layout.width + left..row * self.layout.width + right].fill(true);
        }
    }

    fn draw_sun(&self, canvas: &mut Canvas, part: f64) {
        let Layout { width, height, .. } = self.layout;
        let radius = width.min(height) / 11;
        let reach = radius * GLOW_RADII;
        let middle_x = (width as f64 * (0.14 + 0.72 * part)) as usize;
        let middle_y = (height as f64 * (0.66 - 0.46 * (PI * part).sin())) as usize;
        let rows = (middle_y.saturating_sub(reach) & !1)..(middle_y + reach).min(height);
        let columns = (middle_x.saturating_sub(reach) & !1)..(middle_x + reach).min(width);
        let sun = self.palette.sun;
        for y in rows {
            let down = y.abs_diff(middle_y);
            for x in columns.clone() {
                let across = x.abs_diff(middle_x);
                let step = (down * down + across * across) * GLOW_STEPS / (reach * reach);
                if step >= GLOW_STEPS || self.covered[y * width + x] {
                    continue;
                }
                let strength = usize::from(self.glow[step]);
                let luma = &mut canvas.y[y * width + x];
                *luma = mix(*luma, sun.y, strength);
                if (x | y) & 1 == 0 {
                    let at = y / 2 * (width / 2) + x / 2;
                    canvas.u[at] = mix(canvas.u[at], sun.u, strength);
                    canvas.v[at] = mix(canvas.v[at], sun.v, strength);
                }
            }
        }
    }

    /// The holes of the film strip run to the left, two a second.
    fn draw_holes(&self, canvas: &mut Canvas, at: f64) {
        let Layout { width, height, strip, .. } = self.layout;
        let (hole_width, hole_height) = (strip * 5 / 8, strip / 2);
        let shift = (at * 2.0 * strip as f64) as usize % strip;
        let corner = (strip / 12).max(1);
        for top in [(strip - hole_height) / 2, height - (strip + hole_height) / 2] {
            for left in (0..width + strip).step_by(strip) {
                // The first hole may begin left of the picture.
                let begin = left.saturating_sub(shift);
                let end = (left + hole_width).saturating_sub(shift);
                let inner = end.saturating_sub(begin);
                let whole = Rect { x: begin, y: top, width: inner, height: hole_height };
                let (x, y) = (begin + corner, top + corner);
                let narrow = Rect { x, width: inner.saturating_sub(2 * corner), ..whole };
                let low = Rect { y, height: hole_height.saturating_sub(2 * corner), ..whole };
                canvas.fill_luma(narrow, HOLE_LUMA);
                canvas.fill_luma(low, HOLE_LUMA);
            }
        }
    }
}

/// `part` of 256 from `from` to `to`.
fn mix(from: u8, to: u8, part: usize) -> u8 {
    let part = part.min(256);
    ((usize::from(from) * (256 - part) + usize::from(to) * part) / 256) as u8
}

/// The strength of the sun by squared distance: full on its disc, then a glow that fades.
fn glow() -> [u16; GLOW_STEPS] {
    let disc = GLOW_STEPS / (GLOW_RADII * GLOW_RADII);
    std::array::from_fn(|step| {
        if step <= disc {
            return 256;
        }
        let fading = (GLOW_STEPS - step) as f64 / (GLOW_STEPS - disc) as f64;
        let haze = 110.0 * fading * fading;
        // The rim of the disc is a few steps soft.
        let rim = (1.0 - (step - disc) as f64 / 5.0).max(0.0);
        (haze + (256.0 - haze) * rim) as u16
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_clip;

    #[test]
    fn the_picture_moves() {
        let scene = Scene::new(&test_clip(416, 416, 2, "super"));
        let (mut first, mut second, mut again) = (scene.canvas(), scene.canvas(), scene.canvas());
        scene.draw(&mut first, 0.0);
        scene.draw(&mut second, 1.0);
        scene.draw(&mut again, 0.0);
        assert!(first.y != second.y && first.u != second.u);
        assert!(first.y == again.y && first.u == again.u && first.v == again.v);
    }

    #[test]
    fn tiers_differ_and_any_size_can_be_drawn() {
        let draw = |tier: &str, width, height| {
            let scene = Scene::new(&test_clip(width, height, 1, tier));
            let mut canvas = scene.canvas();
            scene.draw(&mut canvas, 0.9);
            canvas
        };
        assert!(draw("basic", 416, 752).u != draw("super", 416, 752).u);
        for (width, height) in [(752, 416), (720, 1280), (1920, 1080), (160, 160)] {
            assert_eq!(draw("official", width, height).y.len(), (width * height) as usize);
        }
    }
}

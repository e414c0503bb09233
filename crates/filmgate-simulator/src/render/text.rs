//! Fits a text of any length into a rectangle.

use super::{
    canvas::{ADVANCE, Rect},
    font,
};

/// Pixels between two lines of text, before scaling: room for what reaches below the line, and two more.
pub(super) const LEADING: usize = font::DESCENT + 2;

/// Pixels from one line to the next.
pub(super) fn line_height(scale: usize) -> usize {
    (font::HEIGHT + LEADING) * scale
}

/// The largest scale at which the text fits, and its lines.
pub(super) fn fit(text: &str, place: Rect, largest: usize, smallest: usize) -> (usize, Vec<String>) {
    let columns = |scale: usize| ((place.width + scale) / (ADVANCE * scale)).max(1);
    let rows = |scale: usize| ((place.height + LEADING * scale) / line_height(scale)).max(1);
    for scale in (smallest + 1..=largest).rev() {
        let lines = wrap(text, columns(scale));
        // Large letters that break a word are worse than smaller ones that do not.
        let breaks_word = text.split_whitespace().any(|word| word.is_ascii() && word.len() > columns(scale));
        if lines.len() <= rows(scale) && !breaks_word {
            return (scale, lines);
        }
    }
    let mut lines = wrap(text, columns(smallest));
    if lines.len() > rows(smallest) {
        lines.truncate(rows(smallest));
        if let Some(last) = lines.last_mut() {
            let keep = columns(smallest).saturating_sub(3).min(last.chars().count());
            *last = last.chars().take(keep).chain("...".chars()).collect();
        }
    }
    (smallest, lines)
}

/// Breaks at spaces, and inside words that are longer than a line.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        while word.len() > columns {
            let rest = word.split_off(columns);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        used += word.len();
        line.extend(word);
    }
    if used > 0 {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap() {
        assert_eq!(wrap("a red fox in the snow", 9), ["a red fox", "in the", "snow"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("  ", 3), Vec::<String>::new());
    }

    #[test]
    fn text_shrinks_until_it_fits_and_is_cut_at_last() {
        let place = Rect { x: 0, y: 0, width: 300, height: 100 };
        let (scale, lines) = fit("a fox", place, 8, 2);
        assert_eq!((scale, lines.len()), (8, 1));
        let (scale, _) = fit("a red fox in the snow, and a hare, and a lake", place, 8, 2);
        assert!((2..8).contains(&scale));
        let (scale, lines) = fit(&"word ".repeat(500), place, 8, 2);
        assert_eq!(scale, 2);
        assert!(lines.last().is_some_and(|line| line.ends_with("...")));
        assert!(lines.len() * line_height(2) - 2 * LEADING <= place.height);
    }
}

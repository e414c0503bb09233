//! Charts, drawn here as SVG: stacked bars over time. The labels beside them are HTML, so that they stay readable
//! however wide the chart is.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

/// A layer of every bar.
pub(super) struct Layer {
    /// The class that colours it.
    pub(super) class: &'static str,
    /// What it is called.
    pub(super) name: String,
}

/// A bar.
pub(super) struct Bar {
    /// What it says when it is pointed at. Empty: nothing.
    pub(super) title: String,
    /// The heights of its layers, the lowest first.
    pub(super) parts: Vec<f64>,
}

/// Stacked bars over time.
pub(super) struct Chart<'a> {
    /// The layers, the lowest first.
    pub(super) layers: &'a [Layer],
    /// The bars, in the order of time.
    pub(super) bars: &'a [Bar],
    /// Evenly spread along the time; the first stands where it begins, the last where it ends.
    pub(super) ticks: &'a [String],
    /// Says in words what is to be seen.
    pub(super) label: &'a str,
}

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;

/// The part of its place that a bar fills.
const FILLED: f64 = 0.84;

impl Chart<'_> {
    /// The chart, its scales and its legend.
    pub(super) fn draw(&self) -> Markup {
        let highest = self.bars.iter().map(|bar| bar.parts.iter().sum::<f64>()).fold(0.0, f64::max);
        let top = round_up(highest);
        html! {
            figure.stacked {
                div.plot {
                    div.scale aria-hidden="true" {
                        @for share in [1.0, 0.5, 0.0] { span { (figure(top * share)) } }
                    }
                    svg.bars viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none"
                        role="img" aria-label=(self.label) { (self.inside(top)) }
                    div.ticks aria-hidden="true" { @for tick in self.ticks { span { (tick) } } }
                }
                figcaption { ul.legend {
                    @for layer in self.layers {
                        li { (swatch(layer.class)) (layer.name) }
                    }
                } }
            }
        }
    }

    /// Written without the template: there are many of these, and all of it is numbers and escaped titles.
    fn inside(&self, top: f64) -> Markup {
        let mut svg = String::with_capacity(self.bars.len() * 256);
        for share in [0.0, 0.5, 1.0] {
            let y = HEIGHT * share;
            let _ = write!(svg, r#"<line class="grid" x1="0" x2="{WIDTH}" y1="{y}" y2="{y}"/>"#);
        }
        let place = WIDTH / self.bars.len().max(1) as f64;
        for (nth, bar) in self.bars.iter().enumerate().filter(|(_, bar)| !bar.title.is_empty()) {
            let (left, width) = (place * (nth as f64 + (1.0 - FILLED) / 2.0), place * FILLED);
            let title = html! { (bar.title) }.into_string();
            let _ = write!(svg, "<g><title>{title}</title>");
            let mut y = HEIGHT;
            for (layer, part) in self.layers.iter().zip(&bar.parts).filter(|(_, part)| **part > 0.0) {
                let height = part / top * HEIGHT;
                y -= height;
                let class = layer.class;
                let _ = write!(
                    svg,
                    r#"<rect class="{class}" x="{left:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
                );
            }
            // The whole height can be pointed at, however low the bar is.
            let left = place * nth as f64;
            let _ = write!(
                svg,
                r#"<rect class="whole" x="{left:.1}" y="0" width="{place:.1}" height="{HEIGHT}"/></g>"#
            );
        }
        PreEscaped(svg)
    }
}

/// A small square of a layer's colour.
pub(super) fn swatch(class: &str) -> Markup {
    html! { svg viewBox="0 0 8 8" aria-hidden="true" { rect class=(class) width="8" height="8" {} } }
}

/// The next 1, 2, 3 or 5 with zeros: where a scale ends.
fn round_up(highest: f64) -> f64 {
    if highest <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(highest.log10().floor());
    let step = [1.0, 2.0, 3.0, 5.0, 10.0].into_iter().find(|step| step * power >= highest * 0.999_999);
    step.unwrap_or(10.0) * power
}

/// A figure with as many decimals as it needs: "2,500", "12", "2.5", "0.05".
pub(super) fn figure(value: f64) -> String {
    if value >= 10.0 {
        return super::parts::number(value.round() as u64);
    }
    let decimals = if value >= 1.0 { 1 } else { 2 };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number() {
        assert_eq!(
            [0.0, 0.04, 0.7, 1.0, 1.1, 5.0, 5.1, 23.0, 99.0, 10_000.0].map(round_up),
            [1.0, 0.05, 1.0, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 10_000.0]
        );
    }

    #[test]
    fn figures_have_the_decimals_that_they_need() {
        assert_eq!(
            [0.0, 0.05, 0.5, 1.0, 2.5, 12.4, 2500.0].map(figure),
            ["0", "0.05", "0.5", "1", "2.5", "12", "2,500"]
        );
    }

    #[test]
    fn layers_stand_on_each_other_and_fill_the_height_together() {
        let layers = ["low", "high"].map(|class| Layer { class, name: class.to_owned() });
        let bar = |title: &str, parts: &[f64]| Bar { title: title.to_owned(), parts: parts.to_vec() };
        let bars = [bar("1 < 2", &[3.0, 1.0]), bar("", &[0.0, 0.0]), bar("two", &[0.0, 5.0])];
        let ticks = ["a".to_owned(), "b".to_owned()];
        let chart = Chart { layers: &layers, bars: &bars, ticks: &ticks, label: "what" };
        let svg = chart.draw().into_string();
        let part = |class: &str| -> Vec<String> {
            let beginning = format!("<rect class=\"{class}\" ");
            svg.split(&beginning).skip(1).map(|rest| rest.split("/>").next().unwrap().to_owned()).collect()
        };
        assert_eq!(part("low")[0], r#"x="26.7" y="80.0" width="280.0" height="120.0""#);
        assert_eq!(part("high")[0], r#"x="26.7" y="40.0" width="280.0" height="40.0""#);
        assert_eq!(part("high")[1], r#"x="693.3" y="0.0" width="280.0" height="200.0""#);
        assert_eq!(part("whole").len(), 2, "of nothing nothing is told");
        assert!(svg.contains("<title>1 &lt; 2</title>") && svg.contains("<title>two</title>"), "{svg}");
        assert!(svg.contains("role=\"img\" aria-label=\"what\""), "{svg}");
    }
}

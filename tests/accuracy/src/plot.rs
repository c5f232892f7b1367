//! Plots as SVG: rows of dots on one axis, and a line of what was said against what was.

use std::fmt::Write as _;

/// Colours that stay apart for most eyes, the first for Parallax.
const COLOURS: [&str; 7] =
    ["#0b6e4f", "#6fbf9c", "#d1495b", "#edae49", "#30638e", "#8d5a97", "#6b6b6b"];
/// Place of the axis in the picture, px.
const LEFT: f64 = 150.0;
const WIDTH: f64 = 560.0;
const ROW: f64 = 24.0;
const TOP: f64 = 64.0;
/// Legend entries a line.
const LEGEND: usize = 4;

/// The axis of a plot.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// What it counts.
    pub name: &'static str,
    /// Smallest and largest value drawn.
    pub range: (f64, f64),
    /// Where lines stand.
    pub ticks: &'static [f64],
    /// True if each step is ten times the one before; what is smaller stands at the left edge.
    pub log: bool,
}

impl Axis {
    fn x(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let value = value.clamp(low, high);
        let share = if self.log {
            (value / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        };
        LEFT + WIDTH * share
    }
}

/// Named rows, each with a value of every series; what is not a number or endless is left out.
pub fn dots(title: &str, axis: Axis, series: &[&str], rows: &[(String, Vec<f64>)]) -> String {
    let legend = series.len().div_ceil(LEGEND) as f64 * 18.0;
    let top = TOP + legend;
    let height = top + rows.len() as f64 * ROW + 44.0;
    let mut svg = begin(title, height);
    for (at, name) in series.iter().enumerate() {
        let (x, y) =
            (LEFT - 130.0 + (at % LEGEND) as f64 * 175.0, 52.0 + (at / LEGEND) as f64 * 18.0);
        dot(&mut svg, x, y - 4.0, COLOURS[at % COLOURS.len()]);
        text(&mut svg, x + 10.0, y, "start", name);
    }
    for &tick in axis.ticks {
        let x = axis.x(tick);
        line(&mut svg, (x, top - 8.0), (x, height - 40.0), "#dddddd");
        text(&mut svg, x, height - 26.0, "middle", &tick.to_string());
    }
    text(&mut svg, LEFT + WIDTH / 2.0, height - 8.0, "middle", axis.name);
    for (at, (name, values)) in rows.iter().enumerate() {
        let y = top + (at as f64 + 0.5) * ROW;
        text(&mut svg, LEFT - 10.0, y + 4.0, "end", name);
        line(&mut svg, (LEFT, y), (LEFT + WIDTH, y), "#eeeeee");
        // the first series on top
        for (series, value) in values.iter().enumerate().rev().filter(|(_, v)| v.is_finite()) {
            dot(&mut svg, axis.x(*value), y, COLOURS[series % COLOURS.len()]);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Said and true share of each bin, as a line beside the diagonal; the area of a dot shows how many.
pub fn reliability(title: &str, bins: &[(f64, f64, usize)]) -> String {
    let side = 380.0;
    let mut svg = begin(title, side + 110.0);
    let at = |said: f64, was: f64| (LEFT + side * said, TOP + side * (1.0 - was));
    for step in 0..=5 {
        let share = f64::from(step) / 5.0;
        line(&mut svg, at(share, 0.0), at(share, 1.0), "#dddddd");
        line(&mut svg, at(0.0, share), at(1.0, share), "#dddddd");
        let ((x, y), label) = (at(share, 0.0), format!("{share:.1}"));
        text(&mut svg, x, y + 18.0, "middle", &label);
        let (x, y) = at(0.0, share);
        text(&mut svg, x - 8.0, y + 4.0, "end", &label);
    }
    line(&mut svg, at(0.0, 0.0), at(1.0, 1.0), "#999999");
    let all: usize = bins.iter().map(|b| b.2).sum();
    for &(said, was, count) in bins.iter().filter(|b| b.2 > 0) {
        let (x, y) = at(said, was);
        let r = 3.0 + 14.0 * (count as f64 / all.max(1) as f64).sqrt();
        let colour = COLOURS[0];
        writeln!(
            svg,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{r:.1}" fill="{colour}" fill-opacity="0.6"/>"#
        )
        .unwrap();
    }
    text(&mut svg, LEFT + side / 2.0, TOP + side + 38.0, "middle", "confidence when first said");
    text(&mut svg, LEFT - 46.0, TOP - 10.0, "start", "share that was right");
    svg.push_str("</svg>\n");
    svg
}

fn begin(title: &str, height: f64) -> String {
    let width = LEFT + WIDTH + 40.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
"#
    );
    writeln!(
        svg,
        r#"<text x="20" y="26" font-size="15" font-weight="bold">{}</text>"#,
        escaped(title)
    )
    .unwrap();
    svg
}

fn dot(svg: &mut String, x: f64, y: f64, colour: &str) {
    writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="5" fill="{colour}" fill-opacity="0.85"/>"#)
        .unwrap();
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    writeln!(
        svg,
        r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}"/>"#
    )
    .unwrap();
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escaped(words);
    writeln!(
        svg,
        r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#222222">{words}</text>"##
    )
    .unwrap();
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}

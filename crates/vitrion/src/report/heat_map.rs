//! Numbers on grids as still SVG: colour against two axes, a panel for every run.

use super::figures::{axis_text, each_analysis, label_of};
use super::html::escape;
use super::load::Results;
use super::number::significant;
use std::fmt::Write as _;
use vitrion_core::observables::{Map, Observables};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 96.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 46.0;
/// Cells along the second axis; finer grids are averaged.
const CELLS: usize = 80;
/// So few abscissae or ordinates are all named.
const FEW: usize = 12;
/// Colours of the scale, dark to light (viridis).
const COLORS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// One chart.
pub(super) struct HeatMap {
    /// File name of exports.
    pub(super) id: String,
    title: String,
    map: Map,
}

/// Charts of all runs of a results folder.
pub(super) fn of_runs(results: &Results) -> Vec<HeatMap> {
    let mut charts = Vec::new();
    each_analysis(results, &mut |_, run, observables| {
        charts.extend(charts_of(observables, &label_of(run)));
    });
    charts
}

/// Charts of one analysis.
pub(super) fn of_one(observables: &Observables) -> Vec<HeatMap> {
    charts_of(observables, "")
}

fn charts_of(observables: &Observables, run: &str) -> Vec<HeatMap> {
    let chart = |map: &Map| {
        let (run_id, run_title) = if run.is_empty() {
            (String::new(), String::new())
        } else {
            (format!("-{}", run.replace(' ', "-")), format!(" ({run})"))
        };
        HeatMap {
            id: format!("{}-{}{run_id}", observables.kind, map.name).replace('_', "-"),
            title: format!("{}, {}{run_title}", observables.title, map.label),
            map: map.clone(),
        }
    };
    let shown = |map: &&Map| map.x.len() > 1 && map.y.len() > 1;
    observables.maps.iter().filter(shown).map(chart).collect()
}

impl HeatMap {
    /// The chart in its card.
    pub(super) fn html(&self) -> String {
        let title = escape(&self.title);
        let svg = self.svg("");
        format!("<figure class=\"chart card\"><h3 class=\"still\">{title}</h3>{svg}</figure>")
    }

    /// The chart as an SVG file of its own.
    pub(super) fn file(&self) -> String {
        let style = format!(
            "<style>{}\ntext {{ font-family: sans-serif; }}</style>\
             <rect width=\"100%\" height=\"100%\" fill=\"var(--card)\"/>",
            include_str!("style.css").replace('<', "&lt;").replace('>', "&gt;")
        );
        self.svg(&style).replace("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ")
    }

    fn svg(&self, head: &str) -> String {
        let map = &self.map;
        let (columns, rows) = self.cells();
        let scale = Scale::of(&columns);
        let mut out = format!(
            "<svg class=\"static\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">{head}\
             <rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>\
             <g shape-rendering=\"crispEdges\">",
            escape(&self.title),
            WIDTH - LEFT - RIGHT,
            HEIGHT - TOP - BOTTOM,
            color(0.0)
        );
        // times span decades
        let log = map.x_axis.label == "lag time";
        let edges = if log {
            edges(&map.x.iter().map(|x| x.ln()).collect::<Vec<f64>>())
        } else {
            edges(&map.x)
        };
        let (first, last) = (edges[0], edges[edges.len() - 1]);
        let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value - first) / (last - first);
        let (bottom, top) = (rows[0], rows[rows.len() - 1]);
        let y = |value: f64| {
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - bottom) / (top - bottom)
        };
        for (column, values) in columns.iter().enumerate() {
            let (left, right) = (x(edges[column]), x(edges[column + 1]));
            for (row, value) in values.iter().enumerate() {
                let part = scale.part(*value);
                // what cannot be told from zero is the ground
                if part.is_nan() || scale.begins_at_zero() && part < 0.02 {
                    continue;
                }
                let (high, low) = (y(rows[row + 1]), y(rows[row]));
                let _ = write!(
                    out,
                    "<rect x=\"{left:.1}\" y=\"{high:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                    right - left,
                    low - high,
                    color(part)
                );
            }
        }
        out.push_str("</g>");
        if log {
            let decades = (first / std::f64::consts::LN_10).ceil() as i32
                ..=(last / std::f64::consts::LN_10).floor() as i32;
            for decade in decades {
                let at = x(f64::from(decade) * std::f64::consts::LN_10);
                let text = significant(10f64.powi(decade), 1);
                tick(&mut out, at, HEIGHT - BOTTOM + 16.0, "middle", &text);
            }
        } else if map.x.len() <= FEW {
            for value in &map.x {
                tick(
                    &mut out,
                    x(*value),
                    HEIGHT - BOTTOM + 16.0,
                    "middle",
                    &significant(*value, 2),
                );
            }
        } else {
            for k in 0..=4 {
                let value = first + (last - first) * f64::from(k) / 4.0;
                tick(&mut out, x(value), HEIGHT - BOTTOM + 16.0, "middle", &significant(value, 2));
            }
        }
        let heights: Vec<f64> = if map.y.len() <= FEW {
            map.y.clone()
        } else {
            (0..=4).map(|k| bottom + (top - bottom) * f64::from(k) / 4.0).collect()
        };
        for value in heights {
            tick(&mut out, LEFT - 8.0, y(value) + 4.0, "end", &significant(value, 2));
        }
        let (x_label, y_label) = (escape(&axis_text(&map.x_axis)), escape(&axis_text(&map.y_axis)));
        let middle = f64::midpoint(TOP, HEIGHT - BOTTOM);
        let _ = write!(
            out,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x_label}</text>\
             <text class=\"label\" text-anchor=\"middle\" transform=\"translate(16 {middle:.1}) rotate(-90)\">{y_label}</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 8.0
        );
        self.scale(scale, &mut out);
        out.push_str("</svg>");
        out
    }

    /// The colours and what they mean.
    fn scale(&self, scale: Scale, out: &mut String) {
        let left = WIDTH - RIGHT + 18.0;
        let (top, height) = (TOP + 16.0, HEIGHT - TOP - BOTTOM - 16.0);
        for k in 0..40 {
            let part = f64::from(k) / 39.0;
            let _ = write!(
                out,
                "<rect x=\"{left}\" y=\"{:.1}\" width=\"12\" height=\"{:.1}\" fill=\"{}\"/>",
                top + height * (1.0 - f64::from(k + 1) / 40.0),
                height / 40.0 + 0.3,
                color(part)
            );
        }
        for part in [0.0, 0.25, 0.5, 0.75, 1.0_f64] {
            let y = top + height * (1.0 - part) + 4.0;
            tick(out, left + 17.0, y, "start", &significant(scale.value(part), 2));
        }
        tick(out, WIDTH - 4.0, TOP + 6.0, "end", &axis_text(&self.map.z_axis));
    }

    /// Values with at most [`CELLS`] rows, and the edges of the rows.
    fn cells(&self) -> (Vec<Vec<f64>>, Vec<f64>) {
        let map = &self.map;
        let merged = map.y.len().div_ceil(CELLS);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let columns = map.z.iter().map(|of| of.chunks(merged).map(mean).collect()).collect();
        let all = edges(&map.y);
        let edge = |row: usize| all[(row * merged).min(map.y.len())];
        (columns, (0..=map.y.len().div_ceil(merged)).map(edge).collect())
    }
}

/// Borders halfway between rising numbers, and beyond the ends.
fn edges(x: &[f64]) -> Vec<f64> {
    let middle = x.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
    let first = 1.5 * x[0] - 0.5 * x[1];
    let last = 1.5 * x[x.len() - 1] - 0.5 * x[x.len() - 2];
    [first].into_iter().chain(middle).chain([last]).collect()
}

/// What colours mean: numbers from zero, by their square root, or, where the least of them is far from zero, evenly from the least to the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(columns: &[Vec<f64>]) -> Self {
        let finite = || columns.iter().flatten().copied().filter(|value| value.is_finite());
        let (least, most) = (finite().fold(f64::INFINITY, f64::min), finite().fold(0.0, f64::max));
        Scale { least: if least > 0.1 * most && least < most { least } else { 0.0 }, most }
    }

    fn begins_at_zero(self) -> bool {
        self.least == 0.0
    }

    /// Place of a number on the scale, NaN for what is not known.
    fn part(self, value: f64) -> f64 {
        let part = (value - self.least) / (self.most - self.least);
        if self.begins_at_zero() { part.sqrt() } else { part }
    }

    fn value(self, part: f64) -> f64 {
        let part = if self.begins_at_zero() { part * part } else { part };
        self.least + part * (self.most - self.least)
    }
}

fn tick(out: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = escape(text);
    let _ = write!(
        out,
        "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

/// Of a place on the scale, from 0 to 1.
pub(super) fn color(part: f64) -> String {
    let place = part.clamp(0.0, 1.0) * (COLORS.len() - 1) as f64;
    let low = (place as usize).min(COLORS.len() - 2);
    let share = place - low as f64;
    let mix = |k: usize| {
        let (a, b) = (f64::from(COLORS[low][k]), f64::from(COLORS[low + 1][k]));
        (a + share * (b - a)).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::observables::Axis;

    #[test]
    fn fine_grids_are_averaged_and_titles_escaped() {
        let axis = |label: &str| Axis { label: label.into(), unit: String::new() };
        let mut all = Observables::new("van_hove", "G < 1", "");
        all.maps.push(Map {
            name: "self_Li".into(),
            label: "Li".into(),
            x_axis: axis("t"),
            y_axis: axis("r"),
            z_axis: axis("G"),
            x: vec![1.0, 10.0, 100.0],
            y: (0..200).map(|k| f64::from(k) + 0.5).collect(),
            z: vec![vec![1.0; 200]; 3],
        });
        let charts = of_one(&all);
        let (columns, rows) = charts[0].cells();
        assert_eq!((columns[0].len(), rows.len()), (67, 68));
        assert!((rows[67] - 200.0).abs() < 1e-12);
        let page = charts[0].html();
        assert!(page.contains("G &lt; 1, Li") && !page.contains("NaN"), "{page}");
        assert_eq!(charts[0].id, "van-hove-self-Li");
        assert_eq!((color(0.0), color(1.0)), ("#440154".to_owned(), "#fde725".to_owned()));
    }
}

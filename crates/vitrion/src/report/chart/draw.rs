//! Lines, points and bands as SVG. `chart.js` draws the same on screens.

use super::axes::{Scale, Ticks};
use super::legend::{self, Entry};
use super::sheet::{Ink, Sheet, Size};
use super::{Figure, Series, Style, Tone, sparse};
use std::fmt::Write as _;

/// Share of the width on either side of single points.
const POINT_MARGIN: f64 = 0.05;
/// Share of the height above and below.
const PAD: f64 = 0.06;
/// Vertices of a line on a page; paper gets them all.
const VERTICES: usize = 300;
/// Error bars and bands do not stretch a logarithmic axis by more than this factor.
const MOST_STRETCH: f64 = 100.0;
/// Temperatures of the second axis [K].
const KELVIN: [f64; 12] =
    [2000.0, 1500.0, 1200.0, 1000.0, 800.0, 700.0, 600.0, 500.0, 400.0, 350.0, 300.0, 250.0];
/// Between legend and data.
const CLEAR: f64 = 5.0;

/// Where things are on the sheet.
struct Plot {
    x: Scale,
    y: Scale,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Plot {
    fn across(&self, x: f64) -> f64 {
        self.left + self.x.share(x) * (self.right - self.left)
    }

    fn up(&self, y: f64) -> f64 {
        self.bottom - self.y.share(y) * (self.bottom - self.top)
    }

    /// Place of a point, if it has one.
    fn at(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        (self.x.usable(x) && self.y.usable(y)).then(|| (self.across(x), self.up(y)))
    }

    /// Height of the lower end of an error bar; below the axis for what has no place on it.
    fn floor(&self, y: f64) -> f64 {
        if self.y.usable(y) { self.up(y).min(self.bottom + 50.0) } else { self.bottom + 50.0 }
    }
}

impl Figure {
    /// The chart of the first facet. On paper the legend is part of the drawing, on a page it follows.
    pub(super) fn svg(&self, sheet: Sheet) -> String {
        let height = if sheet.paper { 0.68 * sheet.width } else { 400.0 };
        let (plot, ticks) = self.plot(sheet, height);
        let mut body = String::new();
        self.axes(sheet, &plot, &ticks, height, &mut body);
        // another still of the same chart may stand on the same page
        let clip = format!("clip-{}-{}", if sheet.paper { "paper" } else { "page" }, self.id);
        let _ = write!(
            body,
            "<clipPath id=\"{clip}\"><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
             </clipPath><g clip-path=\"url(#{clip})\">",
            plot.left,
            plot.top,
            plot.right - plot.left,
            plot.bottom - plot.top
        );
        let mut drawn = Vec::new();
        for pass in [true, false] {
            // guides lie below what was found
            for series in
                self.first_facet().filter(|series| (series.style.tone == Tone::Guide) == pass)
            {
                draw(series, sheet, &plot, &mut drawn, &mut body);
            }
        }
        if sheet.paper {
            self.sparse_markers(sheet, &plot, &mut body);
        }
        body.push_str("</g>");
        if !sheet.paper {
            return format!("{}{body}</svg>{}", sheet.open(&self.title, height), self.legend());
        }
        let mut entries = self.entries();
        for entry in &mut entries {
            entry.style.marker = entry.style.marker.max(self.sparse_marker(entry.style));
        }
        let mut height = height;
        if let Some(place) = corner(&entries, &plot, &drawn) {
            legend::column(sheet, &entries, place, &mut body);
        } else if !entries.is_empty() {
            let span = (plot.left, sheet.width - 8.0);
            height += legend::columns(sheet, &entries, span, height, &mut body) + 4.0;
        }
        format!("{}{body}</svg>\n", sheet.open(&self.title, height))
    }

    fn plot(&self, sheet: Sheet, height: f64) -> (Plot, [Ticks; 2]) {
        let shown = || self.first_facet().filter(|series| series.style.tone != Tone::Guide);
        let mut x = Scale::of(shown().flat_map(|s| s.x.iter().copied()), self.x.log, 0.0);
        // curves fill the width, single points are drawn whole
        if shown().any(|series| !series.style.line && !series.style.band) {
            x = x.widened(POINT_MARGIN);
        }
        let values = || shown().flat_map(|s| s.y.iter().copied());
        let ends = || shown().flat_map(|s| s.low.iter().chain(&s.high).copied());
        let y = if self.y.log {
            let core = Scale::of(values(), true, 0.0);
            let near = core.low / MOST_STRETCH..=core.high * MOST_STRETCH;
            Scale::of(values().chain(ends().filter(|end| near.contains(end))), true, PAD)
        } else {
            Scale::of(values().chain(ends()), false, PAD)
        };
        let top = if self.reciprocal { 34.0 } else { 12.0 };
        let bottom = height - 46.0;
        let y_ticks = y.ticks(((bottom - top) / 44.0).clamp(3.0, 8.0));
        let widest =
            y_ticks.major.iter().map(|(_, text)| Size::Small.width(text)).fold(0.0, f64::max);
        let plot = Plot { x, y, left: 34.0 + widest, right: sheet.width - 14.0, top, bottom };
        let mut want: f64 = 9.0;
        let mut x_ticks = x.ticks(want);
        while want > 1.0 && crowded(&plot, &x_ticks) {
            want -= 1.0;
            x_ticks = x.ticks(want);
        }
        (plot, [x_ticks, y_ticks])
    }

    fn axes(
        &self,
        sheet: Sheet,
        plot: &Plot,
        [x_ticks, y_ticks]: &[Ticks; 2],
        height: f64,
        out: &mut String,
    ) {
        let Plot { left, right, top, bottom, .. } = *plot;
        let (mut grid, mut marks) = (String::new(), String::new());
        let inward = if sheet.paper { 1.0 } else { -1.0 };
        let (long, short) = (5.0 * inward, 3.0 * inward);
        for (value, text) in &x_ticks.major {
            let x = plot.across(*value);
            let _ = write!(grid, "M{x:.1} {top:.1}V{bottom:.1}");
            let _ = write!(marks, "M{x:.1} {bottom:.1}v{:.1}", -long);
            if sheet.paper && !self.reciprocal {
                let _ = write!(marks, "M{x:.1} {top:.1}v{long:.1}");
            }
            sheet.text(out, (x, bottom + 17.0), "middle", Size::Small, text);
        }
        for (value, text) in &y_ticks.major {
            let y = plot.up(*value);
            let _ = write!(grid, "M{left:.1} {y:.1}H{right:.1}");
            let _ = write!(marks, "M{left:.1} {y:.1}h{long:.1}");
            if sheet.paper {
                let _ = write!(marks, "M{right:.1} {y:.1}h{:.1}", -long);
            }
            sheet.text(out, (left - 8.0, y + 4.2), "end", Size::Small, text);
        }
        if sheet.paper || plot.x.log {
            for x in x_ticks.minor.iter().map(|value| plot.across(*value)) {
                let _ = write!(marks, "M{x:.1} {bottom:.1}v{:.1}", -short);
            }
        }
        if sheet.paper || plot.y.log {
            for y in y_ticks.minor.iter().map(|value| plot.up(*value)) {
                let _ = write!(marks, "M{left:.1} {y:.1}h{short:.1}");
                if sheet.paper {
                    let _ = write!(marks, "M{right:.1} {y:.1}h{:.1}", -short);
                }
            }
        }
        if self.reciprocal {
            let mut last = f64::NEG_INFINITY;
            for kelvin in KELVIN {
                let x = plot.across(1000.0 / kelvin);
                let half = 0.5 * Size::Small.width("1000 K");
                if x < left - 1.0 || x > right + 1.0 || x - last < 2.0 * half + 8.0 {
                    continue;
                }
                last = x;
                let _ = write!(marks, "M{x:.1} {top:.1}v{long:.1}");
                let middle = x.min(sheet.width - half);
                sheet.text(out, (middle, top - 8.0), "middle", Size::Small, &format!("{kelvin} K"));
            }
        }
        let mut dotted = String::new();
        for (value, text) in &self.marks {
            let x = plot.across(*value);
            if x < left || x > right {
                continue;
            }
            let _ = write!(dotted, "M{x:.1} {top:.1}V{bottom:.1}");
            if !self.reciprocal {
                sheet.upwards(out, (x - 4.0, top + 5.0), "end", Size::Small, text);
            }
        }
        if !sheet.paper {
            let ink = sheet.ink(Ink::Grid);
            let _ = write!(out, "<path d=\"{grid}\" fill=\"none\" stroke=\"{ink}\"/>");
        }
        if !dotted.is_empty() {
            let ink = sheet.ink(Ink::Guide);
            let _ = write!(
                out,
                "<path d=\"{dotted}\" fill=\"none\" stroke=\"{ink}\" stroke-dasharray=\"2 4\"/>"
            );
        }
        let _ = write!(
            out,
            "<path d=\"M{left:.1} {top:.1}H{right:.1}V{bottom:.1}H{left:.1}Z{marks}\" fill=\"none\" \
             stroke=\"{}\"/>",
            sheet.ink(Ink::Axis)
        );
        let middle = f64::midpoint(left, right);
        sheet.text(out, (middle, height - 9.0), "middle", Size::Large, &self.x.label);
        let middle = f64::midpoint(top, bottom);
        sheet.upwards(out, (15.0, middle), "middle", Size::Large, &self.y.label);
    }

    /// The marker that tells a line apart without colour, 0 for none: where dashes are not all different.
    fn sparse_marker(&self, style: Style) -> usize {
        let lines = || {
            self.first_facet()
                .filter(|series| self.alone(series) && series.style.line && !series.x.is_empty())
                .map(|series| series.style)
        };
        let told = |a: Style, b: Style| a.color == b.color || a.dash != b.dash;
        let ambiguous = lines().any(|a| lines().any(|b| !told(a, b)));
        if ambiguous && style.line && style.tone == Tone::Palette { style.color % 4 + 1 } else { 0 }
    }

    /// True for the lines of single runs, and where nothing is of runs; not for fits through points.
    fn alone(&self, series: &Series) -> bool {
        series.run.map_or(self.runs.is_none(), |run| run.temperature.is_some())
    }

    fn sparse_markers(&self, sheet: Sheet, plot: &Plot, out: &mut String) {
        for (number, series) in self.first_facet().enumerate() {
            let kind = self.sparse_marker(series.style);
            if kind == 0 || !self.alone(series) || series.style.marker > 0 {
                continue;
            }
            let points: Vec<(f64, f64)> =
                series.x.iter().zip(&series.y).filter_map(|(x, y)| plot.at(*x, *y)).collect();
            // evenly over the width, shifted from line to line
            let gap = (plot.right - plot.left) / 6.0;
            let mut next = plot.left + gap * (0.3 + 0.17 * (number % 4) as f64);
            for (x, y) in points {
                if x >= next {
                    next += gap * ((x - next) / gap + 1.0).floor();
                    mark(series.style, kind, sheet, (x, y), out);
                }
            }
        }
    }
}

/// True when the texts of an axis would touch.
fn crowded(plot: &Plot, ticks: &Ticks) -> bool {
    ticks.major.windows(2).any(|pair| {
        let half = |tick: &(f64, String)| 0.5 * Size::Small.width(&tick.1);
        plot.across(pair[0].0) + half(&pair[0]) + 9.0 > plot.across(pair[1].0) - half(&pair[1])
    })
}

/// A place inside the axes where the legend hides nothing.
fn corner(entries: &[Entry], plot: &Plot, drawn: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (width, height) = legend::column_size(entries);
    let (across, down) = (plot.right - plot.left, plot.bottom - plot.top);
    if entries.is_empty() || width > 0.62 * across || height > 0.62 * down {
        return None;
    }
    let (left, right) = (plot.left + 12.0, plot.right - 12.0 - width);
    let (top, bottom) = (plot.top + 10.0, plot.bottom - 10.0 - height);
    let free = |(x, y): &(f64, f64)| {
        let hidden = |(px, py): &(f64, f64)| {
            *px > x - CLEAR
                && *px < x + width + CLEAR
                && *py > y - CLEAR
                && *py < y + height + CLEAR
        };
        !drawn.iter().any(hidden)
    };
    let between = |a: f64, b: f64, k: u32| a + (b - a) * f64::from(k) / 4.0;
    let corners = [(right, top), (left, top), (right, bottom), (left, bottom)];
    let elsewhere = (0..5)
        .flat_map(|k| (0..5).map(move |l| (between(right, left, k), between(top, bottom, l))));
    corners.into_iter().chain(elsewhere).find(free)
}

pub(super) fn ink_of(style: Style) -> Ink {
    match style.tone {
        Tone::Guide => Ink::Guide,
        Tone::Ink => Ink::Text,
        Tone::Palette => Ink::Series(style.color),
    }
}

/// Inside of a marker: measurements are solid, what was computed is open.
pub(super) fn fill_of(style: Style) -> Ink {
    if style.tone == Tone::Ink { Ink::Text } else { Ink::Ground }
}

/// Draws a series and adds the places it covers.
fn draw(series: &Series, sheet: Sheet, plot: &Plot, drawn: &mut Vec<(f64, f64)>, out: &mut String) {
    let style = series.style;
    let color = sheet.ink(ink_of(style));
    let ends = || series.x.iter().zip(series.low.iter().zip(&series.high));
    if style.band {
        let high = ends().filter_map(|(x, (_, high))| plot.at(*x, *high));
        let usable =
            ends().filter(|(x, (low, high))| plot.at(**x, **high).is_some() && low.is_finite());
        let low = usable.map(|(x, (low, _))| (plot.across(*x), plot.floor(*low))).rev();
        let outline: Vec<(f64, f64)> = high.chain(low).collect();
        if outline.len() > 2 {
            let _ = write!(
                out,
                "<path d=\"{}Z\" fill=\"{color}\" opacity=\"0.16\"/>",
                path_of(outline.iter().map(|place| Some(*place)))
            );
            drawn.extend(dense(&outline));
        }
    } else if series.low.len() == series.x.len() {
        let mut bars = String::new();
        for (x, (low, high)) in ends() {
            let Some((x, high)) = plot.at(*x, *high).filter(|_| low.is_finite()) else { continue };
            let low = plot.floor(*low);
            let _ = write!(
                bars,
                "M{x:.1} {low:.1}V{high:.1}M{:.1} {high:.1}h7M{:.1} {low:.1}h7",
                x - 3.5,
                x - 3.5
            );
            drawn.extend(dense(&[(x, low), (x, high)]));
        }
        if !bars.is_empty() {
            let _ = write!(
                out,
                "<path d=\"{bars}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.3\"/>"
            );
        }
    }
    if style.line {
        let most = if sheet.paper { usize::MAX } else { VERTICES };
        let kept = sparse(series.x.len().min(series.y.len()), most, false);
        let places: Vec<Option<(f64, f64)>> =
            kept.into_iter().map(|k| plot.at(series.x[k], series.y[k])).collect();
        for run in places.split(Option::is_none) {
            drawn.extend(dense(&run.iter().flatten().copied().collect::<Vec<_>>()));
        }
        let width = if style.tone == Tone::Guide { 1.2 } else { 1.7 };
        let _ = write!(
            out,
            "<path d=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" \
             stroke-linejoin=\"round\"{}/>",
            path_of(places.into_iter()),
            dashes(style.dash)
        );
    }
    if style.marker > 0 {
        for (x, y) in series.x.iter().zip(&series.y) {
            let Some((x, y)) = plot.at(*x, *y) else { continue };
            if series.bound {
                let _ = write!(
                    out,
                    "<path d=\"M-5 0H5M0 0V14M-4 9L0 14L4 9\" fill=\"none\" stroke=\"{color}\" \
                     stroke-width=\"1.7\" transform=\"translate({x:.1} {y:.1})\"/>"
                );
                drawn.push((x, y + 14.0));
            } else {
                mark(style, style.marker, sheet, (x, y), out);
            }
            drawn.extend([(x, y), (x - 5.0, y - 5.0), (x + 5.0, y + 5.0)]);
        }
    }
}

fn mark(style: Style, kind: usize, sheet: Sheet, (x, y): (f64, f64), out: &mut String) {
    let _ = write!(
        out,
        "<path d=\"{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"1.6\" \
         transform=\"translate({x:.1} {y:.1})\"/>",
        marker(kind),
        sheet.ink(fill_of(style)),
        sheet.ink(ink_of(style))
    );
}

/// A path through places, interrupted where there is none.
fn path_of(places: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut path = String::new();
    let mut pen = false;
    for place in places {
        if let Some((x, y)) = place {
            let letter = if pen { 'L' } else { 'M' };
            let _ = write!(path, "{letter}{x:.1} {y:.1}");
        }
        pen = place.is_some();
    }
    path
}

/// Places along a line, a few units apart.
fn dense(line: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut out = line.to_vec();
    for pair in line.windows(2) {
        let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let parts = (dx.hypot(dy) / 4.0).ceil().clamp(1.0, 500.0) as usize;
        for part in 1..parts {
            let share = part as f64 / parts as f64;
            out.push((pair[0].0 + share * dx, pair[0].1 + share * dy));
        }
    }
    out
}

/// The attribute of a dash.
pub(super) fn dashes(dash: usize) -> &'static str {
    ["", " stroke-dasharray=\"7 4\"", " stroke-dasharray=\"2 3\"", " stroke-dasharray=\"8 3 2 3\""]
        [dash % 4]
}

pub(super) fn marker(kind: usize) -> &'static str {
    match kind {
        2 => "M-4 -4H4V4H-4Z",
        3 => "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
        4 => "M0 -5L5 4H-5Z",
        _ => "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0 -4.5 0Z",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legend_goes_below_where_data_fills_the_plot() {
        let mut figure = Figure::new("f", "f", "");
        let of = |label: &str, sign: f64| Series {
            label: label.into(),
            style: Style { line: true, ..Style::default() },
            x: (0..500).map(f64::from).collect(),
            y: (0..500).map(|k| sign * f64::from(k % 2)).collect(),
            ..Series::default()
        };
        figure.series = vec![of("up", 1.0), of("down", -1.0)];
        let sheet = Sheet::paper(120.0);
        let height = |svg: &str| -> f64 {
            let start = svg.find("height=\"").expect("a height") + 8;
            svg[start..].split("mm").next().and_then(|x| x.parse().ok()).expect("mm")
        };
        let full = height(&figure.svg(sheet));
        figure.series = vec![
            Series { x: vec![0.0, 1.0], y: vec![0.0, 1.0], ..of("up", 1.0) },
            Series { x: vec![0.0, 1.0], y: vec![0.1, 1.1], ..of("down", 1.0) },
        ];
        assert!(full > height(&figure.svg(sheet)) + 2.0);
    }

    #[test]
    fn paper_has_no_style_of_a_page() {
        let mut figure = Figure::new("f", "f", "");
        figure.marks.push((0.5, "here".into()));
        figure.series.push(Series {
            label: "s".into(),
            style: Style { line: true, band: true, ..Style::default() },
            x: vec![0.0, 1.0],
            y: vec![1.0, 2.0],
            low: vec![0.5, 1.5],
            high: vec![1.5, 2.5],
            ..Series::default()
        });
        let svg = figure.svg(Sheet::paper(85.0));
        for page in ["var(", "class=", "<style"] {
            assert!(!svg.contains(page), "{page} in {svg}");
        }
        assert!(svg.contains("width=\"85.000mm\""), "{svg}");
    }
}

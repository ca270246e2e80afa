//! Charts: one data object, drawn as static SVG here and made interactive by `chart.js`.

use super::html::escape;
use serde::{Serialize, Serializer};
use std::fmt::Write as _;

/// One chart.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    /// Element id and file name of exports.
    pub(super) id: String,
    pub(super) title: String,
    /// HTML below the chart.
    #[serde(skip)]
    pub(super) caption: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// The x axis is 1000/T; a second axis on top shows T [K].
    pub(super) reciprocal: bool,
    /// Name of the selector that picks one facet, shared by the figures of a group.
    pub(super) group: String,
    /// Facets in selector order; empty when everything is shown at once.
    pub(super) facets: Vec<String>,
    /// Vertical marks: position and text.
    pub(super) marks: Vec<(f64, String)>,
    pub(super) series: Vec<Series>,
}

/// One axis.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) log: bool,
}

/// One line, set of points or band.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Series {
    pub(super) label: String,
    /// Index into the facets; `None` is shown in all.
    pub(super) facet: Option<usize>,
    pub(super) style: Style,
    #[serde(serialize_with = "short")]
    pub(super) x: Vec<f64>,
    #[serde(serialize_with = "short")]
    pub(super) y: Vec<f64>,
    /// Lower and upper ends of error bars or of the band, or empty.
    #[serde(serialize_with = "short")]
    pub(super) low: Vec<f64>,
    #[serde(serialize_with = "short")]
    pub(super) high: Vec<f64>,
    /// `y` holds upper bounds.
    pub(super) bound: bool,
    /// Shown with the values when hovered.
    pub(super) note: String,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Style {
    /// Index into the palette (seven Okabe–Ito colours).
    pub(super) color: usize,
    /// 0 solid, 1 dashed, 2 dotted, 3 dash-dotted.
    pub(super) dash: usize,
    pub(super) line: bool,
    /// 1 circle, 2 square, 3 diamond, 4 triangle; 0 none.
    pub(super) marker: usize,
    /// Fill between `low` and `high`.
    pub(super) band: bool,
    /// A guide for the eye: thin, grey, without influence on the axes.
    pub(super) guide: bool,
}

/// Numbers with at most seven significant digits; what is not finite becomes null.
fn short<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| {
        value.is_finite().then(|| format!("{value:.6e}").parse::<f64>().unwrap_or(*value))
    }))
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 50.0;

struct Plot {
    x: (f64, f64),
    y: (f64, f64),
    log: (bool, bool),
    top: f64,
}

impl Plot {
    fn place_x(&self, x: f64) -> f64 {
        LEFT + fraction(x, self.x, self.log.0) * (WIDTH - LEFT - RIGHT)
    }
    fn place_y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - fraction(y, self.y, self.log.1) * (HEIGHT - BOTTOM - self.top)
    }
}

impl Figure {
    /// Series of the first facet and those of all facets.
    fn first_facet(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| series.facet.is_none_or(|facet| facet == 0))
    }

    /// True when the chart would be empty.
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.x.is_empty())
    }

    /// The chart of the first facet as an SVG element with a legend below.
    pub(super) fn svg(&self) -> String {
        let plot = self.plot();
        let mut out = format!(
            "<svg class=\"static\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(&self.title)
        );
        self.axes(&plot, &mut out);
        let _ = write!(
            out,
            "<clipPath id=\"clip-{}\"><rect x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\
             </clipPath><g clip-path=\"url(#clip-{})\">",
            self.id,
            plot.top,
            WIDTH - LEFT - RIGHT,
            HEIGHT - BOTTOM - plot.top,
            self.id
        );
        for series in self.first_facet() {
            draw(series, &plot, &mut out);
        }
        out.push_str("</g></svg>");
        out.push_str(&self.legend());
        out
    }

    /// The chart of the first facet as an SVG file of its own, with its legend.
    pub(super) fn file(&self) -> String {
        let still = self.svg();
        let end = still.find("</svg>").unwrap_or(still.len());
        let inner = still[..end].find('>').map_or("", |start| &still[start + 1..end]);
        let mut labels: Vec<(&str, Style)> = Vec::new();
        for series in self.first_facet() {
            if !series.label.is_empty() && labels.iter().all(|(label, _)| *label != series.label) {
                labels.push((&series.label, series.style));
            }
        }
        let mut legend = String::new();
        for (row, (label, style)) in labels.iter().enumerate() {
            let y = HEIGHT + 4.0 + 18.0 * row as f64;
            let _ = write!(
                legend,
                "<g transform=\"translate({LEFT} {y})\">{}</g>\
                 <text class=\"tick\" x=\"{}\" y=\"{}\">{}</text>",
                key(*style),
                LEFT + 36.0,
                y + 10.0,
                escape(label)
            );
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\">\
             <title>{}</title><style>{}\ntext {{ font-family: sans-serif; }}</style>\
             <rect width=\"100%\" height=\"100%\" fill=\"var(--card)\"/>{inner}{legend}</svg>\n",
            HEIGHT + 10.0 + 18.0 * labels.len() as f64,
            escape(&self.title),
            include_str!("style.css").replace('<', "&lt;").replace('>', "&gt;"),
        )
    }

    fn plot(&self) -> Plot {
        let log = (self.x.log, self.y.log);
        let shown = || self.first_facet().filter(|series| !series.style.guide);
        let mut x = range(shown().flat_map(|s| s.x.iter().copied()), log.0, 0.0);
        // curves fill the width, single points are drawn whole
        if !log.0 && shown().all(|series| series.x.len() < 2) {
            let margin = POINT_MARGIN * (x.1 - x.0);
            x = (x.0 - margin, x.1 + margin);
        }
        let y = range(
            shown().flat_map(|s| s.y.iter().chain(&s.low).chain(&s.high).copied()),
            log.1,
            0.06,
        );
        Plot { x, y, log, top: if self.reciprocal { 44.0 } else { 14.0 } }
    }

    fn axes(&self, plot: &Plot, out: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in ticks(plot.x, plot.log.0) {
            let x = plot.place_x(tick);
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {:.1}V{bottom}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                plot.top,
                bottom + 18.0,
                tick_text(tick, wide(plot.x, plot.log.0))
            );
        }
        for tick in ticks(plot.y, plot.log.1) {
            let y = plot.place_y(tick);
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                tick_text(tick, wide(plot.y, plot.log.1))
            );
        }
        if self.reciprocal {
            let mut last = f64::NEG_INFINITY;
            for kelvin in [1200.0, 1000.0, 800.0, 700.0, 600.0, 500.0, 400.0, 350.0, 300.0, 250.0] {
                let x = plot.place_x(1000.0 / kelvin);
                if x < LEFT - 1.0 || x > right + 1.0 || x - last < 40.0 {
                    continue;
                }
                last = x;
                let _ = write!(
                    out,
                    "<path class=\"axis\" d=\"M{x:.1} {:.1}v-5\"/><text class=\"tick\" \
                     x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{kelvin} K</text>",
                    plot.top,
                    plot.top - 10.0
                );
            }
        }
        for (mark, _) in &self.marks {
            let x = plot.place_x(*mark);
            let _ = write!(out, "<path class=\"mark\" d=\"M{x:.1} {:.1}V{bottom}\"/>", plot.top);
        }
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {:.1}V{bottom}H{right}\"/>\
             <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"label\" transform=\"translate(16 {:.1}) rotate(-90)\" \
             text-anchor=\"middle\">{}</text>",
            plot.top,
            f64::midpoint(LEFT, right),
            HEIGHT - 10.0,
            escape(&self.x.label),
            f64::midpoint(plot.top, bottom),
            escape(&self.y.label)
        );
    }

    fn legend(&self) -> String {
        let mut out = String::from("<ul class=\"legend\">");
        let mut seen: Vec<&str> = Vec::new();
        for series in self.first_facet() {
            if series.label.is_empty() || seen.contains(&series.label.as_str()) {
                continue;
            }
            seen.push(&series.label);
            let same = self.first_facet().filter(|other| other.label == series.label);
            let style = same.fold(series.style, |all, other| Style {
                line: all.line || other.style.line,
                band: all.band || other.style.band,
                dash: all.dash.max(other.style.dash),
                ..all
            });
            let _ = write!(
                out,
                "<li><svg viewBox=\"0 0 28 12\" aria-hidden=\"true\">{}</svg>{}</li>",
                key(style),
                escape(&series.label)
            );
        }
        out.push_str("</ul>");
        if seen.len() < 2 { String::new() } else { out }
    }
}

/// Least and greatest of each bucket, so that spikes stay visible: at most `limit` points.
pub(super) fn decimate(x: &[f64], y: &[f64], limit: usize) -> (Vec<f64>, Vec<f64>) {
    let count = x.len().min(y.len());
    if count <= limit || limit < 4 {
        return (x[..count].to_vec(), y[..count].to_vec());
    }
    let buckets = (limit - 2) / 2;
    let mut keep = vec![0];
    for bucket in 0..buckets {
        let (from, to) = (bucket * count / buckets, (bucket + 1) * count / buckets);
        let least = (from..to).min_by(|a, b| y[*a].total_cmp(&y[*b]));
        let greatest = (from..to).max_by(|a, b| y[*a].total_cmp(&y[*b]));
        let mut pair: Vec<usize> = least.into_iter().chain(greatest).collect();
        pair.sort_unstable();
        keep.extend(pair);
    }
    keep.push(count - 1);
    keep.dedup();
    (keep.iter().map(|i| x[*i]).collect(), keep.iter().map(|i| y[*i]).collect())
}

/// At most `limit` indices of `0..count`, spread evenly or (for `log`) evenly in the logarithm.
pub(super) fn sparse(count: usize, limit: usize, log: bool) -> Vec<usize> {
    if count <= limit || limit < 2 {
        return (0..count).collect();
    }
    let last = (count - 1) as f64;
    let mut indices: Vec<usize> = (0..limit)
        .map(|step| {
            let t = step as f64 / (limit - 1) as f64;
            let place = if log { (last + 1.0).powf(t) - 1.0 } else { last * t };
            place.round() as usize
        })
        .collect();
    indices.dedup();
    indices
}

fn draw(series: &Series, plot: &Plot, out: &mut String) {
    let style = series.style;
    let color = format!("var(--c{})", style.color % 7);
    let usable = |x: f64, y: f64| {
        x.is_finite() && y.is_finite() && (!plot.log.0 || x > 0.0) && (!plot.log.1 || y > 0.0)
    };
    if style.band {
        let mut path = String::new();
        let forth = series.x.iter().zip(&series.high);
        let back = series.x.iter().zip(&series.low).rev();
        for (x, y) in forth.chain(back).filter(|(x, y)| usable(**x, **y)) {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", plot.place_x(*x), plot.place_y(*y));
        }
        let _ = write!(out, "<path d=\"{path}Z\" fill=\"{color}\" opacity=\"0.16\"/>");
    } else if series.low.len() == series.x.len() {
        for (x, (low, high)) in series.x.iter().zip(series.low.iter().zip(&series.high)) {
            let low = if plot.log.1 && *low <= 0.0 { plot.y.0 } else { *low };
            if usable(*x, *high) {
                let _ = write!(
                    out,
                    "<path d=\"M{0:.1} {1:.1}V{2:.1}\" stroke=\"{color}\" stroke-width=\"1.4\"/>",
                    plot.place_x(*x),
                    plot.place_y(low),
                    plot.place_y(*high)
                );
            }
        }
    }
    if style.line {
        let mut path = String::new();
        for index in sparse(series.x.len(), 300, false) {
            let (x, y) = (series.x[index], series.y[index]);
            if usable(x, y) {
                let letter = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{:.1} {:.1}", plot.place_x(x), plot.place_y(y));
            }
        }
        let stroke = if style.guide { "var(--guide)" } else { &color };
        let _ = write!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.6\" \
             stroke-dasharray=\"{}\"/>",
            dashes(style.dash)
        );
    }
    if style.marker > 0 {
        for (x, y) in series.x.iter().zip(&series.y).filter(|(x, y)| usable(**x, **y)) {
            let (x, y) = (plot.place_x(*x), plot.place_y(*y));
            let _ = write!(
                out,
                "<path d=\"{}\" fill=\"{}\" stroke=\"{color}\" stroke-width=\"1.6\" \
                 transform=\"translate({x:.1} {y:.1})\"/>",
                if series.bound { "M-5 0H5M0 0V14M-4 9L0 14L4 9" } else { marker(style.marker) },
                if series.bound { "none" } else { "var(--card)" }
            );
        }
    }
}

fn key(style: Style) -> String {
    let color = if style.guide {
        "var(--guide)".to_owned()
    } else {
        format!("var(--c{})", style.color % 7)
    };
    let mut out = String::new();
    if style.band {
        let _ = write!(out, "<rect width=\"28\" height=\"12\" fill=\"{color}\" opacity=\"0.2\"/>");
    }
    if style.line {
        let _ = write!(
            out,
            "<path d=\"M0 6H28\" stroke=\"{color}\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>",
            dashes(style.dash)
        );
    }
    if style.marker > 0 {
        let _ = write!(
            out,
            "<path d=\"{}\" transform=\"translate(14 6)\" fill=\"var(--card)\" \
             stroke=\"{color}\" stroke-width=\"1.6\"/>",
            marker(style.marker)
        );
    }
    out
}

fn dashes(dash: usize) -> &'static str {
    ["", "7 4", "2 3", "8 3 2 3"][dash % 4]
}

fn marker(kind: usize) -> &'static str {
    match kind {
        2 => "M-4 -4H4V4H-4Z",
        3 => "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
        4 => "M0 -5L5 4H-5Z",
        _ => "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0 -4.5 0Z",
    }
}

fn fraction(value: f64, (low, high): (f64, f64), log: bool) -> f64 {
    if log {
        (value.max(f64::MIN_POSITIVE) / low).ln() / (high / low).ln()
    } else {
        (value - low) / (high - low)
    }
}

/// Share of the width on either side of single points.
const POINT_MARGIN: f64 = 0.04;

/// Least and greatest usable value, padded by a share of the span; never empty.
fn range(values: impl Iterator<Item = f64>, log: bool, pad: f64) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite() && (!log || *value > 0.0)) {
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return if log { (0.1, 10.0) } else { (0.0, 1.0) };
    }
    if log {
        let margin = ((high / low).ln() * pad).max(if high > low { 0.0 } else { 0.5 });
        return (low * (-margin).exp(), high * margin.exp());
    }
    let span = if high > low { (high - low) * pad } else { high.abs().max(1.0) * 0.1 };
    let floor = if low >= 0.0 && low < 0.1 * high { 0.0 } else { low - span };
    (floor, high + span)
}

fn ticks((low, high): (f64, f64), log: bool) -> Vec<f64> {
    if log {
        let (first, last) = (low.log10().ceil() as i32, high.log10().floor() as i32);
        if last - first >= 1 {
            let stride = ((last - first) / 7 + 1) as usize;
            return (first..=last).step_by(stride).map(|power| 10f64.powi(power)).collect();
        }
        let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
        return powers
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
            .filter(|tick| (low..=high).contains(tick))
            .collect();
    }
    let raw = (high - low) / 6.0;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= raw).unwrap_or(10.0) * power;
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|index| index as f64 * step).collect()
}

/// True for a logarithmic axis so wide that powers of ten read best.
fn wide((low, high): (f64, f64), log: bool) -> bool {
    log && (low < 0.0099 || high > 2000.0)
}

fn tick_text(value: f64, powers: bool) -> String {
    if powers && value > 0.0 {
        let power = value.log10().floor() as i32;
        let digit = (value / 10f64.powi(power)).round();
        return match (digit > 1.0, power) {
            (false, 0) => "1".to_owned(),
            (false, _) => format!("10{}", super::number::superscript(power)),
            (true, _) => format!("{digit}·10{}", super::number::superscript(power)),
        };
    }
    if value.abs() >= 1e5 {
        return super::number::plain_or_power(value, 1);
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(series: Series) -> Figure {
        Figure {
            id: "f".into(),
            title: "a < b".into(),
            caption: String::new(),
            x: Axis { label: "x".into(), log: false },
            y: Axis { label: "y".into(), log: true },
            reciprocal: false,
            group: String::new(),
            facets: Vec::new(),
            marks: Vec::new(),
            series: vec![series],
        }
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        assert_eq!(ticks((0.0, 10.3), false), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks((0.05, 200.0), true), [0.1, 1.0, 10.0, 100.0]);
        assert_eq!(tick_text(1e-5, true), "10⁻⁵");
        assert_eq!(tick_text(2e3, true), "2·10³");
        assert_eq!(tick_text(-0.2, false), "−0.2");
    }

    #[test]
    fn decimation_keeps_ends_and_spikes() {
        let x: Vec<f64> = (0..10_000).map(f64::from).collect();
        let mut y = vec![0.0; 10_000];
        y[7321] = 99.0;
        let (kept, values) = decimate(&x, &y, 500);
        assert!(kept.len() <= 500, "{}", kept.len());
        assert!(values.contains(&99.0));
        assert!(kept[0] < 0.5 && kept[kept.len() - 1] > 9998.5);
        assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn numbers_that_cannot_be_drawn_leave_a_gap_and_no_nan() {
        let style = Style { line: true, marker: 1, ..Style::default() };
        let svg = figure(Series {
            label: "s".into(),
            style,
            x: vec![0.0, 1.0, 2.0],
            y: vec![1.0, f64::NAN, -3.0],
            ..Series::default()
        })
        .svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("aria-label=\"a &lt; b\""));
        assert!(figure(Series::default()).svg().contains("</svg>"));
    }
}

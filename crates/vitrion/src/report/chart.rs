//! Charts: one data object for the page, for paper and for spreadsheets.
//!
//! A chart is drawn as a still picture here, on a page or on paper ([`sheet`]), and made interactive by `chart.js`, which reads the
//! same data from the page.

mod axes;
mod draw;
mod legend;
mod points;
mod sheet;

pub(super) use axes::Scale;
pub(super) use points::{decimate, sparse};
pub(super) use sheet::{FONT, Ink, Sheet, Size};

use super::bars::Bars;
use super::heat_map::HeatMap;
use super::html::escape;
use serde::{Serialize, Serializer};
use std::fmt::Write as _;

/// A chart of any kind.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Chart {
    Lines(Figure),
    Bars(Bars),
    HeatMap(HeatMap),
}

/// Lines, points and bands.
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
    /// Names of what the tags of series count; none where series are not of runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runs: Option<Runs>,
    #[serde(skip)]
    pub(super) paper: Paper,
    pub(super) series: Vec<Series>,
}

/// Which parts of a chart are drawn on paper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Paper {
    /// The first facet.
    First,
    #[default]
    Facets,
    /// Facets, and the systems at each temperature that they share.
    Compared,
}

/// The runs of a results folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Runs {
    pub(super) systems: Vec<String>,
    /// Ascending [K].
    pub(super) temperatures: Vec<f64>,
}

/// The run that numbers come from: indices into [`Runs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct RunTag {
    pub(super) system: usize,
    /// None for numbers of a whole system, and for runs without a temperature.
    pub(super) temperature: Option<usize>,
}

/// One axis.
#[derive(Debug, Clone, Default, Serialize)]
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
    pub(super) run: Option<RunTag>,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
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
    pub(super) tone: Tone,
    /// A bar, and how pale: 1 full, then paler; 0 no bar. For legends.
    #[serde(skip)]
    pub(super) bar: usize,
}

/// Where the colour of a series comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tone {
    #[default]
    Palette,
    /// That of text: measurements that were laid over.
    Ink,
    /// A guide for the eye: thin, grey, without influence on the axes.
    Guide,
}

/// Numbers with at most seven significant digits; what is not finite becomes null.
pub(super) fn short<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| seven_digits(*value)))
}

/// A number with at most seven significant digits.
pub(super) fn seven_digits(value: f64) -> Option<f64> {
    value.is_finite().then(|| format!("{value:.6e}").parse::<f64>().unwrap_or(value))
}

impl Chart {
    pub(super) fn id(&self) -> &str {
        match self {
            Chart::Lines(chart) => &chart.id,
            Chart::Bars(chart) => &chart.id,
            Chart::HeatMap(chart) => &chart.id,
        }
    }

    fn id_mut(&mut self) -> &mut String {
        match self {
            Chart::Lines(chart) => &mut chart.id,
            Chart::Bars(chart) => &mut chart.id,
            Chart::HeatMap(chart) => &mut chart.id,
        }
    }

    pub(super) fn title(&self) -> &str {
        match self {
            Chart::Lines(chart) => &chart.title,
            Chart::Bars(chart) => &chart.title,
            Chart::HeatMap(chart) => &chart.title,
        }
    }

    /// HTML below the chart.
    pub(super) fn caption(&self) -> &str {
        match self {
            Chart::Lines(chart) => &chart.caption,
            Chart::Bars(_) | Chart::HeatMap(_) => "",
        }
    }

    /// Facets in selector order, and the name of the selector.
    pub(super) fn facets(&self) -> (&[String], &str) {
        match self {
            Chart::Lines(chart) => (&chart.facets, &chart.group),
            Chart::Bars(_) | Chart::HeatMap(_) => (&[], ""),
        }
    }

    /// The chart in its card, with the still that scripts replace.
    pub(super) fn html(&self) -> String {
        let caption = match self.caption() {
            "" => String::new(),
            caption => format!("<figcaption>{caption}</figcaption>"),
        };
        format!(
            "<figure class=\"chart card\"><h3>{}</h3><div class=\"plot\" data-figure=\"{}\">{}</div>\
             {caption}</figure>",
            escape(self.title()),
            escape(self.id()),
            self.svg(Sheet::PAGE)
        )
    }

    /// The chart, of the first facet where it has some.
    pub(super) fn svg(&self, sheet: Sheet) -> String {
        match self {
            Chart::Lines(chart) => chart.svg(sheet),
            Chart::Bars(chart) => chart.svg(sheet),
            Chart::HeatMap(chart) => chart.svg(sheet),
        }
    }

    /// All numbers, of all facets.
    pub(super) fn csv(&self) -> String {
        match self {
            Chart::Lines(chart) => chart.csv(),
            Chart::Bars(chart) => chart.csv(),
            Chart::HeatMap(chart) => chart.csv(),
        }
    }
}

impl From<Figure> for Chart {
    fn from(chart: Figure) -> Self {
        Chart::Lines(chart)
    }
}

impl From<Bars> for Chart {
    fn from(chart: Bars) -> Self {
        Chart::Bars(chart)
    }
}

impl From<HeatMap> for Chart {
    fn from(chart: HeatMap) -> Self {
        Chart::HeatMap(chart)
    }
}

/// Makes the ids of the charts of a page safe as file names and different from each other.
pub(super) fn distinct<'a>(charts: impl IntoIterator<Item = &'a mut Chart>) {
    let mut known = std::collections::BTreeSet::new();
    for chart in charts {
        let id = free_name(&safe_name(chart.id()), &mut known);
        *chart.id_mut() = id;
    }
}

/// A name, numbered if it is taken. Names that differ in case alone are the same file on some machines.
pub(super) fn free_name(name: &str, known: &mut std::collections::BTreeSet<String>) -> String {
    let mut out = name.to_owned();
    let mut number = 2;
    while !known.insert(out.to_lowercase()) {
        out = format!("{name}-{number}");
        number += 1;
    }
    out
}

/// A text as part of a file name: letters, digits, `-` and `_`.
pub(super) fn safe_name(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            'α' => out.push_str("alpha"),
            'β' => out.push_str("beta"),
            'γ' => out.push_str("gamma"),
            c if c.is_ascii_alphanumeric() || c == '_' => out.push(c),
            _ if !out.ends_with('-') && !out.is_empty() => out.push('-'),
            _ => {}
        }
    }
    out.truncate(80);
    let out = out.trim_end_matches('-');
    if out.is_empty() { "chart".to_owned() } else { out.to_owned() }
}

impl Figure {
    /// An empty chart.
    pub(super) fn new(id: &str, title: &str, group: &str) -> Self {
        Figure {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: String::new(),
            x: Axis::default(),
            y: Axis::default(),
            reciprocal: false,
            group: group.to_owned(),
            facets: Vec::new(),
            marks: Vec::new(),
            runs: None,
            paper: Paper::default(),
            series: Vec::new(),
        }
    }

    /// True when the chart would be empty.
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.x.is_empty())
    }

    /// What is seen of the chart when it opens.
    fn first_facet(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| series.facet.is_none_or(|facet| facet == 0))
    }

    /// One facet as a chart of its own.
    pub(super) fn facet(&self, number: usize) -> Figure {
        let shown = |series: &&Series| series.facet.is_none_or(|facet| facet == number);
        let series = self.series.iter().filter(shown).cloned();
        Figure {
            title: match self.facets.get(number) {
                Some(facet) if self.facets.len() > 1 => format!("{}, {facet}", self.title),
                _ => self.title.clone(),
            },
            facets: Vec::new(),
            series: series.map(|series| Series { facet: None, ..series }).collect(),
            ..self.clone()
        }
    }

    /// The temperatures that runs of more than one system share in this chart.
    pub(super) fn shared_temperatures(&self) -> Vec<usize> {
        let Some(runs) = &self.runs else { return Vec::new() };
        let has = |system: usize, temperature: usize| {
            let tag = RunTag { system, temperature: Some(temperature) };
            self.series.iter().any(|series| series.run == Some(tag))
        };
        let shared = |temperature: &usize| {
            (0..runs.systems.len()).filter(|system| has(*system, *temperature)).count() > 1
        };
        (0..runs.temperatures.len()).filter(shared).collect()
    }

    /// The systems at one temperature, a colour for each.
    pub(super) fn at_temperature(&self, number: usize) -> Figure {
        let mut out = self.clone();
        let runs = out.runs.take().unwrap_or_default();
        let here = |series: &Series| {
            series.run.is_none_or(|run| run.temperature.is_none_or(|t| t == number))
        };
        out.series.retain(here);
        if let Some(kelvin) = runs.temperatures.get(number) {
            out.title = format!("{} at {kelvin:.0} K", self.title);
        }
        for series in &mut out.series {
            let Some(run) = series.run else { continue };
            series.style.color = run.system;
            series.style.dash = run.system;
            if let (Some(name), Some(_)) = (runs.systems.get(run.system), run.temperature) {
                series.label.clone_from(name);
            }
        }
        out
    }

    /// A drawing of this title and height with the legend below it, on a page as HTML.
    pub(super) fn around(&self, sheet: Sheet, body: &str, height: f64) -> String {
        if !sheet.paper {
            return format!("{}{body}</svg>{}", sheet.open(&self.title, height), self.legend());
        }
        let mut below = String::new();
        let span = (16.0, sheet.width - 8.0);
        let rows = legend::columns(sheet, &self.entries(), span, height, &mut below);
        let all = height + rows + if rows > 0.0 { 4.0 } else { 0.0 };
        format!("{}{body}{below}</svg>\n", sheet.open(&self.title, all))
    }

    fn csv(&self) -> String {
        let facet = if self.facets.is_empty() { "facet" } else { &self.group };
        let mut out = ["series", facet, "system", "temperature [K]", &self.x.label, &self.y.label]
            .into_iter()
            .chain(["low", "high", "note"])
            .map(quoted)
            .collect::<Vec<_>>()
            .join(",");
        out.push('\n');
        let none = Runs::default();
        let runs = self.runs.as_ref().unwrap_or(&none);
        for series in &self.series {
            let facet = series.facet.and_then(|facet| self.facets.get(facet));
            let system = series.run.and_then(|run| runs.systems.get(run.system));
            let kelvin =
                series.run.and_then(|run| runs.temperatures.get(run.temperature?).copied());
            let note =
                format!("{}{}", if series.bound { "upper bound. " } else { "" }, series.note);
            for (index, x) in series.x.iter().enumerate() {
                let _ = writeln!(
                    out,
                    "{},{},{},{},{},{},{},{},{}",
                    quoted(&series.label),
                    quoted(facet.map_or("", String::as_str)),
                    quoted(system.map_or("", String::as_str)),
                    cell(kelvin),
                    cell(Some(*x)),
                    cell(series.y.get(index).copied()),
                    cell(series.low.get(index).copied()),
                    cell(series.high.get(index).copied()),
                    quoted(&note)
                );
            }
        }
        out
    }
}

/// Of bars that are told apart by how pale they are.
pub(super) fn opacity(shade: usize) -> f64 {
    [1.0, 0.6, 0.35, 0.8][shade % 4]
}

/// A text of comma-separated values.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A number of comma-separated values, empty where there is none.
pub(super) fn cell(value: Option<f64>) -> String {
    value.and_then(seven_digits).map_or_else(String::new, |value| {
        let size = value.abs();
        if size != 0.0 && !(1e-4..1e9).contains(&size) {
            format!("{value:e}")
        } else {
            value.to_string()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(series: Vec<Series>) -> Figure {
        let mut figure = Figure::new("f", "a < b", "");
        figure.y.log = true;
        figure.series = series;
        figure
    }

    #[test]
    fn numbers_that_cannot_be_drawn_leave_a_gap_and_no_nan() {
        let style = Style { line: true, marker: 1, ..Style::default() };
        let series = Series {
            label: "s".into(),
            style,
            x: vec![0.0, 1.0, 2.0],
            y: vec![1.0, f64::NAN, -3.0],
            ..Series::default()
        };
        for sheet in [Sheet::PAGE, Sheet::paper(85.0)] {
            let svg = figure(vec![series.clone()]).svg(sheet);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.contains("a &lt; b"));
            assert!(figure(vec![Series::default()]).svg(sheet).contains("</svg>"));
        }
    }

    #[test]
    fn file_names_are_safe_and_different() {
        for (text, name) in [
            ("../x", "x"),
            ("<script>alert(1)</script>", "script-alert-1-script"),
            ("Li–S", "Li-S"),
            ("β-Li3PS4 · 00 equil", "beta-Li3PS4-00-equil"),
            ("///", "chart"),
            ("", "chart"),
            ("a\0b\nc", "a-b-c"),
        ] {
            assert_eq!(safe_name(text), name);
        }
        let mut charts =
            ["a/b", "a-b", "A-B", "a-b-2"].map(|id| Chart::from(Figure::new(id, "", ""))).to_vec();
        distinct(&mut charts);
        let ids: Vec<&str> = charts.iter().map(Chart::id).collect();
        assert_eq!(ids, ["a-b", "a-b-2", "A-B-3", "a-b-2-2"]);
    }

    #[test]
    fn values_survive_the_way_through_a_spreadsheet_with_seven_digits() {
        let values = [1.234_567_891, -9.876_543_21e-12, 3.0e14, 0.000_123_456_78, 42.0, 0.0];
        let series = Series {
            label: "say \"hi\", Bob".into(),
            x: values.to_vec(),
            y: vec![f64::NAN, 1.0, 2.0, 3.0, 4.0, 5.0],
            ..Series::default()
        };
        let csv = figure(vec![series]).csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 7);
        for (line, value) in lines[1..].iter().zip(values) {
            let rest = line.strip_prefix("\"say \"\"hi\"\", Bob\",\"\",\"\",,").expect("the label");
            let x: f64 = rest.split(',').next().expect("a cell").parse().expect("a number");
            assert!((x - value).abs() <= 5e-7 * value.abs(), "{x} is not {value}");
        }
        assert!(lines[1].contains("1.234568,,,"), "{}", lines[1]);
    }

    #[test]
    fn systems_at_one_temperature_are_told_apart_by_colour() {
        let of = |system, temperature| Series {
            label: format!("{system} {temperature}"),
            run: Some(RunTag { system, temperature: Some(temperature) }),
            x: vec![1.0],
            y: vec![1.0],
            ..Series::default()
        };
        let mut figure = figure(vec![of(0, 0), of(0, 1), of(1, 1)]);
        figure.runs =
            Some(Runs { systems: vec!["A".into(), "B".into()], temperatures: vec![500.0, 600.0] });
        assert_eq!(figure.shared_temperatures(), [1]);
        let hot = figure.at_temperature(1);
        assert_eq!(hot.title, "a < b at 600 K");
        let found: Vec<(&str, usize)> =
            hot.series.iter().map(|s| (s.label.as_str(), s.style.color)).collect();
        assert_eq!(found, [("A", 0), ("B", 1)]);
    }
}

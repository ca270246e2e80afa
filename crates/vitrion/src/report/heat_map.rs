//! Numbers on grids: colour against two axes, a panel for every run.

use super::chart::{
    Axis, Ink, RunTag, Runs, Scale, Sheet, Size, cell, quoted, seven_digits, short,
};
use super::figures::{axis_text, each_analysis, label_of, runs_of};
use super::load::Results;
use super::number::significant;
use super::structural::About;
use crate::render::Color;
use serde::Serialize;
use std::fmt::Write as _;
use vitrion_core::observables::{Map, Observables};

const LEFT: f64 = 62.0;
const RIGHT: f64 = 104.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 46.0;
/// About as wide as half a page, so that text is not made small there.
const ON_PAGE: Sheet = Sheet { width: 520.0, ..Sheet::PAGE };
/// Shades of the scale.
const SHADES: usize = 64;
/// What cells overlap.
const SEAM: f64 = 0.4;
/// Cells along the second axis; finer grids are averaged.
const CELLS: usize = 80;
/// So few abscissae or ordinates are all named.
const FEW: usize = 12;

/// One chart.
#[derive(Debug, Clone, Serialize)]
pub(super) struct HeatMap {
    /// File name of exports.
    pub(super) id: String,
    pub(super) title: String,
    run: Option<RunTag>,
    #[serde(rename = "runs", skip_serializing_if = "Option::is_none")]
    names_of_runs: Option<Runs>,
    x: Axis,
    y: Axis,
    /// What the colour shows.
    z: String,
    /// Where the grid is on a page: left, top, right, bottom, in units of the drawing.
    place: [f64; 4],
    /// Ends of the axes, of an axis of times as logarithms.
    ends: [[f64; 2]; 2],
    #[serde(serialize_with = "short")]
    xs: Vec<f64>,
    #[serde(serialize_with = "short")]
    ys: Vec<f64>,
    /// Borders of the rows.
    #[serde(serialize_with = "short")]
    rows: Vec<f64>,
    #[serde(serialize_with = "short_rows")]
    values: Vec<Vec<f64>>,
}

/// Charts of all runs of a results folder.
pub(super) fn of_runs(results: &Results, about: About) -> Vec<HeatMap> {
    let mut charts = Vec::new();
    let names = runs_of(results);
    each_analysis(results, &mut |(_, tag), run, observables| {
        if About::of(observables) != about {
            return;
        }
        for chart in charts_of(observables, &label_of(run)) {
            charts.push(HeatMap { run: Some(tag), names_of_runs: Some(names.clone()), ..chart });
        }
    });
    charts
}

/// Charts of one analysis.
pub(super) fn of_one(observables: &Observables) -> Vec<HeatMap> {
    charts_of(observables, "")
}

fn charts_of(observables: &Observables, run: &str) -> Vec<HeatMap> {
    let shown = |map: &&Map| map.x.len() > 1 && map.y.len() > 1;
    let chart = |map: &Map| {
        let (run_id, run_title) = if run.is_empty() {
            (String::new(), String::new())
        } else {
            (format!("-{}", run.replace(' ', "-")), format!(" ({run})"))
        };
        let id = format!("{}-{}{run_id}", observables.kind, map.name).replace('_', "-");
        let title = format!("{}, {}{run_title}", observables.title, map.label);
        HeatMap::of(map, id, title)
    };
    observables.maps.iter().filter(shown).map(chart).collect()
}

impl HeatMap {
    fn of(map: &Map, id: String, title: String) -> Self {
        // times span decades
        let log = map.x_axis.label == "lag time" && map.x.iter().all(|x| *x > 0.0);
        let (values, rows) = cells(map);
        let columns = if log {
            edges(&map.x.iter().map(|x| x.ln()).collect::<Vec<f64>>())
        } else {
            edges(&map.x)
        };
        let ends = |edges: &[f64]| [edges[0], edges[edges.len() - 1]];
        HeatMap {
            id,
            title,
            run: None,
            names_of_runs: None,
            x: Axis { label: axis_text(&map.x_axis), log },
            y: Axis { label: axis_text(&map.y_axis), log: false },
            z: axis_text(&map.z_axis),
            place: place(ON_PAGE),
            ends: [ends(&columns), ends(&rows)],
            xs: map.x.clone(),
            ys: map.y.chunks(map.y.len().div_ceil(CELLS)).map(mean).collect(),
            rows,
            values,
        }
    }

    /// Borders of the columns, of times as logarithms.
    fn columns(&self) -> Vec<f64> {
        edges(&self.xs.iter().map(|x| if self.x.log { x.ln() } else { *x }).collect::<Vec<f64>>())
    }

    pub(super) fn svg(&self, sheet: Sheet) -> String {
        let sheet = if sheet.paper { sheet } else { ON_PAGE };
        let scale = ColorScale::of(&self.values);
        let [left, top, right, bottom] = place(sheet);
        let (columns, rows) = (self.columns(), &self.rows);
        let across = |value: f64| {
            left + (right - left) * (value - self.ends[0][0]) / (self.ends[0][1] - self.ends[0][0])
        };
        let up = |value: f64| {
            bottom
                - (bottom - top) * (value - self.ends[1][0]) / (self.ends[1][1] - self.ends[1][0])
        };
        let mut body = format!(
            "<rect x=\"{left}\" y=\"{top}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
            right - left,
            bottom - top,
            color(0.0)
        );
        // one path for each shade; cells overlap a little, so that no viewer shows seams
        let mut shades = vec![String::new(); SHADES];
        for (column, values) in self.values.iter().enumerate() {
            let (from, to) = (across(columns[column]), across(columns[column + 1]));
            let mut row = 0;
            while row < values.len() {
                let shade = scale.shade(values[row]);
                let first = row;
                while row < values.len() && scale.shade(values[row]) == shade {
                    row += 1;
                }
                // what cannot be told from zero is the ground
                let Some(shade) = shade.filter(|shade| *shade > 0) else { continue };
                let (high, low) = (up(rows[row]), up(rows[first]));
                let (wide, tall) = ((to + SEAM).min(right) - from, (low + SEAM).min(bottom) - high);
                let _ =
                    write!(shades[shade], "M{from:.1} {high:.1}h{wide:.1}v{tall:.1}h{:.1}z", -wide);
            }
        }
        for (shade, path) in shades.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let color = color(shade as f64 / (SHADES - 1) as f64);
            let _ = write!(body, "<path d=\"{path}\" fill=\"{color}\"/>");
        }
        self.axes(sheet, &mut body, &across, &up);
        self.scale(sheet, scale, &mut body);
        format!("{}{body}</svg>\n", sheet.open(&self.title, bottom + BOTTOM))
    }

    fn axes(
        &self,
        sheet: Sheet,
        out: &mut String,
        across: &dyn Fn(f64) -> f64,
        up: &dyn Fn(f64) -> f64,
    ) {
        let [left, top, right, bottom] = place(sheet);
        let mut marks = String::new();
        let [[first, last], [low, high]] = self.ends;
        let few = |values: &[f64]| -> Option<Vec<(f64, String)>> {
            let named = |value: &f64| (*value, significant(*value, 2));
            (values.len() <= FEW).then(|| values.iter().map(named).collect())
        };
        let linear = |low, high, want| Scale { low, high, log: false }.ticks(want).major;
        let x_ticks: Vec<(f64, String)> = if self.x.log {
            let times = Scale { low: first.exp(), high: last.exp(), log: true };
            let ticks = times.ticks(6.0).major;
            ticks.into_iter().map(|(value, text)| (value.ln(), text)).collect()
        } else {
            few(&self.xs).unwrap_or_else(|| linear(first, last, 6.0))
        };
        for (value, text) in x_ticks {
            let x = across(value);
            let _ = write!(marks, "M{x:.1} {bottom:.1}v5");
            sheet.text(out, (x, bottom + 17.0), "middle", Size::Small, &text);
        }
        for (value, text) in few(&self.ys).unwrap_or_else(|| linear(low, high, 6.0)) {
            let y = up(value);
            let _ = write!(marks, "M{left:.1} {y:.1}h-5");
            sheet.text(out, (left - 8.0, y + 4.2), "end", Size::Small, &text);
        }
        let _ = write!(
            out,
            "<path d=\"M{left:.1} {top:.1}H{right:.1}V{bottom:.1}H{left:.1}Z{marks}\" fill=\"none\" \
             stroke=\"{}\"/>",
            sheet.ink(Ink::Axis)
        );
        let middle = (f64::midpoint(left, right), bottom + BOTTOM - 9.0);
        sheet.text(out, middle, "middle", Size::Large, &self.x.label);
        let middle = (15.0, f64::midpoint(top, bottom));
        sheet.upwards(out, middle, "middle", Size::Large, &self.y.label);
    }

    /// The numbers of the grid, fine ones averaged as drawn.
    pub(super) fn csv(&self) -> String {
        let labels = [&self.x.label, &self.y.label, &self.z];
        let mut out = labels.map(|label| quoted(label)).join(",");
        out.push('\n');
        for (x, column) in self.xs.iter().zip(&self.values) {
            for (y, z) in self.ys.iter().zip(column) {
                let _ = writeln!(out, "{},{},{}", cell(Some(*x)), cell(Some(*y)), cell(Some(*z)));
            }
        }
        out
    }

    /// The colours and what they mean.
    fn scale(&self, sheet: Sheet, scale: ColorScale, out: &mut String) {
        let [_, top, right, bottom] = place(sheet);
        let left = right + 18.0;
        let height = bottom - top;
        for shade in 0..SHADES {
            let part = shade as f64 / SHADES as f64;
            let _ = write!(
                out,
                "<rect x=\"{left:.1}\" y=\"{:.2}\" width=\"12\" height=\"{:.2}\" fill=\"{}\"/>",
                top + height * (1.0 - part) - height / SHADES as f64,
                height / SHADES as f64 + if shade > 0 { SEAM } else { 0.0 },
                color(shade as f64 / (SHADES - 1) as f64)
            );
        }
        let mut widest: f64 = 0.0;
        for part in [0.0, 0.25, 0.5, 0.75, 1.0_f64] {
            let y = top + height * (1.0 - part) + 4.2;
            let text = significant(scale.value(part), 2);
            sheet.text(out, (left + 17.0, y), "start", Size::Small, &text);
            widest = widest.max(Size::Small.width(&text));
        }
        let middle = (left + 17.0 + widest + 18.0, f64::midpoint(top, bottom));
        sheet.upwards(out, middle, "middle", Size::Large, &self.z);
    }
}

/// Left, top, right and bottom of the grid.
fn place(sheet: Sheet) -> [f64; 4] {
    [LEFT, TOP, sheet.width - RIGHT, 0.62 * sheet.width - BOTTOM]
}

/// Values with at most [`CELLS`] rows, and the edges of the rows.
fn cells(map: &Map) -> (Vec<Vec<f64>>, Vec<f64>) {
    let merged = map.y.len().div_ceil(CELLS);
    let columns = map.z.iter().map(|of| of.chunks(merged).map(mean).collect()).collect();
    let all = edges(&map.y);
    let edge = |row: usize| all[(row * merged).min(map.y.len())];
    (columns, (0..=map.y.len().div_ceil(merged)).map(edge).collect())
}

fn mean(part: &[f64]) -> f64 {
    part.iter().sum::<f64>() / part.len() as f64
}

fn short_rows<S: serde::Serializer>(rows: &[Vec<f64>], serializer: S) -> Result<S::Ok, S::Error> {
    let short = |row: &Vec<f64>| row.iter().map(|value| seven_digits(*value)).collect();
    serializer.collect_seq(rows.iter().map(|row| -> Vec<Option<f64>> { short(row) }))
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
struct ColorScale {
    least: f64,
    most: f64,
}

impl ColorScale {
    fn of(columns: &[Vec<f64>]) -> Self {
        let finite = || columns.iter().flatten().copied().filter(|value| value.is_finite());
        let (least, most) = (finite().fold(f64::INFINITY, f64::min), finite().fold(0.0, f64::max));
        ColorScale { least: if least > 0.1 * most && least < most { least } else { 0.0 }, most }
    }

    fn begins_at_zero(self) -> bool {
        self.least == 0.0
    }

    /// Place of a number on the scale, NaN for what is not known.
    fn part(self, value: f64) -> f64 {
        let part = (value - self.least) / (self.most - self.least);
        if self.begins_at_zero() { part.sqrt() } else { part }
    }

    /// Number of the shade, none for what is not known.
    fn shade(self, value: f64) -> Option<usize> {
        let part = self.part(value);
        let shade = (part * (SHADES - 1) as f64).round();
        part.is_finite().then_some(shade.clamp(0.0, (SHADES - 1) as f64) as usize)
    }

    fn value(self, part: f64) -> f64 {
        let part = if self.begins_at_zero() { part * part } else { part };
        self.least + part * (self.most - self.least)
    }
}

/// Viridis, as `#rrggbb`.
fn color(part: f64) -> String {
    Color::viridis(part).hex()
}

#[cfg(test)]
mod tests {
    use super::super::chart::Chart;
    use super::*;
    use vitrion_core::observables::Axis as Named;

    #[test]
    fn fine_grids_are_averaged_and_titles_escaped() {
        let axis = |label: &str| Named { label: label.into(), unit: String::new() };
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
        let (columns, rows) = cells(&all.maps[0]);
        assert_eq!((columns[0].len(), rows.len()), (67, 68));
        assert!((rows[67] - 200.0).abs() < 1e-12);
        assert!(charts[0].csv().starts_with("\"t\",\"r\",\"G\"\n1,1.5,1\n"), "{}", charts[0].csv());
        assert!(!charts[0].svg(Sheet::paper(85.0)).contains("var("));
        let page = Chart::from(charts[0].clone()).html();
        assert!(page.contains("G &lt; 1, Li") && !page.contains("NaN"), "{page}");
        assert_eq!(charts[0].id, "van-hove-self-Li");
        assert_eq!((color(0.0), color(1.0)), ("#440154".to_owned(), "#fde725".to_owned()));
    }
}

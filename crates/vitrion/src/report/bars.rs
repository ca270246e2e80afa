//! Bar charts of named categories: a group of bars for every name, a bar for every run.

use super::chart::{
    Figure, Ink, RunTag, Runs, Series, Sheet, Size, Style, cell, opacity, quoted, short,
};
use super::figures::{each_analysis, label_of, runs_of};
use super::load::Results;
use super::number::with_error;
use super::structural::About;
use serde::Serialize;
use std::fmt::Write as _;
use vitrion_core::observables::{Categories, Observables};

/// Most room for names, as a share of the width, and room for numbers on the right.
const MOST_LEFT: f64 = 0.45;
const RIGHT: f64 = 96.0;
const BAR: f64 = 15.0;
const GAP: f64 = 9.0;
const TOP: f64 = 8.0;
/// Names are rare if no run has this part of the largest value.
const RARE: f64 = 0.01;

/// One chart.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Bars {
    /// File name of exports.
    pub(super) id: String,
    pub(super) title: String,
    axis: String,
    names: Vec<String>,
    /// Names of what the tags of runs count.
    #[serde(rename = "runs", skip_serializing_if = "Option::is_none")]
    names_of_runs: Option<Runs>,
    #[serde(rename = "bars")]
    runs: Vec<Run>,
    /// The names that are drawn, by their places: the others are rare in all runs, and in the CSV file only.
    common: Vec<usize>,
}

/// The bars of one colour.
#[derive(Debug, Clone, Serialize)]
struct Run {
    label: String,
    tag: Option<RunTag>,
    /// Index into the palette, and how pale.
    color: usize,
    shade: usize,
    /// Of every name of the chart, NaN where there is none.
    #[serde(serialize_with = "short")]
    values: Vec<f64>,
    #[serde(serialize_with = "short")]
    errors: Vec<f64>,
    /// Value and error as people read them.
    texts: Vec<String>,
}

/// Charts of all runs of a results folder.
pub(super) fn of_runs(results: &Results, about: About) -> Vec<Bars> {
    let mut charts: Vec<Bars> = Vec::new();
    each_analysis(results, &mut |(style, tag), run, observables| {
        if About::of(observables) != about {
            return;
        }
        for categories in &observables.categories {
            let colors = (Some(tag), style.color, style.dash);
            add(&mut charts, observables, categories, &label_of(run), colors);
        }
    });
    for chart in &mut charts {
        chart.names_of_runs = Some(runs_of(results));
    }
    charts.into_iter().map(Bars::settled).collect()
}

/// Charts of one analysis.
pub(super) fn of_one(observables: &Observables) -> Vec<Bars> {
    let mut charts = Vec::new();
    for categories in &observables.categories {
        add(&mut charts, observables, categories, "", (None, 0, 0));
    }
    charts.into_iter().map(Bars::settled).collect()
}

fn add(
    charts: &mut Vec<Bars>,
    observables: &Observables,
    found: &Categories,
    label: &str,
    (tag, color, shade): (Option<RunTag>, usize, usize),
) {
    let id = format!("{}-{}", observables.kind, found.name).replace('_', "-");
    // a run that is there already has the same analysis twice, with other settings
    let open = |chart: &Bars| chart.id == id && chart.runs.iter().all(|known| known.label != label);
    let at = charts.iter().position(open).unwrap_or_else(|| {
        charts.push(Bars {
            id,
            title: found.label.clone(),
            axis: super::figures::axis_text(&found.axis),
            names: Vec::new(),
            names_of_runs: None,
            runs: Vec::new(),
            common: Vec::new(),
        });
        charts.len() - 1
    });
    let chart = &mut charts[at];
    for name in &found.names {
        if !chart.names.contains(name) {
            chart.names.push(name.clone());
            for run in &mut chart.runs {
                run.values.push(f64::NAN);
                run.errors.push(f64::NAN);
                run.texts.push(String::new());
            }
        }
    }
    let of = |numbers: &[f64], name: &String| {
        let row = found.names.iter().position(|known| known == name)?;
        numbers.get(row).copied().filter(|number| number.is_finite())
    };
    let all = |numbers: &[f64]| -> Vec<f64> {
        chart.names.iter().map(|name| of(numbers, name).unwrap_or(f64::NAN)).collect()
    };
    let (values, errors) = (all(&found.values), all(&found.errors));
    let error = |k: usize| if errors[k].is_finite() { errors[k] } else { 0.0 };
    let text = |(k, value): (usize, &f64)| {
        if value.is_finite() { with_error(*value, error(k)) } else { String::new() }
    };
    let texts = values.iter().enumerate().map(text).collect();
    let label = label.to_owned();
    chart.runs.push(Run { label, tag, color, shade, values, errors, texts });
}

impl Run {
    /// Value and error of a name.
    fn at(&self, row: usize) -> Option<(f64, f64)> {
        let error = self.errors[row];
        let error = if error.is_finite() { error } else { 0.0 };
        self.values[row].is_finite().then_some((self.values[row], error))
    }
}

impl Bars {
    /// Tells the common names from the rare ones, once all runs are there.
    fn settled(mut self) -> Self {
        let most = |row: usize| {
            let values = self.runs.iter().filter_map(|run| run.at(row));
            values.map(|(value, _)| value.abs()).fold(0.0, f64::max)
        };
        let rows = 0..self.names.len();
        let largest = rows.clone().map(most).fold(0.0, f64::max);
        self.common = rows.filter(|row| most(*row) >= RARE * largest).collect();
        let rare = self.names.len() - self.common.len();
        if rare > 0 {
            let _ = write!(self.axis, "; {rare} rarer in the CSV file");
        }
        self
    }

    /// A picture of the bars as lines would be: the legend and its layout are those of lines.
    fn keys(&self) -> Figure {
        let mut keys = Figure::new(&self.id, &self.title, "");
        keys.series = self
            .runs
            .iter()
            .map(|run| Series {
                label: run.label.clone(),
                style: Style { color: run.color, bar: 1 + run.shade, ..Style::default() },
                x: vec![0.0],
                y: vec![0.0],
                ..Series::default()
            })
            .collect();
        keys
    }

    pub(super) fn svg(&self, sheet: Sheet) -> String {
        let most = MOST_LEFT * sheet.width;
        let names = self.common.iter().map(|row| &self.names[*row]);
        let widest = names.map(|name| Size::Small.width(name)).fold(0.0, f64::max);
        let left = 16.0 + widest.min(most);
        let span = sheet.width - left - RIGHT;
        let ends = || {
            let rows = 0..self.names.len();
            rows.flat_map(|row| self.runs.iter().filter_map(move |run| run.at(row)))
        };
        let most_of = ends().map(|(value, error)| value + error).fold(0.0, f64::max);
        let least = ends().map(|(value, error)| value - error).fold(0.0, f64::min);
        // an error bar below zero of what cannot be negative needs no room
        let least = if ends().all(|(value, _)| value >= 0.0) { 0.0 } else { least };
        let scale = if most_of > least { span / (most_of - least) } else { 0.0 };
        let place = |value: f64| left + scale * (value - least).max(0.0);
        let mut body = String::new();
        let mut bottom = TOP;
        for row in self.common.iter().copied() {
            let present: Vec<&Run> = self.runs.iter().filter(|run| run.at(row).is_some()).collect();
            let top = bottom;
            bottom += present.len() as f64 * BAR + GAP;
            let middle = top + 0.5 * present.len() as f64 * BAR;
            let name = Size::Small.fitted(&self.names[row], most);
            sheet.text(&mut body, (left - 8.0, middle + 4.2), "end", Size::Small, &name);
            for (number, run) in present.into_iter().enumerate() {
                let Some((value, error)) = run.at(row) else { continue };
                let y = top + number as f64 * BAR;
                let (from, to) = (place(value.min(0.0)), place(value.max(0.0)));
                let (low, high) = (place(value - error), place(value + error));
                let _ = write!(
                    body,
                    "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
                     fill=\"{}\" opacity=\"{}\"/>",
                    y + 1.0,
                    to - from,
                    BAR - 2.0,
                    sheet.ink(Ink::Series(run.color)),
                    opacity(run.shade)
                );
                let middle = y + 0.5 * BAR;
                if error > 0.0 {
                    let _ = write!(
                        body,
                        "<path d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v6M{high:.1} {:.1}v6\" \
                         fill=\"none\" stroke=\"{}\"/>",
                        middle - 3.0,
                        middle - 3.0,
                        sheet.ink(Ink::Text)
                    );
                }
                let end = (high.max(to) + 6.0, middle + 4.2);
                sheet.text(&mut body, end, "start", Size::Small, &run.texts[row]);
            }
        }
        let zero = place(0.0);
        let _ = write!(
            body,
            "<path d=\"M{zero:.1} {TOP}V{bottom:.1}\" fill=\"none\" stroke=\"{}\"/>",
            sheet.ink(Ink::Axis)
        );
        let middle = left + 0.5 * span;
        sheet.text(&mut body, (middle, bottom + 20.0), "middle", Size::Large, &self.axis);
        self.keys().around(sheet, &body, bottom + 32.0)
    }

    pub(super) fn csv(&self) -> String {
        let mut out = format!("\"name\",\"run\",{},\"error\"\n", quoted(&self.axis));
        for (row, name) in self.names.iter().enumerate() {
            for run in &self.runs {
                let _ = writeln!(
                    out,
                    "{},{},{},{}",
                    quoted(name),
                    quoted(&run.label),
                    cell(run.values.get(row).copied()),
                    cell(run.errors.get(row).copied())
                );
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::chart::Chart;
    use super::*;
    use vitrion_core::observables::Axis;

    #[test]
    fn runs_with_other_names_share_a_chart() {
        let mut charts = Vec::new();
        let all = Observables::new("speciation", "Units", "");
        let found = |names: &[&str], values: &[f64]| Categories {
            name: "unit_fraction".into(),
            label: "Units <of> P".into(),
            axis: Axis { label: "fraction".into(), unit: String::new() },
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            values: values.to_vec(),
            errors: Vec::new(),
        };
        let mut add = |found, label: &str| add(&mut charts, &all, &found, label, (None, 0, 0));
        add(found(&["PS4", "P2S7"], &[0.8, 0.2]), "glass");
        add(found(&["PS4", "P2S6"], &[0.9, f64::NAN]), "crystal");
        assert_eq!(charts.len(), 1);
        assert_eq!(charts[0].names, ["PS4", "P2S7", "P2S6"]);
        let of = |run: &Run| [0, 1, 2].map(|row| run.at(row));
        assert_eq!(of(&charts[0].runs[0]), [Some((0.8, 0.0)), Some((0.2, 0.0)), None]);
        assert_eq!(of(&charts[0].runs[1]), [Some((0.9, 0.0)), None, None]);
        let page = Chart::from(charts[0].clone()).html();
        assert!(page.contains("Units &lt;of&gt; P") && !page.contains("NaN"), "{page}");
        let paper = charts[0].svg(Sheet::paper(120.0));
        assert!(paper.contains("crystal") && !paper.contains("var("), "{paper}");
        assert!(charts[0].csv().contains("\"P2S6\",\"crystal\",,\n"), "{}", charts[0].csv());
    }
}

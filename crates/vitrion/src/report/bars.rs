//! Bar charts of named categories, as still SVG: a group of bars for every name, a bar for every
//! run.

use super::figures::{each_analysis, label_of};
use super::html::escape;
use super::load::Results;
use super::number::with_error;
use super::structural::About;
use std::fmt::Write as _;
use vitrion_core::observables::{Axis, Categories, Observables};

const WIDTH: f64 = 720.0;
/// Room for names on the left, at least, and at most; for a letter of them; for numbers on the right.
const LEFT: [f64; 2] = [150.0, 400.0];
const LETTER: f64 = 6.4;
const RIGHT: f64 = 110.0;
const BAR: f64 = 15.0;
const GAP: f64 = 9.0;
const TOP: f64 = 8.0;

/// Label, and value and error of every name that has one.
type Run = (String, Vec<Option<(f64, f64)>>);

/// One chart.
pub(super) struct Bars {
    /// File name of exports.
    pub(super) id: String,
    title: String,
    axis: Axis,
    names: Vec<String>,
    runs: Vec<Run>,
}

/// Charts of all runs of a results folder.
pub(super) fn of_runs(results: &Results, about: About) -> Vec<Bars> {
    let mut charts: Vec<Bars> = Vec::new();
    each_analysis(results, &mut |_, run, observables| {
        if About::of(observables) != about {
            return;
        }
        for categories in &observables.categories {
            add(&mut charts, observables, categories, &label_of(run));
        }
    });
    charts
}

/// Charts of one analysis.
pub(super) fn of_one(observables: &Observables) -> Vec<Bars> {
    let mut charts = Vec::new();
    for categories in &observables.categories {
        add(&mut charts, observables, categories, "");
    }
    charts
}

fn add(charts: &mut Vec<Bars>, observables: &Observables, found: &Categories, run: &str) {
    let id = format!("{}-{}", observables.kind, found.name).replace('_', "-");
    let at = charts.iter().position(|chart| chart.id == id).unwrap_or_else(|| {
        charts.push(Bars {
            id,
            title: found.label.clone(),
            axis: found.axis.clone(),
            names: Vec::new(),
            runs: Vec::new(),
        });
        charts.len() - 1
    });
    let chart = &mut charts[at];
    for name in &found.names {
        if !chart.names.contains(name) {
            chart.names.push(name.clone());
            for (_, values) in &mut chart.runs {
                values.push(None);
            }
        }
    }
    let value = |name: &String| {
        let row = found.names.iter().position(|known| known == name)?;
        let value = *found.values.get(row)?;
        let error = found.errors.get(row).copied().unwrap_or(0.0);
        value.is_finite().then_some((value, error))
    };
    let values = chart.names.iter().map(value).collect();
    chart.runs.push((run.to_owned(), values));
}

impl Bars {
    /// The chart in its card.
    pub(super) fn html(&self) -> String {
        format!(
            "<figure class=\"chart card\"><h3 class=\"still\">{}</h3>{}{}</figure>",
            escape(&self.title),
            self.svg(""),
            self.legend()
        )
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

    fn legend(&self) -> String {
        if self.runs.len() < 2 {
            return String::new();
        }
        let mut out = String::from("<ul class=\"legend\">");
        for (number, (label, _)) in self.runs.iter().enumerate() {
            let _ = write!(
                out,
                "<li><svg viewBox=\"0 0 28 12\" aria-hidden=\"true\"><rect y=\"1\" width=\"28\" \
                 height=\"10\" fill=\"var(--c{})\"/></svg>{}</li>",
                number % 7,
                escape(label)
            );
        }
        out.push_str("</ul>");
        out
    }

    fn svg(&self, head: &str) -> String {
        let longest = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let left = (LETTER * longest as f64 + 12.0).clamp(LEFT[0], LEFT[1]);
        let runs = self.runs.len() as f64;
        let group = runs * BAR + GAP;
        let bottom = TOP + group * self.names.len() as f64;
        let ends = self.runs.iter().flat_map(|(_, values)| values.iter().flatten());
        let most = ends.map(|(value, error)| value + error).fold(0.0, f64::max);
        let scale = if most > 0.0 { (WIDTH - left - RIGHT) / most } else { 0.0 };
        let mut out = format!(
            "<svg class=\"static\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">{head}",
            bottom + 34.0,
            escape(&self.title)
        );
        for (row, name) in self.names.iter().enumerate() {
            let top = TOP + group * row as f64;
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 8.0,
                top + 0.5 * runs * BAR + 4.0,
                escape(name)
            );
            for (number, (_, values)) in self.runs.iter().enumerate() {
                let Some((value, error)) = values[row] else { continue };
                let y = top + number as f64 * BAR;
                let end = left + scale * value.max(0.0);
                let (low, high) =
                    (left + scale * (value - error).max(0.0), left + scale * (value + error));
                let middle = y + 0.5 * BAR;
                let _ = write!(
                    out,
                    "<rect x=\"{left}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
                     fill=\"var(--c{})\"/><path class=\"axis\" d=\"M{low:.1} {middle:.1}H{high:.1}\"/>\
                     <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    y + 1.0,
                    end - left,
                    BAR - 2.0,
                    number % 7,
                    high + 6.0,
                    middle + 4.0,
                    escape(&with_error(value, error))
                );
            }
        }
        let unit = if self.axis.unit.is_empty() {
            self.axis.label.clone()
        } else {
            format!("{} [{}]", self.axis.label, self.axis.unit)
        };
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{left} {TOP}V{bottom:.1}\"/><text class=\"label\" x=\"{:.1}\" \
             y=\"{:.1}\" text-anchor=\"middle\">{}</text></svg>",
            f64::midpoint(left, WIDTH - RIGHT),
            bottom + 24.0,
            escape(&unit)
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        add(&mut charts, &all, &found(&["PS4", "P2S7"], &[0.8, 0.2]), "glass");
        add(&mut charts, &all, &found(&["PS4", "P2S6"], &[0.9, f64::NAN]), "crystal");
        assert_eq!(charts.len(), 1);
        assert_eq!(charts[0].names, ["PS4", "P2S7", "P2S6"]);
        assert_eq!(charts[0].runs[0].1, [Some((0.8, 0.0)), Some((0.2, 0.0)), None]);
        assert_eq!(charts[0].runs[1].1, [Some((0.9, 0.0)), None, None]);
        let page = charts[0].html();
        assert!(page.contains("Units &lt;of&gt; P") && !page.contains("NaN"), "{page}");
    }
}

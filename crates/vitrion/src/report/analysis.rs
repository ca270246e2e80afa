//! The page of `vitrion analyze` and of `vitrion softness`: what every analysis found.

use super::chart::{Chart, distinct};
use super::html::{details, escape, note, table};
use super::number::shown;
use super::page::{self, Part};
use super::scene::{self, Picture, Scene};
use super::sections::{cards, value_cell};
use super::{
    ReportError, bars, document, heat_map, structural, write_figures, write_page, write_stills,
};
use std::path::{Path, PathBuf};
use vitrion_core::observables::Observables;

/// What was analysed.
pub struct Analysed<'a> {
    /// Heading of the page.
    pub title: &'a str,
    /// What it is about.
    pub lead: &'a str,
    pub pictures: &'a [Picture<'a>],
    /// What was found.
    pub results: &'a [Observables],
}

/// Writes `report.html` and `figures/` into a folder and returns the page.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_analysis_report(
    folder: &Path,
    analysed: &Analysed<'_>,
) -> Result<PathBuf, ReportError> {
    let mut charts: Vec<Vec<Chart>> = analysed.results.iter().map(charts_of).collect();
    distinct(charts.iter_mut().flatten());
    let name = analysed.title;
    let scenes: Vec<Scene> = scene::of_pictures(analysed.pictures);
    let mut parts = Vec::new();
    parts.extend(cautions(analysed.results));
    let atoms: String = scenes.iter().map(Scene::figure).collect();
    if !scenes.is_empty() {
        parts.push(Part::new("atoms", "Atoms", format!("<div class=\"scenes\">{atoms}</div>")));
    }
    for (number, (one, charts)) in analysed.results.iter().zip(&charts).enumerate() {
        parts.push(Part::new(&format!("a-{number}"), &one.title, section(number, one, charts)));
    }
    let html = page::body("analysis", name, &escape(analysed.lead), &parts);
    let charts: Vec<&Chart> = charts.iter().flatten().collect();
    write_figures(folder, &charts)?;
    write_stills(folder, &scenes)?;
    write_page(folder, &document(name, &html, &charts, &scenes)?)
}

/// Bars, maps and lines of one analysis.
fn charts_of(one: &Observables) -> Vec<Chart> {
    let bars = bars::of_one(one).into_iter().map(Chart::from);
    let maps = heat_map::of_one(one).into_iter().map(Chart::from);
    bars.chain(maps).chain(structural::of_one(one).into_iter().map(Chart::from)).collect()
}

fn cautions(results: &[Observables]) -> Option<Part> {
    let mut out = String::new();
    for one in results {
        for caution in &one.cautions {
            let text = format!("{}: {}. Hint: {}.", one.title, caution.message, caution.advice);
            out.push_str(&note(&text));
        }
    }
    (!out.is_empty()).then(|| Part::new("cautions", "Cautions", out))
}

fn section(number: usize, one: &Observables, charts: &[Chart]) -> String {
    let mut out = cards(charts);
    let rows: Vec<Vec<String>> = one
        .estimates
        .iter()
        .map(|estimate| {
            vec![
                escape(&estimate.label),
                value_cell(estimate),
                escape(&estimate.unit),
                escape(&shown(estimate).detail),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["Quantity", "Value", "Unit", "How well known"].map(str::to_owned);
        out.push_str(&table(&format!("estimates-{number}"), "Numbers", &head, &rows));
    }
    let rows: Vec<Vec<String>> =
        one.parameters.iter().map(|(name, value)| vec![escape(name), escape(value)]).collect();
    let head = ["Parameter", "Value"].map(str::to_owned);
    let parameters = table(&format!("parameters-{number}"), "Parameters", &head, &rows);
    out.push_str(&details("Every parameter", &parameters));
    let formula = format!("<pre class=\"formula\" tabindex=\"0\">{}</pre>", escape(&one.formula));
    out.push_str(&details("Formula and source", &formula));
    out
}

//! The page of `vitrion analyze` and of `vitrion softness`: what every analysis found.

use super::chart::{Chart, distinct};
use super::html::{details, escape, note, table};
use super::number::shown;
use super::scene::{self, Picture, Scene};
use super::sections::{cards, value_cell};
use super::{
    ReportError, bars, document, heat_map, structural, write_figures, write_page, write_stills,
};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion_core::observables::Observables;

/// What was analysed.
pub struct Analysed<'a> {
    /// Heading of the page.
    pub title: &'a str,
    /// What it is about.
    pub lead: &'a str,
    pub pictures: &'a [Picture],
    /// What was found.
    pub results: &'a [Observables],
}

/// Writes `report.html` and `figures/*.svg` into a folder and returns the page.
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
    let mut html = format!(
        "<a class=\"skip\" href=\"#main\">Skip to the results</a><header>\
         <p class=\"brand\">vitrion <span>analysis</span></p><h1>{}</h1>\
         <p class=\"lead\">{}</p><nav aria-label=\"Sections\"><ul>",
        escape(name),
        escape(analysed.lead)
    );
    for (number, one) in analysed.results.iter().enumerate() {
        let _ = write!(html, "<li><a href=\"#a-{number}\">{}</a></li>", escape(&one.title));
    }
    html.push_str(
        "</ul><button type=\"button\" id=\"theme\" class=\"js-only\">Theme</button></nav></header>\
         <main id=\"main\">",
    );
    html.push_str(&cautions(analysed.results));
    html.push_str("<section><h2>Atoms</h2><div class=\"scenes\">");
    for scene in &scenes {
        html.push_str(&scene.figure());
    }
    html.push_str("</div></section>");
    for (number, (one, charts)) in analysed.results.iter().zip(&charts).enumerate() {
        html.push_str(&section(number, one, charts));
    }
    html.push_str("</main><footer>Made by vitrion; this file needs no network.</footer>");
    let charts: Vec<Chart> = charts.into_iter().flatten().collect();
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

fn cautions(results: &[Observables]) -> String {
    let mut out = String::new();
    for one in results {
        for caution in &one.cautions {
            let text = format!("{}: {}. Hint: {}.", one.title, caution.message, caution.advice);
            out.push_str(&note(&text));
        }
    }
    if out.is_empty() { out } else { format!("<section><h2>Cautions</h2>{out}</section>") }
}

fn section(number: usize, one: &Observables, charts: &[Chart]) -> String {
    let mut out = format!(
        "<section id=\"a-{number}\" aria-labelledby=\"h-{number}\"><h2 id=\"h-{number}\">{}</h2>",
        escape(&one.title)
    );
    out.push_str(&cards(charts));
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
    out.push_str("</section>");
    out
}

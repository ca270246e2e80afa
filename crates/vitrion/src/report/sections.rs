//! The sections of the page.

use super::cautions;
use super::chart::Chart;
use super::figures;
use super::gallery::{Gallery, Place};
use super::html::{counted, details, escape, note, table};
use super::load::{Results, Run, Source, System};
use super::number::{self, shown};
use super::page::Part;
use super::provenance::{potential_section, provenance_section};
use super::scene::{self, Picture, Scene};
use super::structural::About;
use super::verdict;
use std::fmt::Write as _;
use vitrion_core::Estimate;
use vitrion_core::observables::Observables;

/// The sections of a page of runs, in order; `more` are those of training and active learning.
pub(super) fn parts(
    results: &Results,
    scenes: &[Scene],
    charts: &Gallery,
    more: Vec<Part>,
    all: &[&Chart],
) -> Vec<Part> {
    let mut parts = vec![
        Part::new("verdict", "Verdict", verdict_section(results)),
        Part::new("results", "Results", results_section(results)),
        Part::new("structure", "Structure", structure_section(scenes, charts)),
        Part::new("dynamics", "Dynamics", dynamics_section(charts)),
        Part::new("transport", "Transport", transport_section(charts)),
        Part::new("phases", "Phases", optional_section(charts, About::Phases, results)),
        Part::new("softness", "Softness", optional_section(charts, About::Softness, results)),
        Part::new("thermo", "Thermodynamics", thermo_section(&charts.at(Place::Thermo))),
        Part::new("potential", "Potential", potential_section(results)),
    ];
    parts.extend(more);
    parts.extend([
        Part::new("provenance", "Provenance", provenance_section(results)),
        Part::new("formulas", "Formulas", formulas_section(results)),
        Part::new("data", "Data", data_section(all)),
    ]);
    parts
}

/// What the page is about, as HTML.
pub(super) fn lead(results: &Results) -> String {
    let named = |system: &System| match system.entry.atoms {
        0 => system.entry.name.clone(),
        atoms => format!("{} ({atoms} atoms)", system.entry.name),
    };
    let systems: Vec<String> = results.systems.iter().map(named).collect();
    let finished = results.sources.iter().map(|source| source.manifest.finished.as_str());
    let runs = results.systems.iter().map(|system| system.runs.len()).sum();
    let mut lead = format!("{} · {}", escape(&systems.join(", ")), counted(runs, "run"));
    if let Some(finished) = finished.max().filter(|time| !time.is_empty()) {
        let _ = write!(lead, " · {}", escape(finished));
    }
    lead
}

fn verdict_section(results: &Results) -> String {
    let mut out = String::new();
    let unfinished = |source: &&Source| source.is_run() && source.manifest.status != "finished";
    for source in results.sources.iter().filter(unfinished) {
        let _ = write!(
            out,
            "<p class=\"note alarm\">{} is not complete: {}. Numbers below are what exists so \
             far.</p>",
            escape(if results.sources.len() > 1 { &source.name } else { "This run" }),
            escape(&source.manifest.status)
        );
    }
    let folded = cautions::of_results(results);
    out.push_str(&cautions::headline(&folded));
    if potentials(results) > 1 {
        out.push_str(&note(
            "The folders used different potentials: differences between them are not of the materials alone.",
        ));
    }
    out.push_str("<div class=\"cards\">");
    for system in &results.systems {
        out.push_str(&verdict_card(system));
    }
    out.push_str("</div>");
    let comparisons = verdict::comparisons(results);
    if !comparisons.is_empty() {
        out.push_str("<h3>Comparison</h3><ul class=\"compare\">");
        for sentence in &comparisons {
            let _ = write!(out, "<li>{}</li>", escape(sentence));
        }
        out.push_str(
            "</ul><p class=\"quiet\">Two 95 % intervals that do not overlap are a stricter test than \
             95 % for the difference; intervals cover statistics only, not the error of the \
             potential.</p>",
        );
    }
    let runs = results.systems.iter().flat_map(|system| &system.runs);
    let runs: Vec<&str> = runs.map(|run| run.entry.id.as_str()).collect();
    let _ = write!(out, "<h3 id=\"cautions\">Cautions</h3>{}", cautions::html(&folded, &runs));
    if !results.notes.is_empty() {
        out.push_str("<h3>Missing pieces</h3>");
        for text in &results.notes {
            out.push_str(&note(text));
        }
    }
    out
}

/// How many different potentials the folders used.
fn potentials(results: &Results) -> usize {
    let runs = results.sources.iter().filter(|source| source.is_run());
    let mut hashes: Vec<&str> = runs.map(|s| s.manifest.potential.blake3.as_str()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len()
}

fn verdict_card(system: &System) -> String {
    let entry = &system.entry;
    let mut out = format!("<article class=\"card\"><h3>{}</h3>", escape(&entry.name));
    if entry.atoms > 0 {
        let density = number::significant(entry.density_g_per_cm3, 4);
        let _ = write!(out, "<p class=\"quiet\">{} · {density} g/cm³</p>", formula(&entry.formula));
    }
    let arrhenius = system.analysis("arrhenius");
    if let Some(room) = arrhenius.and_then(figures::room_conductivity) {
        let _ = write!(
            out,
            "<p class=\"figure\"><span class=\"number\">{}</span> <span class=\"unit\">{}</span></p>\
             <p class=\"quiet\">{}; {}</p>",
            escape(&shown(room).text),
            escape(&room.unit),
            escape(&room.label),
            escape(&shown(room).detail)
        );
    } else {
        let no_fit = |a: &Observables| {
            let mut cautions = a.cautions.iter();
            cautions.find(|caution| caution.code == "no_fit").map(|c| c.message.clone())
        };
        let why = arrhenius.map_or(Some("no Arrhenius analysis".to_owned()), no_fit);
        let why = why.unwrap_or("the Arrhenius analysis extrapolates elsewhere".to_owned());
        out.push_str(&note(&format!("No conductivity at 300 K: {why}.")));
    }
    let mut rows = Vec::new();
    if let Some(energy) = arrhenius.and_then(|a| a.estimate("activation_energy_ev")) {
        rows.push(("Activation energy".to_owned(), with_unit(energy)));
    }
    for (mean, runs) in system.diffusion() {
        let of =
            |observables: &Observables| observables.estimate("diffusion_cm2_per_s").map(with_unit);
        // replicas that do not all give a number have no mean
        let all = || runs.iter().filter_map(|run| of(run.analysis("diffusion")?)).collect();
        let values: Vec<String> = of(mean).map_or_else(all, |value| vec![value]);
        if !values.is_empty() {
            rows.push((format!("D at {}", temperature(runs[0])), values.join("<br>")));
        }
    }
    out.push_str("<dl class=\"pairs\">");
    for (term, value) in rows {
        let _ = write!(out, "<dt>{}</dt><dd>{value}</dd>", escape(&term));
    }
    out.push_str("</dl></article>");
    out
}

fn results_section(results: &Results) -> String {
    let columns: [(&str, &str); 3] = [
        ("mean_squared_displacement", "exponent"),
        ("diffusion", "diffusion_cm2_per_s"),
        ("diffusion", "conductivity_ms_per_cm"),
    ];
    let find = |run: &Run, kind: &str, name: &str| -> Option<Estimate> {
        let any_kind = name == "exponent";
        let fits = |e: &&Estimate| e.name == name || any_kind && e.name.contains(name);
        run.analyses
            .iter()
            .filter(|o| any_kind || o.kind == kind)
            .find_map(|o| o.estimates.iter().find(fits))
            .cloned()
    };
    let head: Vec<String> = [
        "Run",
        "T set [K]",
        "T mean [K]",
        "P mean [GPa]",
        "MSD exponent",
        "D [cm²/s]",
        "σ [mS/cm]",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut rows = Vec::new();
    for run in results.systems.iter().flat_map(|system| &system.runs) {
        let mut row = vec![
            escape(&run.entry.id),
            run.entry.temperature_k.map_or("—".to_owned(), |t| format!("{t:.0}")),
        ];
        let production = run.stages.iter().rfind(|stage| stage.entry.finished);
        match production {
            Some(stage) => row.extend([
                number::significant(stage.entry.mean_temperature_k, 4),
                number::significant(stage.entry.mean_pressure_gpa, 3),
            ]),
            None => row.extend(["—".to_owned(), "—".to_owned()]),
        }
        row.extend(columns.map(|(kind, name)| {
            find(run, kind, name).map_or("—".to_owned(), |estimate| value_cell(&estimate))
        }));
        rows.push(row);
    }
    let mut out = table("results-table", "One row per run", &head, &rows);
    out.push_str("<p class=\"quiet\">1.23(4) means 1.23 ± 0.04, one standard error; brackets hold an interval; &lt; marks an upper bound.");
    if verdict::has_bounds(results) {
        out.push_str(
            " Upper bounds say that nothing faster was seen, not that this value was measured.",
        );
    }
    out.push_str("</p>");
    let all: Vec<Vec<String>> = results
        .analyses()
        .flat_map(|(place, observables)| {
            observables.estimates.iter().map(move |estimate| {
                vec![
                    escape(place),
                    escape(&estimate.label),
                    value_cell(estimate),
                    escape(&estimate.unit),
                    escape(&shown(estimate).detail),
                ]
            })
        })
        .collect();
    let head = ["Where", "Quantity", "Value", "Unit", "How well known"].map(str::to_owned).to_vec();
    let every = table("estimates-table", "Every number of every analysis", &head, &all);
    out.push_str(&details(&format!("Every number ({})", all.len()), &every));
    out
}

/// The atoms of every system.
pub(super) fn scenes(results: &Results) -> Vec<Scene> {
    fn picture(system: &System) -> Option<Picture<'_>> {
        let atoms = system.picture.as_ref()?;
        let title = match atoms.temperature_k {
            Some(kelvin) => format!("{} at {kelvin:.0} K", system.entry.name),
            None => system.entry.name.clone(),
        };
        let (source, moments) = (atoms.source.clone(), atoms.moments.as_slice());
        Some(Picture { title, source, moments, color: None })
    }
    let pictures: Vec<Picture<'_>> = results.systems.iter().filter_map(picture).collect();
    scene::of_pictures(&pictures)
}

fn structure_section(scenes: &[Scene], charts: &Gallery) -> String {
    let mut out = String::from("<div class=\"scenes\">");
    for scene in scenes {
        out.push_str(&scene.figure());
    }
    out.push_str("</div>");
    if scenes.is_empty() {
        out.push_str(&note("No structure file could be drawn."));
    }
    let radial = charts.at(Place::Radial);
    if radial.is_empty() {
        out.push_str(&note("No radial distribution was computed."));
    }
    out.push_str(&selector(radial.first().copied(), "Pair"));
    out.push_str(&grid(radial));
    out.push_str(&cards(charts.at(Place::Of(About::Structure))));
    out
}

/// Charts, each with a selector of its own.
pub(super) fn cards<'a>(charts: impl IntoIterator<Item = &'a Chart>) -> String {
    let mut out = String::from("<div class=\"grid-2\">");
    for chart in charts {
        let _ = write!(out, "<div>{}{}</div>", selector(Some(chart), "Show"), chart.html());
    }
    out.push_str("</div>");
    out
}

fn transport_section(charts: &Gallery) -> String {
    let mut out = String::new();
    let conductivity = charts.at(Place::Conductivity);
    if conductivity.is_empty() {
        out.push_str(&note("No conductivity was computed."));
    }
    out.extend(conductivity.into_iter().map(Chart::html));
    out.push_str(&cards(charts.at(Place::Of(About::Transport))));
    out
}

/// Analyses that not every run has: what they found, or how to get them.
fn optional_section(charts: &Gallery, about: About, results: &Results) -> String {
    let found: Vec<&Observables> =
        results.analyses().map(|(_, o)| o).filter(|o| About::of(o) == about).collect();
    if found.is_empty() {
        let (what, kind) = match about {
            About::Phases => ("by phase", "amorphization\", \"profiles\" or \"regions"),
            _ => ("of softness", "softness"),
        };
        return format!(
            "<p class=\"quiet\">No analysis {what} was asked for: an [[analysis]] of kind \
             \"{kind}\" makes one.</p>"
        );
    }
    cards(charts.at(Place::Of(about)))
}

fn dynamics_section(charts: &Gallery) -> String {
    let mut out = String::new();
    let (msd, correlations) = (charts.at(Place::Displacement), charts.at(Place::Correlations));
    out.push_str(&selector(msd.first().copied(), "Species"));
    out.extend(msd.iter().map(|chart| chart.html()));
    if msd.is_empty() && correlations.is_empty() {
        out.push_str(&note("No mean squared displacement was computed."));
    }
    if !correlations.is_empty() {
        out.push_str(&selector(
            correlations.first().copied(),
            "Element, accumulated while running",
        ));
        out.push_str(&grid(correlations));
    }
    out.push_str(&cards(charts.at(Place::Of(About::Dynamics))));
    out
}

fn thermo_section(charts: &[&Chart]) -> String {
    if charts.is_empty() {
        return note("No thermo table could be read.");
    }
    let mut out = selector(charts.first().copied(), "Run and stage");
    out.push_str(&grid(charts.iter().copied()));
    out.push_str(
        "<p class=\"quiet\">Long tables are thinned for this page, keeping the extremes; the full \
         ones are the thermo.csv files of the results folder. Energies are relative to the first \
         row.</p>",
    );
    out
}

fn formulas_section(results: &Results) -> String {
    let mut seen: Vec<&Observables> = Vec::new();
    for (_, observables) in results.analyses() {
        let told =
            |o: &&Observables| o.kind == observables.kind && o.formula == observables.formula;
        if !seen.iter().any(told) {
            seen.push(observables);
        }
    }
    if seen.is_empty() {
        return note("No analysis, no formula.");
    }
    seen.iter().fold(String::new(), |mut out, observables| {
        let _ = write!(
            out,
            "<h3>{}</h3><pre class=\"formula\" tabindex=\"0\">{}</pre>",
            escape(&observables.title),
            escape(&observables.formula)
        );
        out
    })
}

fn data_section(charts: &[&Chart]) -> String {
    let mut out = String::from(
        "<p>Every figure's numbers as comma-separated values, as drawn on this page. Full series \
         and trajectories are in the results folder.</p>\
         <noscript><p class=\"note\">Downloads and interactive charts need JavaScript; the tables \
         and still charts of this page do not.</p></noscript><p class=\"downloads js-only\">",
    );
    for chart in charts {
        let _ = write!(
            out,
            "<button type=\"button\" data-csv=\"{}\">{}</button> ",
            escape(chart.id()),
            escape(chart.title())
        );
    }
    out.push_str("<button type=\"button\" data-table=\"results-table\">Results table</button> ");
    out.push_str(
        "<button type=\"button\" data-table=\"estimates-table\">Every number</button></p>",
    );
    out
}

pub(super) fn selector(chart: Option<&Chart>, label: &str) -> String {
    let Some((facets, group)) = chart.map(Chart::facets).filter(|(facets, _)| facets.len() > 1)
    else {
        return String::new();
    };
    let mut out = format!(
        "<p class=\"selector js-only\"><label>{} <select data-group=\"{}\">",
        escape(label),
        escape(group)
    );
    for facet in facets {
        let _ = write!(out, "<option>{}</option>", escape(facet));
    }
    out.push_str("</select></label></p>");
    let shown = escape(&facets[0]);
    let _ = write!(out, "<noscript><p class=\"quiet\">Shown: {shown}.</p></noscript>");
    out
}

pub(super) fn grid<'a>(charts: impl IntoIterator<Item = &'a Chart>) -> String {
    let inner: String = charts.into_iter().map(Chart::html).collect();
    format!("<div class=\"grid-2\">{inner}</div>")
}

pub(super) fn value_cell(estimate: &Estimate) -> String {
    let shown = shown(estimate);
    format!("<span title=\"{}\">{}</span>", escape(&shown.detail), escape(&shown.text))
}

fn with_unit(estimate: &Estimate) -> String {
    format!("{} {}", value_cell(estimate), escape(&estimate.unit))
}

fn temperature(run: &Run) -> String {
    run.entry.temperature_k.map_or_else(|| run.entry.id.clone(), |t| format!("{t:.0} K"))
}

/// A chemical formula with its numbers as subscripts.
pub(super) fn formula(text: &str) -> String {
    let digits = |c: char| c.is_ascii_digit();
    let mut out = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        // each part: digits that belong to the element before it, then one other character
        let (count, rest) = part.split_at(part.find(|c| !digits(c)).unwrap_or(part.len()));
        if !count.is_empty() {
            let _ = write!(out, "<sub>{count}</sub>");
        }
        out.push_str(&escape(rest));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_get_subscripts_and_stay_text() {
        assert_eq!(formula("Li96P32S128"), "Li<sub>96</sub>P<sub>32</sub>S<sub>128</sub>");
        assert_eq!(formula("<b>2"), "&lt;b&gt;<sub>2</sub>");
    }
}

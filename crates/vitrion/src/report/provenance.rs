//! The sections on where the numbers are from: potential, folders, systems, stages, settings, formulas.

use super::html::{counted, definitions, details, escape, note, table};
use super::load::{Results, Source};
use super::number;
use super::open_parameters;
use super::sections::formula;
use crate::results::{Manifest, PotentialCard};
use std::fmt::Write as _;

/// The potentials of all folders, each told once.
pub(super) fn potential_section(results: &Results) -> String {
    let mut told: Vec<&PotentialCard> = Vec::new();
    let mut out = String::new();
    for source in results.sources.iter().filter(|source| source.is_run()) {
        let card = &source.manifest.potential;
        if !told.contains(&card) {
            told.push(card);
            out.push_str(&potential(card));
        }
    }
    if told.is_empty() { note("No folder of a run: the potential is not known here.") } else { out }
}

fn potential(card: &PotentialCard) -> String {
    let mut out = definitions(&[
        ("Name", escape(&card.name)),
        ("Kind", escape(&card.kind)),
        ("Species", escape(&card.species.join(", "))),
        ("Cutoff", format!("{} Å", number::significant(card.cutoff_a, 3))),
        ("Precision", escape(&card.precision)),
        ("Device", escape(&card.device)),
        ("Tables", escape(&card.tables)),
        ("BLAKE3", hash(&card.blake3)),
    ]);
    if !card.provenance.is_empty() {
        let _ = write!(out, "<h3>Where it comes from</h3><p>{}</p>", escape(&card.provenance));
    }
    for (title, statements, absent) in [
        ("Measured errors", &card.errors, "No measured error is known for this potential."),
        ("Limitations", &card.limitations, "No limitation is stated for this potential."),
    ] {
        let _ = write!(out, "<h3>{title}</h3>");
        if statements.is_empty() {
            out.push_str(&note(absent));
            continue;
        }
        out.push_str("<ul>");
        for statement in statements {
            let _ = write!(out, "<li>{}</li>", escape(statement));
        }
        out.push_str("</ul>");
    }
    out
}

/// Where everything is from: folders, systems, stages, settings.
pub(super) fn provenance_section(results: &Results) -> String {
    let mut out = differences(results);
    for source in results.sources.iter().filter(|source| source.is_run()) {
        if results.sources.len() > 1 {
            let _ = write!(out, "<h3>{}</h3>", escape(&source.name));
        }
        out.push_str(&facts(source));
    }
    out.push_str(&systems(results));
    out.push_str(&stages(results));
    for source in &results.sources {
        let of =
            if results.sources.len() > 1 { format!("{}: ", source.name) } else { String::new() };
        if source.is_run() {
            out.push_str(&files(&of, source));
        }
    }
    out.push_str(&open_parameters::html(results));
    let mut parameters: Vec<Vec<String>> = Vec::new();
    for (place, observables) in results.analyses() {
        for (name, value) in &observables.parameters {
            parameters.push([place, &observables.title, name, value].map(escape).to_vec());
        }
    }
    let head = ["Where", "Analysis", "Parameter", "Value"].map(str::to_owned);
    let parameters_table = table("parameters-table", "Analysis parameters", &head, &parameters);
    out.push_str(&details("Every parameter of every analysis", &parameters_table));
    out
}

fn facts(source: &Source) -> String {
    let m = &source.manifest;
    definitions(&[
        ("Status", escape(&m.status)),
        ("Version", escape(&m.vitrion_version)),
        ("Commit", hash(&m.commit)),
        ("Engine", escape(&m.engine)),
        ("Machine", format!("{}, {}", escape(&m.machine), counted(m.threads, "thread"))),
        ("Started", escape(&m.started)),
        ("Finished", escape(&m.finished)),
        ("Wall time", number::duration(m.wall_s)),
        ("Seed", m.seed.to_string()),
        ("run.toml BLAKE3", hash(&m.run_file_blake3)),
        ("plan.toml BLAKE3", hash(&m.plan_blake3)),
    ])
}

fn systems(results: &Results) -> String {
    let head = ["System", "Source", "Formula", "Atoms", "Density [g/cm³]", "Cell [Å]", "BLAKE3"];
    let rows: Vec<Vec<String>> = results
        .systems
        .iter()
        .filter(|system| system.entry.atoms > 0)
        .map(|system| {
            let e = &system.entry;
            let lengths = e.cell_a.map(vitrion_core::math::norm);
            vec![
                escape(&e.name),
                escape(&e.source),
                formula(&e.formula),
                e.atoms.to_string(),
                number::significant(e.density_g_per_cm3, 4),
                lengths.map(|length| format!("{length:.2}")).join(" × "),
                hash(&e.blake3),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    table("systems-table", "Systems", &head.map(str::to_owned), &rows)
}

fn stages(results: &Results) -> String {
    let head = [
        "Run",
        "Stage",
        "Kind",
        "Step [fs]",
        "Steps",
        "Time [ps]",
        "T mean [K]",
        "P mean [GPa]",
        "Drift [meV/atom/ps]",
        "Wall",
        "µs/atom/step",
    ];
    let mut rows = Vec::new();
    for run in results.systems.iter().flat_map(|system| &system.runs) {
        for stage in &run.stages {
            let e = &stage.entry;
            let mut row = vec![
                escape(&run.entry.id),
                escape(&e.name),
                escape(&e.kind),
                number::significant(e.timestep_fs, 3),
                e.steps.to_string(),
                number::significant(e.timestep_fs * e.steps as f64 * 1e-3, 4),
            ];
            if e.finished {
                row.extend([
                    number::significant(e.mean_temperature_k, 4),
                    number::significant(e.mean_pressure_gpa, 3),
                    number::plain_or_power(e.conserved_drift_mev_per_atom_ps, 2),
                    number::duration(e.wall_s),
                    number::significant(e.us_per_atom_step, 3),
                ]);
            } else {
                row.push("not finished".to_owned());
                row.extend(["—"; 4].map(str::to_owned));
            }
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    table("stages-table", "Stages", &head.map(str::to_owned), &rows)
}

fn files(of: &str, source: &Source) -> String {
    let mut out = String::new();
    for (name, text) in [
        ("plan.toml, every default visible", &source.plan),
        ("run.toml, as given", &source.run_file),
    ] {
        match text {
            Some(text) => {
                out.push_str(&details(
                    &format!("{of}{name}"),
                    &format!("<pre tabindex=\"0\">{}</pre>", escape(text)),
                ));
            }
            None => out.push_str(&note(&format!("{of}{name}: not in the results folder."))),
        }
    }
    out
}

/// What a manifest says about something.
type Property = fn(&Manifest) -> String;

/// What folders that are compared do not have in common, a row for every property.
fn differences(results: &Results) -> String {
    let runs: Vec<&Source> = results.sources.iter().filter(|source| source.is_run()).collect();
    if runs.len() < 2 {
        return String::new();
    }
    let properties: [(&str, Property); 10] = [
        ("Potential", |m| m.potential.name.clone()),
        ("Potential BLAKE3", |m| m.potential.blake3.chars().take(16).collect()),
        ("Cutoff [Å]", |m| number::significant(m.potential.cutoff_a, 4)),
        ("Precision", |m| m.potential.precision.clone()),
        ("Engine", |m| m.engine.clone()),
        ("Device", |m| m.potential.device.clone()),
        ("Version", |m| m.vitrion_version.clone()),
        ("Commit", |m| m.commit.clone()),
        ("Machine", |m| m.machine.clone()),
        ("Seed", |m| m.seed.to_string()),
    ];
    let mut rows = Vec::new();
    for (name, of) in properties {
        let values: Vec<String> = runs.iter().map(|source| of(&source.manifest)).collect();
        if values.windows(2).any(|pair| pair[0] != pair[1]) {
            rows.push(
                [name].into_iter().chain(values.iter().map(String::as_str)).map(escape).collect(),
            );
        }
    }
    if rows.is_empty() {
        return "<p>Potential, version, machine and seed are the same in all folders.</p>"
            .to_owned();
    }
    let names = runs.iter().map(|source| source.name.as_str());
    let head: Vec<String> = ["Property"].into_iter().chain(names).map(escape).collect();
    table("differences-table", "What the folders do not have in common", &head, &rows)
}

/// A hash, shortened for the eye, whole in the tooltip; a dash when there is none.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "—".to_owned();
    }
    let short: String = text.chars().take(16).collect();
    let dots = if text.chars().count() > 16 { "…" } else { "" };
    format!("<code title=\"{}\">{}{dots}</code>", escape(text), escape(&short))
}

//! The training report: learning curves, parity plots and error tables of one run.

use super::chart::{Axis, Chart, Figure, Series, Style, distinct, sparse};
use super::html::{definitions, escape, table};
use super::page::{self, Part};
use super::sections::{grid, selector};
use super::{ReportError, ReportOptions, document, number, read_of, write_figures_of, write_page};
use crate::training::{Evaluation, TrainingSummary};
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion_model::train::dataset::validate::{Severity, Validation};
use vitrion_model::train::evaluation::{Evaluated, Measure, Row};

/// Points of a parity plot per facet.
const POINTS: usize = 1500;

/// Writes `report.html` and `figures/` of a finished training run and returns the page.
///
/// # Errors
/// A folder without the results of a finished run, or one that cannot be written to.
pub fn write_training_report(folder: &Path) -> Result<PathBuf, ReportError> {
    write(folder, &ReportOptions::default())
}

/// The same with a choice of figures.
pub(super) fn write(folder: &Path, options: &ReportOptions) -> Result<PathBuf, ReportError> {
    let mut training = Training::read(folder)?;
    distinct(&mut training.charts);
    let charts: Vec<&Chart> = training.charts.iter().collect();
    write_figures_of(folder, &charts, options)?;
    let name = &training.summary.name;
    let html = page::body("training", name, &training.lead(), &training.sections());
    write_page(folder, &document(name, &html, &charts, &[])?)
}

/// A finished training run.
pub(super) struct Training {
    summary: TrainingSummary,
    evaluation: Evaluation,
    checks: Option<Validation>,
    /// Learning curves first.
    pub(super) charts: Vec<Chart>,
    curves: usize,
}

impl Training {
    /// Reads a folder that `vitrion train` wrote.
    ///
    /// # Errors
    /// A folder without the results of a finished run.
    pub(super) fn read(folder: &Path) -> Result<Self, ReportError> {
        let summary: TrainingSummary = read(&folder.join("summary.json"))?;
        let evaluation: Evaluation = read(&folder.join("evaluation.json"))?;
        let curve = std::fs::read_to_string(folder.join("lcurve.out")).unwrap_or_default();
        // made by `vitrion train` beside the frames: one folder up for members of a committee
        let checks: Option<Validation> = [folder.join("data.json"), folder.join("../data.json")]
            .iter()
            .find_map(|path| read(path).ok());
        let mut figures = learning_curves(&curve);
        let curves = figures.len();
        figures.extend(parity(&evaluation));
        let charts = figures.into_iter().map(Chart::from).collect();
        Ok(Training { summary, evaluation, checks, charts, curves })
    }

    fn lead(&self) -> String {
        format!(
            "{} steps · {} · seed {}",
            self.summary.steps,
            number::duration(self.summary.seconds),
            self.summary.seed
        )
    }

    /// The sections of the page.
    pub(super) fn sections(&self) -> Vec<Part> {
        let Training { summary, evaluation, checks, charts: figures, curves } = self;
        let held = evaluation.validation.as_ref();
        let main = held.unwrap_or(&evaluation.training);
        let measure = |m: Option<Measure>, unit: &str| {
            m.map_or("not labelled".to_owned(), |m| format!("{:.1} {unit}", m.rmse))
        };
        let facts = definitions(&[
            ("energy", measure(main.total.energy_mev_per_atom, "meV/atom")),
            ("force", measure(main.total.force_mev_per_a, "meV/Å")),
            ("virial", measure(main.total.virial_mev_per_atom, "meV/atom")),
            ("steps", summary.steps.to_string()),
            ("time", number::duration(summary.seconds)),
            ("speed", format!("{:.0} atoms/s", summary.atoms_seen / summary.seconds)),
            ("parameters", summary.parameters.to_string()),
            (
                "frames",
                format!(
                    "{} to train on, {} held out in blocks",
                    summary.training_frames, summary.validation_frames
                ),
            ),
            ("seed", summary.seed.to_string()),
            (
                "device",
                if summary.device.is_empty() {
                    "not recorded".to_owned()
                } else {
                    escape(&summary.device)
                },
            ),
            (
                "data",
                format!("BLAKE3 {}", escape(&summary.data.chars().take(16).collect::<String>())),
            ),
        ]);
        let what = if held.is_some() { "held-out frames" } else { "training frames" };
        let facts = format!("<p>Root mean square errors on {what}.</p>{facts}");
        let mut parity = String::new();
        for figure in &figures[*curves..] {
            parity.push_str(&selector(Some(figure), "Show"));
            parity.push_str(&figure.html());
        }
        let mut tables = String::new();
        if let Some(held) = held {
            let caption = "Held-out frames, by system";
            tables.push_str(&errors("held-out-table", caption, &held.systems, &held.total));
            if held.groups.len() < held.systems.len() {
                let caption = "Held-out frames, by group";
                tables.push_str(&errors("groups-table", caption, &held.groups, &held.total));
            }
        }
        let training = &evaluation.training;
        let caption = "A sample of the training frames, by system";
        tables.push_str(&errors("training-table", caption, &training.systems, &training.total));
        let mut parts = vec![
            Part::new("summary", "Summary", facts),
            Part::new("curves", "Learning curves", grid(&figures[..*curves])),
            Part::new("parity", "Labels against predictions", parity),
            Part::new("errors", "Errors", tables),
        ];
        parts.extend(checks.as_ref().map(|checks| Part::new("frames", "Frames", data(checks))));
        parts
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ReportError> {
    let text = read_of(path, "a finished `vitrion train`")?;
    serde_json::from_str(&text)
        .map_err(|source| ReportError::Manifest { path: path.to_owned(), source })
}

/// Errors by row, forces by element.
fn errors(id: &str, caption: &str, rows: &[Row], total: &Row) -> String {
    let mut head: Vec<String> =
        ["", "frames", "energy [meV/atom]", "force [meV/Å]"].map(str::to_owned).to_vec();
    head.push("virial [meV/atom]".into());
    let elements: Vec<&str> = total.elements.iter().map(|(symbol, _)| symbol.as_str()).collect();
    head.extend(elements.iter().map(|symbol| format!("force on {}", escape(symbol))));
    head.push("largest force error".into());
    let number = |m: Option<Measure>| m.map_or("–".to_owned(), |m| format!("{:.1}", m.rmse));
    let cells = |row: &Row| -> Vec<String> {
        let mut line = vec![
            escape(&row.name),
            row.frames.to_string(),
            number(row.energy_mev_per_atom),
            number(row.force_mev_per_a),
            number(row.virial_mev_per_atom),
        ];
        for symbol in &elements {
            let found = row.elements.iter().find(|(element, _)| element == symbol);
            line.push(number(found.map(|(_, m)| *m)));
        }
        line.push(row.force_mev_per_a.map_or("–".to_owned(), |m| format!("{:.0}", m.max)));
        line
    };
    let rows: Vec<Vec<String>> = rows.iter().chain([total]).map(cells).collect();
    table(id, caption, &head, &rows)
}

/// What the checks of the frames found.
fn data(checks: &Validation) -> String {
    let head = [
        "system",
        "frames",
        "atoms",
        "formula",
        "g/cm³",
        "energy [eV/atom]",
        "force [eV/Å]",
        "pressure of the labels [GPa]",
        "shortest distance [Å]",
    ]
    .map(str::to_owned);
    let range = |r: [f64; 2], digits: usize| format!("{:.digits$} – {:.digits$}", r[0], r[1]);
    let rows: Vec<Vec<String>> = checks
        .systems
        .iter()
        .map(|s| {
            vec![
                escape(&s.name),
                s.frames.to_string(),
                s.atoms.to_string(),
                escape(&s.formula),
                range(s.density_g_per_cm3, 2),
                s.energy_ev_per_atom.map_or("–".into(), |[m, d]| format!("{m:.3} ± {d:.3}")),
                s.force_ev_per_a.map_or("–".into(), |[r, m]| format!("{r:.2}, at most {m:.1}")),
                s.pressure_gpa.map_or("–".into(), |p| range(p, 1)),
                format!("{:.2}", s.nearest_a),
            ]
        })
        .collect();
    let mut html = table("frames-table", "Labelled frames", &head, &rows);
    html.push_str("<ul>");
    for finding in &checks.findings {
        let word = match finding.severity {
            Severity::Note => "Note",
            Severity::Warning => "Warning",
            Severity::Error => "Error",
        };
        let count =
            if finding.count > 0 { format!(" ({} frames)", finding.count) } else { String::new() };
        let _ = write!(
            html,
            "<li><b>{word}</b>, {}: {}{count}</li>",
            escape(&finding.system),
            escape(&finding.message)
        );
    }
    html.push_str("</ul>");
    html
}

fn blank(id: &str, title: &str, x: &str, y: &str, log: bool) -> Figure {
    let axis = |label: &str| Axis { label: label.to_owned(), log };
    Figure { x: axis(x), y: axis(y), ..Figure::new(id, title, id) }
}

/// One chart per kind of error from `lcurve.out`, and one of the learning rate.
fn learning_curves(text: &str) -> Vec<Figure> {
    let mut lines = text.lines();
    let names: Vec<&str> =
        lines.next().unwrap_or("").trim_start_matches('#').split_whitespace().collect();
    let rows: Vec<Vec<f64>> = lines
        .map(|line| line.split_whitespace().map(|x| x.parse().unwrap_or(f64::NAN)).collect())
        .filter(|row: &Vec<f64>| row.len() == names.len())
        .collect();
    let column = |name: &str| -> Option<Vec<f64>> {
        let at = names.iter().position(|n| *n == name)?;
        Some(rows.iter().map(|row| row[at]).collect())
    };
    let Some(steps) = column("step") else { return Vec::new() };
    let mut figures = Vec::new();
    for (key, title, unit, factor) in [
        ("e", "Energy", "meV/atom", 1e3),
        ("f", "Force", "meV/Å", 1e3),
        ("v", "Virial", "meV/atom", 1e3),
    ] {
        let mut figure = blank(
            &format!("learning-{}", title.to_lowercase()),
            &format!("{title} error"),
            "step",
            &format!("root mean square error [{unit}]"),
            true,
        );
        for (color, part, label) in [(0, "val", "held out"), (1, "trn", "training batches")] {
            let Some(y) = column(&format!("rmse_{key}_{part}")) else { continue };
            let y: Vec<f64> = y.iter().map(|y| y * factor).collect();
            if y.iter().all(|y| y.is_nan()) {
                continue;
            }
            figure.series.push(Series {
                label: label.into(),
                style: Style { color, line: true, ..Style::default() },
                x: steps.clone(),
                y,
                ..Series::default()
            });
        }
        if !figure.is_empty() {
            figures.push(figure);
        }
    }
    if let Some(rates) = column("lr") {
        let mut figure = blank("learning-rate", "Learning rate", "step", "learning rate", true);
        figure.series.push(Series {
            label: "learning rate".into(),
            style: Style { color: 2, line: true, ..Style::default() },
            x: steps,
            y: rates,
            ..Series::default()
        });
        figures.push(figure);
    }
    figures
}

/// Energies and virials by system, forces by element.
fn parity(evaluation: &Evaluation) -> Vec<Figure> {
    let found = evaluation.validation.as_ref().unwrap_or(&evaluation.training);
    let systems: Vec<String> = found.systems.iter().map(|row| row.name.clone()).collect();
    let elements: Vec<String> = found.total.elements.iter().map(|(s, _)| s.clone()).collect();
    let Evaluated { parity, .. } = found;
    let mut figures = Vec::new();
    for (id, title, unit, names, points) in [
        (
            "parity-energy",
            "Energy, relative to free atoms of the model",
            "eV/atom",
            &systems,
            &parity.energy,
        ),
        ("parity-force", "Force components", "eV/Å", &elements, &parity.force),
        ("parity-virial", "Virial components", "eV/atom", &systems, &parity.virial),
    ] {
        let (x, y) = (format!("label [{unit}]"), format!("model [{unit}]"));
        let mut figure = blank(id, title, &x, &y, false);
        figure.facets.push("all".into());
        figure.facets.extend(names.iter().cloned());
        // systems without frames in this part have no row: points count them all
        let mut kinds: Vec<usize> = points.iter().map(|p| p.2).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if points.is_empty() {
            continue;
        }
        for (facet, kind) in std::iter::once(None).chain(kinds.into_iter().map(Some)).enumerate() {
            let of: Vec<&(f64, f64, usize)> =
                points.iter().filter(|p| kind.is_none_or(|k| k == p.2)).collect();
            let keep = sparse(of.len(), POINTS, false);
            let ends = of.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| {
                (low.min(p.0), high.max(p.0))
            });
            figure.series.push(Series {
                label: "label = model".into(),
                facet: Some(facet),
                style: Style { line: true, color: 6, ..Style::default() },
                x: vec![ends.0, ends.1],
                y: vec![ends.0, ends.1],
                ..Series::default()
            });
            figure.series.push(Series {
                label: "frames".into(),
                facet: Some(facet),
                style: Style { marker: 1, color: 0, ..Style::default() },
                x: keep.iter().map(|k| of[*k].0).collect(),
                y: keep.iter().map(|k| of[*k].1).collect(),
                ..Series::default()
            });
        }
        figures.push(figure);
    }
    figures
}

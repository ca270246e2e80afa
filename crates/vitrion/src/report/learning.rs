//! The pages of active learning: one for the whole loop, one for each iteration.

use super::chart::{Axis, Chart, Figure, Series, Style, distinct};
use super::html::{counted, definitions, escape, table};
use super::page::{self, Part};
use super::sections::grid;
use super::{ReportError, ReportOptions, document, number, read_of, write_figures_of, write_page};
use crate::learn::exploration::Ended;
use crate::learn::ledger::{Ledger, Summary};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion_model::train::evaluation::Row;

/// Writes `report.html` of a loop, and one for each of its iterations; returns the page of the loop.
///
/// # Errors
/// A folder without a ledger, or one that cannot be written to.
pub fn write_learning_report(folder: &Path) -> Result<PathBuf, ReportError> {
    write(folder, &ReportOptions::default())
}

/// The same with a choice of figures.
pub(super) fn write(folder: &Path, options: &ReportOptions) -> Result<PathBuf, ReportError> {
    let mut learning = Learning::read(folder)?;
    for summary in &learning.ledger.iterations {
        let place = folder.join(format!("iteration-{:03}", summary.iteration));
        write_iteration(&place, &learning.ledger, summary, options)?;
    }
    distinct(&mut learning.charts);
    let charts: Vec<&Chart> = learning.charts.iter().collect();
    write_figures_of(folder, &charts, options)?;
    let name = &learning.ledger.name;
    let lead = counted(learning.ledger.iterations.len(), "iteration");
    let html = page::body("active learning", name, &lead, &learning.sections(true));
    write_page(folder, &document(name, &html, &charts, &[])?)
}

/// A loop of active learning.
pub(super) struct Learning {
    ledger: Ledger,
    pub(super) charts: Vec<Chart>,
}

impl Learning {
    /// Reads a folder that `vitrion learn` wrote.
    ///
    /// # Errors
    /// A folder without a ledger.
    pub(super) fn read(folder: &Path) -> Result<Self, ReportError> {
        let path = folder.join("ledger.json");
        let text = read_of(&path, "`vitrion learn`")?;
        let ledger: Ledger =
            serde_json::from_str(&text).map_err(|source| ReportError::Manifest { path, source })?;
        let charts = curves(&ledger).into_iter().map(Chart::from).collect();
        Ok(Learning { ledger, charts })
    }

    /// The sections, with links to the pages of the iterations if they are nearby.
    pub(super) fn sections(&self, links: bool) -> Vec<Part> {
        let ledger = &self.ledger;
        vec![
            Part::new("summary", "Summary", facts(ledger)),
            Part::new("course", "Course", grid(&self.charts)),
            Part::new("iterations", "Iterations", iterations(ledger, links)),
        ]
    }
}

fn blank(id: &str, title: &str, x: &str, y: &str, log: (bool, bool)) -> Figure {
    let axis = |label: &str, log| Axis { label: label.to_owned(), log };
    Figure { x: axis(x, log.0), y: axis(y, log.1), ..Figure::new(id, title, id) }
}

fn line(label: &str, color: usize, x: Vec<f64>, y: Vec<f64>) -> Series {
    Series {
        label: label.to_owned(),
        style: Style { color, line: true, marker: color + 1, ..Style::default() },
        x,
        y,
        ..Series::default()
    }
}

fn force(row: Option<&Row>) -> f64 {
    row.and_then(|row| row.force_mev_per_a).map_or(f64::NAN, |m| m.rmse)
}

/// Learning curve, shares, cost.
fn curves(ledger: &Ledger) -> Vec<Figure> {
    let all = &ledger.iterations;
    let iterations = |of: &dyn Fn(&Summary) -> f64| -> (Vec<f64>, Vec<f64>) {
        all.iter().map(|s| (s.iteration as f64, of(s))).filter(|(_, y)| y.is_finite()).unzip()
    };
    let mut figures = Vec::new();
    let mut learning = blank(
        "learning",
        "Force error",
        "iteration",
        "root mean square error [meV/Å]",
        (false, false),
    );
    let (x, y) = iterations(&|s| force(s.before.as_ref()));
    learning.series.push(line("new labels, before they were trained on", 0, x, y));
    let after: (Vec<f64>, Vec<f64>) = all
        .iter()
        .map(|s| (s.iteration as f64 - 1.0, force(s.after.as_ref())))
        .filter(|(_, y)| y.is_finite())
        .unzip();
    learning.series.push(line("the same labels, after", 1, after.0, after.1));
    let (x, y) = iterations(&|s| force(s.held_out.as_ref()));
    learning.series.push(line("held-out frames", 2, x, y));
    "Errors of the model that chose the labels, and of the model trained on them. Labels are \
                        chosen where the committee is ignorant, so the first is no estimate of the error in use."
        .clone_into(&mut learning.caption);
    figures.push(learning);

    let mut share =
        blank("shares", "Explored frames", "iteration", "share of frames [%]", (false, false));
    for (color, label, of) in [
        (2, "accurate", (|s: &Summary| s.counts.accurate) as fn(&Summary) -> usize),
        (0, "candidates", |s| s.counts.candidate),
        (3, "failed", |s| s.counts.failed),
    ] {
        let (x, y) = iterations(&|s| {
            let n = s.counts.all();
            if n == 0 { f64::NAN } else { 100.0 * of(s) as f64 / n as f64 }
        });
        share.series.push(line(label, color, x, y));
    }
    figures.push(share);

    let mut levels = blank(
        "levels",
        "Trust levels",
        "iteration",
        "largest deviation of a force [eV/Å]",
        (false, true),
    );
    let (x, y) = iterations(&|s| s.window.force.0);
    levels.series.push(line("lower", 2, x, y));
    let (x, y) = iterations(&|s| s.window.force.1);
    levels.series.push(line("upper", 3, x, y));
    figures.push(levels);

    let mut cost = blank("cost", "Cost", "iteration", "core hours", (false, false));
    for (color, label, of) in [
        (0, "training", (|s: &Summary| s.cost.training) as fn(&Summary) -> f64),
        (1, "exploration", |s| s.cost.exploration),
        (2, "labels", |s| s.cost.labels),
    ] {
        let (x, y) = iterations(&|s| of(s) / 3600.0);
        cost.series.push(line(label, color, x, y));
    }
    figures.push(cost);
    figures.retain(|figure| !figure.is_empty());
    figures
}

fn facts(ledger: &Ledger) -> String {
    let last = ledger.iterations.last();
    let seconds = |of: fn(&Summary) -> f64| ledger.iterations.iter().map(of).sum::<f64>();
    let total = seconds(|s| s.cost.training + s.cost.exploration + s.cost.labels);
    let failed: usize = ledger.iterations.iter().map(|s| s.failed_labels).sum();
    let facts = definitions(&[
        ("labels of the loop", last.map_or(ledger.initial_labels, |s| s.labels).to_string()),
        ("without label", format!("{failed} (SCF, crashes, time); never trained on")),
        (
            "initial frames",
            format!("{} given, {} labelled", ledger.initial_frames, ledger.initial_labels),
        ),
        (
            "level",
            format!(
                "{} <small>{}</small>",
                escape(&ledger.level),
                ledger.level_hash.chars().take(8).collect::<String>()
            ),
        ),
        ("iterations", ledger.iterations.len().to_string()),
        ("core time", number::duration(total)),
        (
            "models",
            if ledger.models.is_empty() {
                "in training".to_owned()
            } else {
                escape(&ledger.models.join(", "))
            },
        ),
    ]);
    let ended = ledger.ended.as_ref().map_or("still running".to_owned(), |why| escape(why));
    let mut html = format!("<p>The loop: {ended}.</p>{facts}");
    for check in &ledger.checks {
        let _ = write!(
            html,
            "<p class=\"quiet\">Level of the initial data checked: {}</p>",
            escape(check)
        );
    }
    html
}

fn iterations(ledger: &Ledger, links: bool) -> String {
    let head = [
        "",
        "explored",
        "accurate",
        "candidates",
        "failed",
        "chosen",
        "new labels",
        "force error before [meV/Å]",
        "after",
        "core time",
    ]
    .map(str::to_owned);
    let shown = |x: f64| if x.is_finite() { format!("{x:.1}") } else { "–".to_owned() };
    let rows: Vec<Vec<String>> = ledger
        .iterations
        .iter()
        .enumerate()
        .map(|(k, s)| {
            let after = ledger.iterations.get(k + 1).and_then(|next| next.after.as_ref());
            vec![
                if links {
                    format!(
                        "<a href=\"iteration-{0:03}/report.html\">{0}</a>: {1}",
                        s.iteration,
                        escape(&s.schedule)
                    )
                } else {
                    format!("{}: {}", s.iteration, escape(&s.schedule))
                },
                s.counts.all().to_string(),
                s.counts.accurate.to_string(),
                s.counts.candidate.to_string(),
                s.counts.failed.to_string(),
                format!("{} ({} traced)", s.selected, s.traced),
                s.new_labels.to_string(),
                shown(force(s.before.as_ref())),
                shown(force(after)),
                number::duration(s.cost.training + s.cost.exploration + s.cost.labels),
            ]
        })
        .collect();
    let mut html = table("iterations-table", "Iterations", &head, &rows);
    html.push_str("<ol start=\"0\">");
    for s in &ledger.iterations {
        let _ = write!(html, "<li>{}</li>", escape(&s.decision));
    }
    html.push_str("</ol>");
    html
}

fn write_iteration(
    folder: &Path,
    ledger: &Ledger,
    s: &Summary,
    options: &ReportOptions,
) -> Result<(), ReportError> {
    let figures = [Chart::from(histogram(s))];
    let name = format!("{}, iteration {}", ledger.name, s.iteration);
    let facts = definitions(&[
        ("explored", format!("{} frames in {}", s.counts.all(), counted(s.runs.len(), "run"))),
        (
            "accurate",
            format!(
                "{}, {:.1} %{}",
                s.counts.accurate,
                100.0 * s.accurate.value,
                s.accurate
                    .error
                    .map_or(String::new(), |e| format!(" ± {:.1} % over runs", 100.0 * e))
            ),
        ),
        ("candidates", s.counts.candidate.to_string()),
        ("failed", s.counts.failed.to_string()),
        (
            "chosen",
            format!(
                "{}, {} of them traced back from where a run left what is known",
                s.selected, s.traced
            ),
        ),
        ("new labels", format!("{} ({} failed)", s.new_labels, s.failed_labels)),
        ("trained on", format!("{} frames", s.training_frames)),
        (
            "cost",
            format!(
                "training {}, exploration {}, labels {} (core time)",
                number::duration(s.cost.training),
                number::duration(s.cost.exploration),
                number::duration(s.cost.labels)
            ),
        ),
    ]);
    let summary = format!(
        "<p><a href=\"../report.html\">All iterations</a></p>{facts}<p>{}</p>",
        escape(&s.decision)
    );
    let after = ledger.iterations.iter().find(|n| n.iteration == s.iteration + 1);
    let errors = errors(&[
        ("held-out frames", s.held_out.as_ref()),
        ("new labels, before they were trained on", s.before.as_ref()),
        ("new labels, after", after.and_then(|n| n.after.as_ref())),
    ]);
    let parts = [
        Part::new("summary", "Summary", summary),
        Part::new("ignorance", "What the committee does not know", grid(&figures)),
        Part::new("errors", "Errors", errors),
        Part::new("runs", "Runs", runs(s)),
    ];
    let html = page::body("active learning", &name, &escape(&s.schedule), &parts);
    let charts: Vec<&Chart> = figures.iter().collect();
    write_figures_of(folder, &charts, options)?;
    write_page(folder, &document(&name, &html, &charts, &[])?)?;
    Ok(())
}

/// Deviations of explored and training frames, as steps.
fn histogram(s: &Summary) -> Figure {
    let mut figure = blank(
        "deviations",
        "Deviations of the committee",
        "largest deviation of a force [eV/Å]",
        "share of frames [%]",
        (true, false),
    );
    let h = &s.histogram;
    for (color, label, counts) in
        [(0, "explored", &h.explored), (2, "training frames", &h.training)]
    {
        let all: usize = counts.iter().sum();
        if all == 0 {
            continue;
        }
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for (k, count) in counts.iter().enumerate() {
            let share = 100.0 * *count as f64 / all as f64;
            x.extend([h.edges[k], h.edges[k + 1]]);
            y.extend([share, share]);
        }
        figure.series.push(Series {
            label: label.to_owned(),
            style: Style { color, line: true, ..Style::default() },
            x,
            y,
            ..Series::default()
        });
    }
    for (level, text) in [(s.window.force.0, "lower level"), (s.window.force.1, "upper level")] {
        let (low, high) = match h.edges.first().zip(h.edges.last()) {
            Some((a, b)) => (*a, *b),
            None => continue,
        };
        if level >= low && level <= high {
            figure.marks.push((level, text.to_owned()));
        }
    }
    figure.caption = format!(
        "Below {:.3} eV/Å a frame counts as known, from {:.3} on as failed{}.",
        s.window.force.0,
        s.window.force.1,
        s.window.virial.map_or(String::new(), |(low, high)| format!(
            "; virials: {low:.4} and {high:.4} eV per atom"
        ))
    );
    figure
}

fn errors(rows: &[(&str, Option<&Row>)]) -> String {
    let head = [
        "",
        "frames",
        "energy [meV/atom]",
        "force [meV/Å]",
        "largest force error",
        "virial [meV/atom]",
    ]
    .map(str::to_owned);
    let rows: Vec<Vec<String>> = rows
        .iter()
        .filter_map(|(name, row)| {
            let row = (*row)?;
            let rmse = |m: Option<vitrion_model::train::evaluation::Measure>| {
                m.map_or("–".to_owned(), |m| format!("{:.1}", m.rmse))
            };
            Some(vec![
                escape(name),
                row.frames.to_string(),
                rmse(row.energy_mev_per_atom),
                rmse(row.force_mev_per_a),
                row.force_mev_per_a.map_or("–".to_owned(), |m| format!("{:.0}", m.max)),
                rmse(row.virial_mev_per_atom),
            ])
        })
        .collect();
    table("errors-table", "Root mean square errors", &head, &rows)
}

fn runs(s: &Summary) -> String {
    let head = [
        "",
        "T [K]",
        "p [GPa]",
        "accurate",
        "candidates",
        "failed",
        "largest deviation [eV/Å]",
        "ended",
    ]
    .map(str::to_owned);
    let number =
        |x: Option<f64>, digits: usize| x.map_or("–".to_owned(), |x| format!("{x:.digits$}"));
    let rows: Vec<Vec<String>> = s
        .runs
        .iter()
        .map(|run| {
            let ended = match &run.ended {
                None => "frames that were there".to_owned(),
                Some(Ended::Finished) => "at its last step".to_owned(),
                Some(Ended::Hopeless) => {
                    format!("given up after {} of {} steps", run.steps, run.wanted)
                }
                Some(Ended::FlewApart { message }) => {
                    let first = message.lines().next().unwrap_or_default();
                    format!(
                        "flew apart after {} of {} steps: {}",
                        run.steps,
                        run.wanted,
                        escape(first)
                    )
                }
            };
            vec![
                escape(&run.name),
                number(run.temperature_k, 0),
                number(run.pressure_gpa, 3),
                run.counts.accurate.to_string(),
                run.counts.candidate.to_string(),
                run.counts.failed.to_string(),
                format!("{:.3}", run.largest),
                ended,
            ]
        })
        .collect();
    table("runs-table", "Runs of exploration", &head, &rows)
}

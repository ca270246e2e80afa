//! Charts of analyses without charts of their own: one for every pair of axes.

use super::chart::{Axis, Figure, RunTag, Series, Style, sparse};
use super::figures::{axis_text, each_analysis, facet_of, label_of, picked, runs_of};
use super::load::Results;
use vitrion_core::observables::{Curve, Observables};

/// Points kept of a curve.
const POINTS: usize = 500;
/// Colours of the palette; further curves of a chart are dashed.
const COLORS: usize = 7;
/// More curves than this in one chart are shown one at a time.
const MOST_CURVES: usize = 14;

/// Kinds of analyses with charts of their own in [`super::figures`].
const DRAWN_ELSEWHERE: [&str; 4] =
    ["radial_distribution", "diffusion", "time_correlation", "arrhenius"];

/// Curves of displacements that are for scripts.
const NOT_DRAWN: [&str; 2] = ["tensor_", "every_lag_"];

/// What a chart is about: the section it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Structure,
    Dynamics,
    Transport,
    Phases,
    Softness,
}

impl About {
    /// All sections.
    pub(super) const ALL: [About; 5] =
        [About::Structure, About::Dynamics, About::Transport, About::Phases, About::Softness];

    /// What an analysis is about.
    pub(super) fn of(observables: &Observables) -> Self {
        match observables.kind.as_str() {
            "radial_distribution"
            | "bond_angles"
            | "coordination"
            | "speciation"
            | "steinhardt"
            | "structure_factor"
            | "voronoi" => About::Structure,
            "diffusion" | "collective" | "haven_ratio" | "arrhenius" => About::Transport,
            "amorphization" | "profiles" | "regions" => About::Phases,
            kind if kind.starts_with("softness") => About::Softness,
            _ => About::Dynamics,
        }
    }
}

/// Charts of all runs of a results folder: a facet for every curve, a line for every run; of a single run all curves with the
/// same axes in one.
pub(super) fn of_runs(results: &Results, about: About) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    let alone = results.systems.iter().map(|system| system.runs.len()).sum::<usize>() == 1;
    each_analysis(results, &mut |(style, tag), run, observables| {
        let elsewhere = DRAWN_ELSEWHERE.contains(&observables.kind.as_str());
        if elsewhere || About::of(observables) != about {
            return;
        }
        // displacements have a chart of their own here
        let drawn = |curve: &&Curve| drawn(observables, curve) && !curve.name.starts_with("msd_");
        let curves: Vec<&Curve> = observables.curves.iter().filter(drawn).collect();
        if alone {
            for mut figure in together(observables, &curves) {
                figure.id = format!("{}-{}", observables.kind.replace('_', "-"), figures.len());
                figures.push(figure);
            }
            return;
        }
        for curve in curves {
            let at = place(&mut figures, observables, curve);
            let facet = facet_of(&mut figures[at], &curve.label);
            figures[at].runs.get_or_insert_with(|| runs_of(results));
            let mut series = series(curve, (style, Some(tag)));
            series.label = label_of(run);
            series.facet = Some(facet);
            figures[at].series.push(series);
        }
    });
    figures.retain(|figure| !figure.is_empty());
    figures
}

/// False for curves that are for scripts: one number for every atom or link, tensors.
fn drawn(observables: &Observables, curve: &Curve) -> bool {
    let displacement = observables.kind == "mean_squared_displacement";
    let for_scripts = |prefix: &&str| curve.name.starts_with(*prefix);
    let of_each = ["mobile atom", "link"].contains(&curve.x_axis.label.as_str());
    !(of_each || displacement && NOT_DRAWN.iter().any(for_scripts))
}

/// Charts of one analysis: all curves with the same axes in one.
pub(super) fn of_one(observables: &Observables) -> Vec<Figure> {
    let drawn = |curve: &&Curve| drawn(observables, curve);
    together(observables, &observables.curves.iter().filter(drawn).collect::<Vec<_>>())
}

fn together(observables: &Observables, curves: &[&Curve]) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    for curve in curves {
        let at = place(&mut figures, observables, curve);
        let number = figures[at].series.len();
        let (color, dash) = (number % COLORS, number / COLORS % 4);
        let style = Style { color, dash, line: true, ..Style::default() };
        figures[at].series.push(series(curve, (style, None)));
    }
    for figure in &mut figures {
        if figure.series.len() > MOST_CURVES {
            figure.facets = figure.series.iter().map(|series| series.label.clone()).collect();
            for (facet, series) in figure.series.iter_mut().enumerate() {
                series.facet = Some(facet);
                series.style = Style { color: 0, dash: 0, ..series.style };
            }
        }
    }
    figures.retain(|figure| !figure.is_empty());
    figures
}

/// The chart of an analysis with the axes of a curve, begun if there is none.
fn place(figures: &mut Vec<Figure>, observables: &Observables, curve: &Curve) -> usize {
    let (x, y) = (axis_text(&curve.x_axis), axis_text(&curve.y_axis));
    let title = &observables.title;
    let same = |figure: &Figure| {
        figure.x.label == x && figure.y.label == y && figure.title.starts_with(title.as_str())
    };
    figures.iter().position(same).unwrap_or_else(|| {
        let id = format!("{}-{}", observables.kind.replace('_', "-"), figures.len());
        let mut one = Figure::new(&id, &format!("{title}: {}", curve.y_axis.label), &id);
        // times of motion span decades
        one.x = Axis { label: x, log: curve.x_axis.label == "lag time" };
        one.y = Axis { label: y, log: one.x.log && curve.y_axis.label == "MSD" };
        figures.push(one);
        figures.len() - 1
    })
}

fn series(curve: &Curve, looks: (Style, Option<RunTag>)) -> Series {
    let defined: Vec<usize> =
        (0..curve.x.len().min(curve.y.len())).filter(|k| curve.y[*k].is_finite()).collect();
    let keep: Vec<usize> =
        sparse(defined.len(), POINTS, false).into_iter().map(|k| defined[k]).collect();
    picked(curve, &keep, curve.label.clone(), looks, None)
}

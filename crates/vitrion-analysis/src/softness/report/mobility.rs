//! How far the ions got, and where the threshold lies.

use super::{Findings, axis, by_phase, curve, density, estimate, range, slug};
use crate::softness::dataset::Label;
use crate::softness::mobility::{Norm, Windows};
use crate::softness::scores::spearman;
use crate::softness::training::Threshold;
use vitrion_core::observables::{Axis, Categories, Observables, Uncertainty};

const BINS: usize = 60;
/// Below this rank correlation the label is mostly vibration.
const WEAK: f64 = 0.5;

pub(super) fn report(of: &Findings<'_>) -> Observables {
    let Findings { data, mobility, settings, trained, .. } = *of;
    let mut result = Observables::new(
        "softness_mobility",
        &format!("Mobility of {}", mobility.species),
        "D2min(i) = min_F sum_j |r_ij(t+dt) - r_ij(t) F|^2 (Falk and Langer 1998); D_cum = sum_k sqrt(D2min_k) over a window; \
         p_hop = max_t sqrt(<|r - <r>_B|^2>_A <|r - <r>_A|^2>_B) (Candelier et al. 2009)",
    );
    result.parameter("label", settings.label.name());
    result.parameter("interval", format!("{} fs", mobility.interval));
    result.parameter("window", format!("{} fs", mobility.window));
    result.parameter("neighbours of D²min", {
        let elements = if mobility.neighbors.is_empty() {
            "all".into()
        } else {
            mobility.neighbors.join(", ")
        };
        format!("{elements} within {} Å", mobility.cutoff)
    });
    result.parameter(
        "norm of D²min",
        if mobility.norm == Norm::Sum { "sum over neighbours" } else { "mean over neighbours" },
    );
    result.parameter("half window of p_hop", format!("{} fs", mobility.hop_time));
    let unit = settings.label.unit();
    result.parameter(
        "threshold",
        match settings.threshold {
            Threshold::Median { gap } => format!(
                "median, {:.4} {unit}; {:.0} % around it left out ({:.4} to {:.4} {unit})",
                trained.threshold,
                100.0 * gap,
                trained.gap[0],
                trained.gap[1]
            ),
            Threshold::Value { value } => format!("{value} {unit}, as given"),
        },
    );
    for (sample, seen) in data.samples.iter().zip(of.statistics) {
        result.parameter(
            &format!("sample {}", sample.name),
            format!(
                "{} frames, {} windows, {:.1} neighbours of D²min{}{}",
                seen.frames,
                seen.windows,
                seen.neighbors,
                sample.temperature.map_or(String::new(), |t| format!(", {t} K")),
                if sample.train { "" } else { ", not trained on" }
            ),
        );
        if seen.too_few > 0 {
            result.caution(
                "too_few_neighbors",
                format!(
                    "{}: {} times an ion had fewer than four neighbours, whose motion is always affine",
                    sample.name, seen.too_few
                ),
                "enlarge the cut-off of D²min",
            );
        }
    }
    distributions(of, &mut result);
    increments(of, &mut result);
    labels(of, &mut result);
    mobile_shares(of, &mut result);
    result
}

fn distributions(of: &Findings<'_>, result: &mut Observables) {
    let data = of.data;
    for label in Label::ALL {
        let values = data.values(label);
        let (low, high) = range(values);
        let axes = (axis(label.name(), label.unit()), axis("probability density", ""));
        for (phase, rows) in by_phase(data) {
            let some: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
            let (x, y) = density(&some, low, high, BINS);
            let name = format!("distribution_{}_{}", slug(label.name()), slug(&phase));
            result.curves.push(curve(name, phase, (&axes.0, &axes.1), x, y));
        }
    }
}

fn increments(of: &Findings<'_>, result: &mut Observables) {
    let edges = Windows::increment_edges();
    let axes = (axis("log₁₀ √D²min of an interval", "Å"), axis("share of ions", ""));
    for (sample, seen) in of.data.samples.iter().zip(of.statistics) {
        let total: f64 = seen.increments.iter().sum();
        let used = |k: &usize| seen.increments[*k] > 0.0;
        let first = (0..edges.len()).find(used).unwrap_or(0);
        let bins: Vec<usize> =
            (first..(0..edges.len()).rfind(used).map_or(edges.len(), |last| last + 1)).collect();
        let x = bins.iter().map(|k| edges[*k].log10()).collect();
        let y = bins.iter().map(|k| seen.increments[*k] / total).collect();
        let name = format!("increments_{}", slug(&sample.name));
        result.curves.push(curve(name, sample.name.clone(), (&axes.0, &axes.1), x, y));
    }
    let axes = (axis("time", "ps"), axis("mean √D²min of an interval", "Å"));
    for (sample, seen) in of.data.samples.iter().zip(of.statistics) {
        let time = |k: usize| (k as f64 + 0.5) * of.mobility.interval * 1e-3;
        let x = (0..seen.series.len()).map(time).collect();
        let name = format!("series_{}", slug(&sample.name));
        let y = seen.series.clone();
        result.curves.push(curve(name, sample.name.clone(), (&axes.0, &axes.1), x, y));
    }
}

/// How far the labels agree, and how much of `D_cum` is vibration.
fn labels(of: &Findings<'_>, result: &mut Observables) {
    let data = of.data;
    let own = data.values(of.settings.label);
    let others: Vec<Label> =
        Label::ALL.into_iter().filter(|label| *label != of.settings.label).collect();
    let values: Vec<f64> = others.iter().map(|label| spearman(own, data.values(*label))).collect();
    result.categories.push(Categories {
        name: "label_correlation".into(),
        label: format!("Rank correlation of {} with other labels", of.settings.label.name()),
        axis: Axis { label: "Spearman's ρ".into(), unit: String::new() },
        names: others.iter().map(|label| label.name().to_owned()).collect(),
        values,
        errors: Vec::new(),
    });
    let (cumulative, whole) = (data.values(Label::CumulativeD2min), data.values(Label::WholeD2min));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let steps = of.mobility.steps() as f64;
    let why = || Uncertainty::NotEstimated { why: "a mean over all ions and windows".into() };
    result.estimates.push(estimate(
        "d_cum_over_whole",
        "D_cum over √D²min of the whole window (1: steady flow, number of intervals: vibration about a place)",
        mean(cumulative) / mean(whole).max(f64::MIN_POSITIVE),
        why(),
    ));
    let with_displacement = spearman(own, data.values(Label::Displacement));
    result.estimates.push(estimate(
        "label_displacement_spearman",
        "rank correlation of the label with the displacement in the window",
        with_displacement,
        why(),
    ));
    if of.settings.label == Label::CumulativeD2min && with_displacement < WEAK {
        result.caution(
            "label_is_vibration",
            format!(
                "D_cum of {steps} intervals has a rank correlation of {with_displacement:.2} with the displacement of the ions: it says how they vibrate rather than who leaves"
            ),
            "compare with the labels p_hop and displacement, take longer intervals, or a higher temperature",
        );
    }
}

fn mobile_shares(of: &Findings<'_>, result: &mut Observables) {
    let phases = by_phase(of.data);
    let share = |rows: &Vec<usize>| {
        rows.iter().filter(|row| of.trained.mobile[**row]).count() as f64 / rows.len() as f64
    };
    result.categories.push(Categories {
        name: "mobile_share".into(),
        label: "Share of ions above the threshold".into(),
        axis: Axis { label: "share".into(), unit: String::new() },
        names: phases.iter().map(|(name, _)| name.clone()).collect(),
        values: phases.iter().map(|(_, rows)| share(rows)).collect(),
        errors: Vec::new(),
    });
}

//! The probability to be mobile at a given softness, and what temperature does to it.
//!
//! Where `P_R(S, T) = exp(Σ(S) − ΔE(S)/(k_B T))` (Schoenholz et al., Nat. Phys. 12, 469 (2016)), `ln P_R` is a straight line in `1/(k_B T)` at every softness.

use super::{Findings, axis, curve, slug};
use vitrion_core::observables::{Curve, Observables};
use vitrion_core::stats::weighted_line_fit;
use vitrion_core::units;

/// Groups of ions of equal number.
const GROUPS: usize = 12;
/// Fewest rows of a point.
const FEWEST: usize = 10;

pub(super) fn report(of: &Findings<'_>, softness: &[f64]) -> Observables {
    let data = of.data;
    let species = &data.settings.species;
    let mut result = Observables::new(
        "softness_rearrangement",
        &format!("Probability that {species} is mobile"),
        "P_R(S) = share of ions above the threshold at softness S; P_R(S, T) = exp(Sigma(S) - dE(S)/(k_B T)) (Schoenholz et al. 2016)",
    );
    result.parameter("groups", format!("{GROUPS} of equal number of rows"));
    let mut sorted: Vec<f64> = softness.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let edge = |k: usize| sorted[(k * sorted.len() / GROUPS).min(sorted.len() - 1)];
    let group_of = |s: f64| (1..GROUPS).filter(|k| s >= edge(*k)).count();
    let mut temperatures: Vec<f64> = data.samples.iter().filter_map(|s| s.temperature).collect();
    temperatures.sort_unstable_by(f64::total_cmp);
    temperatures.dedup();
    let everything: Vec<usize> = (0..softness.len()).collect();
    let mut sets: Vec<(String, Option<f64>, Vec<usize>)> =
        vec![("all".into(), None, everything.clone())];
    for material in data.materials().iter().filter(|_| data.materials().len() > 1) {
        let is = |row: &usize| data.samples[data.rows[*row].sample as usize].material == *material;
        sets.push((material.clone(), None, everything.iter().copied().filter(is).collect()));
    }
    if temperatures.len() > 1 {
        for t in &temperatures {
            let at =
                |row: &usize| data.samples[data.rows[*row].sample as usize].temperature == Some(*t);
            let rows = everything.iter().copied().filter(at).collect();
            sets.push((format!("{t} K"), Some(*t), rows));
        }
    }
    let axes = (axis("S", ""), axis("P_R(S)", ""));
    // `[group]`: 1/(k_B T), ln P and its variance
    let mut lines: Vec<Vec<[f64; 3]>> = vec![Vec::new(); GROUPS];
    for (name, temperature, rows) in &sets {
        let (mut x, mut y, mut y_error) = (Vec::new(), Vec::new(), Vec::new());
        for (group, line) in lines.iter_mut().enumerate() {
            let inside: Vec<usize> =
                rows.iter().copied().filter(|row| group_of(softness[*row]) == group).collect();
            if inside.len() < FEWEST {
                continue;
            }
            let ions = data.ions_of(&inside);
            let count = inside.len() as f64;
            let p = inside.iter().filter(|row| of.trained.mobile[**row]).count() as f64 / count;
            // ions are independent, their windows less so
            let variance = (p * (1.0 - p)).max(1.0 / count) / ions as f64;
            x.push(inside.iter().map(|row| softness[*row]).sum::<f64>() / count);
            y.push(p);
            y_error.push(variance.sqrt());
            if let (Some(t), true) = (temperature, p > 0.0) {
                line.push([1.0 / (units::BOLTZMANN * t), p.ln(), variance / (p * p)]);
            }
        }
        let name_of = format!("p_r_{}", slug(name));
        let one = curve(name_of, name.clone(), (&axes.0, &axes.1), x, y);
        result.curves.push(Curve { y_error, ..one });
    }
    if temperatures.len() < 2 {
        result.parameter(
            "temperature dependence",
            "none: samples of two temperatures or more are needed (train = false for those that only test)",
        );
        return result;
    }
    let (mut x, mut energy, mut error) = (Vec::new(), Vec::new(), Vec::new());
    for (group, line) in lines.iter().enumerate().filter(|(_, line)| line.len() > 1) {
        let column = |k: usize| line.iter().map(|point| point[k]).collect::<Vec<f64>>();
        let Some(fit) = weighted_line_fit(&column(0), &column(1), &column(2)) else { continue };
        x.push(0.5 * (edge(group) + edge(group + 1)));
        energy.push(-fit.slope);
        error.push(fit.variance_slope.sqrt());
    }
    let axes = (axis("S", ""), axis("ΔE(S)", "eV"));
    let one = curve("energy".into(), "ΔE(S)".into(), (&axes.0, &axes.1), x, energy);
    result.curves.push(Curve { y_error: error, ..one });
    result
}

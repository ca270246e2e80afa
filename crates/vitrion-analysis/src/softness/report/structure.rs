//! Softness beside structure: distributions, the order parameter q̄6, profiles.

use super::{Findings, axis, by_phase, curve, density, estimate, range, slug, standard_error};
use crate::error::AnalysisError;
use crate::pass::{AtomValues, Pass};
use crate::softness::scores::{pearson, spearman};
use crate::structure::{Steinhardt, SteinhardtSettings};
use vitrion_core::observables::{Map, Observables};
use vitrion_core::{Frame, Structure};

const BINS: usize = 60;
/// Cells of the map along either axis.
const CELLS: usize = 40;
/// Width of the bins of profiles [Å].
const WIDTH: f64 = 1.0;

pub(super) fn report(of: &Findings<'_>, softness: &[f64]) -> Result<Observables, AnalysisError> {
    let data = of.data;
    let species = &data.settings.species;
    let mut result = Observables::new(
        "softness_structure",
        &format!("Softness of {species} and structure"),
        "S of ions that the plane has not seen; q6 averaged over the twelve nearest atoms and the atom itself (Lechner and Dellago 2008)",
    );
    let (low, high) = range(softness);
    let axes = (axis("S", ""), axis("P(S)", ""));
    for (phase, rows) in by_phase(data) {
        let some: Vec<f64> = rows.iter().map(|row| softness[*row]).collect();
        let (x, y) = density(&some, low, high, BINS);
        let name = format!("distribution_{}", slug(&phase));
        result.curves.push(curve(name, phase.clone(), (&axes.0, &axes.1), x, y));
        let mean = some.iter().sum::<f64>() / some.len() as f64;
        let ions = of.data.ions_of(&rows);
        let squares: f64 = some.iter().map(|s| (s - mean) * (s - mean)).sum();
        // rows of one ion are alike
        let error = (squares / some.len() as f64 / ions as f64).sqrt();
        result.estimates.push(estimate(
            &format!("softness_{}", slug(&phase)),
            &format!("mean softness, {phase}"),
            mean,
            standard_error(error, ions),
        ));
    }
    let order = order_parameter(of)?;
    correlation(of, softness, &order, &mut result);
    profiles(of, softness, &order, &mut result);
    Ok(result)
}

/// q̄6 of every row.
fn order_parameter(of: &Findings<'_>) -> Result<Vec<f64>, AnalysisError> {
    let species = &of.data.settings.species;
    let mut all = Vec::with_capacity(of.data.rows.len());
    for (_, start) in &of.data.starts {
        let settings = SteinhardtSettings {
            l: vec![6],
            centers: vec![species.clone()],
            ..SteinhardtSettings::default()
        };
        let analysis = Steinhardt::new(&start.table, settings)?;
        let mut pass = Pass::new(start.table.clone(), vec![Box::new(analysis)]);
        let bare = Structure { phases: None, ..start.clone() };
        let measured = pass.add(&[Frame::from(bare)])?;
        let columns = &measured[0][0].columns;
        let column = columns.iter().find(|column| column.name == "q6_averaged");
        let Some(AtomValues::Real(values)) = column.map(|column| &column.values) else {
            unreachable!("the Steinhardt analysis gives this column")
        };
        all.extend(start.atoms_of(species).iter().map(|atom| values[*atom]));
    }
    Ok(all)
}

fn correlation(of: &Findings<'_>, softness: &[f64], order: &[f64], result: &mut Observables) {
    let ions = of.data.groups() as f64;
    for (name, label, value) in [
        ("order_pearson", "correlation of softness with q̄6 (Pearson)", pearson(softness, order)),
        (
            "order_spearman",
            "rank correlation of softness with q̄6 (Spearman)",
            spearman(softness, order),
        ),
    ] {
        // of a correlation coefficient, with as many observations as ions
        let error = (1.0 - value * value) / (ions - 1.0).max(1.0).sqrt();
        result.estimates.push(estimate(name, label, value, standard_error(error, ions as usize)));
    }
    for (phase, rows) in by_phase(of.data) {
        let some = |values: &[f64]| -> Vec<f64> { rows.iter().map(|row| values[*row]).collect() };
        let value = spearman(&some(softness), &some(order));
        let ions = of.data.ions_of(&rows);
        result.estimates.push(estimate(
            &format!("order_spearman_{}", slug(&phase)),
            &format!("rank correlation of softness with q̄6, {phase}"),
            value,
            standard_error((1.0 - value * value) / ((ions as f64) - 1.0).max(1.0).sqrt(), ions),
        ));
    }
    let ((x0, x1), (y0, y1)) = (range(order), range(softness));
    let cell = |value: f64, low: f64, high: f64| {
        (((value - low) / (high - low) * CELLS as f64) as usize).min(CELLS - 1)
    };
    let inside = |q: f64, s: f64| (x0..=x1).contains(&q) && (y0..=y1).contains(&s);
    let area = (x1 - x0) * (y1 - y0) / (CELLS * CELLS) as f64;
    let mut z = vec![vec![0.0; CELLS]; CELLS];
    let mut means = vec![(0.0, 0.0, 0.0); CELLS / 2];
    for (s, q) in softness.iter().zip(order).filter(|(s, q)| inside(**q, **s)) {
        z[cell(*q, x0, x1)][cell(*s, y0, y1)] += 1.0 / (area * softness.len() as f64);
        let mean = &mut means[cell(*q, x0, x1) / 2];
        *mean = (mean.0 + 1.0, mean.1 + s, mean.2 + s * s);
    }
    let middle = |low: f64, high: f64| -> Vec<f64> {
        (0..CELLS).map(|k| low + (k as f64 + 0.5) / CELLS as f64 * (high - low)).collect()
    };
    result.maps.push(Map {
        name: "order_density".into(),
        label: "Density of softness and q̄6".into(),
        x_axis: axis("q̄6", ""),
        y_axis: axis("S", ""),
        z_axis: axis("density", ""),
        x: middle(x0, x1),
        y: middle(y0, y1),
        z,
    });
    let known: Vec<usize> = (0..means.len()).filter(|k| means[*k].0 > 4.0).collect();
    let x: Vec<f64> =
        known.iter().map(|k| x0 + (*k as f64 + 0.5) / means.len() as f64 * (x1 - x0)).collect();
    let mean = |k: &usize| means[*k].1 / means[*k].0;
    let error = |k: &usize| {
        let (count, _, squares) = means[*k];
        ((squares / count - mean(k) * mean(k)).max(0.0) / count).sqrt()
    };
    let axes = (axis("q̄6", ""), axis("mean S", ""));
    let mut line = curve(
        "order_mean".into(),
        "all ions".into(),
        (&axes.0, &axes.1),
        x,
        known.iter().map(mean).collect(),
    );
    line.y_error = known.iter().map(error).collect();
    result.curves.push(line);
}

/// Means in slabs along a lattice vector, by material.
fn profiles(of: &Findings<'_>, softness: &[f64], order: &[f64], result: &mut Observables) {
    let data = of.data;
    let letter = ["a", "b", "c"][of.axis];
    for material in data.materials() {
        let is = |sample: usize| data.samples[sample].material == material;
        let widths = data.starts.iter().filter(|(sample, _)| is(*sample));
        let width =
            widths.map(|(_, start)| start.cell.perpendicular_widths()[of.axis]).fold(0.0, f64::max);
        let bins = ((width / WIDTH) as usize).max(1);
        let mut sums = vec![[0.0; 3]; bins];
        let mut row = 0;
        for (sample, start) in &data.starts {
            for atom in start.atoms_of(&data.settings.species) {
                if is(*sample) {
                    let s = start.cell.to_fractional(start.positions[atom])[of.axis];
                    let bin = ((s - s.floor()) * bins as f64) as usize;
                    let sum = &mut sums[bin.min(bins - 1)];
                    *sum = [sum[0] + 1.0, sum[1] + softness[row], sum[2] + order[row]];
                }
                row += 1;
            }
        }
        let known: Vec<usize> = (0..bins).filter(|bin| sums[*bin][0] > 0.0).collect();
        let x: Vec<f64> =
            known.iter().map(|bin| (*bin as f64 + 0.5) * width / bins as f64).collect();
        for (k, name, label) in [(1, "softness", "mean S"), (2, "order", "mean q̄6")] {
            let axes = (axis(&format!("along {letter}"), "Å"), axis(label, ""));
            result.curves.push(curve(
                format!("profile_{name}_{}", slug(&material)),
                material.clone(),
                (&axes.0, &axes.1),
                x.clone(),
                known.iter().map(|bin| sums[*bin][k] / sums[*bin][0]).collect(),
            ));
        }
    }
}

//! The non-Gaussian parameter of displacements and its peak.
//!
//! `α₂(τ) = 3⟨|Δr|⁴⟩/(5⟨|Δr|²⟩²) − 1` (paper, eq. 11): zero where displacements are Gaussian, as those of a harmonic solid or
//! of free diffusion, positive where some ions moved and others did not. Both averages run over ions and all time origins before
//! the ratio is taken. Its peak says how long ions stay trapped and how unlike they are.
//!
//! The peak is the vertex of a parabola in `ln τ`, fitted where the curve, smoothed in the same way, is highest. Errors are those
//! of the delete-one-group jackknife over [`GROUPS`] groups of ions. Ions that move together are counted as independent.

use super::displacements::Displacements;
use super::msd::lags;
use crate::error::AnalysisError;
use crate::samples::jackknife;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::rng::{self, Stream};

/// Groups of ions that are left out one at a time.
const GROUPS: usize = 16;
/// Half of the width of a fitted parabola, in ln τ: 0.2 decades.
const HALF_WIDTH: f64 = 0.2 * std::f64::consts::LN_10;
/// Points on either side of its middle that a parabola has at least.
const NEAREST: usize = 2;
/// A peak that is lower than this many standard errors is none: the highest of many lags is high by chance.
const SIGNIFICANT: f64 = 5.0;

/// Sums over displacements.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    r2: f64,
    r4: f64,
}

impl Moments {
    fn plus(self, other: Moments, sign: f64) -> Moments {
        Moments {
            count: self.count + sign * other.count,
            r2: self.r2 + sign * other.r2,
            r4: self.r4 + sign * other.r4,
        }
    }

    /// Zero where nothing moves.
    fn alpha2(self) -> f64 {
        if self.r2 == 0.0 {
            return 0.0;
        }
        3.0 * self.r4 * self.count / (5.0 * self.r2 * self.r2) - 1.0
    }
}

/// `α₂` of the mobile species, with the time and the height of its peak.
///
/// # Errors
/// Fewer than 4 frames after the skipped time.
pub fn non_gaussian_parameter(data: &Displacements) -> Result<Observables, AnalysisError> {
    let (frames, atoms) = (data.frames(), data.mobile_atoms());
    let what = "the non-Gaussian parameter";
    if frames < 4 {
        return Err(AnalysisError::TooFewFrames { what, needed: 4, found: frames });
    }
    let groups = GROUPS.min(atoms);
    let group_of = dealt(atoms, groups);
    let lags = lags((frames - 1) / 3);
    let times: Vec<f64> = lags.iter().map(|lag| *lag as f64 * data.interval * 1e-3).collect();
    let by_group: Vec<Vec<Moments>> =
        lags.iter().map(|lag| moments(&data.mobile, *lag, &group_of, groups)).collect();
    let total: Vec<Moments> = by_group
        .iter()
        .map(|of| of.iter().fold(Moments::default(), |sum, one| sum.plus(*one, 1.0)))
        .collect();
    let alpha2: Vec<f64> = total.iter().map(|m| m.alpha2()).collect();
    // [group left out][lag]
    let left: Vec<Vec<f64>> = (0..groups)
        .map(|group| {
            let without = |(all, of): (&Moments, &Vec<Moments>)| all.plus(of[group], -1.0).alpha2();
            total.iter().zip(&by_group).map(without).collect()
        })
        .collect();
    // a single ion has no error, and so no peak
    let known = if groups > 1 { lags.len() } else { 0 };
    let errors: Vec<f64> =
        (0..known).map(|k| jackknife(left.iter().map(|curve| curve[k]))).collect();
    let mut result = described(data, groups);
    report_peak(&times, &alpha2, &errors, &left, &mut result);
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    result.curves.push(Curve {
        name: format!("alpha2_{}", data.settings.species),
        label: data.settings.species.clone(),
        x_axis: axis("lag time", "ps"),
        y_axis: axis("α₂", ""),
        x: times,
        y: alpha2,
        y_error: errors,
    });
    Ok(result)
}

fn described(data: &Displacements, groups: usize) -> Observables {
    let species = &data.settings.species;
    let mut result = Observables::new(
        "non_gaussian",
        &format!("Non-Gaussian parameter of {species}"),
        "alpha2(tau) = 3 <|dr|^4> / (5 <|dr|^2>^2) - 1 over ions and all time origins, drift of the framework removed; \
         peak by a parabola in ln tau; errors by leaving out groups of ions",
    );
    for (name, value) in [
        ("species", species.clone()),
        ("atoms", data.mobile_atoms().to_string()),
        ("groups of atoms", groups.to_string()),
        ("framework", data.framework_species.join(", ")),
        ("frames", data.frames().to_string()),
        ("frame interval", format!("{} fs", data.interval)),
        ("skipped", format!("{} fs", data.settings.skip)),
        ("longest lag", "a third of the trajectory".into()),
    ] {
        result.parameter(name, value);
    }
    result
}

/// Groups of equal size, dealt at random, since the order of atoms may follow their sites.
fn dealt(atoms: usize, groups: usize) -> Vec<usize> {
    let draw = |atom: usize| rng::at(0, Stream::Bootstrap, 0, atom as u64).uniform();
    let mut order: Vec<(f64, usize)> = (0..atoms).map(|atom| (draw(atom), atom)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut group = vec![0; atoms];
    for (place, (_, atom)) in order.into_iter().enumerate() {
        group[atom] = place % groups;
    }
    group
}

/// The definition: all origins, all atoms, one lag.
fn moments(
    positions: &[Vec<Vector3>],
    lag: usize,
    group_of: &[usize],
    groups: usize,
) -> Vec<Moments> {
    let mut found = vec![Moments::default(); groups];
    for (start, end) in positions.iter().zip(&positions[lag..]) {
        for ((a, b), group) in start.iter().zip(end).zip(group_of) {
            let r2 = math::norm2(math::sub(*b, *a));
            let group = &mut found[*group];
            group.count += 1.0;
            group.r2 += r2;
            group.r4 += r2 * r2;
        }
    }
    found
}

fn report_peak(
    times: &[f64],
    alpha2: &[f64],
    errors: &[f64],
    left: &[Vec<f64>],
    result: &mut Observables,
) {
    let found = peak(times, alpha2).filter(|peak| {
        let nearest = (0..times.len())
            .min_by(|a, b| (times[*a] - peak.time).abs().total_cmp(&(times[*b] - peak.time).abs()));
        nearest
            .is_some_and(|k| errors.get(k).is_some_and(|error| peak.height > SIGNIFICANT * error))
    });
    let Some(found) = found else {
        result.caution(
            "no_peak",
            "α₂ has no peak within the lags that stands out of its errors".into(),
            "ions neither stay trapped nor escape while they are watched: look at shorter intervals between frames or at a longer \
             trajectory",
        );
        return;
    };
    let others: Option<Vec<Peak>> = left.iter().map(|curve| peak(times, curve)).collect();
    let known = |value: fn(&Peak) -> f64| match &others {
        Some(others) => {
            let error = jackknife(others.iter().map(value));
            Uncertainty::StandardError { value: error, n_eff: others.len() as f64 }
        }
        None => Uncertainty::NotEstimated {
            why: "the peak goes away when a group of ions is left out".into(),
        },
    };
    for (name, label, value, unit) in [
        ("alpha2_peak_time_ps", "time of the peak of α₂", (|p| p.time) as fn(&Peak) -> f64, "ps"),
        ("alpha2_peak", "height of the peak of α₂", |p| p.height, ""),
    ] {
        result.estimates.push(Estimate {
            name: name.into(),
            label: label.into(),
            value: value(&found),
            uncertainty: known(value),
            unit: unit.into(),
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Peak {
    time: f64,
    height: f64,
}

/// The highest point of the smoothed curve, unless it is at an end.
fn peak(times: &[f64], curve: &[f64]) -> Option<Peak> {
    let x: Vec<f64> = times.iter().map(|t| t.ln()).collect();
    let fits: Vec<Option<[f64; 3]>> = (0..x.len()).map(|k| parabola(&x, curve, k)).collect();
    let height = |k: &usize| fits[*k].map(|[height, ..]| height);
    let top = (0..x.len())
        .filter(|k| height(k).is_some())
        .max_by(|a, b| height(a).partial_cmp(&height(b)).expect("finite"))?;
    let [a, b, c] = fits[top]?;
    let shift = -b / (2.0 * c);
    // a vertex outside of the points it was made of is none
    if c >= 0.0 || shift.abs() > HALF_WIDTH.max((x[top + 1] - x[top - 1]) / 2.0) {
        return None;
    }
    Some(Peak { time: (x[top] + shift).exp(), height: a + 0.5 * b * shift })
}

/// Coefficients of `a + b (x − x_k) + c (x − x_k)²` through the points about `k`; `None` near the ends.
fn parabola(x: &[f64], y: &[f64], k: usize) -> Option<[f64; 3]> {
    let (low, high) = (k.checked_sub(NEAREST)?, k + NEAREST);
    if high >= x.len() {
        return None;
    }
    let near =
        (0..x.len()).filter(|j| (low..=high).contains(j) || (x[*j] - x[k]).abs() <= HALF_WIDTH);
    // sums of powers of x, and of those with y
    let (mut powers, mut with_y) = ([0.0; 5], [0.0; 3]);
    for j in near {
        let mut power = 1.0;
        for p in 0..5 {
            powers[p] += power;
            if p < 3 {
                with_y[p] += power * y[j];
            }
            power *= x[j] - x[k];
        }
    }
    let normal: [Vector3; 3] =
        std::array::from_fn(|row| std::array::from_fn(|col| powers[row + col]));
    let inverse = math::inverse(&normal)?;
    let solution: Vector3 = std::array::from_fn(|row| math::dot(inverse[row], with_y));
    solution.iter().all(|c| c.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests;

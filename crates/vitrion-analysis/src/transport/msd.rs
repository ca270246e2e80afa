//! Mean squared displacements over all time origins.
//!
//! `MSD(τ) = ⟨|r_i(t + τ) − r_i(t)|²⟩` over atoms `i` and origins `t` (paper, eq. 10), in the frame
//! of the framework. Lags are all multiples of the frame interval up to a third of the trajectory,
//! thinned to about equal steps in log τ where there are many, or every one of them (by fast Fourier transforms).
//!
//! Errors are those of the scatter of single atoms, `sd(⟨|Δr_i|²⟩)/√N`, enlarged where atoms move together (see `moments.rs`). Points of one
//! curve are correlated with each other.
//!
//! What single atoms did: `δ_i²(τ)`, the mean over origins alone, and its scatter over atoms as the ergodicity-breaking parameter
//! `EB = ⟨δ⁴⟩/⟨δ²⟩² − 1` (He, Burov, Metzler and Barkai, Phys. Rev. Lett. 101, 058101 (2008)): `4τ/(9T)` for free diffusion in three dimensions, more where
//! atoms differ from each other.

use super::moments::{Moments, Sums, variance_of};
use super::recording::Recording;
use super::reference;
use super::{spectrum, window};
use crate::error::AnalysisError;
use serde::{Deserialize, Serialize};
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};

/// How displacements are shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MsdSettings {
    /// Directions of the crystal axes a, b, c in the cell, rows (of any length); lattice vectors of the mean cell if not given.
    pub axes: Option<Matrix3>,
    /// The MSD at every lag, not only at about equal steps of its logarithm.
    pub every_lag: bool,
    /// Lag of the displacements of single atoms [fs]; a tenth of the longest lag if not given.
    pub single_lag: Option<f64>,
}

impl MsdSettings {
    /// Unit vectors of the directions.
    ///
    /// # Errors
    /// A direction without length.
    pub(crate) fn directions(&self, data: &Recording) -> Result<Matrix3, AnalysisError> {
        unit(&self.axes.unwrap_or_else(|| data.mean_cell()))
    }
}

/// Rows of length one.
///
/// # Errors
/// A row without length.
pub(crate) fn unit(axes: &Matrix3) -> Result<Matrix3, AnalysisError> {
    let lengths = axes.map(math::norm);
    if lengths.iter().any(|length| !(length.is_finite() && *length > 1e-9)) {
        return Err(AnalysisError::Parameter {
            name: "axes",
            found: format!("{axes:?}"),
            expected: "three directions, [[1, 0, 0], [0, 1, 0], [0, 0, 1]] for example".into(),
        });
    }
    Ok(std::array::from_fn(|k| math::scale(axes[k], 1.0 / lengths[k])))
}

/// `n M nᵀ`, a mean square along a direction.
pub(crate) fn along(m: &Matrix3, n: Vector3) -> f64 {
    math::dot(math::row_times(n, m), n)
}

/// MSD of the mobile species (total, tensor, along the axes), of all other elements, the exponent
/// `β(τ) = d ln MSD / d ln τ` with the diffusive lags, and what single atoms did.
///
/// # Errors
/// Fewer than 4 frames after the skipped time; settings that make no sense.
pub fn mean_squared_displacement(
    data: &Recording,
    settings: &MsdSettings,
) -> Result<Observables, AnalysisError> {
    data.needs(4, "the mean squared displacement")?;
    let species = &data.settings().species;
    let directions = settings.directions(data)?;
    let moments = data.moments()?;
    let mut result = Observables::new(
        "mean_squared_displacement",
        &format!("Mean squared displacement of {species}"),
        "MSD(tau) = <|r_i(t+tau) - r_i(t)|^2> over atoms and all time origins, drift of the framework removed; errors from the scatter of \
         single atoms, sqrt(F) times as large where atoms move together",
    );
    data.describe(&mut result);
    result.parameter("longest lag", "a third of the trajectory");
    let axes =
        if settings.axes.is_some() { "as given" } else { "lattice vectors of the mean cell" };
    result.parameter("axes a, b, c", axes);
    let mut shown = Shown { data, lags: &moments.lags, result: &mut result };
    shown.mobile(moments, &directions, settings.every_lag)?;
    shown.others(moments)?;
    exponent(moments, data, &mut result);
    single_atoms(moments, data, settings, &mut result)?;
    Ok(result)
}

/// Curves over the same lags.
struct Shown<'a> {
    data: &'a Recording,
    lags: &'a [usize],
    result: &'a mut Observables,
}

impl Shown<'_> {
    fn push(&mut self, name: &str, label: &str, axis: &str, y: Vec<f64>, y_error: Vec<f64>) {
        self.result.curves.push(Curve {
            name: name.to_owned(),
            label: label.to_owned(),
            x_axis: Axis { label: "lag time".into(), unit: "ps".into() },
            y_axis: Axis { label: axis.to_owned(), unit: "Å²".into() },
            x: times(self.data, self.lags),
            y,
            y_error,
        });
    }

    fn mobile(
        &mut self,
        moments: &Moments,
        directions: &Matrix3,
        every_lag: bool,
    ) -> Result<(), AnalysisError> {
        let species = self.data.settings().species.clone();
        let errors = moments.msd_errors();
        self.push(&format!("msd_{species}"), &species, "MSD", moments.msd(), errors);
        for (axis, direction) in ["a", "b", "c"].iter().zip(directions) {
            let (y, errors) = moments.curve(|sums| along(&sums.tensor(), *direction));
            let (name, label) =
                (format!("msd_{species}_{axis}"), format!("{species} along {axis}"));
            self.push(&name, &label, "MSD", y, errors);
        }
        for (k, component) in ["xx", "yy", "zz", "xy", "xz", "yz"].iter().enumerate() {
            let (y, errors) = moments.curve(|sums: &Sums| sums.products[k] / sums.count);
            let name = format!("tensor_{species}_{component}");
            self.push(&name, &format!("{species} {component}"), "⟨Δr_a Δr_b⟩", y, errors);
        }
        if every_lag {
            let all = spectrum::mean_squared_displacement(self.data, &species)?;
            let every: Vec<usize> = (1..=all.len()).collect();
            let data = self.data;
            let mut shown = Shown { data, lags: &every, result: &mut *self.result };
            let (name, label) = (format!("every_lag_{species}"), format!("{species}, every lag"));
            shown.push(&name, &label, "MSD", all, Vec::new());
        }
        Ok(())
    }

    /// The other elements, and the mobile one in the frame of the centre of mass.
    fn others(&mut self, moments: &Moments) -> Result<(), AnalysisError> {
        let others: Vec<String> = self.data.elements().skip(1).map(str::to_owned).collect();
        for element in others {
            let of = self.data.moments_of(&element)?;
            self.push(&format!("msd_{element}"), &element, "MSD", of.msd(), of.msd_errors());
        }
        let species = self.data.settings().species.clone();
        let shift = reference::change_of_reference(self.data, &species, self.lags);
        let y = moments.msd().iter().zip(shift).map(|(msd, shift)| msd + shift).collect();
        let label = format!("{species}, centre of mass at rest");
        self.push(&format!("mass_frame_{species}"), &label, "MSD", y, Vec::new());
        Ok(())
    }
}

/// Lags [ps].
pub(crate) fn times(data: &Recording, lags: &[usize]) -> Vec<f64> {
    lags.iter().map(|lag| *lag as f64 * data.interval() * 1e-3).collect()
}

fn exponent(moments: &Moments, data: &Recording, result: &mut Observables) {
    let found = window::exponents(moments);
    let times = times(data, &moments.lags);
    let known = found.iter().all(|exponent| exponent.error.is_finite());
    result.curves.push(Curve {
        name: "exponent".into(),
        label: format!("{} exponent", data.settings().species),
        x_axis: Axis { label: "lag time".into(), unit: "ps".into() },
        y_axis: Axis { label: "d ln MSD / d ln τ".into(), unit: String::new() },
        x: found.iter().map(|exponent| times[exponent.lag]).collect(),
        y: found.iter().map(|exponent| exponent.value).collect(),
        y_error: if known {
            found.iter().map(|exponent| exponent.error).collect()
        } else {
            Vec::new()
        },
    });
    let window = window::diffusive(moments, &found);
    let shown = window.map_or("none".to_owned(), |window| {
        format!("{:.3} to {:.3} ps", times[window.start], times[window.end - 1])
    });
    result.parameter("diffusive lags", shown);
    if let Some(last) = found.last() {
        result.estimates.push(Estimate {
            name: "exponent".into(),
            label: format!("exponent of the MSD at {:.3} ps", times[last.lag]),
            value: last.value,
            uncertainty: if last.error.is_finite() {
                let n_eff = moments.groups.first().map_or(0, Vec::len) as f64;
                Uncertainty::StandardError { value: last.error, n_eff }
            } else {
                Uncertainty::NotEstimated { why: "a single atom".into() }
            },
            unit: String::new(),
        });
    }
}

/// Time-averaged MSD of every atom at one lag, and its scatter over atoms at all lags.
fn single_atoms(
    moments: &Moments,
    data: &Recording,
    settings: &MsdSettings,
    result: &mut Observables,
) -> Result<(), AnalysisError> {
    let longest = *moments.lags.last().expect("there are lags");
    let wanted = settings.single_lag.map_or(longest as f64 / 10.0, |lag| lag / data.interval());
    if !(wanted >= 0.5 && wanted <= longest as f64 + 0.5) && settings.single_lag.is_some() {
        return Err(AnalysisError::Parameter {
            name: "single_lag",
            found: format!("{} fs", wanted * data.interval()),
            expected: format!(
                "a lag between {} and {} fs",
                data.interval(),
                longest as f64 * data.interval()
            ),
        });
    }
    let distance = |lag: usize| (lag as f64 / wanted.max(1.0)).ln().abs();
    let at = (0..moments.lags.len())
        .min_by(|a, b| distance(moments.lags[*a]).total_cmp(&distance(moments.lags[*b])))
        .expect("there are lags");
    let times = times(data, &moments.lags);
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    let values = &moments.single[at];
    result.parameter("lag of single atoms", format!("{:.3} ps", times[at]));
    result.curves.push(Curve {
        name: "single_atoms".into(),
        label: format!("time-averaged MSD of every atom at {:.3} ps", times[at]),
        x_axis: axis("mobile atom", ""),
        y_axis: axis("time-averaged MSD", "Å²"),
        x: (0..values.len()).map(|atom| atom as f64).collect(),
        y: values.clone(),
        y_error: Vec::new(),
    });
    if moments.samples() > 1 {
        let breaking = moments.single.iter().map(|values| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            if mean > 0.0 { variance_of(values) / (mean * mean) } else { 0.0 }
        });
        result.curves.push(Curve {
            name: "ergodicity_breaking".into(),
            label: "scatter of single atoms".into(),
            x_axis: axis("lag time", "ps"),
            y_axis: axis("⟨δ⁴⟩/⟨δ²⟩² − 1", ""),
            y: breaking.collect(),
            x: times,
            y_error: Vec::new(),
        });
    }
    Ok(())
}

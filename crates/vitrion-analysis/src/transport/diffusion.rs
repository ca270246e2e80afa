//! Tracer diffusion coefficient and Nernst–Einstein conductivity.
//!
//! `MSD(τ) = a + 6 D τ` is fitted by generalised least squares with the covariance of the lags
//! `C_ij = Var_i n_i / (n_i n_j) = Var_i / n_j` for `τ_i ≤ τ_j`, `n = N T/τ` (McCluskey et al.,
//! J. Chem. Theory Comput. 21, 79 (2025), in closed form); the intercept `a` is free because
//! vibrations and ballistic motion add a constant. The error of `D` is the largest of the fit's, of
//! `sd(D_i)/√N` over single atoms, and of `sd(D_b)/√B` over blocks of consecutive time origins; the
//! means of both are the same linear estimate. Only the last sees ions that move together.
//!
//! The window runs from `max(1 ps, T/20)` to `T/3`. Where `6 D T < (2 Å)²`, or `D` is below two of
//! its errors, the motion cannot be told from rattling: an upper bound is given instead.

use super::displacements::Displacements;
use super::msd::{independent, moments};
use crate::error::AnalysisError;
use vitrion_core::math;
use vitrion_core::observables::{Estimate, Observables, Uncertainty};
use vitrion_core::stats::{LineFit, generalised_line_fit, normal_quantile, student_t_quantile};
use vitrion_core::units;

/// Net squared displacement below which motion counts as rattling [Å²]: (2 Å)².
const RATTLING: f64 = 4.0;
/// Points of the fit: more adds nothing, neighbouring lags being nearly equal.
const FIT_POINTS: usize = 15;
/// Blocks of time origins.
const BLOCKS: usize = 8;
/// Above this exponent over the window the motion is closer to free flight than to diffusion.
const FLIGHT: f64 = 1.5;

/// The errors of `D` by kind [Å²/fs].
struct Errors {
    fit: f64,
    atoms: f64,
    blocks: f64,
}

/// What the conductivity needs.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffusionSettings {
    /// Charge number of the mobile ion.
    pub charge: f64,
    /// Temperature of the run [K].
    pub temperature: f64,
}

/// A diffusion coefficient for further use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diffusion {
    /// [Å²/fs]; the 95 % upper bound where `diffusive` is false.
    pub value: f64,
    /// One standard error [Å²/fs].
    pub error: f64,
    /// False if only an upper bound is known.
    pub diffusive: bool,
    /// Number density of the mobile ion [1/Å³].
    pub number_density: f64,
}

/// `σ = N/V (Z e)² D / (k_B T)` [S/cm] from a density [1/Å³], `D` [Å²/fs] and `T` [K] (paper, eq. 15).
pub(crate) fn nernst_einstein(number_density: f64, charge: f64, d: f64, temperature: f64) -> f64 {
    units::CONDUCTIVITY_IN_S_PER_CM * number_density * charge * charge * d
        / (units::BOLTZMANN * temperature)
}

/// Diffusion coefficient and conductivity with errors.
///
/// # Errors
/// Fewer than 30 frames, or parameters that make no sense.
pub fn diffusion(
    data: &Displacements,
    settings: &DiffusionSettings,
) -> Result<(Observables, Diffusion), AnalysisError> {
    let frames = data.frames();
    if frames < 30 {
        return Err(AnalysisError::TooFewFrames {
            what: "a diffusion coefficient",
            needed: 30,
            found: frames,
        });
    }
    if !(settings.temperature.is_finite() && settings.temperature > 0.0) {
        return Err(AnalysisError::Parameter {
            name: "temperature",
            found: format!("{} K", settings.temperature),
            expected: "a positive temperature".into(),
        });
    }
    let total = (frames - 1) as f64 * data.interval;
    let first = ((1000.0_f64.max(total / 20.0)) / data.interval).ceil() as usize;
    let last = (frames - 1) / 3;
    let first = first.clamp(1, last.saturating_sub(FIT_POINTS / 3).max(1));
    let mut lags: Vec<usize> =
        (0..FIT_POINTS).map(|k| first + (last - first) * k / (FIT_POINTS - 1)).collect();
    lags.dedup();
    let all: Vec<_> = lags.iter().map(|lag| moments(&data.mobile, *lag)).collect();
    let times: Vec<f64> = lags.iter().map(|lag| *lag as f64 * data.interval).collect();
    let msd: Vec<f64> = all.iter().map(|m| m.mean).collect();
    let n = lags.len();
    let mut covariance = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let (short, long) = (i.min(j), i.max(j));
            covariance[i * n + j] = all[short].variance / independent(data, lags[long]);
        }
    }
    let fit = shrunk_fit(&times, &msd, &covariance).ok_or(AnalysisError::Parameter {
        name: "trajectory",
        found: "displacements without any variance".into(),
        expected: "moving atoms".into(),
    })?;
    let d = fit.slope / 6.0;
    let fit_error = fit.variance_slope.sqrt() / 6.0;
    let errors = Errors {
        fit: fit_error,
        atoms: spread_over_atoms(data, &lags, &fit.slope_weights),
        blocks: spread_over_blocks(data, &lags, &fit.slope_weights),
    };
    let error = errors.fit.max(errors.atoms).max(errors.blocks);
    let rattling = 6.0 * d * total < RATTLING || d < 2.0 * error;
    let flying = exponent(&times, &msd) > FLIGHT;
    let bound = (d.max(0.0) + normal_quantile(0.95) * error).max(0.0);
    let number_density = data.mobile_atoms() as f64 / data.mean_volume();
    let summary = Diffusion {
        value: if rattling && !flying { bound } else { d },
        error,
        diffusive: !rattling && !flying,
        number_density,
    };
    let n_eff = independent(data, lags[n - 1]);
    let observables = describe(data, settings, &summary, (&times, &msd), (&errors, n_eff), flying);
    Ok((observables, summary))
}

/// The generalised fit. Variances that do not grow as those of a walk (rattling ions) can leave a
/// covariance that is not positive definite; its off-diagonal part is then shrunk as little as is
/// needed.
fn shrunk_fit(times: &[f64], msd: &[f64], covariance: &[f64]) -> Option<LineFit> {
    let n = times.len();
    [0.0, 1e-6, 1e-4, 1e-2, 0.1, 0.3, 1.0].into_iter().find_map(|shrink| {
        let mut c = covariance.to_vec();
        for i in 0..n {
            for j in 0..n {
                if i != j {
                    c[i * n + j] *= 1.0 - shrink;
                }
            }
        }
        generalised_line_fit(times, msd, &c)
    })
}

/// `sd(D_i)/√N` with `D_i = Σ_k w_k MSD_i(τ_k) / 6`.
fn spread_over_atoms(data: &Displacements, lags: &[usize], weights: &[f64]) -> f64 {
    let atoms = data.mobile_atoms();
    if atoms < 2 {
        return 0.0;
    }
    let mut single = vec![0.0; atoms];
    for (lag, weight) in lags.iter().zip(weights) {
        let origins = (data.frames() - lag) as f64;
        for (start, end) in data.mobile.iter().zip(&data.mobile[*lag..]) {
            for i in 0..atoms {
                single[i] += weight * math::norm2(math::sub(end[i], start[i])) / (6.0 * origins);
            }
        }
    }
    let count = atoms as f64;
    let mean = single.iter().sum::<f64>() / count;
    let spread: f64 = single.iter().map(|d| (d - mean).powi(2)).sum();
    (spread / (count * (count - 1.0))).sqrt()
}

/// `sd(D_b)/√B` (times 1.2 for the few blocks) with `D_b` the same estimate from a block of consecutive time origins; zero where
/// origins are fewer than blocks.
fn spread_over_blocks(data: &Displacements, lags: &[usize], weights: &[f64]) -> f64 {
    let shortest = lags.iter().map(|lag| data.frames() - lag).min().unwrap_or(0);
    if shortest < BLOCKS {
        return 0.0;
    }
    let atoms = data.mobile_atoms() as f64;
    let mut of_block = [0.0; BLOCKS];
    for (lag, weight) in lags.iter().zip(weights) {
        let origins = data.frames() - lag;
        for (block, d) in of_block.iter_mut().enumerate() {
            let range = block * origins / BLOCKS..(block + 1) * origins / BLOCKS;
            let count = range.len() as f64 * atoms;
            let sum: f64 = range
                .map(|origin| {
                    let ends = data.mobile[origin].iter().zip(&data.mobile[origin + lag]);
                    ends.map(|(a, b)| math::norm2(math::sub(*b, *a))).sum::<f64>()
                })
                .sum();
            *d += weight * sum / (6.0 * count);
        }
    }
    let mean = of_block.iter().sum::<f64>() / BLOCKS as f64;
    let spread: f64 = of_block.iter().map(|d| (d - mean).powi(2)).sum();
    // a scatter of eight values is itself uncertain: widened so that ±1.96 errors hold 95 %
    let widening = student_t_quantile(0.975, (BLOCKS - 1) as f64) / normal_quantile(0.975);
    widening * (spread / (BLOCKS * (BLOCKS - 1)) as f64).sqrt()
}

/// Exponent of the MSD between the ends of the window; 0 where nothing moves.
fn exponent(times: &[f64], msd: &[f64]) -> f64 {
    let (first, last) = (0, times.len() - 1);
    if last == first || msd[first] <= 0.0 || msd[last] <= 0.0 {
        return 0.0;
    }
    (msd[last] / msd[first]).ln() / (times[last] / times[first]).ln()
}

fn describe(
    data: &Displacements,
    settings: &DiffusionSettings,
    found: &Diffusion,
    (times, msd): (&[f64], &[f64]),
    (errors, n_eff): (&Errors, f64),
    flying: bool,
) -> Observables {
    let species = &data.settings.species;
    let mut result = Observables::new(
        "diffusion",
        &format!("Diffusion of {species}"),
        "MSD(tau) = a + 6 D tau by generalised least squares over the lag covariance; \
         sigma = N/V (Z e)^2 D / (k_B T) (Nernst-Einstein)",
    );
    let to_cm2 = units::A2_PER_FS_IN_CM2_PER_S;
    let parameters = [
        ("species", species.clone()),
        ("charge", format!("{} e", settings.charge)),
        ("temperature", format!("{} K", settings.temperature)),
        (
            "fit window",
            format!("{:.3} to {:.3} ps", times[0] * 1e-3, times[times.len() - 1] * 1e-3),
        ),
        ("error of the fit", format!("{:.2e} cm²/s", errors.fit * to_cm2)),
        ("error from the spread over atoms", format!("{:.2e} cm²/s", errors.atoms * to_cm2)),
        (
            "error from the spread over blocks of time origins",
            format!("{:.2e} cm²/s", errors.blocks * to_cm2),
        ),
        ("number density", format!("{:.5} 1/Å³", found.number_density)),
        ("finite-size correction", "none".into()),
    ];
    for (name, value) in parameters {
        result.parameters.push((name.into(), value));
    }
    let uncertainty = |scale: f64| {
        if found.diffusive {
            Uncertainty::StandardError { value: found.error * scale, n_eff }
        } else if flying {
            Uncertainty::NotEstimated { why: "the motion is faster than diffusion".into() }
        } else {
            Uncertainty::UpperBound { level: 0.95 }
        }
    };
    result.estimates.push(Estimate {
        name: "diffusion_cm2_per_s".into(),
        label: format!("{species} tracer diffusion coefficient"),
        value: found.value * to_cm2,
        uncertainty: uncertainty(to_cm2),
        unit: "cm²/s".into(),
    });
    let per_d =
        1e3 * nernst_einstein(found.number_density, settings.charge, 1.0, settings.temperature);
    result.estimates.push(Estimate {
        name: "conductivity_ms_per_cm".into(),
        label: format!("{species} conductivity (Nernst–Einstein)"),
        value: found.value * per_d,
        uncertainty: uncertainty(per_d),
        unit: "mS/cm".into(),
    });
    let exponent = exponent(times, msd);
    result.estimates.push(Estimate {
        name: "exponent".into(),
        label: "exponent of the MSD over the fit window (1 when diffusive)".into(),
        value: exponent,
        uncertainty: Uncertainty::NotEstimated { why: "read off the ends of the window".into() },
        unit: String::new(),
    });
    if flying {
        result.caution(
            "not_diffusive",
            format!(
                "the MSD grows as τ^{exponent:.2} over the fit window, faster than diffusion: its \
                 slope is not a diffusion coefficient"
            ),
            "check which species make the framework and whether positions are wrapped; run longer",
        );
    } else if !found.diffusive {
        result.caution(
            "not_diffusive",
            format!(
                "{species} moved too little in {:.1} ps to tell diffusion from rattling; the \
                 diffusion coefficient is given as an upper bound (95 %)",
                (data.frames() - 1) as f64 * data.interval * 1e-3
            ),
            "run longer, or hotter",
        );
    } else if exponent < 0.8 {
        result.caution(
            "subdiffusive",
            format!("the MSD grows as τ^{exponent:.2} over the fit window, not yet as τ"),
            "run longer: D is still falling with time",
        );
    }
    result.caution(
        "nernst_einstein",
        "Nernst–Einstein ignores correlations between ions (no Haven ratio is computed)".into(),
        "take the conductivity as an estimate; in Li3PS4 correlations matter",
    );
    result
}

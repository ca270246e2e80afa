//! Numbers and cautions about diffusion.

use super::fit::Fit;
use super::tensor::Tensor;
use super::{Diffusion, DiffusionSettings, FLIGHT, LEVEL, Regime, TRAPPED, nernst_einstein};
use crate::error::AnalysisError;
use crate::transport::moments::Moments;
use crate::transport::msd::{along, unit};
use crate::transport::recording::Recording;
use crate::transport::reference;
use crate::transport::window::{ERRORS, Exponent};
use vitrion_core::observables::{Estimate, Observables, Uncertainty};
use vitrion_core::units;

/// Length of a jump, for counting them [Å].
const JUMP: f64 = 3.0;
/// Fewer jumps than this are too few for a coefficient.
const FEW_JUMPS: f64 = 30.0;
/// A framework whose MSD grows beyond this does not only rattle [Å²].
const FRAMEWORK_MOVED: f64 = 2.0;
/// Relative change of the volume from the first to the last quarter that is worth a caution.
const VOLUME_DRIFT: f64 = 0.02;
/// The constant of Yeh and Hummer for cubic cells.
const MADELUNG: f64 = 2.837_297;
/// Viscosity of the example for melts [eV fs/Å³]: 1 mPa s.
const VISCOSITY: f64 = 1e-3 / units::EV_IN_JOULE * 1e-30 * 1e15;

/// Everything that was found.
pub(super) struct Known<'a> {
    pub(super) data: &'a Recording,
    pub(super) settings: &'a DiffusionSettings,
    pub(super) moments: &'a Moments,
    pub(super) fit: &'a Fit,
    pub(super) found: Diffusion,
    pub(super) regime: Regime,
}

impl Known<'_> {
    pub(super) fn observables(&self, diffusive_lags: bool) -> Result<Observables, AnalysisError> {
        let species = &self.data.settings().species;
        let mut result = Observables::new(
            "diffusion",
            &format!("Diffusion of {species}"),
            "MSD(tau) = a + 6 D tau by generalised least squares over the lag covariance; error from the scatter of single atoms, sqrt(F) times as large \
             where they move together; sigma = N/V (Z e)^2 D / (k_B T) (Nernst-Einstein)",
        );
        self.parameters(diffusive_lags, &mut result);
        self.coefficient(&mut result);
        self.tensor(&mut result)?;
        Ok(result)
    }

    fn parameters(&self, diffusive_lags: bool, result: &mut Observables) {
        let Known { data, settings, fit, moments, .. } = self;
        let to_cm2 = units::A2_PER_FS_IN_CM2_PER_S / data.interval();
        let ps = |lag: usize| moments.lags[lag] as f64 * data.interval() * 1e-3;
        data.describe(result);
        result.parameter("charge", format!("{} e", settings.charge));
        let temperature = data.settings().temperature;
        let shown = temperature.map_or("unknown".to_owned(), |t| format!("{t} K"));
        result.parameter("temperature", shown);
        let (first, last) = (ps(fit.range.start), ps(fit.range.end - 1));
        result.parameter("fit window", format!("{first:.3} to {last:.3} ps"));
        let why = match (settings.window, diffusive_lags) {
            (Some(_), _) => "as given",
            (None, true) => "lags at which the MSD grows as τ",
            (None, false) => "late lags; at none does the MSD grow as τ",
        };
        result.parameter("choice of the window", why);
        result.parameter("MSD of the line at zero lag", format!("{:.3} Å²", fit.intercept));
        let model = format!("{:.2e} cm²/s", fit.model_error * to_cm2);
        result.parameter("error of the covariance model alone", model);
        let collective = moments.collective[fit.range.start];
        result.parameter("F, scatter of the sum over atoms", format!("{collective:.2}"));
        result.parameter("number density", format!("{:.5} 1/Å³", self.found.number_density));
        let length = data.mean_volume().cbrt();
        let note = temperature.map_or(String::new(), |temperature| {
            let missing = MADELUNG * units::BOLTZMANN * temperature
                / (6.0 * std::f64::consts::PI * VISCOSITY * length);
            let missing = missing * units::A2_PER_FS_IN_CM2_PER_S;
            format!("; a melt of 1 mPa s would lack {missing:.1e} cm²/s in this cell")
        });
        result.parameter(
            "finite-size correction",
            format!(
                "none: a solid framework carries no flow{note} (Yeh and Hummer, J. Phys. Chem. B 108, 15873 (2004))"
            ),
        );
    }

    fn uncertainty(&self, scale: f64) -> Uncertainty {
        match self.regime {
            Regime::Diffusive => Uncertainty::StandardError {
                value: self.found.error * scale,
                n_eff: if self.fit.degrees.is_finite() {
                    self.fit.degrees + 1.0
                } else {
                    (self.data.frames() - 1) as f64 / self.moments.lags[self.fit.range.start] as f64
                },
            },
            Regime::Flying => {
                Uncertainty::NotEstimated { why: "the motion is faster than diffusion".into() }
            }
            Regime::Trapped | Regime::Slowing => Uncertainty::UpperBound { level: LEVEL },
        }
    }

    fn coefficient(&self, result: &mut Observables) {
        let species = &self.data.settings().species;
        let to_cm2 = units::A2_PER_FS_IN_CM2_PER_S;
        let Known { settings, found, fit, moments, .. } = self;
        let mut push = |name: &str, label: String, value: f64, uncertainty, unit: &str| {
            let (name, unit) = (name.into(), unit.into());
            result.estimates.push(Estimate { name, label, value, uncertainty, unit });
        };
        push(
            "diffusion_cm2_per_s",
            format!("{species} tracer diffusion coefficient"),
            found.value * to_cm2,
            self.uncertainty(to_cm2),
            "cm²/s",
        );
        if let Some(temperature) = self.data.settings().temperature {
            let density = found.number_density;
            let per_d = 1e3 * nernst_einstein(density, settings.charge, 1.0, temperature);
            push(
                "conductivity_ms_per_cm",
                format!("{species} conductivity (Nernst–Einstein)"),
                found.value * per_d,
                self.uncertainty(per_d),
                "mS/cm",
            );
        }
        let shift = reference::change_of_reference(self.data, species, &moments.lags);
        let moved = (fit.value + fit.of(|lag| shift[lag])) / self.data.interval();
        if self.regime == Regime::Diffusive {
            push(
                "diffusion_mass_frame_cm2_per_s",
                format!("{species} tracer diffusion coefficient, centre of mass at rest"),
                moved * to_cm2,
                self.uncertainty(to_cm2),
                "cm²/s",
            );
        }
        push(
            "exponent",
            "exponent of the MSD over the fit window (1 when diffusive)".into(),
            fit.exponent(moments),
            Uncertainty::NotEstimated { why: "read off the ends of the window".into() },
            "",
        );
    }

    fn tensor(&self, result: &mut Observables) -> Result<(), AnalysisError> {
        if self.regime != Regime::Diffusive {
            return Ok(());
        }
        let tensor = Tensor::new(self.moments, self.fit);
        let axes = unit(&self.settings.axes.unwrap_or_else(|| self.data.mean_cell()))?;
        let to_cm2 = units::A2_PER_FS_IN_CM2_PER_S / self.data.interval();
        let mut push = |name: String,
                        label: String,
                        unit: &str,
                        scale: f64,
                        known: (f64, Option<(f64, usize)>)| {
            let uncertainty = match known.1 {
                Some((error, groups)) => {
                    Uncertainty::StandardError { value: error * scale, n_eff: groups as f64 }
                }
                None => Uncertainty::NotEstimated { why: "a single atom".into() },
            };
            let (value, unit) = (known.0 * scale, unit.to_owned());
            result.estimates.push(Estimate { name, label, value, uncertainty, unit });
        };
        for (axis, direction) in ["a", "b", "c"].iter().zip(axes) {
            let known = tensor.evaluate(|d| along(d, direction));
            let name = format!("diffusion_{axis}_cm2_per_s");
            push(name, format!("D along {axis}"), "cm²/s", to_cm2, known);
        }
        for (k, l, name) in
            [(0, 0, "xx"), (1, 1, "yy"), (2, 2, "zz"), (0, 1, "xy"), (0, 2, "xz"), (1, 2, "yz")]
        {
            let known = tensor.evaluate(|d| d[k][l]);
            push(
                format!("diffusion_{name}_cm2_per_s"),
                format!("D_{name}"),
                "cm²/s",
                to_cm2,
                known,
            );
        }
        let (_, directions) = tensor.principal();
        for (number, direction) in ["1", "2", "3"].iter().zip(directions) {
            let known = tensor.evaluate(|d| along(d, direction));
            let [x, y, z] = direction;
            let label = format!("D along its principal axis {number} ({x:.2}, {y:.2}, {z:.2})");
            push(format!("diffusion_principal_{number}_cm2_per_s"), label, "cm²/s", to_cm2, known);
        }
        Ok(())
    }
}

pub(super) fn cautions(
    known: &Known<'_>,
    late: Option<Exponent>,
    result: &mut Observables,
) -> Result<(), AnalysisError> {
    let Known { data, fit, moments, found, .. } = known;
    let species = &data.settings().species;
    let exponent = fit.exponent(moments);
    match known.regime {
        Regime::Flying => result.caution(
            "not_diffusive",
            format!(
                "the MSD grows as τ^{exponent:.2} over the fit window, faster than diffusion (limit {FLIGHT}): its \
                 slope is not a diffusion coefficient"
            ),
            "check which species make the framework and whether positions are wrapped; run longer",
        ),
        Regime::Trapped => result.caution(
            "not_diffusive",
            format!(
                "{species} moved too little in {:.1} ps to tell diffusion from rattling; the diffusion coefficient is given as an upper bound (95 %)",
                data.duration() * 1e-3
            ),
            "run longer, or hotter",
        ),
        Regime::Slowing => {
            let late = late.map_or(exponent, |late| late.value);
            result.caution(
                "not_diffusive",
                format!(
                    "the MSD grows as τ^{late:.2} at the longest lags: the slope still falls with time, and gives the diffusion coefficient only an upper bound (95 %)"
                ),
                "run longer, or hotter; a glass that is still relaxing looks the same",
            );
        }
        Regime::Diffusive => {
            if let Some(late) = late.filter(|late| late.value + ERRORS * late.error < 1.0) {
                result.caution(
                    "subdiffusive",
                    format!(
                        "the MSD grows as τ^{:.2} at the longest lags, not yet as τ (below τ^{TRAPPED} only a bound would be given)",
                        late.value
                    ),
                    "run longer: D is still falling with time",
                );
            }
            let net = 6.0 * found.value * data.duration();
            let jumps = data.mobile_atoms() as f64 * net / (JUMP * JUMP);
            if jumps < FEW_JUMPS {
                result.caution(
                    "too_few_events",
                    format!("only about {jumps:.0} jumps of {JUMP} Å were seen, of all {species} together"),
                    "run longer, hotter, or more atoms",
                );
            }
        }
    }
    framework(data, result)?;
    volume(data, result);
    if data.settings().temperature.is_none() {
        return Ok(());
    }
    result.caution(
        "nernst_einstein",
        "Nernst–Einstein ignores correlations between ions".into(),
        "take the conductivity as an estimate; the analysis \"collective\" gives the Haven ratio",
    );
    Ok(())
}

/// A framework that flows is no framework: the sample is above its glass transition, or molten.
fn framework(data: &Recording, result: &mut Observables) -> Result<(), AnalysisError> {
    let mobile = &data.settings().species;
    let framework: Vec<String> =
        data.framework().iter().filter(|element| *element != mobile).cloned().collect();
    for element in framework {
        let of = data.moments_of(&element)?;
        let last = of.lags.len() - 1;
        let msd = of.total[last].msd();
        let half = of.lags.iter().position(|lag| 2 * lag >= of.lags[last]).unwrap_or(last);
        let grows = msd > 1.3 * of.total[half].msd();
        if msd > FRAMEWORK_MOVED && grows {
            result.caution(
                "framework_moves",
                format!(
                    "{element} of the framework moved too: MSD {msd:.1} Å² at {:.1} ps, and growing",
                    of.lags[last] as f64 * data.interval() * 1e-3
                ),
                "above the glass transition or the melting point this is transport in a liquid; extrapolate it to no lower temperature",
            );
        }
    }
    Ok(())
}

/// A volume that drifts was not in equilibrium, or the phase changed.
fn volume(data: &Recording, result: &mut Observables) {
    let volumes = data.volumes();
    let quarter = volumes.len() / 4;
    if quarter == 0 {
        return;
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let change = mean(&volumes[volumes.len() - quarter..]) / mean(&volumes[..quarter]) - 1.0;
    if change.abs() > VOLUME_DRIFT {
        result.caution(
            "volume_drifts",
            format!(
                "the volume changed by {:.1} % from the first to the last quarter of the trajectory",
                100.0 * change
            ),
            "equilibrate longer; a phase that changes on the way has no one diffusion coefficient",
        );
    }
}

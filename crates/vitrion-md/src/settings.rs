//! What a stage of dynamics is: data, checked before the first step.

mod advice;
mod ensemble;
mod groups;
mod trajectory;

pub use ensemble::{Barostat, Coupling, Ensemble, Thermostat};
pub use groups::{Bath, Part};
pub use trajectory::{TrajectoryFormat, TrajectorySettings};

use crate::error::MdError;
use serde::{Deserialize, Serialize};
use std::fmt;
use vitrion_core::Matrix3;
use vitrion_core::math;

/// Longest timestep accepted [fs]: no bond is resolved beyond it.
const LONGEST_TIMESTEP: f64 = 10.0;

/// Fastest deformation accepted [1/fs]: a thousandth of a length per step of 1 fs.
const FASTEST_STRAIN: f64 = 1e-3;

/// A target that moves over the stage, linearly or in steps; constant when both ends are equal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ramp {
    /// Value at the start of the stage.
    pub start: f64,
    /// Value after the last step.
    pub end: f64,
    /// Equal parts of the stage, each at a constant value, the first at `start` and the last at `end`;
    /// `None` moves linearly.
    pub plateaus: Option<u32>,
}

impl Ramp {
    /// The same value throughout.
    pub fn constant(value: f64) -> Self {
        Ramp::linear(value, value)
    }

    /// From `start` to `end` in proportion to time.
    pub fn linear(start: f64, end: f64) -> Self {
        Ramp { start, end, plateaus: None }
    }

    /// The value after a fraction 0 to 1 of the stage; exact at both ends, and always where it does not
    /// move.
    pub fn at(self, fraction: f64) -> f64 {
        if !self.moves() {
            return self.start;
        }
        let done = match self.plateaus {
            None => fraction,
            Some(n) => (fraction * f64::from(n)).floor().min(f64::from(n - 1)) / f64::from(n - 1),
        };
        self.start * (1.0 - done) + self.end * done
    }

    /// True if the value changes during the stage.
    pub fn moves(self) -> bool {
        self.start.to_bits() != self.end.to_bits()
    }

    fn is_finite(self) -> bool {
        self.start.is_finite() && self.end.is_finite()
    }
}

impl fmt::Display for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)?;
        self.plateaus.map_or(Ok(()), |n| write!(f, " in {n} plateaus"))
    }
}

/// One stage of a protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSettings {
    /// What is held constant.
    pub ensemble: Ensemble,
    /// Timestep [fs].
    pub timestep: f64,
    /// Steps of this stage.
    pub steps: u64,
    /// Of the random numbers of stochastic thermostats and barostats.
    pub seed: u64,
    /// Skin of the neighbour list [Å].
    pub skin: f64,
    /// A thermo row every so many steps, besides the first and the last.
    pub thermo_every: u64,
    /// A trajectory frame every so many steps, the first included; `None` writes no trajectory.
    pub trajectory_every: Option<u64>,
    /// How the trajectory is written.
    pub trajectory: TrajectorySettings,
    /// A checkpoint every so many steps, besides the last.
    pub checkpoint_every: u64,
    /// Remove the total momentum before the first step and count 3N − 3 degrees of freedom.
    /// `false` leaves the velocities alone and counts 3N: for potentials in an external field.
    pub remove_drift: bool,
    /// Longest displacement of an atom in one step [Å]; beyond it the run stops.
    pub max_displacement: f64,
    /// Atoms that do not move, indices from 0 in ascending order: no force, no part in temperature and
    /// degrees of freedom, not scaled with the cell.
    pub frozen: Vec<u32>,
    /// Atoms with thermostats of their own; the others have that of the ensemble.
    pub baths: Vec<Bath>,
    /// Constant rate `D` [1/fs] at which cell and positions are deformed, `dH/dt = H D`; symmetric, for
    /// ensembles without barostat.
    pub strain_rate: Option<Matrix3>,
}

impl StageSettings {
    /// Settings with the usual values for all that is not asked for: skin 1 Å, thermo every 10
    /// steps, a frame every 100, a checkpoint every 1000, momentum removed, 0.5 Å per step.
    pub fn new(ensemble: Ensemble, timestep: f64, steps: u64) -> Self {
        StageSettings {
            ensemble,
            timestep,
            steps,
            seed: 1,
            skin: 1.0,
            thermo_every: 10,
            trajectory_every: Some(100),
            trajectory: TrajectorySettings::default(),
            checkpoint_every: 1000,
            remove_drift: true,
            max_displacement: 0.5,
            frozen: Vec::new(),
            baths: Vec::new(),
            strain_rate: None,
        }
    }

    /// True if nothing pushes on the centre of mass, so that its momentum stays zero.
    pub fn keeps_momentum(&self) -> bool {
        self.remove_drift && self.frozen.is_empty() && self.baths.is_empty()
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// [`MdError::Setting`] for the first one.
    pub fn validate(&self) -> Result<(), MdError> {
        let dt = self.timestep;
        // written so that NaN fails
        if !(dt > 0.0 && dt <= LONGEST_TIMESTEP) {
            return Err(refused(
                "timestep",
                format!("{dt} fs"),
                format!(
                    "it must be positive and at most {LONGEST_TIMESTEP} fs; 0.5 to 2 fs are usual"
                ),
            ));
        }
        for (setting, value) in [
            ("steps", self.steps),
            ("thermo_every", self.thermo_every),
            ("trajectory_every", self.trajectory_every.unwrap_or(1)),
            ("checkpoint_every", self.checkpoint_every),
        ] {
            if value == 0 {
                return Err(refused(setting, "0".to_owned(), "it must be at least 1".to_owned()));
            }
        }
        if !(self.skin >= 0.0 && self.skin.is_finite()) {
            return Err(refused(
                "skin",
                format!("{} Å", self.skin),
                "it must be zero or positive; 1 Å is usual".to_owned(),
            ));
        }
        if !(self.max_displacement > 0.0 && self.max_displacement.is_finite()) {
            return Err(refused(
                "max_displacement",
                format!("{} Å", self.max_displacement),
                "it must be positive; 0.5 Å is usual".to_owned(),
            ));
        }
        for ramp in self.baths.iter().map(|bath| bath.temperature).chain(self.ensemble.ramps()) {
            if ramp.plateaus.is_some_and(|n| n < 2 || u64::from(n) > self.steps) {
                let expected = format!(
                    "at least 2 plateaus, at most one for each of the {} steps",
                    self.steps
                );
                return Err(refused("plateaus", ramp.to_string(), expected));
            }
        }
        self.baths.iter().try_for_each(|bath| bath.validate(dt))?;
        if self.trajectory.forces && self.trajectory.format == TrajectoryFormat::AmberNetcdf {
            let expected = "AMBER NetCDF files hold no forces; write extxyz or lammps-dump";
            return Err(refused("trajectory forces", "true".to_owned(), expected.to_owned()));
        }
        self.validate_strain_rate()?;
        self.ensemble.validate(dt)
    }

    /// Refuses frozen atoms and thermostats of groups that do not fit a structure of `atoms` atoms.
    ///
    /// # Errors
    /// Groups that overlap, are out of order, empty, or name atoms that do not exist.
    pub fn validate_atoms(&self, atoms: usize) -> Result<(), MdError> {
        groups::check_atoms(&self.frozen, &self.baths, atoms)
    }

    fn validate_strain_rate(&self) -> Result<(), MdError> {
        let Some(rate) = &self.strain_rate else { return Ok(()) };
        let refuse =
            |found: String, expected: &str| Err(refused("strain_rate", found, expected.to_owned()));
        if matches!(self.ensemble, Ensemble::Npt { .. }) {
            return refuse("given".to_owned(), "a barostat moves the cell already; use NVE or NVT");
        }
        if !self.frozen.is_empty() {
            return refuse("given".to_owned(), "frozen atoms cannot be deformed with the cell");
        }
        if *rate != math::transpose(rate) {
            return refuse(format!("{rate:?}"), "it must be symmetric: a rotation is no strain");
        }
        let largest = rate.as_flattened().iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        // written so that NaN fails
        if largest <= FASTEST_STRAIN && rate.as_flattened().iter().all(|x| x.is_finite()) {
            return Ok(());
        }
        let expected = "at most 0.001 per fs; 1e-6 per fs (0.001 per ps) and less are usual";
        refuse(format!("{largest} per fs"), expected)
    }

    /// `(field, value)` of everything that decides the numbers, for comparing runs.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let described = |bath: &Bath| {
            format!(
                "{} ({} atoms) {} K by {:?}",
                bath.name,
                bath.atoms.len(),
                bath.temperature,
                bath.thermostat
            )
        };
        let listed: Vec<String> = self.baths.iter().map(described).collect();
        let mut fields = self.ensemble.fields();
        fields.extend([
            ("timestep [fs]", self.timestep.to_string()),
            ("steps", self.steps.to_string()),
            ("seed", self.seed.to_string()),
            ("skin [Å]", self.skin.to_string()),
            ("thermo_every", self.thermo_every.to_string()),
            (
                "trajectory_every",
                self.trajectory_every.map_or("none".to_owned(), |every| every.to_string()),
            ),
            ("trajectory", format!("{:?}", self.trajectory)),
            ("checkpoint_every", self.checkpoint_every.to_string()),
            ("remove_drift", self.remove_drift.to_string()),
            ("max_displacement [Å]", self.max_displacement.to_string()),
            ("frozen atoms", self.frozen.len().to_string()),
            ("thermostats of groups", listed.join("; ")),
            ("strain_rate [1/fs]", format!("{:?}", self.strain_rate)),
        ]);
        fields
    }
}

fn refused(setting: &'static str, found: String, expected: String) -> MdError {
    MdError::Setting { setting, found, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nvt(temperature: f64, period: f64, chain: usize) -> StageSettings {
        let temperature = Ramp::constant(temperature);
        let thermostat = Thermostat::NoseHooverChain { period, chain };
        StageSettings::new(Ensemble::Nvt { temperature, thermostat }, 1.0, 10)
    }

    #[test]
    fn a_ramp_is_exact_at_both_ends_and_linear_between() {
        let ramp = Ramp::linear(1500.1, 299.7);
        assert_eq!(ramp.at(0.0).to_bits(), 1500.1_f64.to_bits());
        assert_eq!(ramp.at(1.0).to_bits(), 299.7_f64.to_bits());
        assert!((ramp.at(0.25) - (1500.1 - 0.25 * 1200.4)).abs() < 1e-12);
        // 60 (1 − f) + 60 f is not always 60
        let constant = Ramp::constant(60.1);
        let fractions = (0..1000).map(|k| f64::from(k) / 999.0);
        assert!({ fractions }.all(|f| constant.at(f).to_bits() == 60.1_f64.to_bits()));
    }

    #[test]
    fn a_stepwise_ramp_stays_on_each_plateau_for_an_equal_time() {
        let ramp = Ramp { plateaus: Some(4), ..Ramp::linear(1200.0, 300.0) };
        let values = [0.0, 0.24, 0.25, 0.5, 0.74, 0.75, 1.0].map(|fraction| ramp.at(fraction));
        let expected = [1200.0, 1200.0, 900.0, 600.0, 600.0, 300.0, 300.0];
        assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{values:?}");
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_with_a_hint() {
        let usual = nvt(300.0, 100.0, 3);
        usual.validate().expect("usual settings");
        let cases: Vec<(StageSettings, &str)> = vec![
            (StageSettings { timestep: 0.0, ..usual.clone() }, "timestep is 0 fs: it must be"),
            (StageSettings { timestep: -1.0, ..usual.clone() }, "timestep is -1 fs"),
            (StageSettings { timestep: f64::NAN, ..usual.clone() }, "timestep is NaN fs"),
            (StageSettings { timestep: 20.0, ..usual.clone() }, "at most 10 fs"),
            (StageSettings { steps: 0, ..usual.clone() }, "steps is 0: it must be at least 1"),
            (StageSettings { thermo_every: 0, ..usual.clone() }, "thermo_every is 0"),
            (StageSettings { trajectory_every: Some(0), ..usual.clone() }, "trajectory_every"),
            (StageSettings { checkpoint_every: 0, ..usual.clone() }, "checkpoint_every"),
            (StageSettings { skin: -0.1, ..usual.clone() }, "skin is -0.1 Å"),
            (StageSettings { max_displacement: 0.0, ..usual.clone() }, "max_displacement is 0 Å"),
            (nvt(0.0, 100.0, 3), "temperature is 0 K: a thermostat needs a positive"),
            (nvt(f64::INFINITY, 100.0, 3), "temperature is inf K"),
            (nvt(300.0, 5.0, 3), "thermostat period is 5 fs: it must be at least 10 timesteps"),
            (nvt(300.0, 100.0, 0), "chain is 0: it must be 1 to 16"),
        ];
        for (settings, message) in cases {
            let error = settings.validate().expect_err(message).to_string();
            assert!(error.contains(message), "{error:?} does not say {message:?}");
        }
    }

    #[test]
    fn a_barostat_faster_than_ten_steps_is_refused() {
        let ensemble = Ensemble::Npt {
            temperature: Ramp::constant(300.0),
            thermostat: Thermostat::NoseHooverChain { period: 100.0, chain: 3 },
            pressure: Ramp::constant(0.0),
            barostat: Barostat::MartynaTobiasKlein {
                period: 9.0,
                chain: 3,
                coupling: Coupling::ISOTROPIC,
            },
        };
        let error = StageSettings::new(ensemble, 1.0, 10).validate().expect_err("9 steps");
        assert!(error.to_string().contains("barostat period is 9 fs"), "{error}");
        assert!(error.to_string().contains("1000 fs is usual"), "{error}");
    }
}

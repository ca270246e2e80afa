//! Which quantities are held, and by which method.

use super::{Ramp, refused};
use crate::error::MdError;
use serde::{Deserialize, Serialize};
use vitrion_core::Matrix3;

/// Thermostat and barostat times must span at least this many steps.
const STEPS_PER_PERIOD: f64 = 10.0;
/// Thermostats in a chain; more has no known use.
const LONGEST_CHAIN: usize = 16;

/// Which quantities are held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Ensemble {
    /// Constant energy and volume.
    Nve,
    /// Constant volume and temperature.
    Nvt {
        /// Target [K].
        temperature: Ramp,
        thermostat: Thermostat,
    },
    /// Constant pressure and temperature.
    Npt {
        /// Target [K].
        temperature: Ramp,
        thermostat: Thermostat,
        /// Target [eV/Å³].
        pressure: Ramp,
        barostat: Barostat,
    },
}

/// How the temperature is held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Thermostat {
    /// Nosé–Hoover chain (Martyna, Klein & Tuckerman 1992), `Q₁ = N_f k_B T τ²`: deterministic, for
    /// dynamics and averages of systems that mix well. Small oscillations take about `4.4 τ`.
    NoseHooverChain {
        /// τ [fs], `Tdamp` of LAMMPS; 50 to 200 timesteps are usual.
        period: f64,
        /// Thermostats in the chain; 3 is usual.
        chain: usize,
    },
    /// Stochastic velocity rescaling (Bussi, Donadio & Parrinello 2007): canonical, hardly disturbs
    /// the dynamics, forgets the start fastest.
    Csvr {
        /// Relaxation time of the kinetic energy [fs].
        period: f64,
    },
    /// Langevin friction `1/τ` and noise on every atom, integrated as BAOAB (Leimkuhler & Matthews
    /// 2013): robust, but slows diffusion.
    Langevin {
        /// One over the friction [fs].
        period: f64,
    },
}

/// How the pressure is held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Barostat {
    /// Martyna–Tobias–Klein dynamics of the cell, `W_g = (N_f + 3) k_B T τ_b²/3`, with its own
    /// Nosé–Hoover chain.
    MartynaTobiasKlein {
        /// τ_b [fs], `Pdamp` of LAMMPS; about 1000 timesteps are usual.
        period: f64,
        /// Thermostats in the chain of the cell; 3 is usual.
        chain: usize,
        coupling: Coupling,
    },
    /// Stochastic cell rescaling (Bernetti & Bussi 2020) of the volume, the shape kept: first-order
    /// relaxation without oscillations, for the way to equilibrium and for averages alike.
    StochasticCellRescaling {
        /// Relaxation time of the volume [fs].
        period: f64,
        /// Isothermal compressibility, about that of the material [Å³/eV]; only the speed depends on
        /// it.
        compressibility: f64,
    },
}

/// Which deformations of the cell the barostat may make, along Cartesian axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupling {
    /// Axes of one number change by the same factor; `None` is never changed.
    pub axes: [Option<u8>; 3],
    /// Angles may change as well; then no axis can be fixed or coupled.
    pub shear: bool,
}

impl Coupling {
    /// The shape is kept.
    pub const ISOTROPIC: Coupling = Coupling { axes: [Some(0); 3], shear: false };
    /// Every axis for itself, angles kept.
    pub const ANISOTROPIC: Coupling = Coupling { axes: [Some(0), Some(1), Some(2)], shear: false };
    /// All six components of the strain.
    pub const TRICLINIC: Coupling = Coupling { axes: [Some(0), Some(1), Some(2)], shear: true };

    /// Symmetric matrices that span the deformations.
    pub fn modes(self) -> Vec<Matrix3> {
        let mut modes = Vec::new();
        for group in 0..3 {
            let mut mode = [[0.0; 3]; 3];
            for a in 0..3 {
                if self.axes[a] == Some(group) {
                    mode[a][a] = 1.0;
                }
            }
            if mode.iter().flatten().any(|x| *x > 0.0) {
                modes.push(mode);
            }
        }
        if self.shear {
            for (a, b) in [(1, 2), (0, 2), (0, 1)] {
                let mut mode = [[0.0; 3]; 3];
                mode[a][b] = 1.0;
                mode[b][a] = 1.0;
                modes.push(mode);
            }
        }
        modes
    }

    /// What [`Coupling::name`] says: a word, or the free axes, coupled ones together ("xy, z"); `None`
    /// for anything else.
    pub fn from_name(name: &str) -> Option<Self> {
        for known in [Coupling::ISOTROPIC, Coupling::ANISOTROPIC, Coupling::TRICLINIC] {
            if known.name() == name {
                return Some(known);
            }
        }
        let mut axes = [None; 3];
        for (group, names) in name.split(',').enumerate() {
            for axis in names.trim().chars() {
                let axis = "xyz".find(axis)?;
                if axes[axis].replace(group as u8).is_some() {
                    return None;
                }
            }
        }
        axes.iter().any(Option::is_some).then_some(Coupling { axes, shear: false })
    }

    /// In words: "isotropic", "anisotropic", "triclinic", or the axes.
    pub fn name(self) -> String {
        match self {
            Coupling::ISOTROPIC => "isotropic".to_owned(),
            Coupling::ANISOTROPIC => "anisotropic".to_owned(),
            Coupling::TRICLINIC => "triclinic".to_owned(),
            Coupling { axes, .. } => {
                let of = |group: u8| -> String {
                    let held = axes.iter().zip(["x", "y", "z"]);
                    held.filter(|(axis, _)| **axis == Some(group)).map(|(_, name)| name).collect()
                };
                let groups: Vec<String> = (0..3).map(of).filter(|g| !g.is_empty()).collect();
                groups.join(", ")
            }
        }
    }
}

impl Ensemble {
    /// "NVE", "NVT" or "NPT".
    pub fn name(&self) -> &'static str {
        match self {
            Ensemble::Nve => "NVE",
            Ensemble::Nvt { .. } => "NVT",
            Ensemble::Npt { .. } => "NPT",
        }
    }

    /// The temperature target, where there is one.
    pub fn temperature(&self) -> Option<Ramp> {
        match self {
            Ensemble::Nve => None,
            Ensemble::Nvt { temperature, .. } | Ensemble::Npt { temperature, .. } => {
                Some(*temperature)
            }
        }
    }

    /// Its moving targets.
    pub fn ramps(&self) -> impl Iterator<Item = Ramp> {
        let pressure = match self {
            Ensemble::Npt { pressure, .. } => Some(*pressure),
            _ => None,
        };
        self.temperature().into_iter().chain(pressure)
    }

    /// The thermostat, where there is one.
    pub fn thermostat(&self) -> Option<Thermostat> {
        match self {
            Ensemble::Nve => None,
            Ensemble::Nvt { thermostat, .. } | Ensemble::Npt { thermostat, .. } => {
                Some(*thermostat)
            }
        }
    }

    /// The barostat, where there is one.
    pub fn barostat(&self) -> Option<Barostat> {
        match self {
            Ensemble::Npt { barostat, .. } => Some(*barostat),
            _ => None,
        }
    }

    /// Refuses values that make no sense with this timestep [fs].
    pub(super) fn validate(&self, dt: f64) -> Result<(), MdError> {
        if let Some(temperature) = self.temperature() {
            check_temperature(temperature)?;
        }
        if let Some(thermostat) = self.thermostat() {
            thermostat.validate(dt)?;
        }
        let Ensemble::Npt { pressure, barostat, .. } = self else { return Ok(()) };
        if !pressure.is_finite() {
            let found = format!("{} to {} eV/Å^3", pressure.start, pressure.end);
            return Err(refused("pressure", found, "it must be finite".to_owned()));
        }
        match *barostat {
            Barostat::MartynaTobiasKlein { period, chain, coupling } => {
                check_period("barostat period", period, dt)?;
                check_chain(chain)?;
                let whole = coupling == Coupling::TRICLINIC;
                if coupling.modes().is_empty() || (coupling.shear && !whole) {
                    let expected = "at least one axis must be free, and all of them where angles \
                                    may change";
                    return Err(refused("coupling", coupling.name(), expected.to_owned()));
                }
            }
            Barostat::StochasticCellRescaling { period, compressibility } => {
                check_period("barostat period", period, dt)?;
                if !(compressibility > 0.0 && compressibility.is_finite()) {
                    return Err(refused(
                        "compressibility",
                        format!("{compressibility} Å^3/eV"),
                        "it must be positive; solids have 0.003 to 0.1 per GPa (0.5 to 16 Å^3/eV)"
                            .to_owned(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// `(field, value)` of everything that decides the numbers.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("ensemble", self.name().to_owned())];
        if let Some(temperature) = self.temperature() {
            fields.push(("temperature [K]", temperature.to_string()));
        }
        if let Some(thermostat) = self.thermostat() {
            fields.push(("thermostat", thermostat.name().to_owned()));
            fields.push(("thermostat period [fs]", thermostat.period().to_string()));
            if let Thermostat::NoseHooverChain { chain, .. } = thermostat {
                fields.push(("chain", chain.to_string()));
            }
        }
        let Ensemble::Npt { pressure, barostat, .. } = self else { return fields };
        fields.push(("pressure [eV/Å^3]", pressure.to_string()));
        match *barostat {
            Barostat::MartynaTobiasKlein { period, chain, coupling } => fields.extend([
                ("barostat", "Martyna–Tobias–Klein".to_owned()),
                ("barostat period [fs]", period.to_string()),
                ("barostat chain", chain.to_string()),
                ("coupling", coupling.name()),
            ]),
            Barostat::StochasticCellRescaling { period, compressibility } => fields.extend([
                ("barostat", "stochastic cell rescaling".to_owned()),
                ("barostat period [fs]", period.to_string()),
                ("compressibility [Å^3/eV]", compressibility.to_string()),
            ]),
        }
        fields
    }
}

pub(super) fn check_temperature(ramp: Ramp) -> Result<(), MdError> {
    for value in [ramp.start, ramp.end] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(refused(
                "temperature",
                format!("{value} K"),
                "a thermostat needs a positive temperature".to_owned(),
            ));
        }
    }
    Ok(())
}

pub(super) fn check_period(setting: &'static str, period: f64, dt: f64) -> Result<(), MdError> {
    let shortest = STEPS_PER_PERIOD * dt;
    if period >= shortest && period.is_finite() {
        return Ok(());
    }
    Err(refused(
        setting,
        format!("{period} fs"),
        format!(
            "it must be at least {STEPS_PER_PERIOD} timesteps ({shortest} fs) to be integrated; \
             {} fs is usual",
            if setting.starts_with('b') { 1000.0 * dt } else { 100.0 * dt }
        ),
    ))
}

pub(super) fn check_chain(chain: usize) -> Result<(), MdError> {
    if (1..=LONGEST_CHAIN).contains(&chain) {
        return Ok(());
    }
    Err(refused("chain", chain.to_string(), format!("it must be 1 to {LONGEST_CHAIN}; 3 is usual")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn couplings_have_names_that_lead_back() {
        for (name, modes) in
            [("isotropic", 1), ("anisotropic", 3), ("triclinic", 6), ("xy, z", 2), ("z", 1)]
        {
            let coupling = Coupling::from_name(name).expect("a name");
            assert_eq!((coupling.name().as_str(), coupling.modes().len()), (name, modes));
        }
        assert_eq!(Coupling::from_name("xyz"), Some(Coupling::ISOTROPIC));
        for wrong in ["", "xx", "xy, yz", "a", "iso"] {
            assert_eq!(Coupling::from_name(wrong), None, "{wrong:?}");
        }
    }
}

//! Settings that run but rarely do what was meant.

use super::{Barostat, StageSettings, Thermostat};
use vitrion_core::Structure;

/// Usual longest timestep of an atom of 1 amu [fs]; it grows with the root of the mass.
const STEP_PER_ROOT_MASS: f64 = 0.75;
/// A stage shorter than this many relaxation times has not relaxed.
const PERIODS: f64 = 5.0;
/// Friction times below this slow diffusion noticeably [fs].
const FREE_FRICTION: f64 = 1000.0;
/// The cell should follow the temperature, not the other way round.
const BAROSTAT_PER_THERMOSTAT: f64 = 3.0;
/// Fewer steps in a period of the barostat follow single vibrations.
const STEPS_PER_BAROSTAT: f64 = 200.0;
/// Cooling faster than this [K/ps] freezes in much of the melt.
const FAST_COOLING: f64 = 20.0;
/// Strain rates beyond this [1/fs] are far from quasi-static.
const FAST_STRAIN: f64 = 1e-6;

impl StageSettings {
    /// What an experienced colleague would remark: timestep, relaxation times, cooling and strain rates.
    /// Settings that cannot work are errors of [`StageSettings::validate`] instead.
    pub fn advice(&self, structure: &Structure) -> Vec<String> {
        let mut remarks = Vec::new();
        self.remark_timestep(structure, &mut remarks);
        self.remark_thermostat(&mut remarks);
        self.remark_barostat(&mut remarks);
        let duration = self.timestep * self.steps as f64;
        if let Some(ramp) = self.ensemble.temperature() {
            let rate = (ramp.start - ramp.end) / duration * 1e3;
            if rate > FAST_COOLING {
                remarks.push(format!(
                    "cooling at {rate:.0} K/ps: above about {FAST_COOLING} K/ps a glass keeps much of the \
                     melt (more broken units, lower density); 1 to 10 K/ps are usual for production"
                ));
            }
        }
        if let Some(rate) = &self.strain_rate {
            let largest = rate.as_flattened().iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            if largest > FAST_STRAIN {
                remarks.push(format!(
                    "a strain rate of {:.1e} per ps: stresses lag behind; {:.0e} per ps and less are usual \
                     for elastic constants",
                    largest * 1e3,
                    FAST_STRAIN * 1e3
                ));
            }
        }
        remarks
    }

    fn remark_timestep(&self, structure: &Structure, remarks: &mut Vec<String>) {
        let moving = |atom: &usize| self.frozen.binary_search(&(*atom as u32)).is_err();
        let lightest = (0..structure.len())
            .filter(moving)
            .min_by(|a, b| structure.mass(*a).total_cmp(&structure.mass(*b)));
        let Some(atom) = lightest else { return };
        let usual = STEP_PER_ROOT_MASS * structure.mass(atom).sqrt();
        if self.timestep > 1.02 * usual {
            remarks.push(format!(
                "a timestep of {} fs is long for {} ({:.2} amu): up to {usual:.1} fs is usual; watch the \
                 drift of the conserved quantity",
                self.timestep,
                structure.symbol(atom),
                structure.mass(atom)
            ));
        }
    }

    fn remark_thermostat(&self, remarks: &mut Vec<String>) {
        let duration = self.timestep * self.steps as f64;
        let Some(thermostat) = self.ensemble.thermostat() else { return };
        let period = thermostat.period();
        if duration < PERIODS * period {
            remarks.push(format!(
                "the stage lasts {:.1} thermostat periods of {period} fs: too short to reach its \
                 temperature; {PERIODS} periods and more are usual",
                duration / period
            ));
        }
        let observed = self.trajectory_every.is_some();
        if matches!(thermostat, Thermostat::Langevin { .. }) && observed && period < FREE_FRICTION {
            remarks.push(format!(
                "Langevin friction of 1/({period} fs) slows diffusion: for transport take csvr or \
                 nose_hoover_chain, or a period above {FREE_FRICTION} fs"
            ));
        }
    }

    fn remark_barostat(&self, remarks: &mut Vec<String>) {
        let duration = self.timestep * self.steps as f64;
        let (Some(barostat), Some(thermostat)) =
            (self.ensemble.barostat(), self.ensemble.thermostat())
        else {
            return;
        };
        let (Barostat::MartynaTobiasKlein { period, .. }
        | Barostat::StochasticCellRescaling { period, .. }) = barostat;
        if period < BAROSTAT_PER_THERMOSTAT * thermostat.period() {
            remarks.push(format!(
                "the barostat ({period} fs) is hardly slower than the thermostat ({} fs): cell and \
                 temperature may swing together; five to ten times slower is usual",
                thermostat.period()
            ));
        }
        if period < STEPS_PER_BAROSTAT * self.timestep {
            remarks.push(format!(
                "a barostat period of {period} fs follows single vibrations of the atoms; about 1000 \
                 timesteps ({} fs) are usual",
                1000.0 * self.timestep
            ));
        }
        if duration < PERIODS * period {
            remarks.push(format!(
                "the stage lasts {:.1} barostat periods of {period} fs: too short to reach its density; \
                 {PERIODS} periods and more are usual",
                duration / period
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Coupling, Ensemble, Ramp};
    use super::*;
    use vitrion_core::Cell;

    #[test]
    fn usual_settings_need_no_remark_and_each_slip_gets_its_own() {
        let cell = Cell::orthorhombic([10.0; 3]).expect("a cube");
        let positions = vec![[0.0; 3], [5.0; 3]];
        let structure = Structure::new(cell, &["Li", "S"], positions).expect("elements");
        let npt = |thermostat, period, start| Ensemble::Npt {
            temperature: Ramp::linear(start, 300.0),
            thermostat,
            pressure: Ramp::constant(0.0),
            barostat: Barostat::MartynaTobiasKlein {
                period,
                chain: 3,
                coupling: Coupling::ISOTROPIC,
            },
        };
        let chain = Thermostat::NoseHooverChain { period: 100.0, chain: 3 };
        let usual = StageSettings::new(npt(chain, 1000.0, 300.0), 1.0, 20_000);
        assert_eq!(usual.advice(&structure), Vec::<String>::new());
        let langevin = Thermostat::Langevin { period: 200.0 };
        let slow = [[1e-5, 0.0, 0.0], [0.0; 3], [0.0; 3]];
        for (settings, words) in [
            (
                StageSettings { timestep: 3.0, ..usual.clone() },
                "long for Li (6.94 amu): up to 2.0 fs",
            ),
            (StageSettings { steps: 300, ..usual.clone() }, "lasts 3.0 thermostat periods"),
            (StageSettings { steps: 3000, ..usual.clone() }, "lasts 3.0 barostat periods"),
            (
                StageSettings { ensemble: npt(langevin, 1000.0, 300.0), ..usual.clone() },
                "slows diffusion",
            ),
            (
                StageSettings { ensemble: npt(chain, 250.0, 300.0), ..usual.clone() },
                "hardly slower",
            ),
            (
                StageSettings { ensemble: npt(chain, 150.0, 300.0), ..usual.clone() },
                "single vibrations",
            ),
            (
                StageSettings { ensemble: npt(chain, 1000.0, 1500.0), ..usual.clone() },
                "cooling at 60 K/ps",
            ),
            (
                StageSettings { strain_rate: Some(slow), ..usual.clone() },
                "a strain rate of 1.0e-2 per ps",
            ),
        ] {
            let remarks = settings.advice(&structure).join("\n");
            assert!(remarks.contains(words), "{words:?} is not in {remarks:?}");
        }
        // the frozen lithium sets no limit
        let frozen = StageSettings { timestep: 3.0, frozen: vec![0], ..usual };
        assert!(frozen.advice(&structure).is_empty());
    }
}

//! What a stage did: means with errors, quality of the integration, where the time went.

use crate::engine::Spent;
use crate::minimize::Minimum;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use vitrion_core::math::{self, Vector3};
use vitrion_core::{Estimate, Uncertainty};

/// Blocks kept while sampling; when full, neighbours are merged.
const MOST_BLOCKS: usize = 64;
/// Blocks behind a standard error: this many to one below twice as many.
const FEWEST_BLOCKS: usize = 10;

/// What a stage did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSummary {
    /// "NVE", "NVT" or "NPT".
    pub ensemble: String,
    /// Number of atoms.
    pub atoms: usize,
    /// Degrees of freedom behind the temperature: 3N − 3, or 3N if the drift was kept.
    pub degrees_of_freedom: usize,
    /// Steps of the stage.
    pub steps: u64,
    /// Simulated time of the stage [ps].
    pub duration_ps: f64,
    /// Velocity of the centre of mass that was removed at the start [Å/fs].
    pub removed_drift: Vector3,
    /// Mean temperature [K].
    pub temperature: Estimate,
    /// Mean pressure [GPa].
    pub pressure: Estimate,
    /// Mean volume [Å³].
    pub volume: Estimate,
    /// Mean density [g/cm³].
    pub density: Estimate,
    /// Mean potential energy [eV].
    pub potential_energy: Estimate,
    /// Slope of the conserved quantity by least squares over all steps [meV/atom/ps].
    pub conserved_drift_mev_per_atom_ps: f64,
    /// Root mean square of its deviation from that line [meV/atom].
    pub conserved_rms_mev_per_atom: f64,
    /// How often the stage was resumed from a checkpoint.
    pub resumed: u32,
    /// Largest change of the potential energy that a resume found [eV]; 0 when every resume was
    /// bit-exact, as it is on the same machine with the same build.
    pub resume_energy_change_ev: f64,
    /// How often the neighbour list was searched anew.
    pub list_builds: u64,
    /// Wall time of the steps kept [s]; what a killed run did after its last checkpoint is lost.
    pub wall_s: f64,
    /// Part of it in the neighbour list [s].
    pub neighbor_s: f64,
    /// Part of it in the potential [s].
    pub potential_s: f64,
    /// Part of it in the integrator and its checks [s].
    pub integrate_s: f64,
    /// Part of it in files and statistics [s].
    pub output_s: f64,
    /// Wall time per atom and step [µs].
    pub us_per_atom_step: f64,
}

impl StageSummary {
    /// Of a minimisation: energy, pressure and density of the minimum; no time, no temperature.
    pub fn of_minimum(minimum: &Minimum, wall: Duration) -> Self {
        use vitrion_core::units::{AMU_PER_A3_IN_G_PER_CM3, EV_PER_A3_IN_GPA};
        let single = |name: &str, label: &str, value: f64, unit: &str| Estimate {
            name: name.to_owned(),
            label: label.to_owned(),
            value,
            uncertainty: Uncertainty::NotEstimated { why: "a minimum has one value".to_owned() },
            unit: unit.to_owned(),
        };
        let structure = &minimum.structure;
        let pressure = -math::trace(&minimum.stress) / 3.0 * EV_PER_A3_IN_GPA;
        let density = structure.density() * AMU_PER_A3_IN_G_PER_CM3;
        let steps = minimum.last.step;
        let wall_s = wall.as_secs_f64();
        StageSummary {
            ensemble: "minimum".to_owned(),
            atoms: structure.len(),
            degrees_of_freedom: 0,
            steps,
            duration_ps: 0.0,
            removed_drift: [0.0; 3],
            temperature: single("temperature_k", "Temperature", 0.0, "K"),
            pressure: single("pressure_gpa", "Pressure", pressure, "GPa"),
            volume: single("volume_a3", "Volume", structure.cell.volume(), "Å³"),
            density: single("density_g_per_cm3", "Density", density, "g/cm³"),
            potential_energy: single(
                "potential_energy_ev",
                "Potential energy",
                minimum.energy,
                "eV",
            ),
            conserved_drift_mev_per_atom_ps: 0.0,
            conserved_rms_mev_per_atom: 0.0,
            resumed: 0,
            resume_energy_change_ev: 0.0,
            list_builds: 0,
            wall_s,
            neighbor_s: 0.0,
            potential_s: wall_s,
            integrate_s: 0.0,
            output_s: 0.0,
            us_per_atom_step: wall_s * 1e6 / (structure.len() as f64 * steps.max(1) as f64),
        }
    }
}

/// Mean of a correlated series and its error from at most [`MOST_BLOCKS`] block averages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Series {
    count: u64,
    sum: f64,
    per_block: u64,
    partial: f64,
    in_partial: u64,
    /// Sums over complete blocks.
    blocks: Vec<f64>,
}

impl Series {
    fn new() -> Self {
        Series {
            count: 0,
            sum: 0.0,
            per_block: 1,
            partial: 0.0,
            in_partial: 0,
            blocks: Vec::with_capacity(MOST_BLOCKS),
        }
    }

    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.partial += value;
        self.in_partial += 1;
        if self.in_partial == self.per_block {
            self.blocks.push(self.partial);
            (self.partial, self.in_partial) = (0.0, 0);
        }
        if self.blocks.len() == MOST_BLOCKS {
            merge(&mut self.blocks);
            self.per_block *= 2;
        }
    }

    fn estimate(&self, name: &str, label: &str, unit: &str, factor: f64) -> Estimate {
        let mut blocks = self.blocks.clone();
        let mut per_block = self.per_block;
        while blocks.len() >= 2 * FEWEST_BLOCKS {
            merge(&mut blocks);
            per_block *= 2;
        }
        let uncertainty = if blocks.len() < FEWEST_BLOCKS {
            Uncertainty::NotEstimated {
                why: format!("{} samples do not make {FEWEST_BLOCKS} blocks", self.count),
            }
        } else {
            let n = blocks.len() as f64;
            let means = blocks.iter().map(|sum| sum / per_block as f64);
            let mean = means.clone().sum::<f64>() / n;
            let variance = means.map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
            Uncertainty::StandardError { value: factor * (variance / n).sqrt(), n_eff: n }
        };
        Estimate {
            name: name.to_owned(),
            label: label.to_owned(),
            value: factor * self.sum / self.count.max(1) as f64,
            uncertainty,
            unit: unit.to_owned(),
        }
    }
}

fn merge(blocks: &mut Vec<f64>) {
    let pairs = blocks.len() / 2;
    for k in 0..pairs {
        blocks[k] = blocks[2 * k] + blocks[2 * k + 1];
    }
    blocks.truncate(pairs);
}

/// Sums of a straight-line fit; abscissae are steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Line {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Line {
    fn add(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
        self.yy += y * y;
    }

    /// Slope and root mean square residual.
    fn fit(&self) -> (f64, f64) {
        if self.n < 2.0 {
            return (0.0, 0.0);
        }
        let sxx = self.xx - self.x * self.x / self.n;
        let sxy = self.xy - self.x * self.y / self.n;
        let syy = self.yy - self.y * self.y / self.n;
        let slope = sxy / sxx;
        (slope, ((syy - slope * sxy).max(0.0) / self.n).sqrt())
    }
}

/// Instantaneous values of one step, in internal units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) temperature: f64,
    pub(crate) pressure: f64,
    pub(crate) volume: f64,
    pub(crate) density: f64,
    pub(crate) potential: f64,
    pub(crate) kinetic: f64,
    pub(crate) conserved: f64,
}

/// Wall time by what it was spent on [s].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Clocks {
    pub(crate) neighbor: f64,
    pub(crate) potential: f64,
    pub(crate) integrate: f64,
    pub(crate) output: f64,
}

impl Clocks {
    pub(crate) fn add(&mut self, spent: Spent) {
        self.neighbor += spent.neighbor;
        self.potential += spent.potential;
        self.integrate += spent.integrate;
    }

    fn total(&self) -> f64 {
        self.neighbor + self.potential + self.integrate + self.output
    }
}

/// Statistics of a running stage; part of the checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    temperature: Series,
    pressure: Series,
    volume: Series,
    density: Series,
    potential: Series,
    conserved: Line,
    /// Conserved quantity of the first sample [eV].
    conserved_start: Option<f64>,
    pub(crate) clocks: Clocks,
    pub(crate) removed_drift: Vector3,
    pub(crate) resumed: u32,
    pub(crate) resume_energy_change: f64,
    pub(crate) list_builds: u64,
}

impl Statistics {
    pub(crate) fn new(removed_drift: Vector3) -> Self {
        Statistics {
            temperature: Series::new(),
            pressure: Series::new(),
            volume: Series::new(),
            density: Series::new(),
            potential: Series::new(),
            conserved: Line::default(),
            conserved_start: None,
            clocks: Clocks::default(),
            removed_drift,
            resumed: 0,
            resume_energy_change: 0.0,
            list_builds: 0,
        }
    }

    /// Takes the values after step `step` of the stage.
    pub(crate) fn add(&mut self, step: u64, sample: &Sample) {
        self.temperature.add(sample.temperature);
        self.pressure.add(sample.pressure);
        self.volume.add(sample.volume);
        self.density.add(sample.density);
        self.potential.add(sample.potential);
        let start = *self.conserved_start.get_or_insert(sample.conserved);
        self.conserved.add(step as f64, sample.conserved - start);
    }

    pub(crate) fn summary(
        &self,
        ensemble: &str,
        atoms: usize,
        degrees_of_freedom: usize,
        steps: u64,
        timestep: f64,
    ) -> StageSummary {
        use vitrion_core::units::{AMU_PER_A3_IN_G_PER_CM3, EV_PER_A3_IN_GPA};
        let (slope, rms) = self.conserved.fit();
        let per_atom = 1e3 / atoms as f64; // eV → meV/atom
        let wall_s = self.clocks.total();
        StageSummary {
            ensemble: ensemble.to_owned(),
            atoms,
            degrees_of_freedom,
            steps,
            duration_ps: steps as f64 * timestep * 1e-3,
            removed_drift: self.removed_drift,
            temperature: self.temperature.estimate("temperature_k", "Temperature", "K", 1.0),
            pressure: self.pressure.estimate("pressure_gpa", "Pressure", "GPa", EV_PER_A3_IN_GPA),
            volume: self.volume.estimate("volume_a3", "Volume", "Å³", 1.0),
            density: self.density.estimate(
                "density_g_per_cm3",
                "Density",
                "g/cm³",
                AMU_PER_A3_IN_G_PER_CM3,
            ),
            potential_energy: self.potential.estimate(
                "potential_energy_ev",
                "Potential energy",
                "eV",
                1.0,
            ),
            conserved_drift_mev_per_atom_ps: slope / (timestep * 1e-3) * per_atom,
            conserved_rms_mev_per_atom: rms * per_atom,
            resumed: self.resumed,
            resume_energy_change_ev: self.resume_energy_change,
            list_builds: self.list_builds,
            wall_s,
            neighbor_s: self.clocks.neighbor,
            potential_s: self.clocks.potential,
            integrate_s: self.clocks.integrate,
            output_s: self.clocks.output,
            us_per_atom_step: wall_s * 1e6 / (atoms as f64 * steps.max(1) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::rng::{self, Stream};

    #[test]
    fn the_block_error_of_a_correlated_series_matches_theory() {
        // x_{t+1} = a x_t + √(1 − a²) ξ has unit variance and Var(mean) = (1 + a)/(1 − a)/n
        let (a, n): (f64, u64) = (0.9, 20_000);
        let mut ratios = Vec::new();
        for seed in 0..40 {
            let mut random = rng::at(seed, Stream::Testing, 0, 0);
            let (mut x, mut series) = (random.normal(), Series::new());
            for _ in 0..n {
                series.add(x);
                x = a * x + (1.0 - a * a).sqrt() * random.normal();
            }
            let Uncertainty::StandardError { value, n_eff } =
                series.estimate("x", "x", "", 1.0).uncertainty
            else {
                panic!("20000 samples make blocks")
            };
            assert!((10.0..20.0).contains(&n_eff), "{n_eff} blocks");
            ratios.push(value * value * n as f64 * (1.0 - a) / (1.0 + a));
        }
        let mean = ratios.iter().sum::<f64>() / 40.0;
        // each ratio has relative variance 2/(blocks − 1) ≤ 2/9
        assert!((mean - 1.0).abs() < 5.0 * (2.0_f64 / 9.0 / 40.0).sqrt(), "{mean}");
    }

    #[test]
    fn few_samples_have_no_error_and_say_why() {
        let mut series = Series::new();
        (0..9).for_each(|k| series.add(f64::from(k)));
        let estimate = series.estimate("x", "x", "", 2.0);
        assert!((estimate.value - 8.0).abs() < 1e-12);
        assert!(matches!(estimate.uncertainty, Uncertainty::NotEstimated { .. }));
    }

    #[test]
    fn the_drift_is_the_slope_of_a_straight_line() {
        let mut line = Line::default();
        for step in 0..1000_u32 {
            let x = f64::from(step);
            line.add(x, 3.0 + 2e-6 * x + if step % 2 == 0 { 1e-3 } else { -1e-3 });
        }
        let (slope, rms) = line.fit();
        assert!((slope - 2e-6).abs() < 1e-8, "{slope}");
        assert!((rms - 1e-3).abs() < 1e-8, "{rms}");
    }
}

//! Every thermostat and barostat against what defines its ensemble: the ratio of two distributions at
//! neighbouring temperatures or pressures (Shirts, J. Chem. Theory Comput. 9, 909 (2013)), which needs
//! no knowledge of the system.

use crate::potentials::{LennardJones, Springs};
use crate::systems::{Thermo, assert_mean, crystal, mean_and_error, run};
use vitrion_core::SpeciesTable;
use vitrion_core::units::{BOLTZMANN, EV_PER_A3_IN_GPA};
use vitrion_md::{Barostat, Coupling, Ensemble, Ramp, StageSettings, State, Thermostat};

pub(crate) const CHAIN: Thermostat = Thermostat::NoseHooverChain { period: 100.0, chain: 3 };
pub(crate) const CSVR: Thermostat = Thermostat::Csvr { period: 100.0 };
pub(crate) const LANGEVIN: Thermostat = Thermostat::Langevin { period: 200.0 };

pub(crate) fn mtk(coupling: Coupling) -> Barostat {
    Barostat::MartynaTobiasKlein { period: 400.0, chain: 3, coupling }
}

/// With about the compressibility of solid argon.
const RESCALING: Barostat =
    Barostat::StochasticCellRescaling { period: 400.0, compressibility: 80.0 };

pub(crate) fn sampled(ensemble: Ensemble, seed: u64, steps: u64) -> StageSettings {
    StageSettings {
        seed,
        thermo_every: 5,
        trajectory_every: None,
        checkpoint_every: 1_000_000,
        ..StageSettings::new(ensemble, 4.0, steps)
    }
}

/// Samples far enough apart to be independent: one of every two correlation times.
fn decorrelated(series: &[f64]) -> Vec<f64> {
    let (mean, error) = mean_and_error(series);
    let n = series.len() as f64;
    let variance = series.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let inefficiency = (error * error * n / variance).max(1.0);
    series.iter().copied().step_by(inefficiency.ceil() as usize).collect()
}

/// The slope `s` of `ln p_b(x)/p_a(x) = s x + c` and its error, by maximum likelihood.
fn slope_of_log_ratio(a: &[f64], b: &[f64]) -> (f64, f64) {
    let (a, b) = (decorrelated(a), decorrelated(b));
    let all: Vec<(f64, f64)> =
        a.iter().map(|x| (*x, 0.0)).chain(b.iter().map(|x| (*x, 1.0))).collect();
    let centre = all.iter().map(|(x, _)| x).sum::<f64>() / all.len() as f64;
    let width =
        (all.iter().map(|(x, _)| (x - centre).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
    let (mut slope, mut shift, mut error) = (0.0, 0.0, f64::INFINITY);
    for _ in 0..50 {
        let (mut g, mut h) = ([0.0; 2], [0.0; 3]);
        for (x, label) in &all {
            let x = (x - centre) / width;
            let p = 1.0 / (1.0 + (-(slope * x + shift)).exp());
            g[0] += (label - p) * x;
            g[1] += label - p;
            let w = p * (1.0 - p);
            h[0] += w * x * x;
            h[1] += w * x;
            h[2] += w;
        }
        let det = h[0] * h[2] - h[1] * h[1];
        slope += (h[2] * g[0] - h[1] * g[1]) / det;
        shift += (h[0] * g[1] - h[1] * g[0]) / det;
        error = (h[2] / det).sqrt();
    }
    (slope / width, error / width)
}

fn liquid(temperature: f64) -> State {
    crystal(2, 5.7, &["Ar"], temperature)
}

pub(crate) fn argon() -> LennardJones {
    LennardJones::new(&["Ar"], 0.0103, 3.4, 5.4, true)
}

/// Total energies at two temperatures must have the ratio `exp(−(β_b − β_a) E)`.
fn temperatures(name: &str, thermostat: Thermostat) {
    let at = |temperature: f64, seed: u64| -> Vec<f64> {
        let ensemble = Ensemble::Nvt { temperature: Ramp::constant(temperature), thermostat };
        let settings = sampled(ensemble, seed, 25_000);
        let (_, _, thermo) = run(&liquid(temperature), &mut argon(), &settings);
        thermo.column("total_energy_ev")[400..].to_vec()
    };
    let (low, high) = (115.0, 145.0);
    let (slope, error) = slope_of_log_ratio(&at(low, 1), &at(high, 2));
    let theory = 1.0 / (BOLTZMANN * low) - 1.0 / (BOLTZMANN * high);
    assert!(error < 0.12 * theory, "{name}: {slope} ± {error}, resolution is too poor");
    assert!(
        (slope - theory).abs() < 4.0 * error,
        "{name}: slope {slope} ± {error} 1/eV, theory {theory}"
    );
}

#[test]
fn a_nose_hoover_chain_samples_the_canonical_ensemble() {
    temperatures("chain", CHAIN);
}

#[test]
fn stochastic_velocity_rescaling_samples_the_canonical_ensemble() {
    temperatures("csvr", CSVR);
}

#[test]
fn langevin_dynamics_samples_the_canonical_ensemble() {
    temperatures("langevin", LANGEVIN);
}

/// Argon at a temperature [K] and two pressures [GPa].
struct Argon {
    edge: f64,
    temperature: f64,
    pressures: [f64; 2],
    steps: u64,
}

const LIQUID: Argon =
    Argon { edge: 5.7, temperature: 130.0, pressures: [0.04, 0.065], steps: 40_000 };
/// The shape of a liquid has nothing to hold it, so a barostat that may change it needs a crystal.
const CRYSTAL: Argon =
    Argon { edge: 5.35, temperature: 30.0, pressures: [0.03, 0.07], steps: 25_000 };

/// Volumes at two pressures must have the ratio `exp(−(P_b − P_a) V/kT)`.
fn pressures(name: &str, thermostat: Thermostat, barostat: Barostat, system: &Argon) {
    let at = |gpa: f64, seed: u64| -> Vec<f64> {
        let ensemble = Ensemble::Npt {
            temperature: Ramp::constant(system.temperature),
            thermostat,
            pressure: Ramp::constant(gpa / EV_PER_A3_IN_GPA),
            barostat,
        };
        let initial = crystal(2, system.edge, &["Ar"], system.temperature);
        let settings = sampled(ensemble, seed, system.steps);
        let (_, _, thermo) = run(&initial, &mut argon(), &settings);
        thermo.column("volume_a3")[800..].to_vec()
    };
    let [low, high] = system.pressures;
    let (slope, error) = slope_of_log_ratio(&at(low, 3), &at(high, 4));
    let theory = -(high - low) / EV_PER_A3_IN_GPA / (BOLTZMANN * system.temperature);
    assert!(error < 0.15 * theory.abs(), "{name}: {slope} ± {error}, resolution is too poor");
    assert!(
        (slope - theory).abs() < 4.0 * error,
        "{name}: slope {slope} ± {error} 1/Å³, theory {theory}"
    );
}

/// (In a crystal the chain of the isotropic barostat exchanges energy so slowly that a run of this
/// length is wrong by several of its own error bars; twelve times the length is right.)
#[test]
fn the_isotropic_barostat_samples_its_ensemble() {
    pressures("isotropic", CHAIN, mtk(Coupling::ISOTROPIC), &LIQUID);
}

#[test]
fn the_anisotropic_barostat_samples_its_ensemble() {
    pressures("anisotropic", CHAIN, mtk(Coupling::ANISOTROPIC), &CRYSTAL);
}

#[test]
fn the_triclinic_barostat_samples_its_ensemble_with_langevin_dynamics() {
    pressures("triclinic", LANGEVIN, mtk(Coupling::TRICLINIC), &CRYSTAL);
}

#[test]
fn stochastic_cell_rescaling_samples_its_ensemble() {
    pressures("cell rescaling", CSVR, RESCALING, &CRYSTAL);
}

#[test]
fn stochastic_cell_rescaling_of_an_ideal_gas_has_its_gamma_distribution() {
    let initial = crystal(2, 6.0, &["Ne", "Ar"], 300.0);
    let table = SpeciesTable::new(&["Ne", "Ar"]).expect("elements");
    let mut gas = Springs { table, sites: vec![[0.0; 3]; 32], k: [0.0; 3] };
    let kt = BOLTZMANN * 300.0;
    let ensemble = Ensemble::Npt {
        temperature: Ramp::constant(300.0),
        thermostat: CSVR,
        pressure: Ramp::constant(kt / 50.0),
        barostat: Barostat::StochasticCellRescaling { period: 2000.0, compressibility: 50.0 / kt },
    };
    let settings = StageSettings { max_displacement: 1.0, ..sampled(ensemble, 5, 100_000) };
    let (_, _, thermo) = run(&initial, &mut gas, &settings);
    // the kinetic pressure of 3N − 3 degrees of freedom: p(V) ∝ V^(N−2) exp(−PV/kT), shape N − 1
    let volume: Vec<f64> = thermo.column("volume_a3")[2000..].iter().map(|v| v / 50.0).collect();
    assert_mean("mean volume", &volume, 31.0, 1.0);
}

/// The conserved quantity of stochastic methods drifts by the error of the timestep only.
#[test]
fn heat_of_random_numbers_is_accounted_for() {
    let pressure = Ramp::linear(0.0, 0.1 / EV_PER_A3_IN_GPA);
    let temperature = Ramp::linear(60.0, 90.0);
    let cases = [
        ("csvr", Ensemble::Nvt { temperature, thermostat: CSVR }),
        ("langevin", Ensemble::Nvt { temperature, thermostat: LANGEVIN }),
        (
            "rescaling",
            Ensemble::Npt { temperature, thermostat: CSVR, pressure, barostat: RESCALING },
        ),
        (
            "langevin mtk",
            Ensemble::Npt {
                temperature,
                thermostat: LANGEVIN,
                pressure,
                barostat: mtk(Coupling::TRICLINIC),
            },
        ),
    ];
    for (name, ensemble) in cases {
        let initial = crystal(2, 5.5, &["Ar"], 60.0);
        let settings = sampled(ensemble, 7, 400);
        let (_, _, thermo) = run(&initial, &mut argon(), &settings);
        let swing = |thermo: &Thermo, column: &str| {
            let series = thermo.column(column);
            let (low, high) = series
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |m, x| (m.0.min(*x), m.1.max(*x)));
            (high - low) / 32.0 * 1e3
        };
        let (conserved, total) =
            (swing(&thermo, "conserved_ev"), swing(&thermo, "total_energy_ev"));
        assert!(total > 3.0, "{name}: heat must flow for this test, {total} meV/atom");
        assert!(conserved < 0.1, "{name}: {conserved} of {total} meV/atom");
    }
}

/// Fixed axes stay, coupled axes grow alike, and a symmetric rate of strain does not turn the cell.
#[test]
fn coupling_decides_which_lengths_change() {
    let pressure = Ramp::constant(0.2 / EV_PER_A3_IN_GPA);
    let after = |axes: [Option<u8>; 3]| {
        let barostat = mtk(Coupling { axes, shear: false });
        let temperature = Ramp::constant(60.0);
        let ensemble = Ensemble::Npt { temperature, thermostat: CHAIN, pressure, barostat };
        let initial = crystal(2, 5.5, &["Ar"], 60.0);
        let (end, ..) = run(&initial, &mut argon(), &sampled(ensemble, 1, 200));
        let before = initial.structure.cell.lengths();
        let after = end.structure.cell.lengths();
        [0, 1, 2].map(|k| after[k] / before[k] - 1.0)
    };
    let [x, y, z] = after([Some(0), Some(0), None]);
    assert!(x.abs() > 1e-4 && (x - y).abs() < 1e-12 && z.abs() < 1e-15, "{x} {y} {z}");
    let [x, y, z] = after([Some(0), Some(1), Some(1)]);
    assert!((x - y).abs() > 1e-6 && (y - z).abs() < 1e-12, "{x} {y} {z}");
}

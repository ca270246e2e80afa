//! Systems to start from, a way to run them, and statistics of correlated series.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use vitrion_core::io::extxyz;
use vitrion_core::math::{self, Vector3};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Potential, Structure};
use vitrion_md::{
    Control, MdError, StageOutcome, StageSettings, StageSummary, State, run_stage, velocities,
};

/// Sites of `n³` face-centred cubic cells with edge `a` [Å].
pub(crate) fn sites(n: usize, a: f64) -> Vec<Vector3> {
    let mut positions = Vec::new();
    for cell in 0..n * n * n {
        let corner = [cell / (n * n), cell / n % n, cell % n].map(|x| x as f64);
        for basis in [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]] {
            positions.push(math::scale(math::add(corner, basis), a));
        }
    }
    positions
}

/// A face-centred cubic crystal of `n³` cells with edge `a` [Å], symbols cycled, each atom moved
/// by up to 0.1 Å, and Maxwell–Boltzmann velocities at `temperature` [K].
pub(crate) fn crystal(n: usize, a: f64, symbols: &[&str], temperature: f64) -> State {
    let mut positions = sites(n, a);
    for (atom, r) in (0..).zip(&mut positions) {
        let mut random = rng::at(5, Stream::Testing, 0, atom);
        let jitter: Vector3 = std::array::from_fn(|_| 0.2 * random.uniform() - 0.1);
        *r = math::add(*r, jitter);
    }
    let names: Vec<&str> = (0..positions.len()).map(|i| symbols[i % symbols.len()]).collect();
    let cell = Cell::orthorhombic([a * n as f64; 3]).expect("a cube");
    let structure = Structure::new(cell, &names, positions).expect("elements");
    let velocities =
        velocities::maxwell_boltzmann(&structure, temperature, 17).expect("a temperature");
    State::new(structure, velocities)
}

/// Runs a stage to its end in a folder.
pub(crate) fn run_in(
    directory: &Path,
    initial: &State,
    potential: &mut dyn Potential,
    settings: &StageSettings,
) -> Result<(State, StageSummary), MdError> {
    let stop = AtomicBool::new(false);
    let control = Control { stop: &stop, progress: &|_| {} };
    match run_stage(initial.clone(), potential, settings, directory, &mut [], &control)? {
        StageOutcome::Finished { state, summary } => Ok((state, summary)),
        StageOutcome::Interrupted { step } => panic!("nobody asked for a stop at {step}"),
    }
}

/// Runs a stage to its end in a temporary folder; the rows of its thermo table come along.
pub(crate) fn run(
    initial: &State,
    potential: &mut dyn Potential,
    settings: &StageSettings,
) -> (State, StageSummary, Thermo) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (state, summary) =
        run_in(folder.path(), initial, potential, settings).expect("a stage that ends well");
    let thermo = Thermo::read(&folder.path().join(vitrion_md::THERMO_FILE));
    (state, summary, thermo)
}

/// A thermo table by columns.
pub(crate) struct Thermo {
    names: Vec<String>,
    rows: Vec<Vec<f64>>,
}

impl Thermo {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a thermo table");
        let mut lines = text.lines();
        let names = lines.next().expect("a header").split(',').map(str::to_owned).collect();
        let rows = lines
            .map(|line| line.split(',').map(|x| x.parse().expect("a number")).collect())
            .collect();
        Thermo { names, rows }
    }

    pub(crate) fn column(&self, name: &str) -> Vec<f64> {
        let k = self.names.iter().position(|n| n == name).expect("a column of the table");
        self.rows.iter().map(|row| row[k]).collect()
    }
}

/// Frames of an extended XYZ file.
pub(crate) fn frames(path: &Path) -> Vec<Frame> {
    let reader = extxyz::Reader::open(path).expect("a file");
    reader.map(|frame| frame.expect("a frame")).collect()
}

/// Mean and standard error of a correlated series from 20 blocks.
pub(crate) fn mean_and_error(series: &[f64]) -> (f64, f64) {
    let length = series.len() / 20;
    assert!(length >= 10, "{} values are too few", series.len());
    let means: Vec<f64> =
        series.chunks_exact(length).map(|b| b.iter().sum::<f64>() / length as f64).collect();
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Checks the mean of a series against theory within five standard errors, which must themselves
/// be below `resolution` for the test to mean anything.
pub(crate) fn assert_mean(what: &str, series: &[f64], theory: f64, resolution: f64) {
    let (mean, error) = mean_and_error(series);
    assert!(error < resolution, "{what}: standard error {error} is not below {resolution}");
    assert!(
        (mean - theory).abs() < 5.0 * error,
        "{what}: {mean} ± {error}, but theory says {theory}"
    );
}

//! Minimisation of energy, or of enthalpy when the cell may move, by FIRE.
//!
//! Fast inertial relaxation engine (Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006)) with unit
//! masses: velocities follow the forces, are turned towards them while the power `P = F · v` is
//! positive, and are set to zero when it is not.
//!
//! A free cell adds its strain to the coordinates: `y = N ε`, whose force is
//! `−∂(E + P V)/∂y = (W − P V I)/N` projected on the deformations that are allowed, as positions and
//! cell are multiplied by `exp(δε)` in every step.

use crate::error::MdError;
use crate::integrate::deformation::compose;
use crate::settings::Coupling;
use vitrion_core::math::{self, Matrix3, Vector3, eigen};
use vitrion_core::{Cell, Evaluation, Interactions, Potential, Structure, units};

const START_STEP: f64 = 0.1;
const LARGEST_STEP: f64 = 1.0;
const PATIENCE: u32 = 5;
const GROW: f64 = 1.1;
const SHRINK: f64 = 0.5;
const START_MIXING: f64 = 0.1;
const LESS_MIXING: f64 = 0.99;

/// How far to minimise, and what may move.
#[derive(Debug, Clone, PartialEq)]
pub struct MinimizeSettings {
    /// Largest force that is left on any atom [eV/Å].
    pub force_tolerance: f64,
    /// Most steps.
    pub steps: u64,
    /// Deformations of the cell, if it may move.
    pub coupling: Option<Coupling>,
    /// External pressure [eV/Å³].
    pub pressure: f64,
    /// Largest difference of an element of the stress from the pressure that is left [eV/Å³].
    pub stress_tolerance: f64,
    /// Longest move of an atom, and of `N ε`, in one step [Å].
    pub max_displacement: f64,
    /// Skin of the neighbour list [Å].
    pub skin: f64,
}

impl Default for MinimizeSettings {
    fn default() -> Self {
        MinimizeSettings {
            force_tolerance: 0.01,
            steps: 5000,
            coupling: None,
            pressure: 0.0,
            stress_tolerance: 0.01 / units::EV_PER_A3_IN_GPA,
            max_displacement: 0.2,
            skin: 0.5,
        }
    }
}

/// Where a minimisation stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinimizeProgress {
    pub step: u64,
    /// Energy, with `P V` where the cell moves [eV].
    pub enthalpy: f64,
    /// Largest force on an atom [eV/Å].
    pub force: f64,
    /// Largest deviation of a free element of the stress [eV/Å³]; 0 with a fixed cell.
    pub stress: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    pub structure: Structure,
    /// [eV]
    pub energy: f64,
    /// `−W/V`, negative for pressure from inside [eV/Å³].
    pub stress: Matrix3,
    /// The last state.
    pub last: MinimizeProgress,
    /// Both tolerances are met.
    pub converged: bool,
}

/// Minimises from `structure`; `watch` sees every step and may end it by returning false.
///
/// # Errors
/// Settings that make no sense, unknown species, a cell that may move but is not periodic, a
/// potential that fails.
pub fn minimize(
    structure: &Structure,
    potential: &mut dyn Potential,
    settings: &MinimizeSettings,
    watch: &mut dyn FnMut(MinimizeProgress) -> bool,
) -> Result<Minimum, MdError> {
    check(structure, settings)?;
    let species = structure.species_in(potential.species())?;
    let mut interactions = Interactions::new(potential.cutoff(), settings.skin);
    let mut at = Point {
        cell: structure.cell.clone(),
        positions: structure.positions.clone(),
        evaluation: Evaluation::default(),
        modes: settings.coupling.map_or(Vec::new(), Coupling::modes),
        pressure: settings.pressure,
    };
    let mut evaluate = |at: &mut Point| {
        let Point { cell, positions, evaluation, .. } = at;
        interactions
            .evaluate(&mut *potential, cell, positions, &species, evaluation)
            .map_err(MdError::Start)
    };
    evaluate(&mut at)?;
    let atoms = structure.len();
    let mut velocities = vec![[0.0; 3]; atoms];
    let mut strain_rate = math::ZERO;
    let (mut dt, mut mixing, mut downhill) = (START_STEP, START_MIXING, 0);
    let mut step = 0;
    loop {
        let strain_force = at.strain_force();
        let last = MinimizeProgress {
            step,
            enthalpy: at.enthalpy(),
            force: at.evaluation.forces.iter().map(|f| math::norm(*f)).fold(0.0, f64::max),
            stress: largest(&strain_force) * atoms as f64 / at.cell.volume(),
        };
        let converged =
            last.force <= settings.force_tolerance && last.stress <= settings.stress_tolerance;
        let go_on = watch(last);
        if converged || step == settings.steps || !go_on {
            let stress = math::matrix_scale(&at.evaluation.virial, -1.0 / at.cell.volume());
            let energy = at.evaluation.energy;
            let structure =
                Structure { cell: at.cell, positions: at.positions, ..structure.clone() };
            return Ok(Minimum { structure, energy, stress, last, converged });
        }
        step += 1;
        // turn the velocities towards the forces, or stop where the way leads uphill
        let forces = &at.evaluation.forces;
        let power = inner(forces, &velocities) + inner_matrix(&strain_force, &strain_rate);
        if power > 0.0 {
            let speed =
                (inner(&velocities, &velocities) + inner_matrix(&strain_rate, &strain_rate)).sqrt();
            let force = (inner(forces, forces) + inner_matrix(&strain_force, &strain_force)).sqrt();
            let along = mixing * speed / force;
            for (v, f) in velocities.iter_mut().zip(forces) {
                *v = math::add(math::scale(*v, 1.0 - mixing), math::scale(*f, along));
            }
            strain_rate = math::matrix_add(
                &math::matrix_scale(&strain_rate, 1.0 - mixing),
                &math::matrix_scale(&strain_force, along),
            );
            if downhill > PATIENCE {
                dt = (dt * GROW).min(LARGEST_STEP);
                mixing *= LESS_MIXING;
            }
            downhill += 1;
        } else {
            velocities.fill([0.0; 3]);
            strain_rate = math::ZERO;
            (dt, mixing, downhill) = (dt * SHRINK, START_MIXING, 0);
        }
        for (v, f) in velocities.iter_mut().zip(forces) {
            *v = math::add(*v, math::scale(*f, dt));
        }
        strain_rate = math::matrix_add(&strain_rate, &math::matrix_scale(&strain_force, dt));
        // one factor for all, so that the direction is kept
        let farthest =
            velocities.iter().map(|v| math::norm(*v)).fold(largest(&strain_rate), f64::max);
        let limit = (settings.max_displacement / (farthest * dt)).min(1.0);
        at.walk(&velocities, &strain_rate, dt * limit)
            .map_err(|source| MdError::Cell { step, source })?;
        evaluate(&mut at)?;
    }
}

/// Positions and cell with what the potential says of them.
struct Point {
    cell: Cell,
    positions: Vec<Vector3>,
    evaluation: Evaluation,
    modes: Vec<Matrix3>,
    pressure: f64,
}

impl Point {
    fn enthalpy(&self) -> f64 {
        let volume = if self.modes.is_empty() { 0.0 } else { self.cell.volume() };
        self.evaluation.energy + self.pressure * volume
    }

    /// `−∂(E + P V)/∂(N ε)` along the free deformations.
    fn strain_force(&self) -> Matrix3 {
        let mut free = math::ZERO;
        let work = self.pressure * self.cell.volume();
        for mode in &self.modes {
            let mut along = 0.0;
            for a in 0..3 {
                along -= mode[a][a] * work;
                for b in 0..3 {
                    along += mode[a][b] * self.evaluation.virial[a][b];
                }
            }
            let size = inner_matrix(mode, mode) * self.positions.len() as f64;
            free = math::matrix_add(&free, &math::matrix_scale(mode, along / size));
        }
        free
    }

    fn walk(
        &mut self,
        velocities: &[Vector3],
        strain_rate: &Matrix3,
        time: f64,
    ) -> Result<(), vitrion_core::cell::CellError> {
        if !self.modes.is_empty() {
            let (rates, vectors) = eigen(strain_rate);
            let per = time / self.positions.len() as f64;
            let growth = compose(rates, &vectors, |rate| (rate * per).exp());
            let matrix = math::matmul(self.cell.matrix(), &growth);
            self.cell = Cell::new(matrix, self.cell.periodicity())?;
            for r in &mut self.positions {
                *r = math::row_times(*r, &growth);
            }
        }
        for (r, v) in self.positions.iter_mut().zip(velocities) {
            *r = math::add(*r, math::scale(*v, time));
        }
        Ok(())
    }
}

fn inner(a: &[Vector3], b: &[Vector3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| math::dot(*a, *b)).sum()
}

fn inner_matrix(a: &Matrix3, b: &Matrix3) -> f64 {
    a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| a * b).sum()
}

fn largest(matrix: &Matrix3) -> f64 {
    matrix.as_flattened().iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn check(structure: &Structure, settings: &MinimizeSettings) -> Result<(), MdError> {
    let positive = [
        ("force_tolerance", settings.force_tolerance, "eV/Å", "0.001 to 0.05 eV/Å are usual"),
        ("stress_tolerance", settings.stress_tolerance, "eV/Å^3", "6e-5 (0.01 GPa) is usual"),
        ("max_displacement", settings.max_displacement, "Å", "0.2 Å is usual"),
    ];
    for (setting, value, unit, usual) in positive {
        if !(value > 0.0 && value.is_finite()) {
            let expected = format!("it must be positive; {usual}");
            return Err(MdError::Setting { setting, found: format!("{value} {unit}"), expected });
        }
    }
    let skin = settings.skin;
    if !(settings.pressure.is_finite() && skin >= 0.0 && skin.is_finite()) {
        return Err(MdError::Setting {
            setting: "pressure or skin",
            found: format!("{} eV/Å^3, {skin} Å", settings.pressure),
            expected: "both must be finite, the skin not negative".to_owned(),
        });
    }
    if structure.is_empty() {
        return Err(MdError::BadState("there are no atoms".to_owned()));
    }
    if settings.coupling.is_some() && structure.cell.periodicity() != [true; 3] {
        return Err(MdError::BadState(format!(
            "a cell that may move needs to be periodic in all directions, found {:?}",
            structure.cell.periodicity()
        )));
    }
    Ok(())
}

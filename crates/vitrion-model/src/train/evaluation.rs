//! Errors of a model against labels: per system, per group, per element, and points for parity plots.

use super::dataset::Dataset;
use super::loss::Sum;
use crate::deep_potential::DeepPotential;
use crate::deep_potential::{Embedding, Precision};
use serde::{Deserialize, Serialize};
use vitrion_core::{Evaluation, Interactions, Labels, Potential, PotentialError};

/// Sums of errors over frames.
#[derive(Debug, Clone, Default)]
pub struct Errors {
    pub frames: usize,
    /// Atoms of all frames.
    pub atoms: usize,
    energy: Term,
    force: Term,
    virial: Term,
    /// Forces on each species.
    species: Vec<Term>,
}

/// Squares and sizes of one kind of error.
#[derive(Debug, Clone, Copy, Default)]
struct Term {
    squares: Sum,
    sizes: f64,
    largest: f64,
}

impl Term {
    fn add(&mut self, residual: f64) {
        self.squares.add(residual);
        self.sizes += residual.abs();
        self.largest = self.largest.max(residual.abs());
    }

    fn merge(&mut self, other: &Term) {
        self.squares.sum += other.squares.sum;
        self.squares.count += other.squares.count;
        self.sizes += other.sizes;
        self.largest = self.largest.max(other.largest);
    }

    fn row(&self) -> Option<Measure> {
        Some(Measure {
            rmse: 1e3 * self.squares.root_mean()?,
            mae: 1e3 * self.sizes / self.squares.count,
            max: 1e3 * self.largest,
        })
    }
}

/// Root mean square, mean absolute and largest error, in thousandths of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    pub rmse: f64,
    pub mae: f64,
    pub max: f64,
}

/// Errors as reported; `None` without labels of that kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub frames: usize,
    /// Atoms of all frames.
    pub atoms: usize,
    pub energy_mev_per_atom: Option<Measure>,
    /// Of components.
    #[serde(rename = "force_mev_per_A")]
    pub force_mev_per_a: Option<Measure>,
    pub virial_mev_per_atom: Option<Measure>,
    /// Force components on each element.
    #[serde(rename = "element_force_mev_per_A")]
    pub elements: Vec<(String, Measure)>,
}

impl Errors {
    /// Nothing yet, for so many species.
    pub fn new(species: usize) -> Self {
        Errors { species: vec![Term::default(); species], ..Errors::default() }
    }

    /// Compares one frame; `species` are indices of the model.
    pub fn add(&mut self, species: &[u8], labels: &Labels, found: &Evaluation) {
        let atoms = species.len();
        self.frames += 1;
        self.atoms += atoms;
        if let Some(energy) = labels.energy {
            self.energy.add((found.energy - energy) / atoms as f64);
        }
        for (i, (f, label)) in found.forces.iter().zip(labels.forces.iter().flatten()).enumerate() {
            for k in 0..3 {
                self.force.add(f[k] - label[k]);
                self.species[usize::from(species[i])].add(f[k] - label[k]);
            }
        }
        for (row, label) in found.virial.iter().zip(labels.virial.iter().flatten()) {
            (0..3).for_each(|k| self.virial.add((row[k] - label[k]) / atoms as f64));
        }
    }

    /// Adds other frames.
    pub fn merge(&mut self, other: &Errors) {
        self.frames += other.frames;
        self.atoms += other.atoms;
        self.energy.merge(&other.energy);
        self.force.merge(&other.force);
        self.virial.merge(&other.virial);
        self.species.iter_mut().zip(&other.species).for_each(|(a, b)| a.merge(b));
    }

    /// The errors of what was added; `symbols` name the species.
    pub fn row(&self, name: String, symbols: &[String]) -> Row {
        Row {
            name,
            frames: self.frames,
            atoms: self.atoms,
            energy_mev_per_atom: self.energy.row(),
            force_mev_per_a: self.force.row(),
            virial_mev_per_atom: self.virial.row(),
            elements: symbols
                .iter()
                .zip(&self.species)
                .filter_map(|(symbol, term)| Some((symbol.clone(), term.row()?)))
                .collect(),
        }
    }
}

/// Labels against predictions of some frames.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// Per atom, relative to the energies of the free species the model starts from
    /// [eV/atom]: label, model, system.
    pub energy: Vec<(f64, f64, usize)>,
    /// A sample of components [eV/Å]: label, model, species.
    pub force: Vec<(f64, f64, usize)>,
    /// Components per atom [eV/atom]: label, model, system.
    pub virial: Vec<(f64, f64, usize)>,
}

/// A model on the frames of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    pub systems: Vec<Row>,
    pub groups: Vec<Row>,
    pub total: Row,
    pub parity: Parity,
}

/// Points of the force parity, about.
const FORCE_POINTS: usize = 6000;

/// Evaluates a model on these frames, in double precision, as `vitrion predict` would.
///
/// # Errors
/// Frames the model cannot be evaluated on; the number of the frame comes with the error.
pub fn evaluate(
    model: &DeepPotential,
    data: &Dataset,
    frames: &[usize],
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluated, (usize, PotentialError)> {
    let symbols = model.species.symbols();
    let mut evaluator = model.evaluator(Precision::Double, Embedding::Tables);
    let mut interactions = Interactions::new(evaluator.cutoff(), 0.0);
    let mut systems = vec![Errors::new(symbols.len()); data.systems().len()];
    let mut parity = Parity::default();
    let components: usize = frames.iter().map(|f| 3 * data.atoms_of(*f)).sum();
    let stride = components.div_ceil(FORCE_POINTS).max(1);
    let mut component = 0;
    let mut found = Evaluation::default();
    for (done, index) in frames.iter().enumerate() {
        let frame = data.frame(*index);
        let (cell, positions) = (&frame.cell, frame.positions);
        interactions
            .evaluate(&mut evaluator, cell, positions, frame.species, &mut found)
            .map_err(|error| (*index, error))?;
        let labels = Labels {
            energy: frame.energy,
            forces: frame.forces.map(<[_]>::to_vec),
            virial: frame.virial,
            atom_energies: None,
        };
        systems[frame.system].add(frame.species, &labels, &found);
        let atoms = frame.species.len() as f64;
        if let Some(energy) = labels.energy {
            let free: f64 = frame.species.iter().map(|s| model.energy_bias[usize::from(*s)]).sum();
            let point = ((energy - free) / atoms, (found.energy - free) / atoms, frame.system);
            parity.energy.push(point);
        }
        for (i, label) in labels.forces.iter().flatten().enumerate() {
            for k in 0..3 {
                if component % stride == 0 {
                    let species = usize::from(frame.species[i]);
                    parity.force.push((label[k], found.forces[i][k], species));
                }
                component += 1;
            }
        }
        if let Some(label) = &labels.virial {
            for (a, b) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)] {
                let point = (label[a][b] / atoms, found.virial[a][b] / atoms, frame.system);
                parity.virial.push(point);
            }
        }
        progress(done + 1);
    }
    let mut total = Errors::new(symbols.len());
    let mut groups: Vec<(&str, Errors)> = Vec::new();
    for (system, errors) in data.systems().iter().zip(&systems) {
        total.merge(errors);
        match groups.iter_mut().find(|(name, _)| *name == system.group) {
            Some((_, group)) => group.merge(errors),
            None => groups.push((&system.group, errors.clone())),
        }
    }
    let rows = data.systems().iter().zip(&systems).filter(|(_, errors)| errors.frames > 0);
    Ok(Evaluated {
        systems: rows.map(|(system, errors)| errors.row(system.name.clone(), symbols)).collect(),
        groups: groups
            .into_iter()
            .filter(|(_, errors)| errors.frames > 0)
            .map(|(name, errors)| errors.row(name.to_owned(), symbols))
            .collect(),
        total: total.row("all".to_owned(), symbols),
        parity,
    })
}

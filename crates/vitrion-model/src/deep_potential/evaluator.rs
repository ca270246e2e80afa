//! The fast evaluator: atoms batched by species, embedding nets from tables, fitting nets as matrix
//! products, blocks spread over threads, results independent of their number.

mod block;

use super::real::Real;
use super::table::Bound;
use super::{DeepPotential, Reference};
use block::{Batch, Block};
use rayon::prelude::*;
use vitrion_core::{Atoms, Evaluation, NeighborList, Potential, PotentialError, SpeciesTable};

/// Arithmetic of the evaluator. Positions, energies and sums are always f64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// f64 throughout.
    Double,
    /// f32 nets and tables.
    Mixed,
}

impl Precision {
    /// The word in run files.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Double => "double",
            Precision::Mixed => "mixed",
        }
    }

    /// Errors of the tables that this arithmetic deserves.
    fn wanted(self) -> Bound {
        match self {
            Precision::Double => Bound { value: 1e-11, slope: 3e-9 },
            Precision::Mixed => Bound { value: 1e-7, slope: 1e-6 },
        }
    }
}

/// A [`Potential`] for molecular dynamics.
pub struct Evaluator {
    species: SpeciesTable,
    cutoff: f64,
    engine: Engine,
}

enum Engine {
    Double(Threaded<f64>),
    Mixed(Threaded<f32>),
}

impl DeepPotential {
    /// A fast evaluator with this arithmetic on `threads` threads (at least one).
    pub fn evaluator(&self, precision: Precision, threads: usize) -> Evaluator {
        let engine = match precision {
            Precision::Double => Engine::Double(Threaded::new(self, precision.wanted(), threads)),
            Precision::Mixed => Engine::Mixed(Threaded::new(self, precision.wanted(), threads)),
        };
        Evaluator { species: self.species.clone(), cutoff: self.descriptor.cutoff, engine }
    }

    /// The slow evaluator that defines the numbers.
    pub fn reference(&self) -> Reference {
        Reference::new(self.clone())
    }
}

impl Evaluator {
    /// One line about the tables: spacing, measured error bound, memory.
    pub fn describe(&self) -> String {
        match &self.engine {
            Engine::Double(engine) => engine.batch.describe(),
            Engine::Mixed(engine) => engine.batch.describe(),
        }
    }
}

impl Potential for Evaluator {
    fn species(&self) -> &SpeciesTable {
        &self.species
    }

    fn cutoff(&self) -> f64 {
        self.cutoff
    }

    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<(), PotentialError> {
        match &mut self.engine {
            Engine::Double(engine) => engine.evaluate(atoms, neighbors, out),
            Engine::Mixed(engine) => engine.evaluate(atoms, neighbors, out),
        }
        check_finite(&self.species, atoms, neighbors, out)
    }
}

/// A batch, its blocks and the threads that work on them.
struct Threaded<T> {
    batch: Batch<T>,
    pool: Option<rayon::ThreadPool>,
    blocks: Vec<Block<T>>,
    used: usize,
    gradient: Vec<[f64; 3]>,
}

impl<T: Real> Threaded<T> {
    fn new(model: &DeepPotential, wanted: Bound, threads: usize) -> Self {
        let pool = (threads > 1).then(|| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("the operating system starts a few threads")
        });
        Threaded {
            batch: Batch::new(model, wanted),
            pool,
            blocks: Vec::new(),
            used: 0,
            gradient: Vec::new(),
        }
    }

    fn evaluate(&mut self, atoms: Atoms<'_>, neighbors: &NeighborList, out: &mut Evaluation) {
        out.reset(atoms.positions.len(), atoms.n_local);
        self.distribute(atoms);
        let batch = &self.batch;
        let blocks = &mut self.blocks[..self.used];
        match &self.pool {
            Some(pool) => pool.install(|| {
                blocks.par_iter_mut().for_each(|b| batch.evaluate(b, atoms.species, neighbors));
            }),
            None => blocks.iter_mut().for_each(|b| batch.evaluate(b, atoms.species, neighbors)),
        }
        self.gradient.clear();
        self.gradient.resize(neighbors.pairs(), [0.0; 3]);
        for block in &self.blocks[..self.used] {
            block.collect(&mut self.gradient, &mut out.atom_energies);
        }
        out.energy = out.atom_energies.iter().sum();
        out.scatter(neighbors, &self.gradient);
    }

    /// Puts the local atoms into blocks of one species each; the split depends on the atoms alone.
    fn distribute(&mut self, atoms: Atoms<'_>) {
        self.used = 0;
        for species in 0..self.batch.species() {
            let mut open = false;
            for i in 0..atoms.n_local {
                if usize::from(atoms.species[i]) != species {
                    continue;
                }
                if !open || self.blocks[self.used - 1].is_full() {
                    if self.used == self.blocks.len() {
                        self.blocks.push(Block::new(&self.batch));
                    }
                    self.blocks[self.used].start(species);
                    self.used += 1;
                    open = true;
                }
                self.blocks[self.used - 1].push(i);
            }
        }
    }
}

/// Names the first atom whose energy or force is not finite.
pub(crate) fn check_finite(
    species: &SpeciesTable,
    atoms: Atoms<'_>,
    neighbors: &NeighborList,
    out: &Evaluation,
) -> Result<(), PotentialError> {
    let finite = |i: usize| {
        out.forces[i].iter().all(|f| f.is_finite())
            && out.atom_energies.get(i).is_none_or(|e| e.is_finite())
    };
    match (0..atoms.positions.len()).find(|i| !finite(*i)) {
        None => Ok(()),
        Some(atom) => {
            let nearest = if atom < atoms.n_local {
                neighbors
                    .row(atom)
                    .map(|p| vitrion_core::math::norm(neighbors.vector[p]))
                    .fold(f64::INFINITY, f64::min)
            } else {
                f64::NAN
            };
            Err(PotentialError::NonFinite {
                atom,
                symbol: species.symbols()[usize::from(atoms.species[atom])].clone(),
                energy: out.atom_energies.get(atom).copied().unwrap_or(f64::NAN),
                nearest,
            })
        }
    }
}

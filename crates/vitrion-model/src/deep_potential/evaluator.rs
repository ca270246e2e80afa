//! The fast evaluator: centres batched by species, embedding nets from tables, fitting nets as
//! matrix products, blocks spread over threads, results independent of their number.
//!
//! One evaluation, block by block (a block is up to 256 centres of one species):
//!
//! 1. [`environment`]: distances, switch and rows of the real neighbours, grouped by species;
//! 2. [`embedding`]: tables → moments `T`; [`descriptor`]: `D`, each distinct number once;
//! 3. [`fitting`]: energies and `∂E/∂D`;
//! 4. the way back through 2 to `∂E_i/∂r_ij` of every pair.
//!
//! Then every atom gathers its force from both ends of its pairs ([`engine`]). Matrices of the
//! size neighbours × M only ever exist in registers.

mod block;
mod breakdown;
mod committee;
mod descriptor;
mod embedding;
mod engine;
mod environment;
mod fitting;
mod model;

pub use breakdown::Breakdown;
pub use committee::{Committee, CommitteeError, force_deviation, virial_deviation};
pub use model::{TablePlan, TableRule, table_plan};

use super::repulsion::Repulsion;
use super::table::Bound;
use super::{DeepPotential, Reference};
use engine::Engine;
use environment::Sight;
use model::Model;
use pulp::Arch;
use vitrion_core::{Atoms, Evaluation, NeighborList, Potential, PotentialError, SpeciesTable};

/// Arithmetic of the evaluator. Positions, distances, energies and sums are always f64.
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

    /// Degree and error of the tables that this arithmetic deserves.
    pub fn tables(self, embedding: Embedding) -> TableRule {
        let (degree, bound) = match self {
            Precision::Double => (7, Bound { value: 1e-11, slope: 1e-9 }),
            Precision::Mixed => (5, Bound { value: 1e-7, slope: 3e-6 }),
        };
        TableRule { degree, wanted: (embedding == Embedding::Tables).then_some(bound) }
    }
}

/// How embedding nets are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedding {
    /// From tables made at load, within a measured bound.
    Tables,
    /// The nets themselves, for every neighbour at every step: slow, for comparison.
    Exact,
}

/// A [`Potential`] for molecular dynamics.
#[derive(Debug)]
pub struct Evaluator {
    species: SpeciesTable,
    cutoff: f64,
    engine: AnyEngine,
    repulsion: Option<Repulsion>,
}

/// The engine of either arithmetic.
#[derive(Debug)]
enum AnyEngine {
    Double(Engine<f64>),
    Mixed(Engine<f32>),
}

/// Does the same with the engine of either arithmetic.
macro_rules! engine {
    ($any:expr, $engine:ident => $body:expr) => {
        match $any {
            AnyEngine::Double($engine) => $body,
            AnyEngine::Mixed($engine) => $body,
        }
    };
}

impl AnyEngine {
    /// An engine for these models, which see the same neighbours.
    fn new(
        arch: Arch,
        models: &[&DeepPotential],
        precision: Precision,
        embedding: Embedding,
    ) -> Self {
        let sight = Sight::new(&models[0].descriptor);
        let rule = precision.tables(embedding);
        match precision {
            Precision::Double => {
                let members = models.iter().map(|m| Model::new(arch, m, rule)).collect();
                AnyEngine::Double(Engine::new(arch, sight, members))
            }
            Precision::Mixed => {
                let members = models.iter().map(|m| Model::new(arch, m, rule)).collect();
                AnyEngine::Mixed(Engine::new(arch, sight, members))
            }
        }
    }

    fn evaluate(&mut self, atoms: Atoms<'_>, list: &NeighborList, out: &mut [Evaluation]) {
        engine!(self, engine => engine.evaluate(atoms, list, out));
    }
}

impl DeepPotential {
    /// A fast evaluator with this arithmetic; it works on the threads of the rayon pool it is called
    /// in.
    pub fn evaluator(&self, precision: Precision, embedding: Embedding) -> Evaluator {
        Evaluator {
            species: self.species.clone(),
            cutoff: self.descriptor.cutoff,
            engine: AnyEngine::new(Arch::new(), &[self], precision, embedding),
            repulsion: Repulsion::of(self),
        }
    }

    /// The slow evaluator that defines the numbers.
    pub fn reference(&self) -> Reference {
        Reference::new(self.clone())
    }
}

impl Evaluator {
    /// Descriptors `D` of the local atoms, `[atom][width]`, and their width: what the fitting nets see
    /// of an atom's surroundings. Each distinct number once, the symmetric part first.
    pub fn descriptors(&mut self, atoms: Atoms<'_>, list: &NeighborList) -> (Vec<f32>, usize) {
        engine!(&mut self.engine, engine => engine.descriptors(atoms, list))
    }

    /// One line about the tables: intervals, measured error bound, memory.
    pub fn describe(&self) -> String {
        engine!(&self.engine, engine => engine.members()[0].describe())
    }

    /// Seconds by part since the last call, all threads together.
    pub fn take_breakdown(&mut self) -> Breakdown {
        engine!(&mut self.engine, engine => engine.take_breakdown())
    }

    /// The part of [`Evaluator::flops_per_atom`] that is fitting nets.
    pub fn fitting_flops_per_atom(&self, counts: &[usize]) -> f64 {
        engine!(&self.engine, engine => engine.members()[0].fitting_flops_per_atom(counts))
    }

    /// Multiplications and additions of the nets, tables and descriptor for an average centre of
    /// these species with `neighbors` real neighbours each.
    ///
    /// `counts` has the number of atoms of each species of the potential.
    pub fn flops_per_atom(&self, counts: &[usize], neighbors: f64) -> f64 {
        engine!(&self.engine, engine => engine.members()[0].flops_per_atom(counts, neighbors))
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
        self.engine.evaluate(atoms, neighbors, std::slice::from_mut(out));
        if let Some(repulsion) = &mut self.repulsion {
            repulsion.add(atoms, neighbors, out)?;
        }
        check_finite(&self.species, atoms, neighbors, out)
    }
}

/// Names the first atom whose energy is not finite, or else whose force: a centre that is hit spoils the
/// forces on all its neighbours.
pub(crate) fn check_finite(
    species: &SpeciesTable,
    atoms: Atoms<'_>,
    neighbors: &NeighborList,
    out: &Evaluation,
) -> Result<(), PotentialError> {
    let hit = out.atom_energies.iter().position(|e| !e.is_finite());
    let spoilt = || out.forces.iter().position(|f| !f.iter().all(|f| f.is_finite()));
    match hit.or_else(spoilt) {
        None => Ok(()),
        Some(atom) => {
            let nearest = if atom < atoms.n_local {
                neighbors
                    .row(atom)
                    .map(|p| vitrion_core::math::norm(neighbors.vector(atoms.positions, atom, p)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use vitrion_core::math;
    use vitrion_core::testing::derivatives::evaluate;
    use vitrion_core::testing::systems;

    /// Every instruction set this machine has, the portable one first.
    fn instruction_sets() -> Vec<Arch> {
        let mut sets = vec![Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        sets.extend(pulp::x86::V3::try_new().map(Arch::V3));
        #[cfg(target_arch = "x86_64")]
        sets.extend(pulp::x86::V4::try_new().map(Arch::V4));
        #[cfg(target_arch = "aarch64")]
        sets.extend(pulp::aarch64::Neon::try_new().map(Arch::Neon));
        sets
    }

    fn model_and_structure() -> (DeepPotential, vitrion_core::Structure) {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/deepmd/one-side-tanh-text.yaml");
        let model = DeepPotential::load(&file).expect("a readable model");
        let cell = vitrion_core::Cell::from_lengths_angles([9.0, 8.0, 10.0], [80.0, 95.0, 100.0]);
        let cell = cell.expect("closes");
        (model, systems::random_structure(1, &["Li", "S", "S"], 40, cell, 1.6))
    }

    #[test]
    fn descriptors_are_those_of_the_equations() {
        let (model, structure) = model_and_structure();
        let species = structure.species_in(&model.species).expect("known species");
        let mut list = vitrion_core::neighbors::VerletList::new(model.descriptor.cutoff, 0.0);
        list.update(&structure.cell, &structure.positions);
        let sorted: Vec<u8> = list.order().iter().map(|atom| species[*atom as usize]).collect();
        let atoms = Atoms { positions: list.positions(), species: &sorted, n_local: sorted.len() };
        let mut evaluator = model.evaluator(Precision::Double, Embedding::Exact);
        let (found, width) = evaluator.descriptors(atoms, list.list());
        let (m, axis) = (model.descriptor.width(), model.descriptor.axis);
        assert_eq!(width, axis * (axis + 1) / 2 + axis * (m - axis));
        let reference = model.reference();
        for atom in 0..sorted.len() {
            let exact = reference.descriptor(atom, atoms, list.list());
            // the order of the packed rows: columns of the triangle, then the rest
            let triangle = (0..axis).flat_map(|a| (a..axis).map(move |k| (k, a)));
            let rest = (0..axis).flat_map(|a| (axis..m).map(move |k| (k, a)));
            for (place, (k, a)) in triangle.chain(rest).enumerate() {
                let difference = f64::from(found[atom * width + place]) - exact[k * axis + a];
                assert!(difference.abs() < 1e-6 * exact[k * axis + a].abs().max(1.0));
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_numbers_of_the_reference() {
        let (model, structure) = model_and_structure();
        let exact = evaluate(&mut model.reference(), &structure);
        for arch in instruction_sets() {
            for (precision, tolerance) in [(Precision::Double, 1e-8), (Precision::Mixed, 1e-4)] {
                let mut evaluator = model.evaluator(precision, Embedding::Tables);
                evaluator.engine = AnyEngine::new(arch, &[&model], precision, Embedding::Tables);
                let found = evaluate(&mut evaluator, &structure);
                let energy = (found.energy - exact.energy).abs();
                assert!(energy < tolerance * 40.0, "{arch:?} {precision:?}: {energy:e} eV");
                for (a, b) in found.forces.iter().zip(&exact.forces) {
                    let d = math::norm(math::sub(*a, *b));
                    let scale = math::norm(*b).max(1.0);
                    assert!(d < tolerance * scale, "{arch:?} {precision:?}: {d:e} eV/Å");
                }
            }
        }
    }
}

//! What a potential sees and returns.
//!
//! The interface speaks of local atoms, ghosts and neighbours with explicit images, so that the same
//! potential serves a single cell, a domain of a parallel run, and training.

use crate::math::{self, Matrix3, Vector3};
use crate::species::SpeciesTable;

/// Local atoms first, then ghosts (copies of atoms owned elsewhere; none inside vitrion itself).
#[derive(Debug, Clone, Copy)]
pub struct Atoms<'a> {
    /// Cartesian positions [Å]; distances follow from [`NeighborList::vector`], which adds images.
    pub positions: &'a [Vector3],
    /// Species of each atom as an index into the *potential's* species table.
    pub species: &'a [u8],
    /// How many are local: energies are computed for these.
    pub n_local: usize,
}

/// Full neighbour list in compressed rows: every pair appears from both of its local ends.
///
/// It holds all pairs closer than the cut-off and some beyond (the skin), so it serves many steps;
/// vectors follow from the present positions. Images are explicit: an atom may appear several times
/// in a row, and may be its own neighbour.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NeighborList {
    /// Row `i` is `offsets[i]..offsets[i + 1]`; one entry more than local atoms.
    pub offsets: Vec<usize>,
    /// Neighbour `j` of each entry.
    pub index: Vec<u32>,
    /// Lattice translation of the neighbour of each entry, as an index of `translations`.
    pub image: Vec<u32>,
    /// Images · H at the present cell [Å]; opposite images have exactly negative ones.
    pub translations: Vec<Vector3>,
    /// The entry of the same pair seen from its other end; empty where some neighbours are ghosts.
    pub reverse: Vec<u32>,
}

impl NeighborList {
    /// The entries of atom `i`.
    #[inline]
    pub fn row(&self, i: usize) -> std::ops::Range<usize> {
        self.offsets[i]..self.offsets[i + 1]
    }

    /// Number of entries.
    pub fn pairs(&self) -> usize {
        self.index.len()
    }

    /// `r_ij = r_j − r_i` [Å] of entry `p` of atom `i`, image included. Seen from the other end it
    /// is the exact negative.
    #[inline]
    pub fn vector(&self, positions: &[Vector3], i: usize, p: usize) -> Vector3 {
        let direct = math::sub(positions[self.index[p] as usize], positions[i]);
        math::add(direct, self.translations[self.image[p] as usize])
    }
}

/// Result of one evaluation; buffers are reused from step to step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluation {
    /// Potential energy of the local atoms [eV].
    pub energy: f64,
    /// Forces on all atoms, ghosts included [eV/Å].
    pub forces: Vec<Vector3>,
    /// Virial `W = −∂E/∂ε` [eV].
    pub virial: Matrix3,
    /// Energy of each local atom [eV].
    pub atom_energies: Vec<f64>,
    /// Per-atom virials [eV], filled only when `want_atom_virials` is set; they sum to `virial`.
    pub atom_virials: Vec<Matrix3>,
    /// Ask for `atom_virials`.
    pub want_atom_virials: bool,
}

impl Evaluation {
    /// An empty result that asks for per-atom virials.
    pub fn with_atom_virials() -> Self {
        Evaluation { want_atom_virials: true, ..Evaluation::default() }
    }

    /// Zeroes everything and sizes the buffers; allocates only when they grow.
    pub fn reset(&mut self, atoms: usize, n_local: usize) {
        self.energy = 0.0;
        self.virial = math::ZERO;
        self.forces.clear();
        self.forces.resize(atoms, [0.0; 3]);
        self.atom_energies.clear();
        self.atom_energies.resize(n_local, 0.0);
        self.atom_virials.clear();
        if self.want_atom_virials {
            self.atom_virials.resize(atoms, math::ZERO);
        }
    }

    /// Writes this result of sorted atoms to `out` in the order of their numbers: `order[k]` is the
    /// number of sorted atom `k`. Keeps `out.want_atom_virials`.
    pub fn reorder(&self, order: &[u32], out: &mut Evaluation) {
        out.reset(order.len(), order.len());
        out.energy = self.energy;
        out.virial = self.virial;
        for (k, atom) in order.iter().enumerate() {
            let atom = *atom as usize;
            out.forces[atom] = self.forces[k];
            out.atom_energies[atom] = self.atom_energies[k];
            if out.want_atom_virials {
                out.atom_virials[atom] = self.atom_virials[k];
            }
        }
    }

    /// Adds what follows from `gradient[p] = ∂E/∂r_ij` of every neighbour entry: forces on both
    /// ends, virial and per-atom virials.
    ///
    /// `F_i += g`, `F_j −= g`, `W −= r ⊗ g` (symmetric once summed over a rotation-invariant
    /// energy). The virial of a pair belongs to the neighbour `j`, as in DeePMD-kit. Entries are
    /// visited in list order, so sums do not depend on the number of threads.
    pub fn scatter(&mut self, list: &NeighborList, positions: &[Vector3], gradient: &[Vector3]) {
        for i in 0..list.offsets.len() - 1 {
            let mut own = [0.0; 3];
            for p in list.row(i) {
                let (g, r) = (gradient[p], list.vector(positions, i, p));
                let j = list.index[p] as usize;
                own = math::add(own, g);
                self.forces[j] = math::sub(self.forces[j], g);
                let w = math::outer(g, math::scale(r, -1.0));
                self.virial = math::matrix_add(&self.virial, &w);
                if self.want_atom_virials {
                    self.atom_virials[j] = math::matrix_add(&self.atom_virials[j], &w);
                }
            }
            self.forces[i] = math::add(self.forces[i], own);
        }
    }
}

/// Why a potential could not be evaluated or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PotentialError {
    /// NaN or infinity in the result.
    #[error(
        "the energy of atom {atom} ({symbol}) is {energy} eV; its nearest neighbour is at \
         {nearest:.4} Å"
    )]
    NonFinite { atom: usize, symbol: String, energy: f64, nearest: f64 },
    /// Parameters that make no sense.
    #[error("{0}")]
    Parameter(String),
}

/// An interatomic potential. It may keep scratch memory, never history: the same input gives the
/// same output, bit for bit, at any number of threads.
pub trait Potential: Send {
    /// Species it knows; `Atoms::species` are indices into this table.
    fn species(&self) -> &SpeciesTable;

    /// Interaction range [Å]: the list must hold every pair closer than this and holds others, which
    /// the potential itself leaves out.
    fn cutoff(&self) -> f64;

    /// Energy, forces and virial of the local atoms.
    ///
    /// # Errors
    /// A result that is not finite.
    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<(), PotentialError>;
}

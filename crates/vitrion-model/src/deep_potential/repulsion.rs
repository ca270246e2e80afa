//! The ZBL term of models that were trained with one.

use super::DeepPotential;
use crate::classical::Zbl;
use vitrion_core::math;
use vitrion_core::{Atoms, Evaluation, NeighborList, Potential, PotentialError};

/// Adds a model's repulsion to what its nets give.
#[derive(Debug, Clone)]
pub(super) struct Repulsion {
    zbl: Zbl,
    own: Evaluation,
}

impl Repulsion {
    /// `None` for a model without.
    pub(super) fn of(model: &DeepPotential) -> Option<Self> {
        let (inner, outer) = model.zbl?;
        let zbl =
            Zbl::new(model.species.clone(), inner, outer).expect("a model's radii are checked");
        Some(Repulsion { zbl, own: Evaluation::default() })
    }

    pub(super) fn add(
        &mut self,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<(), PotentialError> {
        self.own.want_atom_virials = out.want_atom_virials;
        self.zbl.evaluate(atoms, neighbors, &mut self.own)?;
        out.energy += self.own.energy;
        out.virial = math::matrix_add(&out.virial, &self.own.virial);
        let vectors = out.forces.iter_mut().zip(&self.own.forces);
        vectors.for_each(|(a, b)| *a = math::add(*a, *b));
        let energies = out.atom_energies.iter_mut().zip(&self.own.atom_energies);
        energies.for_each(|(a, b)| *a += *b);
        let virials = out.atom_virials.iter_mut().zip(&self.own.atom_virials);
        virials.for_each(|(a, b)| *a = math::matrix_add(a, b));
        Ok(())
    }
}

//! A labelled frame ready for the trainer: atoms in spatial order, neighbours found.

use vitrion_core::math::{self, Matrix3};
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Atoms, Cell, Evaluation, Labels, Potential, Vector3};

/// A frame with its neighbours; memory is reused from frame to frame.
#[derive(Debug)]
pub struct Example {
    pub(super) list: VerletList,
    pub(super) species: Vec<u8>,
    pub(super) labels: Labels,
    pub(super) weight: f64,
    /// Number of the frame in its data set, for messages.
    pub(super) number: usize,
}

/// What a frame is labelled with: energy [eV], forces [eV/Å], virial [eV], as far as known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    pub energy: Option<f64>,
    pub forces: Option<&'a [Vector3]>,
    pub virial: Option<Matrix3>,
}

impl Example {
    /// An empty one for models of this cut-off [Å].
    pub fn new(cutoff: f64) -> Self {
        Example {
            list: VerletList::new(cutoff, 0.0),
            species: Vec::new(),
            labels: Labels::default(),
            weight: 1.0,
            number: 0,
        }
    }

    /// Takes over a frame; `species` are indices into the model's table.
    pub fn set(
        &mut self,
        number: usize,
        weight: f64,
        cell: &Cell,
        positions: &[Vector3],
        species: &[u8],
        known: Known<'_>,
    ) {
        self.list.update(cell, positions);
        let order = self.list.order();
        self.number = number;
        self.weight = weight;
        self.species.clear();
        self.species.extend(order.iter().map(|atom| species[*atom as usize]));
        self.labels.energy = known.energy;
        self.labels.virial = known.virial;
        match known.forces {
            None => self.labels.forces = None,
            Some(forces) => {
                let sorted = self.labels.forces.get_or_insert_default();
                sorted.clear();
                sorted.extend(order.iter().map(|atom| forces[*atom as usize]));
            }
        }
    }

    /// Takes what a potential of short range gives off the labels, so that a model learns the rest.
    pub fn subtract(&mut self, potential: &mut dyn Potential) {
        let atoms = Atoms {
            positions: self.list.positions(),
            species: &self.species,
            n_local: self.species.len(),
        };
        let mut given = Evaluation::default();
        // a result that is not finite becomes a label that is not, and the frame is named there
        let _ = potential.evaluate(atoms, self.list.list(), &mut given);
        if let Some(energy) = &mut self.labels.energy {
            *energy -= given.energy;
        }
        if let Some(forces) = &mut self.labels.forces {
            forces.iter_mut().zip(&given.forces).for_each(|(f, g)| *f = math::sub(*f, *g));
        }
        if let Some(virial) = &mut self.labels.virial {
            *virial = math::matrix_add(virial, &math::matrix_scale(&given.virial, -1.0));
        }
    }

    /// Number of atoms.
    pub fn atoms(&self) -> usize {
        self.species.len()
    }

    /// The caller's number of each atom.
    pub fn order(&self) -> &[u32] {
        self.list.order()
    }
}

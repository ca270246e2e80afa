//! A labelled frame ready for the trainer: atoms in spatial order, neighbours found.

use vitrion_core::math::Matrix3;
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Cell, Labels, Vector3};

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

    /// Number of atoms.
    pub fn atoms(&self) -> usize {
        self.species.len()
    }

    /// The caller's number of each atom.
    pub fn order(&self) -> &[u32] {
        self.list.order()
    }
}

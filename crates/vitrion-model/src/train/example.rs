//! A labelled frame ready for the trainer: atoms in spatial order, neighbours found.

use std::sync::Arc;
use vitrion_core::math::{self, Matrix3};
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Atoms, Cell, Evaluation, Labels, NeighborList, Potential, Vector3};

/// Who is close to whom in one frame; found once, used in every step that sees the frame.
#[derive(Debug, Clone, Default)]
pub struct Neighborhood {
    /// The caller's number of each atom.
    order: Vec<u32>,
    positions: Vec<Vector3>,
    list: NeighborList,
}

impl Neighborhood {
    /// Takes over what was found, without the reverse entries, which training does not need. The
    /// neighbours of an atom are put in order of species and distance: those that follow each other
    /// then share nodes of an embedding grid. `species` are those of the caller's atoms.
    fn copy(&mut self, found: &VerletList, species: &[u8]) {
        let list = found.list();
        self.order.clear();
        self.order.extend_from_slice(found.order());
        self.positions.clear();
        self.positions.extend_from_slice(found.positions());
        self.list.offsets.clone_from(&list.offsets);
        self.list.translations.clone_from(&list.translations);
        self.list.index.clear();
        self.list.image.clear();
        let mut sorted: Vec<(u8, f64, u32, usize)> = Vec::new();
        for i in 0..self.order.len() {
            sorted.clear();
            sorted.extend(list.row(i).map(|p| {
                let j = list.index[p];
                let distance = math::norm2(list.vector(&self.positions, i, p));
                (species[self.order[j as usize] as usize], distance, j, p)
            }));
            sorted.sort_unstable_by(|a, b| {
                (a.0.cmp(&b.0)).then(a.1.total_cmp(&b.1)).then(a.3.cmp(&b.3))
            });
            self.list.index.extend(sorted.iter().map(|entry| entry.2));
            self.list.image.extend(sorted.iter().map(|entry| list.image[entry.3]));
        }
    }

    /// The caller's number of each atom.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// In that order, wrapped into the cell [Å].
    pub fn positions(&self) -> &[Vector3] {
        &self.positions
    }

    /// The neighbours of each atom, in order of species and distance; without the reverse entries.
    pub fn list(&self) -> &NeighborList {
        &self.list
    }

    /// Memory it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.order[..])
            + size_of_val(&self.positions[..])
            + size_of_val(&self.list.offsets[..])
            + size_of_val(&self.list.index[..])
            + size_of_val(&self.list.image[..])
            + size_of_val(&self.list.translations[..])
    }
}

/// A frame with its neighbours; memory is reused from frame to frame.
#[derive(Debug)]
pub struct Example {
    finder: VerletList,
    neighborhood: Arc<Neighborhood>,
    species: Vec<u8>,
    labels: Labels,
    weight: f64,
    number: usize,
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
            finder: VerletList::new(cutoff, 0.0),
            neighborhood: Arc::default(),
            species: Vec::new(),
            labels: Labels::default(),
            weight: 1.0,
            number: 0,
        }
    }

    /// Takes over a frame and finds its neighbours; `species` are indices into the model's table.
    pub fn set(
        &mut self,
        number: usize,
        weight: f64,
        cell: &Cell,
        positions: &[Vector3],
        species: &[u8],
        known: Known<'_>,
    ) {
        self.finder.update(cell, positions);
        if Arc::get_mut(&mut self.neighborhood).is_none() {
            self.neighborhood = Arc::default();
        }
        Arc::get_mut(&mut self.neighborhood)
            .expect("nobody else has it")
            .copy(&self.finder, species);
        self.label(number, weight, species, known);
    }

    /// Takes over a frame whose neighbours are known.
    pub fn set_known(
        &mut self,
        number: usize,
        weight: f64,
        neighborhood: Arc<Neighborhood>,
        species: &[u8],
        known: Known<'_>,
    ) {
        self.neighborhood = neighborhood;
        self.label(number, weight, species, known);
    }

    /// The neighbours, to be kept for later.
    pub fn neighborhood(&self) -> &Arc<Neighborhood> {
        &self.neighborhood
    }

    fn label(&mut self, number: usize, weight: f64, species: &[u8], known: Known<'_>) {
        let order = &self.neighborhood.order;
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
            positions: &self.neighborhood.positions,
            species: &self.species,
            n_local: self.species.len(),
        };
        let mut given = Evaluation::default();
        // a result that is not finite becomes a label that is not, and the frame is named there
        let _ = potential.evaluate(atoms, &self.neighborhood.list, &mut given);
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
        &self.neighborhood.order
    }

    /// Positions wrapped into the cell [Å], in that order, as everything else here.
    pub fn positions(&self) -> &[Vector3] {
        &self.neighborhood.positions
    }

    /// The neighbours of each atom, in order of species and distance.
    pub fn list(&self) -> &NeighborList {
        &self.neighborhood.list
    }

    /// Species of each atom.
    pub fn species(&self) -> &[u8] {
        &self.species
    }

    /// What is known, less what was subtracted.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Weight of the frame in the loss.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Number of the frame in its data set.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Range that neighbours were searched in [Å].
    pub(super) fn cutoff(&self) -> f64 {
        self.finder.cutoff()
    }
}

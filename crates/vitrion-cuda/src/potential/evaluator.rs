//! A Deep Potential on a device behind the same interface as on the processor: atoms and their list
//! go there, results come back. For checks and single evaluations; dynamics stays on the device
//! (`dynamics`).

use super::model::Model;
use super::{Arithmetic, Field, Forces, Status, TOO_CLOSE};
use crate::arguments::Surroundings;
use crate::device::{Address, Buffer, Device};
use crate::error::{Result, unsupported};
use std::sync::Arc;
use vitrion_core::{
    Atoms, Evaluation, NeighborList, Potential, PotentialError, SpeciesTable, Vector3, math,
};
use vitrion_model::deep_potential::real::Real;
use vitrion_model::{DeepPotential, Precision};

/// A [`Potential`] that computes on a CUDA device.
#[derive(Debug)]
pub struct CudaEvaluator {
    species: SpeciesTable,
    cutoff: f64,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Mixed(Box<OnDevice<f32>>),
    Double(Box<OnDevice<f64>>),
}

impl CudaEvaluator {
    /// An evaluator of `model` on `device`.
    ///
    /// # Errors
    /// Features that the kernels do not have; no compiler; too little memory.
    pub fn new(
        device: &Device,
        model: &DeepPotential,
        arithmetic: impl Into<Arithmetic>,
    ) -> Result<Self> {
        let (device, arithmetic) = (&device.fork()?, arithmetic.into());
        let engine = match arithmetic.precision {
            Precision::Mixed => Engine::Mixed(Box::new(OnDevice::new(device, model, arithmetic)?)),
            Precision::Double => {
                Engine::Double(Box::new(OnDevice::new(device, model, arithmetic)?))
            }
        };
        Ok(CudaEvaluator {
            species: model.species.clone(),
            cutoff: model.descriptor.cutoff,
            engine,
        })
    }

    /// One line about the tables: intervals, measured error, memory.
    pub fn describe(&self) -> &str {
        match &self.engine {
            Engine::Mixed(engine) => &engine.model.tables,
            Engine::Double(engine) => &engine.model.tables,
        }
    }
}

/// Copies of the inputs, and the results.
#[derive(Debug)]
struct OnDevice<T> {
    device: Device,
    model: Arc<Model<T>>,
    counts: Vec<usize>,
    forces: Forces<T>,
}

impl<T: Real> OnDevice<T> {
    fn new(device: &Device, model: &DeepPotential, arithmetic: Arithmetic) -> Result<Self> {
        let counts = vec![0; model.species.len()];
        let model = Arc::new(Model::new(device, model, arithmetic)?);
        let forces = Forces::new(device, &model, &counts)?;
        Ok(OnDevice { device: device.clone(), model, counts, forces })
    }

    /// What the device says: forces, energies and virials by atom.
    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        list: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<Status> {
        let n = atoms.n_local;
        if n != atoms.positions.len() {
            return unsupported("a system with ghost atoms");
        }
        let mut counts = vec![0; self.counts.len()];
        for s in atoms.species {
            counts[usize::from(*s)] += 1;
        }
        if counts != self.counts {
            self.forces = Forces::new(&self.device, &self.model, &counts)?;
            self.counts = counts;
        }
        let device = &self.device;
        let ranks = self.forces.ranks();
        let mut centres: Vec<u32> = (0..n as u32).collect();
        centres.sort_by_key(|i| ranks[usize::from(atoms.species[*i as usize])]);
        let offsets: Vec<u32> = list.offsets.iter().map(|x| *x as u32).collect();
        let positions = device.buffer(atoms.positions.as_flattened())?;
        let species = device.buffer(atoms.species)?;
        let offsets = device.buffer(&offsets)?;
        let index = device.buffer(&list.index)?;
        let image = device.buffer(&list.image)?;
        let translations = device.buffer(list.translations.as_flattened())?;
        let reverse = device.buffer(&list.reverse)?;
        let order: Buffer<u32> = device.buffer(&(0..n as u32).collect::<Vec<_>>())?;
        let centres = device.buffer(&centres)?;
        let status: Buffer<Status> = device.zeros(1)?;
        let gradients: Buffer<T> = device.room(3 * list.pairs())?;
        let (energies, virials) = (device.room::<f64>(n)?, device.room::<f64>(9 * n)?);
        let forces: Buffer<f64> = device.room(3 * n)?;
        self.forces.evaluate(&Field {
            around: Surroundings {
                positions: positions.address(),
                species: species.address(),
                offsets: offsets.address(),
                index: index.address(),
                image: image.address(),
                translations: translations.address(),
            },
            reverse: if list.pairs() == 0 { Address::NULL } else { reverse.address() },
            status: status.address(),
            centres: centres.address(),
            order: order.address(),
            gradients: gradients.address(),
            energies: energies.address(),
            virials: virials.address(),
            forces: forces.address(),
            atoms: n,
        })?;
        out.reset(n, n);
        energies.download(&mut out.atom_energies)?;
        forces.download(out.forces.as_flattened_mut())?;
        let all = virials.to_vec()?;
        for virial in all.chunks_exact(9) {
            out.virial.as_flattened_mut().iter_mut().zip(virial).for_each(|(w, x)| *w += x);
        }
        out.energy = out.atom_energies.iter().sum();
        if out.want_atom_virials {
            atom_virials(&gradients.to_vec()?, atoms, list, out);
        }
        Ok(status.to_vec()?[0])
    }
}

/// The virial of a pair belongs to its neighbour, as on the processor. Repulsion is not in it.
fn atom_virials<T: Real>(
    gradients: &[T],
    atoms: Atoms<'_>,
    list: &NeighborList,
    out: &mut Evaluation,
) {
    for i in 0..atoms.n_local {
        for p in list.row(i) {
            let g: Vector3 = std::array::from_fn(|k| gradients[3 * p + k].to_f64());
            let r = list.vector(atoms.positions, i, p);
            let w = math::outer(g, math::scale(r, -1.0));
            let j = list.index[p] as usize;
            out.atom_virials[j] = math::matrix_add(&out.atom_virials[j], &w);
        }
    }
}

impl Potential for CudaEvaluator {
    fn species(&self) -> &SpeciesTable {
        &self.species
    }

    fn cutoff(&self) -> f64 {
        self.cutoff
    }

    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        list: &NeighborList,
        out: &mut Evaluation,
    ) -> std::result::Result<(), PotentialError> {
        let found = match &mut self.engine {
            Engine::Mixed(engine) => engine.evaluate(atoms, list, out),
            Engine::Double(engine) => engine.evaluate(atoms, list, out),
        };
        let status = found.map_err(|error| PotentialError::Parameter(error.to_string()))?;
        let finite = |i: usize| {
            out.atom_energies[i].is_finite() && out.forces[i].iter().all(|f| f.is_finite())
        };
        let bad = (0..atoms.n_local).find(|i| !finite(*i));
        let close = (status.halt == TOO_CLOSE).then_some(status.atom as usize);
        let Some(atom) = close.or(bad) else { return Ok(()) };
        let nearest = list
            .row(atom)
            .map(|p| math::norm(list.vector(atoms.positions, atom, p)))
            .fold(f64::INFINITY, f64::min);
        Err(PotentialError::NonFinite {
            atom,
            symbol: self.species.symbols()[usize::from(atoms.species[atom])].clone(),
            energy: if close.is_some() { f64::NAN } else { out.atom_energies[atom] },
            nearest,
        })
    }
}

//! The engine of one stage on the device.

use super::arguments::{
    AtomArguments, BAD_CELL, Control, LIST_FULL, MOVED_TOO_FAR, NOT_FINITE, Plan, RECORD, RING,
    STRAINED, SUMS, TOO_MANY_IMAGES, TOO_MANY_PAIRS,
};
use super::list::List;
use super::{fault, plan};
use crate::arguments::arguments;
use crate::device::{Buffer, Device, Kernel, Replay, Shape, Width};
use crate::error::Result;
use crate::potential::model::Model;
use crate::potential::{Field, Forces, TOO_CLOSE, width};
use bytemuck::{Pod, Zeroable};
use std::sync::Arc;
use std::time::Instant;
use vitrion_core::math::{self, Vector3};
use vitrion_core::neighbors::VerletList;
use vitrion_core::neighbors::verlet::Reference;
use vitrion_core::{Cell, PotentialError, SpeciesTable, units};
use vitrion_md::{Engine, Fault, Record, Spent, Start, Variables, View, Wreck};
use vitrion_model::deep_potential::real::Real;

/// Threads of a block of a pass over atoms.
const BLOCK: u32 = 256;
/// Time between two looks at the device, about [s].
const PATIENCE: f64 = 0.5;
/// Blocks of the sums over atoms, at most; the number follows from that of the atoms, so that sums do
/// not depend on the device.
const MOST_BLOCKS: usize = 128;

arguments! {
    PlanArguments {
        plan: Plan,
    }
}

#[derive(Debug)]
struct Kernels {
    first_list: Kernel<PlanArguments>,
    begin_step: Kernel<PlanArguments>,
    check_list: Kernel<PlanArguments>,
    end_step: Kernel<PlanArguments>,
    record_step: Kernel<PlanArguments>,
    record_start: Kernel<PlanArguments>,
    move_atoms: Kernel<AtomArguments>,
    kick_atoms: Kernel<AtomArguments>,
    scale_atoms: Kernel<AtomArguments>,
    sum_atoms: Kernel<AtomArguments>,
}

impl Kernels {
    fn new(device: &Device, w: Width) -> Result<Self> {
        Ok(Kernels {
            first_list: device.kernel(w, "first_list")?,
            begin_step: device.kernel(w, "begin_step")?,
            check_list: device.kernel(w, "check_list")?,
            end_step: device.kernel(w, "end_step")?,
            record_step: device.kernel(w, "record_step")?,
            record_start: device.kernel(w, "record_start")?,
            move_atoms: device.kernel(w, "move_atoms")?,
            kick_atoms: device.kernel(w, "kick_atoms")?,
            scale_atoms: device.kernel(w, "scale_atoms")?,
            sum_atoms: device.kernel(w, "sum_atoms")?,
        })
    }
}

/// Arrays of the atoms, by the caller's number unless said otherwise.
#[derive(Debug)]
struct Arrays {
    positions: Buffer<f64>,
    velocities: Buffer<f64>,
    forces: Buffer<f64>,
    before_positions: Buffer<f64>,
    before_velocities: Buffer<f64>,
    mobility: Buffer<f64>,
    mass: Buffer<f64>,
    part: Buffer<u8>,
    /// By sorted atom.
    energies: Buffer<f64>,
    virials: Buffer<f64>,
}

/// The system on the host, as of the last look.
#[derive(Debug)]
struct Seen {
    cell: Cell,
    positions: Vec<Vector3>,
    velocities: Vec<Vector3>,
    forces: Vec<Vector3>,
    /// Only after a fault: before the step, and distances to the nearest neighbours.
    before: Vec<Vector3>,
    nearest: Vec<f64>,
}

#[derive(Debug)]
pub(super) struct DeviceEngine<T> {
    device: Device,
    species_table: SpeciesTable,
    species: Vec<u8>,
    /// Recorded launches of a step; dropped before the buffers they use.
    recorded: Option<Box<dyn Replay>>,
    forces: Forces<T>,
    kernels: Kernels,
    list: List,
    gradients: Buffer<T>,
    arrays: Arrays,
    control: Buffer<Control>,
    _partials: Buffer<f64>,
    records: Buffer<f64>,
    plan: Plan,
    /// Of the last look at the device.
    now: Control,
    variables: Variables,
    seen: Seen,
    fresh: bool,
    spent: Spent,
    /// Time of a step at the last look [s].
    per_step: f64,
}

impl<T: Real> DeviceEngine<T> {
    pub(super) fn new(
        device: &Device,
        model: &Arc<Model<T>>,
        table: SpeciesTable,
        start: Start<'_>,
    ) -> std::result::Result<Self, Fault> {
        plan::supported(start.settings, &start.structure.cell).map_err(fault)?;
        let mut engine = Self::prepare(device, model, table, start).map_err(fault)?;
        engine.first().map_err(fault)?;
        match engine.stop_if_halted() {
            Err(Fault::NotFinite) => Err(engine.first_not_finite()),
            other => other.map(|()| engine),
        }
    }

    fn prepare(
        device: &Device,
        model: &Arc<Model<T>>,
        table: SpeciesTable,
        start: Start<'_>,
    ) -> Result<Self> {
        let Start { structure, velocities, species, settings, variables, done, reference } = start;
        let n = structure.len();
        let mut counts = vec![0; table.len()];
        for s in &species {
            counts[usize::from(*s)] += 1;
        }
        let forces = Forces::<T>::new(device, model, &counts)?;
        let cutoff = model.descriptor.cutoff;
        let list =
            List::new(device, width::<T>(), &species, cutoff + settings.skin, &forces.ranks())?;
        let (list_cell, list_positions) = match &reference {
            Some(reference) => (&reference.cell, &reference.positions),
            None => (&structure.cell, &structure.positions),
        };
        list.reference.upload(list_positions.as_flattened())?;
        let mass: Vec<f64> = (0..n).map(|atom| structure.mass(atom)).collect();
        let part = plan::parts_of_atoms(settings, n);
        let mut mobility: Vec<f64> =
            mass.iter().map(|m| units::ACCELERATION_PER_FORCE / m).collect();
        settings.frozen.iter().for_each(|atom| mobility[*atom as usize] = 0.0);
        let arrays = Arrays {
            positions: device.buffer(structure.positions.as_flattened())?,
            velocities: device.buffer(velocities.as_flattened())?,
            forces: device.zeros(3 * n)?,
            before_positions: device.buffer(structure.positions.as_flattened())?,
            before_velocities: device.buffer(velocities.as_flattened())?,
            mobility: device.buffer(&mobility)?,
            mass: device.buffer(&mass)?,
            part: device.buffer(&part)?,
            energies: device.room(n)?,
            virials: device.room(9 * n)?,
        };
        let now = plan::control(settings, &variables, &structure.cell, list_cell, done);
        let control = device.buffer(&[now])?;
        let blocks = n.div_ceil(BLOCK as usize).clamp(1, MOST_BLOCKS);
        let partials: Buffer<f64> = device.room(blocks * SUMS)?;
        let records: Buffer<f64> = device.zeros(RING * RECORD)?;
        let plan = Plan {
            control: control.address(),
            partials: partials.address(),
            record_of: records.address(),
            most_bins: list.most_bins() as i32,
            blocks: blocks as u32,
            ..plan::plan(settings, cutoff, n)
        };
        Ok(DeviceEngine {
            kernels: Kernels::new(device, width::<T>())?,
            device: device.clone(),
            species_table: table,
            species,
            recorded: None,
            forces,
            list,
            gradients: device.room(0)?,
            arrays,
            control,
            _partials: partials,
            records,
            plan,
            now,
            variables,
            seen: Seen {
                cell: structure.cell.clone(),
                positions: structure.positions.clone(),
                velocities,
                forces: vec![[0.0; 3]; n],
                before: Vec::new(),
                nearest: Vec::new(),
            },
            fresh: false,
            spent: Spent::default(),
            per_step: 0.0,
        })
    }

    fn atom_arguments(&self, all: bool) -> AtomArguments {
        let a = &self.arrays;
        AtomArguments {
            plan: self.plan,
            positions: a.positions.address(),
            velocities: a.velocities.address(),
            forces: a.forces.address(),
            before_positions: a.before_positions.address(),
            before_velocities: a.before_velocities.address(),
            reference: self.list.reference.address(),
            mobility: a.mobility.address(),
            mass: a.mass.address(),
            part: a.part.address(),
            energies: a.energies.address(),
            virials: a.virials.address(),
            all: u32::from(all),
            reserved: 0,
        }
    }

    fn field(&self) -> Field {
        Field {
            around: self.list.surroundings(),
            reverse: self.list.reverse(),
            status: self.control.address(),
            centres: self.list.centres(),
            order: self.list.order.address(),
            gradients: self.gradients.address(),
            energies: self.arrays.energies.address(),
            virials: self.arrays.virials.address(),
            forces: self.arrays.forces.address(),
            atoms: self.plan.atoms as usize,
        }
    }

    fn single(&self, kernel: &Kernel<PlanArguments>, threads: u32) -> Result<()> {
        kernel.launch(Shape::blocks(1, threads), &PlanArguments { plan: self.plan })
    }

    fn pass(&self, kernel: &Kernel<AtomArguments>) -> Result<()> {
        let shape = Shape::threads(self.plan.atoms as usize, BLOCK);
        kernel.launch(shape, &self.atom_arguments(false))
    }

    fn sum(&self, all: bool) -> Result<()> {
        let shape = Shape::blocks(self.plan.blocks as usize, BLOCK);
        self.kernels.sum_atoms.launch(shape, &self.atom_arguments(all))
    }

    /// A step up to where the list is searched.
    fn queue_motion(&self) -> Result<()> {
        self.single(&self.kernels.begin_step, 32)?;
        self.pass(&self.kernels.move_atoms)?;
        self.single(&self.kernels.check_list, 32)
    }

    /// The rest of the step.
    fn queue_rest(&self) -> Result<()> {
        self.list.update(&self.control, self.arrays.positions.address(), true)?;
        self.forces.evaluate(&self.field())?;
        self.pass(&self.kernels.kick_atoms)?;
        self.sum(true)?;
        self.single(&self.kernels.end_step, 64)?;
        self.pass(&self.kernels.scale_atoms)?;
        self.sum(false)?;
        self.single(&self.kernels.record_step, 64)
    }

    /// Queues so many steps, from a recording where the device can replay one.
    fn queue(&mut self, steps: u64) -> Result<()> {
        if self.recorded.is_none() && steps > 1 {
            let device = self.device.clone();
            let this = &*self;
            let recorded = device.record(&mut || {
                this.queue_motion()?;
                this.queue_rest()
            })?;
            self.recorded = recorded;
        }
        for _ in 0..steps {
            if let Some(recorded) = &self.recorded {
                recorded.run()?;
            } else {
                self.queue_motion()?;
                self.queue_rest()?;
            }
        }
        Ok(())
    }

    /// List and forces of the start.
    fn first(&mut self) -> Result<()> {
        self.single(&self.kernels.first_list, 32)?;
        loop {
            self.list.update(&self.control, self.arrays.positions.address(), false)?;
            self.forces.evaluate(&self.field())?;
            self.sum(true)?;
            self.single(&self.kernels.record_start, 64)?;
            self.look()?;
            if !self.grow_if_full()? {
                return Ok(());
            }
        }
    }

    /// Waits, and reads where the device is.
    fn look(&mut self) -> Result<()> {
        self.fresh = false;
        let mut now = [self.now];
        self.control.download(&mut now)?;
        self.now = now[0];
        Ok(())
    }

    /// Makes room where the list found more pairs than fit, and lets the device go on; true if it did.
    fn grow_if_full(&mut self) -> Result<bool> {
        if self.now.status.halt != LIST_FULL {
            return Ok(false);
        }
        self.recorded = None;
        self.gradients = self.device.room(0)?;
        let capacity = self.list.grow(&self.device, self.now.pairs as usize)?;
        self.gradients = self.device.room(3 * capacity)?;
        self.now.status.halt = 0;
        self.control.upload(&[self.now])?;
        Ok(true)
    }

    /// Why the device halted, with everything brought to the host that the stage asks for.
    fn stop_if_halted(&mut self) -> std::result::Result<(), Fault> {
        let why = self.now.status.halt;
        if why == 0 {
            return Ok(());
        }
        let refused = match why {
            TOO_MANY_IMAGES => {
                "the cell is too small for the interaction range: more than 4096 periodic images are \
                 within reach; use a supercell"
            }
            TOO_MANY_PAIRS => {
                "more than 2^32 pairs are within reach; use fewer atoms or a smaller skin"
            }
            _ => "",
        };
        if !refused.is_empty() {
            return Err(Fault::Device(refused.to_owned()));
        }
        self.collect_wreck().map_err(fault)?;
        let matrix = matrix(&self.now.cell);
        Err(match why {
            TOO_CLOSE => {
                let order = self.list.order.to_vec().map_err(fault)?;
                let atom = order[self.now.status.atom as usize] as usize;
                let symbol = self.species_table.symbols()[usize::from(self.species[atom])].clone();
                let nearest = self.seen.nearest.get(atom).copied().unwrap_or(f64::NAN);
                Fault::Potential(PotentialError::NonFinite {
                    atom,
                    symbol,
                    energy: f64::NAN,
                    nearest,
                })
            }
            MOVED_TOO_FAR => {
                let mut growth = math::ZERO;
                growth.as_flattened_mut().copy_from_slice(&self.now.whole);
                Fault::Displacement { growth }
            }
            STRAINED => Fault::Strain(self.now.strain),
            BAD_CELL => match Cell::new(matrix, self.seen.cell.periodicity()) {
                Err(error) => Fault::Cell(error),
                Ok(_) => Fault::Strain(f64::NAN),
            },
            NOT_FINITE => Fault::NotFinite,
            other => Fault::Device(format!("halted for an unknown reason ({other})")),
        })
    }

    /// The atom to blame for a start that is not finite: one with such a force, or the closest to another.
    fn first_not_finite(&self) -> Fault {
        let bad = self.seen.forces.iter().position(|f| !math::norm(*f).is_finite());
        let nearest = &self.seen.nearest;
        let closest = || (0..nearest.len()).min_by(|a, b| nearest[*a].total_cmp(&nearest[*b]));
        let atom = bad.or_else(closest).unwrap_or(0);
        Fault::Potential(PotentialError::NonFinite {
            atom,
            symbol: self.species_table.symbols()[usize::from(self.species[atom])].clone(),
            energy: self.now.energy,
            nearest: nearest.get(atom).copied().unwrap_or(f64::INFINITY),
        })
    }

    fn collect_wreck(&mut self) -> Result<()> {
        let a = &self.arrays;
        let n = self.plan.atoms as usize;
        self.seen.before.resize(n, [0.0; 3]);
        a.positions.download(self.seen.positions.as_flattened_mut())?;
        a.forces.download(self.seen.forces.as_flattened_mut())?;
        // where the cell ran away, no atom has moved yet
        let moved = !matches!(self.now.status.halt, STRAINED | BAD_CELL);
        let before = if moved { &a.before_positions } else { &a.positions };
        let velocities = if moved { &a.before_velocities } else { &a.velocities };
        before.download(self.seen.before.as_flattened_mut())?;
        velocities.download(self.seen.velocities.as_flattened_mut())?;
        let periodic = self.seen.cell.periodicity();
        if let Ok(cell) = Cell::new(matrix(&self.now.before), periodic) {
            self.seen.cell = cell;
        }
        let finite = self.seen.positions.iter().flatten().all(|x| x.is_finite());
        if let (true, Ok(cell)) = (finite, Cell::new(matrix(&self.now.cell), periodic)) {
            self.seen.nearest = nearest(&cell, &self.seen.positions, self.plan.cutoff);
        }
        Ok(())
    }

    /// The record in this place of the device's memory.
    fn record_at(&self, all: &[f64], slot: usize) -> Record {
        let x = &all[slot * RECORD..(slot + 1) * RECORD];
        let [xx, yy, zz, yz, xz, xy] = x[19..25] else { unreachable!("six numbers") };
        let parts = &x[25..25 + self.plan.part_count as usize];
        Record {
            cell: Cell::new(matrix(&x[..9]), self.seen.cell.periodicity())
                .expect("the device checked its volume"),
            potential_energy: x[9],
            virial: matrix(&x[10..19]),
            twice_kinetic: parts.iter().sum(),
            kinetic: [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]],
            baths: parts[1..].to_vec(),
            conserved: x[RECORD - 1],
        }
    }
}

impl<T: Real> Engine for DeviceEngine<T> {
    fn stride(&self) -> u64 {
        // so many that somebody who waits for the end of them does not wait long
        let steps = PATIENCE / self.per_step.max(PATIENCE / RING as f64);
        (steps as u64).max(1)
    }

    fn advance(
        &mut self,
        done: u64,
        steps: u64,
        records: &mut Vec<Record>,
    ) -> std::result::Result<(), Fault> {
        let begin = Instant::now();
        let target = done + steps;
        self.queue(steps).map_err(fault)?;
        self.look().map_err(fault)?;
        // a list that was full halted in the middle of a step: the rest of it, then those left
        while self.grow_if_full().map_err(fault)? {
            self.queue_rest().map_err(fault)?;
            self.look().map_err(fault)?;
            if self.now.status.halt == 0 {
                self.queue(target - self.now.done).map_err(fault)?;
                self.look().map_err(fault)?;
            }
        }
        let all = self.records.to_vec().map_err(fault)?;
        for step in done..self.now.done {
            records.push(self.record_at(&all, (step % RING as u64) as usize));
        }
        let seconds = begin.elapsed().as_secs_f64();
        self.per_step = seconds / (self.now.done - done).max(1) as f64;
        self.spent.potential += seconds;
        self.stop_if_halted()
    }

    fn record(&mut self) -> std::result::Result<Record, Fault> {
        let all = self.records.to_vec().map_err(fault)?;
        Ok(self.record_at(&all, (self.now.done as usize + RING - 1) % RING))
    }

    fn snapshot(&mut self) -> std::result::Result<View<'_>, Fault> {
        if !self.fresh {
            let a = &self.arrays;
            a.positions.download(self.seen.positions.as_flattened_mut()).map_err(fault)?;
            a.velocities.download(self.seen.velocities.as_flattened_mut()).map_err(fault)?;
            a.forces.download(self.seen.forces.as_flattened_mut()).map_err(fault)?;
            self.seen.cell = Cell::new(matrix(&self.now.cell), self.seen.cell.periodicity())
                .map_err(Fault::Cell)?;
            self.fresh = true;
        }
        let Seen { cell, positions, velocities, forces, .. } = &self.seen;
        Ok(View { cell, positions, velocities, forces })
    }

    fn variables(&mut self) -> std::result::Result<Variables, Fault> {
        Ok(plan::variables(&self.now, &self.variables))
    }

    fn list_reference(&mut self) -> std::result::Result<Reference, Fault> {
        let mut positions = vec![[0.0; 3]; self.plan.atoms as usize];
        self.list.reference.download(positions.as_flattened_mut()).map_err(fault)?;
        let cell = Cell::new(matrix(&self.now.list_cell), self.seen.cell.periodicity())
            .map_err(Fault::Cell)?;
        Ok(Reference { cell, positions })
    }

    fn builds(&self) -> u64 {
        self.now.builds
    }

    fn spent(&mut self) -> Spent {
        std::mem::take(&mut self.spent)
    }

    fn wreck(&self) -> Wreck<'_> {
        let Seen { cell, positions, velocities, forces, before, .. } = &self.seen;
        Wreck { cell, before, velocities, positions, forces, atom_energies: &[], age: 0 }
    }

    fn nearest(&self, atom: usize) -> Option<f64> {
        self.seen.nearest.get(atom).copied().filter(|distance| distance.is_finite())
    }
}

fn matrix(from: &[f64]) -> math::Matrix3 {
    let mut matrix = math::ZERO;
    matrix.as_flattened_mut().copy_from_slice(from);
    matrix
}

/// Distance of every atom to its nearest neighbour within the cut-off [Å]; infinite without one.
fn nearest(cell: &Cell, positions: &[Vector3], cutoff: f64) -> Vec<f64> {
    let mut found = VerletList::new(cutoff, 0.0);
    found.update(cell, positions);
    let list = found.list();
    let mut nearest = vec![f64::INFINITY; positions.len()];
    for (i, atom) in found.order().iter().enumerate() {
        let distances = list.row(i).map(|p| math::norm(list.vector(found.positions(), i, p)));
        nearest[*atom as usize] = distances.fold(f64::INFINITY, f64::min);
    }
    nearest
}

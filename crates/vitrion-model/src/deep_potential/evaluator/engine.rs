//! Blocks, threads, and the sums over blocks.

use super::super::real::Real;
use super::block::{self, Block, CENTERS, Input, Workspace};
use super::breakdown::{Breakdown, Clock};
use super::environment::Sight;
use super::model::Model;
use pulp::Arch;
use rayon::prelude::*;
use std::sync::Mutex;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Atoms, Evaluation, NeighborList};

/// Atoms whose forces one task gathers.
const GATHERED: usize = 512;
/// Blocks wanted per thread, so that none waits long for the others.
const BLOCKS_PER_THREAD: usize = 4;
/// Blocks that members of a committee work on in turn, at most.
const BLOCKS_PER_GROUP: usize = 4;
/// Fewest centres worth a block of their own.
const FEWEST_CENTERS: usize = 8;

/// Members of a committee (one, for dynamics) and all memory an evaluation needs.
#[derive(Debug)]
pub(super) struct Engine<T> {
    arch: Arch,
    sight: Sight,
    members: Vec<Model<T>>,
    blocks: Vec<Block>,
    used: usize,
    /// `∂E_i/∂r_ij` of the rows of each block, `[block][member]`; zero beyond the cut-off.
    gradients: Vec<Vec<[T; 3]>>,
    /// Block of each local atom, and its first entry in the gradients of that block.
    places: Vec<Place>,
    workspaces: Mutex<Vec<Workspace<T>>>,
    breakdown: Breakdown,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    block: u32,
    centre: u32,
    /// What leads from an entry of the atom's row in the list to its gradient (modulo 2³²).
    shift: u32,
}

impl<T: Real> Engine<T> {
    pub(super) fn new(arch: Arch, sight: Sight, members: Vec<Model<T>>) -> Self {
        Engine {
            arch,
            sight,
            members,
            blocks: Vec::new(),
            used: 0,
            gradients: Vec::new(),
            places: Vec::new(),
            workspaces: Mutex::new(Vec::new()),
            breakdown: Breakdown::default(),
        }
    }

    pub(super) fn members(&self) -> &[Model<T>] {
        &self.members
    }

    /// Evaluates all members; `out[m]` belongs to member `m`.
    pub(super) fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        list: &NeighborList,
        out: &mut [Evaluation],
    ) {
        let threads = rayon::current_num_threads();
        self.distribute(atoms, threads);
        let (workspaces, members, arch) = (&self.workspaces, &self.members, self.arch);
        let input = Input { arch, sight: &self.sight, atoms, list };
        let evaluate = |(blocks, gradients): (&mut [Block], &mut [Vec<[T; 3]>])| {
            let spare = workspaces.lock().expect("no thread panics with it").pop();
            let mut work = spare.unwrap_or_else(|| Workspace::new(arch, members));
            block::evaluate(input, members, blocks, gradients, &mut work);
            workspaces.lock().expect("no thread panics with it").push(work);
        };
        let blocks = &mut self.blocks[..self.used];
        let gradients = &mut self.gradients[..self.used * members.len()];
        // a single model has nothing to share within a group; groups are even among the threads
        let most = if members.len() > 1 { BLOCKS_PER_GROUP } else { 1 };
        let groups = threads * blocks.len().div_ceil(threads * most);
        let group = (blocks.len() / groups.max(1)).max(1);
        if threads > 1 && blocks.len() > 1 {
            let gradients = gradients.par_chunks_mut(group * members.len());
            blocks.par_chunks_mut(group).zip(gradients).with_max_len(1).for_each(evaluate);
        } else {
            let gradients = gradients.chunks_mut(group * members.len());
            blocks.chunks_mut(group).zip(gradients).for_each(evaluate);
        }
        for work in self.workspaces.get_mut().expect("no thread panics with it") {
            self.breakdown += std::mem::take(&mut work.breakdown);
        }
        self.place(list);
        for (member, out) in out.iter_mut().enumerate() {
            let mut clock = Clock::start();
            self.collect(member, atoms, list, out);
            let mut seconds = 0.0;
            clock.lap(&mut seconds);
            self.breakdown.force += seconds;
        }
    }

    /// Descriptors of the local atoms by the first member, `[atom][width]`, and their width.
    pub(super) fn descriptors(
        &mut self,
        atoms: Atoms<'_>,
        list: &NeighborList,
    ) -> (Vec<f32>, usize) {
        self.distribute(atoms, rayon::current_num_threads());
        let (workspaces, members, arch) = (&self.workspaces, &self.members, self.arch);
        let width = members[0].layout.len();
        let input = Input { arch, sight: &self.sight, atoms, list };
        let rows: Vec<Vec<f32>> = self.blocks[..self.used]
            .par_iter_mut()
            .map(|block| {
                let spare = workspaces.lock().expect("no thread panics with it").pop();
                let mut work = spare.unwrap_or_else(|| Workspace::new(arch, members));
                let rows = block::describe(input, &members[0], block, &mut work, width);
                workspaces.lock().expect("no thread panics with it").push(work);
                rows
            })
            .collect();
        let mut all = vec![0.0; atoms.n_local * width];
        for (block, rows) in self.blocks[..self.used].iter().zip(&rows) {
            for (centre, row) in block.centers.iter().zip(rows.chunks_exact(width)) {
                all[*centre as usize * width..][..width].copy_from_slice(row);
            }
        }
        (all, width)
    }

    /// Puts the local atoms into blocks of one species each. Results do not depend on the split:
    /// every number of a centre is computed the same way in any block.
    fn distribute(&mut self, atoms: Atoms<'_>, threads: usize) {
        self.used = 0;
        let most = match threads {
            1 => CENTERS,
            _ => (atoms.n_local / (threads * BLOCKS_PER_THREAD)).clamp(FEWEST_CENTERS, CENTERS),
        };
        for species in 0..self.sight.species {
            let of_species = |i: &usize| usize::from(atoms.species[*i]) == species;
            let count = (0..atoms.n_local).filter(of_species).count();
            let blocks = count.div_ceil(most);
            let (mut begun, mut end) = (0, 0);
            for (k, i) in (0..atoms.n_local).filter(of_species).enumerate() {
                if k == end {
                    if self.used == self.blocks.len() {
                        self.blocks.push(Block::new(self.members.len()));
                        self.gradients.extend(self.members.iter().map(|_| Vec::new()));
                    }
                    self.blocks[self.used].species = species;
                    self.blocks[self.used].centers.clear();
                    self.used += 1;
                    begun += 1;
                    end = begun * count / blocks; // even shares
                }
                self.blocks[self.used - 1].centers.push(i as u32);
            }
        }
        self.places.clear();
        self.places.resize(atoms.n_local, Place::default());
    }

    /// Notes where each atom's results are.
    fn place(&mut self, list: &NeighborList) {
        for (b, block) in self.blocks[..self.used].iter().enumerate() {
            for (c, (atom, start)) in block.centers.iter().zip(&block.starts).enumerate() {
                let shift = start.wrapping_sub(list.offsets[*atom as usize] as u32);
                self.places[*atom as usize] = Place { block: b as u32, centre: c as u32, shift };
            }
        }
    }

    /// Energies, forces and virials of one member from its blocks.
    fn collect(&self, member: usize, atoms: Atoms<'_>, list: &NeighborList, out: &mut Evaluation) {
        out.reset(atoms.positions.len(), atoms.n_local);
        for (i, place) in self.places.iter().enumerate() {
            let outcome = &self.blocks[place.block as usize].outcomes[member];
            out.atom_energies[i] = outcome.energies[place.centre as usize];
            out.virial = math::matrix_add(&out.virial, &outcome.virials[place.centre as usize]);
        }
        out.energy = out.atom_energies.iter().sum();
        if list.reverse.is_empty() {
            self.scatter(member, atoms, list, out);
        } else {
            self.gather(member, atoms, list, out);
        }
    }

    /// `F_i = Σ_j (∂E_i/∂r_ij − ∂E_j/∂r_ji)`: each atom fetches what its neighbours feel of it, so
    /// that atoms are independent of one another and sums have one order.
    fn gather(&self, member: usize, atoms: Atoms<'_>, list: &NeighborList, out: &mut Evaluation) {
        let (members, gradients) = (self.members.len(), &self.gradients[member..]);
        let felt = |p: usize| -> Vector3 {
            let place = self.places[list.index[p] as usize];
            let gradient = &gradients[place.block as usize * members];
            let [x, y, z] = gradient[list.reverse[p].wrapping_add(place.shift) as usize];
            [x.to_f64(), y.to_f64(), z.to_f64()]
        };
        let force = |i: usize| -> Vector3 {
            let place = self.places[i];
            let outcome = &self.blocks[place.block as usize].outcomes[member];
            list.row(i).fold(outcome.own[place.centre as usize], |f, p| math::sub(f, felt(p)))
        };
        let forces = |(chunk, forces): (usize, &mut [Vector3])| {
            for (k, f) in forces.iter_mut().enumerate() {
                *f = force(chunk * GATHERED + k);
            }
        };
        if rayon::current_num_threads() > 1 {
            out.forces.par_chunks_mut(GATHERED).enumerate().for_each(forces);
        } else {
            out.forces.chunks_mut(GATHERED).enumerate().for_each(forces);
        }
        for (i, virial) in out.atom_virials.iter_mut().enumerate() {
            // the virial of a pair belongs to its neighbour; r_ji = −r_ij
            *virial = list.row(i).fold(math::ZERO, |w: Matrix3, p| {
                math::matrix_add(&w, &math::outer(felt(p), list.vector(atoms.positions, i, p)))
            });
        }
    }

    /// The same sums where the list does not know the other ends of its pairs, as with ghosts.
    fn scatter(&self, member: usize, atoms: Atoms<'_>, list: &NeighborList, out: &mut Evaluation) {
        for (i, place) in self.places.iter().enumerate() {
            let outcome = &self.blocks[place.block as usize].outcomes[member];
            out.forces[i] = math::add(out.forces[i], outcome.own[place.centre as usize]);
            let gradient = &self.gradients[place.block as usize * self.members.len() + member];
            for p in list.row(i) {
                let g = gradient[(p as u32).wrapping_add(place.shift) as usize].map(T::to_f64);
                let j = list.index[p] as usize;
                out.forces[j] = math::sub(out.forces[j], g);
                if out.want_atom_virials {
                    let r = list.vector(atoms.positions, i, p);
                    let w = math::outer(g, math::scale(r, -1.0));
                    out.atom_virials[j] = math::matrix_add(&out.atom_virials[j], &w);
                }
            }
        }
    }

    pub(super) fn take_breakdown(&mut self) -> Breakdown {
        std::mem::take(&mut self.breakdown)
    }
}

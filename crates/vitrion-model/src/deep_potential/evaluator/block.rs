//! One block of centres of one species: environment → embedding → descriptor → fitting net, and
//! back to the gradient of every pair.

use super::super::aligned::Aligned;
use super::super::real::{Real, machine_lanes};
use super::breakdown::{Breakdown, Clock};
use super::embedding::Rows;
use super::environment::{Neighbors, Sight};
use super::fitting::FittingWorkspace;
use super::model::Model;
use pulp::{Arch, Simd, WithSimd};
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Atoms, NeighborList};

/// Centres per block at most: enough rows to use a weight often while it is in the cache, few
/// enough for their own numbers to stay there.
pub(super) const CENTERS: usize = 256;
/// Lanes of sums over neighbours in f64.
const CHAINS: usize = 8;

/// Centres of a block and what came out for each member of the committee.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) species: usize,
    pub(super) centers: Vec<u32>,
    /// First entry of each centre in the gradients of the block, and the number of all entries.
    pub(super) starts: Vec<u32>,
    entries: usize,
    pub(super) outcomes: Vec<Outcome>,
}

/// Results of one member, by centre.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) energies: Vec<f64>,
    /// `Σ_j ∂E_i/∂r_ij`: the force of its own energy on each centre.
    pub(super) own: Vec<Vector3>,
    pub(super) virials: Vec<Matrix3>,
}

impl Outcome {
    /// Zeroes everything for `n` centres whose energies start from `bias`.
    fn clear(&mut self, n: usize, bias: f64) {
        self.energies.clear();
        self.energies.resize(n, bias);
        self.own.clear();
        self.own.resize(n, [0.0; 3]);
        self.virials.clear();
        self.virials.resize(n, math::ZERO);
    }
}

impl Block {
    pub(super) fn new(members: usize) -> Self {
        let outcome = |_| Outcome {
            energies: Vec::with_capacity(CENTERS),
            own: Vec::with_capacity(CENTERS),
            virials: Vec::with_capacity(CENTERS),
        };
        Block {
            species: 0,
            centers: Vec::with_capacity(CENTERS),
            starts: Vec::with_capacity(CENTERS),
            entries: 0,
            outcomes: (0..members).map(outcome).collect(),
        }
    }
}

/// Buffers of one thread, kept from step to step.
#[derive(Debug)]
pub(super) struct Workspace<T> {
    /// Surroundings of the blocks of a group.
    near: Vec<Neighbors<T>>,
    rows: Rows<T>,
    /// `[centre][4][padded]`, and room for one register more.
    moments: Aligned<T>,
    /// `∂E/∂T` of one centre, `[register][c][lane]`, and room to prepare it.
    moment_gradient: Aligned<T>,
    moment_work: Aligned<T>,
    fitting: FittingWorkspace<T>,
    /// `∂E/∂R` and `∂E/∂r` of the neighbours of one centre.
    row_gradient: [Vec<T>; 4],
    pair_gradient: [Vec<T>; 3],
    pub(super) breakdown: Breakdown,
}

impl<T: Real> Workspace<T> {
    pub(super) fn new(arch: Arch, members: &[Model<T>]) -> Self {
        let padded = members.iter().map(|m| m.padded).max().unwrap_or(0);
        let nets: Vec<_> = members.iter().map(|m| &m.fitting[..]).collect();
        Workspace {
            near: Vec::new(),
            rows: Rows::default(),
            moments: Aligned::zeros(CENTERS * 4 * padded + machine_lanes::<T>(arch)),
            moment_gradient: Aligned::zeros(4 * padded),
            moment_work: Aligned::zeros(4 * padded),
            fitting: FittingWorkspace::new(arch, CENTERS, &nets),
            row_gradient: Default::default(),
            pair_gradient: Default::default(),
            breakdown: Breakdown::default(),
        }
    }
}

/// What a block is evaluated with.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) arch: Arch,
    pub(super) sight: &'a Sight,
    pub(super) atoms: Atoms<'a>,
    pub(super) list: &'a NeighborList,
}

/// Energies and pair gradients of a group of blocks for every member; `gradients` are those of each
/// block and member in turn.
///
/// Members come one after the other for the whole group: the weights of one stay in the caches.
pub(super) fn evaluate<T: Real>(
    input: Input<'_>,
    members: &[Model<T>],
    blocks: &mut [Block],
    gradients: &mut [Vec<[T; 3]>],
    work: &mut Workspace<T>,
) {
    let mut clock = Clock::start();
    if work.near.len() < blocks.len() {
        work.near.resize_with(blocks.len(), Neighbors::default);
    }
    for (block, near) in blocks.iter_mut().zip(&mut work.near) {
        block.starts.clear();
        let mut entries = 0;
        for centre in &block.centers {
            block.starts.push(entries as u32);
            entries += input.list.row(*centre as usize).len();
        }
        block.entries = entries;
        input.arch.dispatch(See { input, block, near });
    }
    clock.lap(&mut work.breakdown.environment);
    for (member, model) in members.iter().enumerate() {
        for (number, block) in blocks.iter_mut().enumerate() {
            let gradient = &mut gradients[number * members.len() + member];
            gradient.clear();
            gradient.resize(block.entries, [T::ZERO; 3]);
            let n = block.centers.len();
            block.outcomes[member].clear(n, model.bias[block.species]);
            if !model.has_net[block.species] {
                continue;
            }
            let species = block.species;
            input.arch.dispatch(Describe { model, species, centers: n, number, work });
            clock.lap(&mut work.breakdown.embedding);
            let energies = &mut block.outcomes[member].energies;
            model.fitting[species].evaluate(input.arch, n, &mut work.fitting, energies);
            clock.lap(&mut work.breakdown.fitting);
            input.arch.dispatch(Differentiate { model, member, block, number, gradient, work });
            clock.lap(&mut work.breakdown.force);
        }
    }
}

/// Descriptors of a block by one model, one row of `width` numbers a centre, as f32.
pub(super) fn describe<T: Real>(
    input: Input<'_>,
    model: &Model<T>,
    block: &mut Block,
    work: &mut Workspace<T>,
    width: usize,
) -> Vec<f32> {
    if work.near.is_empty() {
        work.near.push(Neighbors::default());
    }
    input.arch.dispatch(See { input, block, near: &mut work.near[0] });
    let (species, centers) = (block.species, block.centers.len());
    if !model.has_net[species] {
        return vec![0.0; centers * width];
    }
    input.arch.dispatch(Describe { model, species, centers, number: 0, work });
    let FittingWorkspace { features, stride, .. } = &work.fitting;
    (0..centers)
        .flat_map(|centre| &features[centre * stride..][..width])
        .map(|x| x.to_f64() as f32)
        .collect()
}

struct See<'a, T> {
    input: Input<'a>,
    block: &'a Block,
    near: &'a mut Neighbors<T>,
}

impl<T: Real> WithSimd for See<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Input { sight, atoms, list, .. } = self.input;
        let Block { species, centers, .. } = self.block;
        self.near.fill(sight, *species, centers, atoms.positions, atoms.species, list);
    }
}

/// Moments and descriptors of every centre.
struct Describe<'a, T> {
    model: &'a Model<T>,
    species: usize,
    centers: usize,
    /// In its group.
    number: usize,
    work: &'a mut Workspace<T>,
}

impl<T: Real> WithSimd for Describe<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Describe { model, species, centers, number, work } = self;
        let Workspace { near, rows, moments, fitting, .. } = work;
        let near = &near[number];
        rows.locate(model, species, centers, near);
        let width = 4 * model.padded;
        moments.fill(T::ZERO);
        rows.moments(simd, model, species, centers, near, moments);
        for centre in 0..centers {
            let own = &mut moments[centre * width..(centre + 1) * width];
            model.pad(species, |neighbor| near.run(centre, neighbor).len(), own);
            for x in own {
                *x = *x * model.per_slot;
            }
        }
        for centre in 0..centers {
            let features = &mut fitting.features[centre * fitting.stride..];
            model.layout.descriptor(simd, &moments[centre * width..], features);
        }
    }
}

/// Pair gradients, own forces and virials of every centre.
struct Differentiate<'a, T> {
    model: &'a Model<T>,
    member: usize,
    block: &'a mut Block,
    /// In its group.
    number: usize,
    gradient: &'a mut [[T; 3]],
    work: &'a mut Workspace<T>,
}

impl<T: Real> WithSimd for Differentiate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Differentiate { model, member, block, number, gradient, work } = self;
        let Block { species, centers, starts, outcomes, .. } = block;
        let outcome = &mut outcomes[member];
        let width = 4 * model.padded;
        for centre in 0..centers.len() {
            let Workspace {
                near,
                rows,
                moments,
                moment_gradient,
                moment_work,
                fitting,
                row_gradient,
                pair_gradient,
                ..
            } = &mut *work;
            let near = &near[number];
            model.layout.moment_gradient(
                simd,
                &moments[centre * width..(centre + 1) * width],
                &fitting.features[centre * fitting.stride..],
                model.per_slot,
                &mut moment_work[..width],
                &mut moment_gradient[..width],
            );
            let around = near.around(centre);
            let n = around.len();
            let full = n.next_multiple_of(CHAINS);
            for x in row_gradient.iter_mut() {
                x.clear();
                x.resize(full, T::ZERO);
            }
            let dt = &moment_gradient[..width];
            rows.gradients(simd, model, (*species, centre), near, dt, row_gradient);
            pair_gradients(near, around.clone(), row_gradient, pair_gradient);
            let [x, y, z] = &*pair_gradient;
            let row = &mut gradient[starts[centre] as usize..];
            for (k, slot) in near.slot[around.clone()].iter().enumerate() {
                row[*slot as usize] = [x[k], y[k], z[k]];
            }
            let (own, virial) = sums(near, around, pair_gradient);
            outcome.own[centre] = own;
            outcome.virials[centre] = virial;
        }
    }
}

/// `∂E/∂r` from `∂E/∂R`, by neighbour.
#[inline(always)]
fn pair_gradients<T: Real>(
    near: &Neighbors<T>,
    around: std::ops::Range<usize>,
    row_gradient: &[Vec<T>; 4],
    out: &mut [Vec<T>; 3],
) {
    let n = around.len();
    let [ux, uy, uz] = &near.unit;
    let (ux, uy, uz) = (&ux[around.clone()], &uy[around.clone()], &uz[around.clone()]);
    let t = &near.t[around.clone()];
    let (s_slope, t_slope) = (&near.s_slope[around.clone()], &near.t_slope[around]);
    let [ds, dx, dy, dz] = row_gradient;
    let (ds, dx, dy, dz) = (&ds[..n], &dx[..n], &dy[..n], &dz[..n]);
    for x in out.iter_mut() {
        x.clear();
        x.resize(n.next_multiple_of(CHAINS), T::ZERO);
    }
    let [gx, gy, gz] = out;
    let (gx, gy, gz) = (&mut gx[..n], &mut gy[..n], &mut gz[..n]);
    for k in 0..n {
        let radial = dx[k].fma(ux[k], dy[k].fma(uy[k], dz[k] * uz[k]));
        let along = ds[k].fma(s_slope[k], t_slope[k] * radial);
        gx[k] = along.fma(ux[k], t[k] * dx[k]);
        gy[k] = along.fma(uy[k], t[k] * dy[k]);
        gz[k] = along.fma(uz[k], t[k] * dz[k]);
    }
}

/// `Σ g` and `−Σ g ⊗ r` over the neighbours of a centre, in f64 and in a fixed order.
#[inline(always)]
fn sums<T: Real>(
    near: &Neighbors<T>,
    around: std::ops::Range<usize>,
    gradient: &[Vec<T>; 3],
) -> (Vector3, Matrix3) {
    let n = around.len();
    let [ux, uy, uz] = &near.unit;
    let unit = [&ux[around.clone()], &uy[around.clone()], &uz[around.clone()]];
    let distance = &near.distance[around];
    let mut force = [[0.0; CHAINS]; 3];
    let mut virial = [[[0.0; CHAINS]; 3]; 3];
    for start in (0..n).step_by(CHAINS) {
        let mut vector = [[0.0; CHAINS]; 3];
        let lanes = CHAINS.min(n - start);
        for k in 0..lanes {
            let r = distance[start + k].to_f64();
            for b in 0..3 {
                vector[b][k] = r * unit[b][start + k].to_f64();
            }
        }
        for a in 0..3 {
            let g: &[T; CHAINS] =
                gradient[a][start..start + CHAINS].as_array().expect("padded to full chains");
            for k in 0..CHAINS {
                let g = g[k].to_f64();
                force[a][k] += g;
                for b in 0..3 {
                    virial[a][b][k] -= g * vector[b][k];
                }
            }
        }
    }
    let mut own = [0.0; 3];
    let mut total = math::ZERO;
    for a in 0..3 {
        own[a] = sum(&force[a]);
        for b in 0..3 {
            total[a][b] = sum(&virial[a][b]);
        }
    }
    (own, total)
}

#[inline(always)]
fn sum(chains: &[f64; CHAINS]) -> f64 {
    let mut sum = 0.0;
    for x in chains {
        sum += x;
    }
    sum
}

//! The definition in code: f64 loops in the order of the equations. Never optimised.

use super::DeepPotential;
use super::network::ScalarDerivatives;
use super::repulsion::Repulsion;
use super::switching::environment_row;
use vitrion_core::math::{self, Vector3};
use vitrion_core::{Atoms, Evaluation, NeighborList, Potential, PotentialError, SpeciesTable};

/// Slow, obvious evaluator; every other one is tested against it.
#[derive(Debug, Clone)]
pub struct Reference {
    model: DeepPotential,
    /// Drop the farthest neighbours beyond `sel` as DeePMD-kit does. Off by default: the energy is
    /// then discontinuous. For comparisons only.
    pub strict_sel: bool,
}

impl Reference {
    /// An evaluator of this model.
    pub fn new(model: DeepPotential) -> Self {
        Reference { model, strict_sel: false }
    }

    /// The rows of the list that centre `i` sees: within the cut-off, not pair-excluded, and with
    /// `strict_sel` only the nearest `sel` of each species.
    fn visible(&self, i: usize, atoms: Atoms<'_>, neighbors: &NeighborList) -> Vec<usize> {
        let (positions, species) = (atoms.positions, atoms.species);
        let descriptor = &self.model.descriptor;
        let n = self.model.species.len();
        let centre = usize::from(species[i]);
        let mut rows: Vec<usize> = neighbors
            .row(i)
            .filter(|p| {
                let t = usize::from(species[neighbors.index[*p] as usize]);
                math::norm(neighbors.vector(positions, i, *p)) < descriptor.cutoff
                    && !descriptor.pair_excluded[centre * n + t]
            })
            .collect();
        if self.strict_sel {
            rows.sort_by(|a, b| {
                let d = |p: usize| math::norm2(neighbors.vector(positions, i, p));
                d(*a).total_cmp(&d(*b))
            });
            // DeePMD-kit first keeps the nearest Σ sel of all species, then the nearest of each
            rows.truncate(descriptor.slots());
            let mut taken = vec![0; n];
            rows.retain(|p| {
                let t = usize::from(species[neighbors.index[*p] as usize]);
                taken[t] += 1;
                taken[t] <= descriptor.sel[t]
            });
        }
        rows
    }

    /// `T = 1/N_m Σ G ⊗ R̃` of centre `i`, and the neighbours it was made of.
    fn moments(
        &self,
        i: usize,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
    ) -> (Vec<[f64; 4]>, Vec<Seen>) {
        let (positions, species) = (atoms.positions, atoms.species);
        let descriptor = &self.model.descriptor;
        let n = self.model.species.len();
        let centre = usize::from(species[i]);
        let m = descriptor.width();
        let slots = descriptor.slots() as f64;
        let rows = self.visible(i, atoms, neighbors);

        let mut t = vec![[0.0; 4]; m];
        let mut counts = vec![0.0; n];
        let mut kept = Vec::new();
        for &p in &rows {
            let neighbor = usize::from(species[neighbors.index[p] as usize]);
            let pair = centre * n + neighbor;
            counts[neighbor] += 1.0;
            let Some(network) = &descriptor.embedding[pair] else { continue };
            if descriptor.excluded[pair] {
                continue;
            }
            let (row, row_derivative) = environment_row(
                neighbors.vector(positions, i, p),
                descriptor.smooth_cutoff,
                descriptor.cutoff,
                descriptor.protection,
            );
            let (mean, std) = (descriptor.mean[pair], descriptor.std[pair]);
            let normal: [f64; 4] = std::array::from_fn(|c| (row[c] - mean[c]) / std[c]);
            let g = network.scalar_derivatives(normal[0]);
            for k in 0..m {
                for c in 0..4 {
                    t[k][c] += g.value[k] * normal[c];
                }
            }
            kept.push(Seen { entry: p, pair, normal, g, row_derivative });
        }
        for neighbor in 0..n {
            let pair = centre * n + neighbor;
            if descriptor.excluded[pair] && !descriptor.excluded_keep_padding {
                continue;
            }
            if let Some(padding) = descriptor.padding(pair) {
                let empty = descriptor.sel[neighbor] as f64 - counts[neighbor];
                for k in 0..m {
                    for c in 0..4 {
                        t[k][c] += empty * padding[k * 4 + c];
                    }
                }
            }
        }
        for row in &mut t {
            for x in row {
                *x /= slots;
            }
        }
        (t, kept)
    }

    /// `D = T · T[..A]ᵀ` of centre `i`, `M × A` row-major.
    pub fn descriptor(&self, i: usize, atoms: Atoms<'_>, neighbors: &NeighborList) -> Vec<f64> {
        product(&self.moments(i, atoms, neighbors).0, self.model.descriptor.axis)
    }

    /// Energy of centre `i` and `∂E_i/∂r_ij` written to `gradient` for its rows.
    fn atom(
        &self,
        i: usize,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
        gradient: &mut [Vector3],
    ) -> f64 {
        let model = &self.model;
        let descriptor = &model.descriptor;
        let centre = usize::from(atoms.species[i]);
        if model.atom_excluded[centre] {
            return 0.0;
        }
        if model.fitting_excluded[centre] {
            return model.out_bias[centre];
        }
        let (m, axis) = (descriptor.width(), descriptor.axis);
        let slots = descriptor.slots() as f64;
        let (t, kept) = self.moments(i, atoms, neighbors);
        let d = product(&t, axis);
        let (energy, dd) = model.fitting[centre].value_and_gradient(&d);

        // ∂E/∂T
        let mut dt = vec![[0.0; 4]; m];
        for k in 0..m {
            for a in 0..axis {
                for c in 0..4 {
                    dt[k][c] += dd[k * axis + a] * t[a][c];
                    dt[a][c] += dd[k * axis + a] * t[k][c];
                }
            }
        }
        for Seen { entry: p, pair, normal, g, row_derivative } in kept {
            let std = descriptor.std[pair];
            let mut d_normal = [0.0; 4];
            let mut d_input = 0.0;
            for k in 0..m {
                for c in 0..4 {
                    d_normal[c] += dt[k][c] * g.value[k] / slots;
                    d_input += dt[k][c] * normal[c] * g.first[k] / slots;
                }
            }
            d_normal[0] += d_input;
            for c in 0..4 {
                let d_row = d_normal[c] / std[c];
                gradient[p] = math::add(gradient[p], math::scale(row_derivative[c], d_row));
            }
        }
        energy + model.energy_bias[centre] + model.out_bias[centre]
    }
}

/// A neighbour that a centre sees, with what the way back needs.
struct Seen {
    /// Entry of the list.
    entry: usize,
    pair: usize,
    /// R̃
    normal: [f64; 4],
    g: ScalarDerivatives,
    row_derivative: [Vector3; 4],
}

/// `T · T[..A]ᵀ`
fn product(t: &[[f64; 4]], axis: usize) -> Vec<f64> {
    let mut d = Vec::with_capacity(t.len() * axis);
    for left in t {
        d.extend(t[..axis].iter().map(|right| (0..4).map(|c| left[c] * right[c]).sum::<f64>()));
    }
    d
}

impl Potential for Reference {
    fn species(&self) -> &SpeciesTable {
        &self.model.species
    }

    fn cutoff(&self) -> f64 {
        self.model.descriptor.cutoff
    }

    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<(), PotentialError> {
        out.reset(atoms.positions.len(), atoms.n_local);
        let mut gradient = vec![[0.0; 3]; neighbors.pairs()];
        for i in 0..atoms.n_local {
            let energy = self.atom(i, atoms, neighbors, &mut gradient);
            out.atom_energies[i] = energy;
            out.energy += energy;
        }
        out.scatter(neighbors, atoms.positions, &gradient);
        if let Some(mut repulsion) = Repulsion::of(&self.model) {
            repulsion.add(atoms, neighbors, out)?;
        }
        super::evaluator::check_finite(&self.model.species, atoms, neighbors, out)
    }
}

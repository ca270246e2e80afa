//! The Deep Potential of type se_e2_a: what a model file says, as plain data.
//!
//! For a centre `i` with neighbours `j` closer than the cut-off (Zhang et al., NeurIPS 2018; the
//! exact conventions are DeePMD-kit's):
//!
//! ```text
//! R_j  = [w/r, w x/r², w y/r², w z/r²]                environment row, w = smooth weight
//! R̃_j  = (R_j − mean) / std                           per centre and neighbour species
//! G_j  = N(R̃_j0)                                      embedding net, M outputs
//! T    = 1/N_m Σ_slots G ⊗ R̃                          M × 4, N_m = Σ sel
//! D    = T · T[..A]ᵀ                                  M × A descriptor, A = axis
//! E_i  = F(D) + bias                                  fitting net of the centre's species
//! ```
//!
//! The sum runs over *slots*: DeePMD-kit pads each neighbour species to `sel` slots, and an empty
//! slot has `R = 0` but `R̃₀ = −mean/std ≠ 0`. Its term `N(R̃₀₀) ⊗ R̃₀` is a constant, so it is added
//! `sel − n` times without any padding work. Where a centre has more neighbours than `sel`, the
//! factor is negative and the energy continues smoothly; DeePMD-kit drops the farthest instead.

pub mod activation;
pub mod aligned;
pub mod evaluator;
pub mod export;
pub mod gemm;
pub mod import;
pub mod network;
pub mod real;
pub mod reference;
mod repulsion;
pub mod switching;
pub mod table;
pub mod vitrion_format;

pub use evaluator::{
    Breakdown, Committee, CommitteeError, Embedding, Evaluator, Precision, force_deviation,
    virial_deviation,
};
pub use reference::Reference;

use crate::card::Card;
use crate::error::ModelError;
use network::Network;
use std::path::Path;
use vitrion_core::SpeciesTable;

/// A Deep Potential as data: immutable after loading.
#[derive(Debug, Clone, PartialEq)]
pub struct DeepPotential {
    /// Species in the order of all per-species fields.
    pub species: SpeciesTable,
    pub descriptor: Descriptor,
    /// One fitting net per species.
    pub fitting: Vec<Network>,
    /// Energy added to the net of each species [eV].
    pub energy_bias: Vec<f64>,
    /// Energy added at the very end [eV]; it survives `fitting_excluded`.
    pub out_bias: Vec<f64>,
    /// Species whose net and bias are left out.
    pub fitting_excluded: Vec<bool>,
    /// Species that have no energy at all.
    pub atom_excluded: Vec<bool>,
    /// Screened nuclear repulsion (ZBL) added to the nets, which were trained with it: full below
    /// the first, switched off at the second distance [Å].
    pub zbl: Option<(f64, f64)>,
    /// Where it comes from and how good it is.
    pub card: Card,
}

/// The se_e2_a descriptor.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptor {
    /// [Å]
    pub cutoff: f64,
    /// Where the smooth weight starts to fall [Å].
    pub smooth_cutoff: f64,
    /// `A`: columns of the embedding used on the right side of the descriptor.
    pub axis: usize,
    /// Added to distances in denominators [Å].
    pub protection: f64,
    /// Slots per neighbour species in the model's training; they enter `N_m` and the padding term.
    pub sel: Vec<usize>,
    /// One net per neighbour species, or one per (centre, neighbour).
    pub one_side: bool,
    /// `[centre][neighbour]` row-major; `None` contributes nothing. One-side models repeat the nets.
    pub embedding: Vec<Option<Network>>,
    /// `[centre][neighbour]`: mean of the environment row.
    pub mean: Vec<[f64; 4]>,
    /// `[centre][neighbour]`: standard deviation of the environment row.
    pub std: Vec<[f64; 4]>,
    /// `[centre][neighbour]` pairs of the descriptor's `exclude_types`.
    pub excluded: Vec<bool>,
    /// Whether excluded pairs keep the padding term of their empty slots (native models) or lose
    /// the whole block (TensorFlow graphs).
    pub excluded_keep_padding: bool,
    /// `[centre][neighbour]` pairs of the model's `pair_exclude_types`: such neighbours are not seen.
    pub pair_excluded: Vec<bool>,
    /// True if the model was trained with `set_davg_zero`.
    pub mean_is_zero: bool,
}

impl Descriptor {
    /// `M`: width of the embedding.
    pub fn width(&self) -> usize {
        self.embedding.iter().flatten().next().map_or(0, Network::outputs)
    }

    /// `N_m = Σ sel`.
    pub fn slots(&self) -> usize {
        self.sel.iter().sum()
    }

    /// The padding term of one empty slot of pair `[centre][neighbour]`: `N(R̃₀₀) ⊗ R̃₀`, `M × 4`
    /// row-major; `None` where the pair has no net.
    pub fn padding(&self, pair: usize) -> Option<Vec<f64>> {
        let network = self.embedding[pair].as_ref()?;
        let row: [f64; 4] = std::array::from_fn(|c| -self.mean[pair][c] / self.std[pair][c]);
        let embedded = network.forward(&[row[0]]);
        Some(embedded.iter().flat_map(|g| row.map(|r| g * r)).collect())
    }
}

impl DeepPotential {
    /// Reads a model file; the kind follows from the name's ending.
    ///
    /// # Errors
    /// [`ModelError`] names the file, the field, what was expected and what was found; models of
    /// other kinds are refused by name.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        import::load(path)
    }

    /// Writes the model; the kind follows from the name's ending (.safetensors, .dp, .yaml).
    ///
    /// # Errors
    /// The file cannot be written, or the format cannot hold the model.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        export::save(self, path)
    }

    /// Number of parameters of all distinct nets.
    pub fn parameters(&self) -> usize {
        let n = self.species.len();
        let nets = if self.descriptor.one_side { n } else { n * n };
        let embedding: usize =
            self.descriptor.embedding[..nets].iter().flatten().map(Network::parameters).sum();
        embedding + self.fitting.iter().map(Network::parameters).sum::<usize>()
    }
}

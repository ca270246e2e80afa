//! Small models for tests.

use crate::card::Card;
use crate::deep_potential::activation::Activation;
use crate::deep_potential::network::tests::random_network;
use crate::deep_potential::{DeepPotential, Descriptor};
use vitrion_core::SpeciesTable;
use vitrion_core::rng::{self, Stream};

/// Li, P, S with small random nets; `mean` of the radial environment times its scale.
pub(crate) fn small_model(seed: u64, one_side: bool, mean: f64) -> DeepPotential {
    let mut random = rng::at(seed, Stream::Testing, 8, 0);
    let nets = if one_side { 3 } else { 9 };
    let stored: Vec<_> = (0..nets)
        .map(|k| random_network(100 * seed + k, &[1, 4, 8, 16], Activation::Tanh, false, false))
        .collect();
    let spread: Vec<f64> = (0..3).map(|_| 0.05 + 0.05 * random.uniform()).collect();
    let of_centre = |row: [f64; 4]| -> Vec<[f64; 4]> {
        (0..9).map(|pair| row.map(|x| x * spread[pair / 3])).collect()
    };
    DeepPotential {
        species: SpeciesTable::new(&["Li", "P", "S"]).expect("elements"),
        descriptor: Descriptor {
            cutoff: 5.0,
            smooth_cutoff: 0.5,
            axis: 4,
            protection: 0.0,
            sel: vec![20, 20, 20],
            one_side,
            embedding: (0..9)
                .map(|pair| Some(stored[if one_side { pair % 3 } else { pair }].clone()))
                .collect(),
            mean: of_centre([mean, 0.0, 0.0, 0.0]),
            std: of_centre([1.0, 0.7, 0.7, 0.7]),
            excluded: vec![false; 9],
            excluded_keep_padding: false,
            pair_excluded: vec![false; 9],
            mean_is_zero: mean.abs() < f64::MIN_POSITIVE,
        },
        fitting: (0..3)
            .map(|k| {
                let widths = [64, 12, 12, 12, 1];
                random_network(100 * seed + 50 + k, &widths, Activation::Tanh, true, true)
            })
            .collect(),
        energy_bias: vec![-1.5, -2.5, -0.7],
        out_bias: vec![0.0; 3],
        fitting_excluded: vec![false; 3],
        atom_excluded: vec![false; 3],
        zbl: None,
        card: Card::default(),
    }
}

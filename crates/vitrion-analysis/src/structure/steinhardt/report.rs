//! Sums over atoms that a frame contributes, and the results made of their means.
//!
//! Atoms are grouped by species, and again by species and phase.

use super::bond_order::Centers;
use super::invariants::Invariants;
use super::{Neighborhood, Steinhardt};
use crate::samples::Samples;
use vitrion_core::SpeciesId;
use vitrion_core::observables::Observables;

/// Places of the numbers of a group that do not depend on `l`: atoms with neighbours, atoms without,
/// bonds, bonds averaged over, atoms whose neighbours are ambiguous.
const WITH: usize = 0;
const WITHOUT: usize = 1;
const BONDS: usize = 2;
const OVER: usize = 3;
const TIED: usize = 4;
const HEAD: usize = 5;
/// Places of the sums of q, q², w, w² before a histogram.
const Q: usize = 0;
const Q2: usize = 1;
const W: usize = 2;
const W2: usize = 3;
const MOMENTS: usize = 4;

/// What is known of the centres of a frame, each list by centre.
pub(super) struct Atoms<'a> {
    pub(super) centers: &'a Centers,
    /// Of all atoms.
    pub(super) species: &'a [usize],
    /// Of all atoms.
    pub(super) phases: &'a [Option<usize>],
    pub(super) neighbors: &'a [u32],
    pub(super) averaged_over: &'a [u32],
    pub(super) tied: &'a [bool],
    /// Plain and averaged.
    pub(super) invariants: [&'a Invariants; 2],
}

/// Fraction of centres whose choice of neighbours is arbitrary that a reader should know of.
const TIES_THAT_MATTER: f64 = 1e-3;

impl Steinhardt {
    fn groups(&self) -> usize {
        self.table.len() * (1 + self.settings.phases.len())
    }

    /// Group of a species in a phase; all phases together without one.
    fn group(&self, species: usize, phase: Option<usize>) -> usize {
        species * (1 + self.settings.phases.len()) + phase.map_or(0, |phase| 1 + phase)
    }

    fn head(&self, group: usize) -> usize {
        group * (HEAD + 2 * self.settings.l.len() * (MOMENTS + self.bins))
    }

    /// Where the numbers of an `l` begin, plain (0) or averaged (1).
    fn place(&self, group: usize, which: usize, kind: usize) -> usize {
        self.head(group) + HEAD + (2 * which + kind) * (MOMENTS + self.bins)
    }

    /// Sums over the centres of a frame.
    pub(super) fn sums(&self, atoms: &Atoms<'_>) -> Vec<f64> {
        let mut sums = vec![0.0; self.head(self.groups())];
        for (center, atom) in atoms.centers.atoms().enumerate() {
            let species = atoms.species[atom];
            let phase = atoms.phases[atom].map(Some);
            for group in [Some(None), phase].into_iter().flatten() {
                self.add(atoms, center, self.group(species, group), &mut sums);
            }
        }
        sums
    }

    fn add(&self, atoms: &Atoms<'_>, center: usize, group: usize, sums: &mut [f64]) {
        let head = self.head(group);
        if atoms.neighbors[center] == 0 {
            sums[head + WITHOUT] += 1.0;
            return;
        }
        sums[head + WITH] += 1.0;
        sums[head + BONDS] += f64::from(atoms.neighbors[center]);
        sums[head + OVER] += f64::from(atoms.averaged_over[center]);
        sums[head + TIED] += f64::from(u8::from(atoms.tied[center]));
        for which in 0..self.settings.l.len() {
            for (kind, invariants) in atoms.invariants.iter().enumerate() {
                let place = self.place(group, which, kind);
                let q = invariants.q[which][center];
                sums[place + Q] += q;
                sums[place + Q2] += q * q;
                if let Some(w) = invariants.w[which].get(center).filter(|w| w.is_finite()) {
                    sums[place + W] += w;
                    sums[place + W2] += w * w;
                }
                // q is 1 at most, but for rounding
                let bin = ((q * self.bins as f64) as usize).min(self.bins - 1);
                sums[place + MOMENTS + bin] += 1.0;
            }
        }
    }

    /// The results, of means of these sums over frames.
    pub(super) fn observables(&self, samples: &Samples) -> Observables {
        let mut result = Observables::new(
            "steinhardt",
            "Steinhardt bond-order parameters",
            "q_lm(i) = sum_j w_ij Y_lm(r_ij) / sum_j w_ij over the neighbours j of i; \
             q_l(i) = sqrt(4pi/(2l+1) sum_m |q_lm(i)|^2) (paper, eqs. 7 and 8); averaged: q_lm(i) \
             replaced by the mean of its own and those of the N_k neighbours that are centres, sum/(N_k + 1) \
             (Lechner and Dellago 2008; eq. 9 prints 1/N_b for N_b + 1 terms)",
        );
        self.parameters(&mut result);
        let mean = samples.mean();
        let names: Vec<Option<&str>> = std::iter::once(None)
            .chain(self.settings.phases.iter().map(|phase| Some(phase.as_str())))
            .collect();
        for species in 0..self.table.len() {
            for (phase, name) in names.iter().enumerate() {
                let group = self.group(species, phase.checked_sub(1));
                if mean[self.head(group) + WITH] > 0.0 {
                    self.results_of(group, (self.symbol(species), *name), samples, &mut result);
                }
            }
        }
        self.cautions(&mean, &mut result);
        result
    }

    fn symbol(&self, index: usize) -> &str {
        self.table.symbol(SpeciesId(u8::try_from(index).expect("at most 255 species")))
    }

    fn parameters(&self, result: &mut Observables) {
        let settings = &self.settings;
        let list = |symbols: &[String]| match symbols {
            [] => "all".to_owned(),
            symbols => symbols.join(", "),
        };
        let l: Vec<String> = settings.l.iter().map(u32::to_string).collect();
        result.parameter("l", l.join(", "));
        result.parameter(
            "neighborhood",
            match settings.neighborhood {
                Neighborhood::Cutoff(cutoff) => format!("all within {cutoff} Å"),
                Neighborhood::Nearest(number) => format!("the {number} nearest"),
                Neighborhood::Voronoi => "Voronoi faces, weighted with their areas".into(),
            },
        );
        result.parameter("centers", list(&settings.centers));
        result.parameter("neighbors", list(&settings.neighbors));
        result.parameter("bin_width", format!("{:.4}", 1.0 / self.bins as f64));
        if !settings.phases.is_empty() {
            result.parameter("phases", settings.phases.join(", "));
        }
        result.parameter("third_order", settings.third_order);
    }

    fn results_of(
        &self,
        group: usize,
        (symbol, phase): (&str, Option<&str>),
        samples: &Samples,
        result: &mut Observables,
    ) {
        let head = self.head(group);
        let suffix = phase.map_or(symbol.to_owned(), |phase| format!("{symbol}_{phase}"));
        let of = phase.map_or(symbol.to_owned(), |phase| format!("{symbol} in {phase}"));
        let numbers = [
            (format!("neighbors_{suffix}"), format!("neighbours N_b of {of}"), ""),
            (
                format!("neighbors_averaged_{suffix}"),
                format!("neighbours of {of} that averages run over"),
                "",
            ),
        ];
        result.estimates.extend(samples.estimates(&numbers, |means| {
            let atoms = means[head + WITH];
            vec![means[head + BONDS] / atoms, means[head + OVER] / atoms]
        }));
        for (which, l) in self.settings.l.iter().enumerate() {
            for (kind, (tail, word)) in
                [("", ""), ("_averaged", ", averaged over neighbours")].into_iter().enumerate()
            {
                let place = self.place(group, which, kind);
                // mean and standard deviation over atoms
                let moments = move |means: &[f64], first: usize, second: usize| -> [f64; 2] {
                    let atoms = means[head + WITH];
                    let mean = means[place + first] / atoms;
                    [mean, (means[place + second] / atoms - mean * mean).max(0.0).sqrt()]
                };
                let labels = |letter: &str| {
                    let name = |what: &str| format!("{what}_{letter}{l}{tail}_{suffix}");
                    [
                        (name("mean"), format!("mean {letter}{l} of {of}{word}"), ""),
                        (
                            name("sd"),
                            format!("standard deviation over atoms of {letter}{l} of {of}{word}"),
                            "",
                        ),
                    ]
                };
                let estimates = samples.estimates(&labels("q"), |m| moments(m, Q, Q2).to_vec());
                result.estimates.extend(estimates);
                if self.third[which].is_some() {
                    let estimates = samples.estimates(&labels("w"), |m| moments(m, W, W2).to_vec());
                    result.estimates.extend(estimates);
                }
                let bins = self.bins;
                let x = (0..bins).map(|k| (k as f64 + 0.5) / bins as f64).collect();
                let histogram = move |means: &[f64]| -> Vec<f64> {
                    let per_density = bins as f64 / means[head + WITH];
                    let counts = &means[place + MOMENTS..][..bins];
                    counts.iter().map(|count| count * per_density).collect()
                };
                let (name, label) = (format!("q{l}{tail}_{suffix}"), format!("{of}{word}"));
                let (axis, density) = (format!("q{l}"), format!("p(q{l})"));
                let names = (name.as_str(), label.as_str());
                let curve = samples.curve(names, ((&axis, ""), x), (&density, ""), histogram);
                result.curves.push(curve);
            }
        }
    }

    fn cautions(&self, mean: &[f64], result: &mut Observables) {
        let total = |what: usize| -> f64 {
            let species = 0..self.table.len();
            species.map(|species| mean[self.head(self.group(species, None)) + what]).sum()
        };
        let (with, without) = (total(WITH), total(WITHOUT));
        if without > 0.0 {
            result.caution(
                "no_neighbors",
                format!(
                    "{without:.2} of {:.2} centres per frame have no neighbours: they have no \
                     parameter and are left out",
                    with + without
                ),
                "a larger cut-off, or a fixed number of nearest neighbours",
            );
        }
        if total(TIED) > TIES_THAT_MATTER * with {
            result.caution(
                "equal_distances",
                format!(
                    "{:.2} of {with:.2} centres per frame have other atoms as near as the last of \
                     their nearest neighbours: which of them count depends on rounding and on the \
                     order of the atoms",
                    total(TIED)
                ),
                "a number that completes a shell of the crystal, or Voronoi faces",
            );
        }
        if with > 0.0 && total(OVER) <= 0.0 {
            result.caution(
                "nothing_to_average",
                "no neighbour is a centre itself: averages over neighbours are the plain values"
                    .into(),
                "centres of all species that are neighbours",
            );
        }
    }
}

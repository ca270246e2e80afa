//! Where the sums over the atoms of a frame are, and the results made of their means.
//!
//! Atoms are grouped by species, by species and phase, and ions by their number of ligands.

use super::{MOST_LIGANDS, VoronoiVolumes};
use crate::samples::Samples;
use crate::structure::bonds::described;
use vitrion_core::observables::Observables;

/// Places of the numbers of a group: atoms, sum and sum of squares of volumes, faces, empty cells.
pub(super) const ATOMS: usize = 0;
pub(super) const VOLUME: usize = 1;
pub(super) const SQUARES: usize = 2;
pub(super) const FACES: usize = 3;
pub(super) const EMPTY: usize = 4;
const HEAD: usize = 5;
/// Numbers of an environment: atoms and sum of volumes.
const OF_ENVIRONMENT: usize = 2;

impl VoronoiVolumes {
    /// Where the numbers of a species in a phase begin; all phases together without one.
    pub(super) fn place(&self, species: usize, phase: Option<usize>) -> usize {
        let group =
            species * (1 + self.settings.phases.len()) + phase.map_or(0, |phase| 1 + phase);
        group * (HEAD + self.bins + 1)
    }

    /// Where the histogram of a group begins; the bin after the last holds what is larger.
    pub(super) fn histogram(&self, place: usize) -> usize {
        place + HEAD
    }

    /// Where the numbers of an environment are.
    pub(super) fn environment(&self, species: usize, ligands: usize) -> usize {
        let first = self.place(self.table.len(), None);
        first + (species * (MOST_LIGANDS + 1) + ligands) * OF_ENVIRONMENT
    }

    /// How many numbers there are.
    pub(super) fn length(&self) -> usize {
        self.environment(self.table.len(), 0)
    }

    /// The results, of means of these sums over frames.
    pub(super) fn observables(&self, samples: &Samples) -> Observables {
        let mut result = Observables::new(
            "voronoi_volumes",
            "Volumes of Voronoi cells",
            "V_i = volume of the points x with |x - r_i|^2 - R_i^2 <= |x - r_j|^2 - R_j^2 for all atoms \
             and images j (R = 0: Voronoi; else radical, Gellatly and Finney 1982); <V> = sum V_i/N and its \
             standard deviation over atoms of a kind in all frames",
        );
        self.parameters(&mut result);
        let mean = samples.mean();
        for (species, symbol) in self.table.symbols().iter().enumerate() {
            let phases = self.settings.phases.iter().enumerate();
            let groups = std::iter::once((None, symbol.clone(), symbol.clone())).chain(phases.map(
                |(phase, name)| {
                    (Some(phase), format!("{symbol}_{name}"), format!("{symbol} in {name}"))
                },
            ));
            for (phase, suffix, words) in groups {
                let place = self.place(species, phase);
                if mean[place + ATOMS] > 0.0 {
                    self.group(place, (&suffix, &words), samples, &mut result);
                }
            }
            self.environments(species, samples, &mut result);
        }
        self.shares(samples, &mut result);
        self.cautions(&mean, &mut result);
        result
    }

    fn parameters(&self, result: &mut Observables) {
        let settings = &self.settings;
        let width = settings.largest_volume / self.bins as f64;
        result.parameter("bin_width", format!("{width} Å³"));
        result.parameter("largest_volume", format!("{} Å³", settings.largest_volume));
        let radii: Vec<String> =
            settings.radii.iter().map(|r| format!("{} {} Å", r.element, r.radius)).collect();
        let radii = if radii.is_empty() { "none (plain Voronoi)".into() } else { radii.join(", ") };
        result.parameter("radii", radii);
        if !settings.phases.is_empty() {
            result.parameter("phases", settings.phases.join(", "));
        }
        if !settings.cutoffs.is_empty() {
            result.parameter("cutoffs", described(&settings.cutoffs));
        }
    }

    /// Mean, spread, faces and distribution of a group.
    fn group(
        &self,
        place: usize,
        (suffix, words): (&str, &str),
        samples: &Samples,
        result: &mut Observables,
    ) {
        let labels = [
            (format!("mean_volume_{suffix}_a3"), format!("mean volume of {words}"), "Å³"),
            (
                format!("sd_volume_{suffix}_a3"),
                format!("standard deviation over atoms of the volume of {words}"),
                "Å³",
            ),
            (format!("faces_{suffix}"), format!("mean number of faces of {words}"), ""),
        ];
        result.estimates.extend(samples.estimates(&labels, |means| {
            let atoms = means[place + ATOMS];
            let mean = means[place + VOLUME] / atoms;
            let variance = means[place + SQUARES] / atoms - mean * mean;
            vec![mean, variance.max(0.0).sqrt(), means[place + FACES] / atoms]
        }));
        let width = self.settings.largest_volume / self.bins as f64;
        let x = (0..self.bins).map(|k| (k as f64 + 0.5) * width).collect();
        let first = self.histogram(place);
        let curve = samples.curve(
            (&format!("p_volume_{suffix}"), words),
            (("volume", "Å³"), x),
            ("P(V)", "1/Å³"),
            |means| {
                let total = means[place + ATOMS] * width;
                means[first..first + self.bins].iter().map(|count| count / total).collect()
            },
        );
        result.curves.push(curve);
    }

    /// Mean volume by the number of ligands.
    fn environments(&self, species: usize, samples: &Samples, result: &mut Observables) {
        let mean = samples.mean();
        let found: Vec<usize> = (0..=MOST_LIGANDS)
            .filter(|ligands| mean[self.environment(species, *ligands) + ATOMS] > 0.0)
            .collect();
        if found.is_empty() {
            return;
        }
        let symbol = &self.table.symbols()[species];
        let volumes = |means: &[f64]| -> Vec<f64> {
            let of = |ligands: &usize| {
                let place = self.environment(species, *ligands);
                means[place + VOLUME] / means[place + ATOMS]
            };
            found.iter().map(of).collect()
        };
        let name = |ligands: &usize| match *ligands {
            MOST_LIGANDS => format!("{MOST_LIGANDS} or more"),
            ligands => ligands.to_string(),
        };
        let all = samples.categories(
            (
                &format!("volume_by_coordination_{symbol}"),
                &format!("Volume of {symbol} by number of ligands"),
            ),
            ("mean volume", "Å³"),
            found.iter().map(name).collect(),
            volumes,
        );
        result.categories.push(all);
        let label = |ligands: &usize| {
            let words = format!("mean volume of {symbol} with {} ligands", name(ligands));
            (format!("mean_volume_{symbol}_coordination_{ligands}_a3"), words, "Å³")
        };
        let labels: Vec<(String, String, &str)> = found.iter().map(label).collect();
        result.estimates.extend(samples.estimates(&labels, volumes));
    }

    /// Which part of the cell every element takes.
    fn shares(&self, samples: &Samples, result: &mut Observables) {
        let symbols = self.table.symbols();
        let label = |symbol: &String| {
            (format!("volume_fraction_{symbol}"), format!("part of the volume that {symbol} has"), "")
        };
        let labels: Vec<(String, String, &str)> = symbols.iter().map(label).collect();
        let shares = samples.estimates(&labels, |means| {
            let volumes: Vec<f64> =
                (0..symbols.len()).map(|kind| means[self.place(kind, None) + VOLUME]).collect();
            let total: f64 = volumes.iter().sum();
            volumes.iter().map(|volume| volume / total).collect()
        });
        result.estimates.extend(shares);
    }

    fn cautions(&self, mean: &[f64], result: &mut Observables) {
        let total = |what: usize| -> f64 {
            (0..self.table.len()).map(|species| mean[self.place(species, None) + what]).sum()
        };
        let atoms = total(ATOMS);
        if total(EMPTY) > 0.0 {
            let message = format!(
                "{:.2} of {atoms:.2} atoms per frame have an empty cell (volume 0): larger atoms \
                 beside them take all the room",
                total(EMPTY)
            );
            result.caution("empty_cells", message, "radii that differ less, or none");
        }
        let larger = total(HEAD + self.bins);
        if larger > 0.0 {
            let message = format!(
                "{larger:.2} of {atoms:.2} atoms per frame have cells larger than {} Å³; they are in the means, \
                 not in the distributions",
                self.settings.largest_volume
            );
            result.caution("beyond_the_range", message, "a larger largest_volume");
        }
    }
}

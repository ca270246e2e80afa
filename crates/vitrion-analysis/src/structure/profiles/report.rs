//! From mean densities to curves and their means.

use super::{Center, Profiles, axis};
use crate::samples::Samples;
use crate::structure::speciation::machine;
use vitrion_core::SpeciesId;
use vitrion_core::observables::Observables;
use vitrion_core::units;

/// Ratios are given in bins that hold at least so much of what an average bin holds.
const OCCUPIED: f64 = 1e-6;
/// A centre whose circular mean is not this much longer than that of atoms at random is none.
const DEFINED: f64 = 3.0;

/// What curves are made of.
struct Drawing<'a> {
    this: &'a Profiles,
    samples: &'a Samples,
    /// Weights of the smoothing, by distance in bins.
    kernel: Vec<f64>,
    /// Mean period [Å].
    length: f64,
    label: String,
}

impl Drawing<'_> {
    /// Centre of a bin [Å].
    fn x(&self, bin: usize) -> f64 {
        (bin as f64 + 0.5) / self.this.bins as f64 * self.length
    }

    /// Numbers by bin that begin at a place of the means, smoothed.
    fn at(&self, means: &[f64], place: usize) -> Vec<f64> {
        axis::smoothed(&means[place..place + self.this.bins], &self.kernel)
    }

    /// All atoms [1/Å³].
    fn total(&self, means: &[f64]) -> Vec<f64> {
        let mut total = vec![0.0; self.this.bins];
        for species in 0..self.this.table.len() {
            let place = self.this.species_at(species);
            for (sum, x) in total.iter_mut().zip(&means[place..]) {
                *sum += x;
            }
        }
        axis::smoothed(&total, &self.kernel)
    }

    fn density(
        &self,
        result: &mut Observables,
        (name, label): (&str, &str),
        y_axis: (&str, &str),
        f: impl Fn(&[f64]) -> Vec<f64>,
    ) {
        let x = (0..self.this.bins).map(|bin| self.x(bin)).collect();
        let axis = ((self.label.as_str(), "Å"), x);
        result.curves.push(self.samples.curve((name, label), axis, y_axis, f));
    }

    /// A quotient by bin, where the divisor is not nothing.
    fn ratio(
        &self,
        result: &mut Observables,
        (name, label): (&str, &str),
        y_axis: (&str, &str),
        above: impl Fn(&[f64]) -> Vec<f64>,
        below: impl Fn(&[f64]) -> Vec<f64>,
    ) {
        let divisor = below(&self.samples.mean());
        let least = OCCUPIED * divisor.iter().sum::<f64>() / divisor.len() as f64;
        let mut bins: Vec<usize> = (0..divisor.len()).filter(|bin| divisor[*bin] > least).collect();
        let ratios = |bins: &[usize], means: &[f64]| -> Vec<f64> {
            let (above, below) = (above(means), below(means));
            bins.iter().map(|bin| above[*bin] / below[*bin]).collect()
        };
        // bins that atoms visited in one block only have no error, and would take it from all others
        let known = self.samples.evaluate(|means| ratios(&bins, means));
        if known.iter().any(|known| known.error.is_some()) {
            let mut known = known.iter();
            bins.retain(|_| known.next().is_some_and(|known| known.error.is_some()));
        }
        if bins.len() < divisor.len() {
            let text = format!(
                "{} of {}: no atom there, or in one block of frames only",
                divisor.len() - bins.len(),
                divisor.len()
            );
            result.parameter(&format!("bins left out of {name}"), text);
        }
        if bins.is_empty() {
            return;
        }
        let x = bins.iter().map(|bin| self.x(*bin)).collect();
        let axis = ((self.label.as_str(), "Å"), x);
        let curve = self.samples.curve((name, label), axis, y_axis, |means| ratios(&bins, means));
        result.curves.push(curve);
    }
}

pub(super) fn report(this: &Profiles, samples: &Samples) -> Observables {
    let mut result = Observables::new(
        "profiles",
        "Density profiles",
        "z = d_hkl (h s_a + k s_b + l s_c mod 1); number density = <bins N(bin)/V>; mass density = sum of masses times \
         number densities; concentration = number density over that of all atoms; property of atoms = \
         <sum over the atoms of the bin>/<their number>, words: fraction of the atoms that have one (paper, Fig. 4d)",
    );
    let mean = samples.mean();
    let length = mean[this.frame_at()];
    let drawing = Drawing {
        this,
        samples,
        kernel: axis::kernel(this.settings.smoothing * this.bins as f64 / length, this.bins),
        length,
        label: format!("position along the normal of {}", axis::described(this.plane)),
    };
    parameters(this, length, &mut result);
    densities(&drawing, &mut result);
    for (number, column) in this.settings.columns.iter().enumerate() {
        property(&drawing, number, column, &mut result);
    }
    if this.settings.center.is_some() {
        let (concentration, atoms) = (mean[this.frame_at() + 2], mean[this.frame_at() + 3]);
        let random = 1.0 / atoms.sqrt();
        if concentration < DEFINED * random {
            result.caution(
                "no_centre",
                format!(
                    "the atoms to be centred are spread over the whole axis: their circular mean has length \
                     {concentration:.3} (1: all in one plane, {random:.3}: at random), so that its direction is noise"
                ),
                "centre on a slab, or do not centre",
            );
        }
    }
    result
}

fn parameters(this: &Profiles, length: f64, result: &mut Observables) {
    let settings = &this.settings;
    result.parameter("plane", axis::described(this.plane));
    let width = length / this.bins as f64;
    result.parameter("bin", format!("{width:.4} Å ({} bins)", this.bins));
    result.parameter("smoothing", format!("{} Å", settings.smoothing));
    let center = match &settings.center {
        None => "none: positions as they are".to_owned(),
        Some(Center::Elements(elements)) => elements.join(", "),
        Some(Center::Phase(phase)) => format!("phase {phase}"),
    };
    result.parameter("centred on", center);
    let list = |names: &[String]| if names.is_empty() { "none".into() } else { names.join(", ") };
    result.parameter("columns", list(&settings.columns));
    result.parameter("phases", list(&settings.phases));
}

fn densities(drawing: &Drawing<'_>, result: &mut Observables) {
    let (this, samples) = (drawing.this, drawing.samples);
    let symbols = this.table.symbols();
    let number = ("number density", "1/Å³");
    drawing.density(result, ("number_density", "all atoms"), number, |means| drawing.total(means));
    for (species, symbol) in symbols.iter().enumerate() {
        let place = this.species_at(species);
        let name = format!("number_density_{symbol}");
        drawing.density(result, (&name, symbol), number, |means| drawing.at(means, place));
    }
    let mass = |means: &[f64]| -> Vec<f64> {
        let mut sum = vec![0.0; this.bins];
        for species in 0..symbols.len() {
            let id = SpeciesId(u8::try_from(species).expect("at most 255 species"));
            let factor = this.table.mass(id) * units::AMU_PER_A3_IN_G_PER_CM3;
            for (sum, x) in sum.iter_mut().zip(drawing.at(means, this.species_at(species))) {
                *sum += factor * x;
            }
        }
        sum
    };
    drawing.density(result, ("mass_density", "all atoms"), ("mass density", "g/cm³"), mass);
    for (species, symbol) in symbols.iter().enumerate() {
        let place = this.species_at(species);
        let name = format!("concentration_{symbol}");
        let axis = ("atomic fraction", "");
        let own = |means: &[f64]| drawing.at(means, place);
        drawing.ratio(result, (&name, symbol), axis, own, |means| drawing.total(means));
    }
    for (number_of, phase) in this.settings.phases.iter().enumerate() {
        let place = this.phase_at(number_of);
        let name = format!("number_density_{phase}");
        drawing.density(result, (&name, phase), number, |means| drawing.at(means, place));
        let name = format!("fraction_{phase}");
        let axis = ("fraction of atoms", "");
        let own = |means: &[f64]| drawing.at(means, place);
        drawing.ratio(result, (&name, phase), axis, own, |means| drawing.total(means));
    }
    let average = |values: &[f64]| values.iter().sum::<f64>() / this.bins as f64;
    let mut labels = vec![
        ("length_a".to_owned(), "period along the normal".to_owned(), "Å"),
        ("mass_density_g_per_cm3".to_owned(), "mean mass density".to_owned(), "g/cm³"),
        ("number_density_per_a3".to_owned(), "mean number density".to_owned(), "1/Å³"),
    ];
    for symbol in symbols {
        let name = format!("number_density_{symbol}_per_a3");
        labels.push((name, format!("mean number density of {symbol}"), "1/Å³"));
    }
    result.estimates.extend(samples.estimates(&labels, |means| {
        let own = |species: usize| average(&means[this.species_at(species)..][..this.bins]);
        let mut values = vec![
            means[this.frame_at()],
            average(&mass(means)),
            (0..symbols.len()).map(own).sum::<f64>(),
        ];
        values.extend((0..symbols.len()).map(own));
        values
    }));
}

/// Profile of a column: its mean, or the fraction of atoms with each of its words.
fn property(drawing: &Drawing<'_>, number: usize, column: &str, result: &mut Observables) {
    let (this, samples) = (drawing.this, drawing.samples);
    let place = this.column_at(number);
    let counts = place + this.bins;
    let words = words(samples, number);
    let sum = |means: &[f64], from: usize| means[from..from + this.bins].iter().sum::<f64>();
    if words.is_empty() {
        drawing.ratio(
            result,
            (column, column),
            (column, ""),
            |means| drawing.at(means, place),
            |means| drawing.at(means, counts),
        );
        let label = [(format!("mean_{column}"), format!("mean {column} of atoms"), "")];
        let mean = |means: &[f64]| vec![sum(means, place) / sum(means, counts)];
        result.estimates.extend(samples.estimates(&label, mean));
    }
    for (word, places) in words {
        let own = |means: &[f64]| -> Vec<f64> {
            let mut values = vec![0.0; this.bins];
            for (bin, place) in &places {
                values[*bin] = means.get(*place).copied().unwrap_or(0.0);
            }
            axis::smoothed(&values, &drawing.kernel)
        };
        let name = format!("{column}_{}", machine(&word));
        let axis = (format!("fraction of atoms with {column}"), "");
        drawing.ratio(result, (&name, &word), (&axis.0, axis.1), own, |means| {
            drawing.at(means, counts)
        });
        let label = [(format!("fraction_{name}"), format!("fraction with {column} {word}"), "")];
        let fraction = |means: &[f64]| vec![own(means).iter().sum::<f64>() / sum(means, counts)];
        result.estimates.extend(samples.estimates(&label, fraction));
    }
}

/// A word, and bins with the places of their numbers among the means.
type Word = (String, Vec<(usize, usize)>);

/// The words of a column, by alphabet.
fn words(samples: &Samples, column: usize) -> Vec<Word> {
    let prefix = format!("{column}:");
    let mut found: Vec<Word> = Vec::new();
    for (name, place) in samples.names() {
        let Some((bin, word)) = name.strip_prefix(&prefix).and_then(|rest| rest.split_once(':'))
        else {
            continue;
        };
        let bin = bin.parse().expect("names are made by `measure`");
        match found.iter_mut().find(|(known, _)| known == word) {
            Some((_, places)) => places.push((bin, place)),
            None => found.push((word.to_owned(), vec![(bin, place)])),
        }
    }
    found.sort();
    found
}

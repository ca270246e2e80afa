//! Means over frames and their errors.
//!
//! Every structural analysis is a function of means over frames of a list of numbers (counts in
//! bins, sums over atoms): `θ = f(⟨x⟩)`. [`Samples`] keeps these means in up to 32 blocks of
//! consecutive frames for each trajectory. The error of `θ` is the delete-one-block jackknife,
//!
//! ```text
//! σ² = (B − 1)/B Σ_b (θ_b − θ̄)²,   θ_b = f(mean without block b)
//! ```
//!
//! which is the standard error of the mean where `f` is linear, and right to first order where it
//! is not (ratios, positions of peaks). Blocks may be correlated, so two, four, … consecutive ones are
//! left out together as well, while there are six such parts or more (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461
//! (1989)). With three or more trajectories, which are taken as independent, so is one trajectory at a time. The largest error counts.

use crate::pass::Measured;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vitrion_core::observables::{Axis, Categories, Curve, Estimate, Uncertainty};

/// Blocks are merged in pairs when there are as many as this.
const BLOCKS: usize = 32;
/// Relative errors below this are rounding.
const ROUNDING: f64 = 1e-13;
/// Fewer blocks than this give no error.
pub const FEW_BLOCKS: usize = 4;
/// Longer parts than blocks are compared down to this many.
const FEW_PARTS: usize = 6;
/// Fewer trajectories than this say nothing about the spread between them.
pub const FEW_TRAJECTORIES: usize = 3;

/// Means over blocks of consecutive frames of one trajectory; plain data for checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct BlockSums {
    frames: usize,
    /// Means over `per_block` frames each.
    blocks: Vec<Vec<f64>>,
    per_block: usize,
    open: Vec<f64>,
    in_open: usize,
}

impl BlockSums {
    /// Adds what one frame contributes. Numbers that frames before did not have were zero there.
    fn add(&mut self, contribution: &[f64]) {
        if self.frames == 0 {
            self.per_block = 1;
        }
        add_scaled(&mut self.open, 1.0, contribution);
        self.frames += 1;
        self.in_open += 1;
        if self.in_open == self.per_block {
            self.close_block();
        }
    }

    fn close_block(&mut self) {
        let count = self.in_open as f64;
        self.blocks.push(self.open.iter().map(|x| x / count).collect());
        self.open.fill(0.0);
        self.in_open = 0;
        if self.blocks.len() == BLOCKS {
            let merged = |pair: &[Vec<f64>]| {
                let mut mean = Vec::new();
                add_scaled(&mut mean, 0.5, &pair[0]);
                add_scaled(&mut mean, 0.5, &pair[1]);
                mean
            };
            self.blocks = self.blocks.chunks_exact(2).map(merged).collect();
            self.per_block *= 2;
        }
    }

    /// Sum over all frames, those of the open block too.
    fn sum(&self) -> Vec<f64> {
        let mut sum = self.open.clone();
        for block in &self.blocks {
            add_scaled(&mut sum, self.per_block as f64, block);
        }
        sum
    }
}

/// A value with its standard error, where one could be estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// The value; NaN where there is none (no peak, say).
    pub value: f64,
    /// One standard error.
    pub error: Option<f64>,
    /// How many parts of the frames spread as the error says.
    pub parts: usize,
}

/// Contributions of the frames of one or more trajectories; plain data for checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    trajectories: Vec<BlockSums>,
    /// How many numbers every frame contributes; those with names follow them.
    fixed: usize,
    /// Names that frames used, in order of first appearance.
    names: BTreeMap<String, usize>,
}

impl Samples {
    /// The next frame begins another trajectory, independent of those before.
    pub fn next_trajectory(&mut self) {
        if self.trajectories.last().is_none_or(|last| last.frames > 0) {
            self.trajectories.push(BlockSums::default());
        }
    }

    /// Adds what one frame contributes.
    ///
    /// # Panics
    /// If the frame contributes more or fewer numbers without a name than the ones before.
    pub fn add(&mut self, measured: &Measured) {
        if self.frames() == 0 {
            self.fixed = measured.means.len();
        }
        assert_eq!(self.fixed, measured.means.len(), "every frame contributes as many numbers");
        if self.trajectories.is_empty() {
            self.next_trajectory();
        }
        let mut contribution = measured.means.clone();
        for (name, value) in &measured.named {
            let place = self.names.get(name).copied().unwrap_or_else(|| {
                let place = self.names.len();
                self.names.insert(name.clone(), place);
                place
            });
            let at = self.fixed + place;
            if contribution.len() <= at {
                contribution.resize(at + 1, 0.0);
            }
            contribution[at] += value;
        }
        self.trajectories.last_mut().expect("there is one").add(&contribution);
    }

    /// Names that frames used, in order of first appearance, and the place of their numbers in the means
    /// (which may end before it: zero).
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        let mut names: Vec<(&str, usize)> =
            self.names.iter().map(|(name, place)| (name.as_str(), self.fixed + place)).collect();
        names.sort_unstable_by_key(|(_, place)| *place);
        names.into_iter()
    }

    /// Frames of all trajectories.
    pub fn frames(&self) -> usize {
        self.trajectories.iter().map(|t| t.frames).sum()
    }

    /// Trajectories with frames.
    pub fn trajectories(&self) -> usize {
        self.trajectories.iter().filter(|t| t.frames > 0).count()
    }

    /// Blocks of all trajectories.
    pub fn blocks(&self) -> usize {
        self.trajectories.iter().map(|t| t.blocks.len()).sum()
    }

    /// Mean over all frames; empty without frames.
    pub fn mean(&self) -> Vec<f64> {
        let frames = self.frames() as f64;
        self.total().iter().map(|x| x / frames).collect()
    }

    fn total(&self) -> Vec<f64> {
        let mut total = vec![0.0; self.fixed + self.names.len()];
        for trajectory in &self.trajectories {
            add_scaled(&mut total, 1.0, &trajectory.sum());
        }
        total
    }

    /// The numbers that `f` makes of means over frames, with errors. A number that is NaN for the mean
    /// of all frames or without one of the blocks has no error.
    pub fn evaluate(&self, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<Known> {
        let values = f(&self.mean());
        let total = self.total();
        let frames = self.frames() as f64;
        // what is left without a part of the frames
        let without = |part: &[f64], count: f64| -> Vec<f64> {
            let mut rest = total.clone();
            add_scaled(&mut rest, -count, part);
            for x in &mut rest {
                *x /= frames - count;
            }
            f(&rest)
        };
        let mut errors = vec![None; values.len()];
        let mut enlarge = |parts: Vec<(Vec<f64>, f64)>| {
            let left: Vec<_> = parts.iter().map(|(mean, count)| without(mean, *count)).collect();
            for (k, error) in errors.iter_mut().enumerate() {
                let found = jackknife(left.iter().map(|values| values[k]));
                if found.is_finite() && error.is_none_or(|(error, _)| found > error) {
                    *error = Some((found, left.len()));
                }
            }
        };
        if self.blocks() >= FEW_BLOCKS {
            enlarge(self.parts(1));
            // blocks that are correlated spread less than longer ones say
            let lengths = (1..BLOCKS.ilog2()).map(|doublings| 1 << doublings);
            let longer = lengths.map(|length| self.parts(length));
            longer.take_while(|parts| parts.len() >= FEW_PARTS).for_each(&mut enlarge);
        }
        if self.trajectories() >= FEW_TRAJECTORIES {
            enlarge(self.parts(BLOCKS));
        }
        // sums in another order differ by rounding, which is no spread
        let rounded =
            |value: f64, error: f64| if error < ROUNDING * value.abs() { 0.0 } else { error };
        let known = values.into_iter().zip(errors).map(|(value, error)| Known {
            value,
            error: error.map(|(error, _)| rounded(value, error)),
            parts: error.map_or(0, |(_, parts)| parts),
        });
        known.collect()
    }

    /// Means and frames of so many consecutive blocks at a time; of whole trajectories, the open block too, from
    /// [`BLOCKS`] on.
    fn parts(&self, length: usize) -> Vec<(Vec<f64>, f64)> {
        let mut parts = Vec::new();
        for trajectory in self.trajectories.iter().filter(|t| t.frames > 0) {
            if length >= BLOCKS {
                let frames = trajectory.frames as f64;
                parts.push((trajectory.sum().iter().map(|x| x / frames).collect(), frames));
                continue;
            }
            for blocks in trajectory.blocks.chunks(length) {
                let mut mean = Vec::new();
                for block in blocks {
                    add_scaled(&mut mean, 1.0 / blocks.len() as f64, block);
                }
                parts.push((mean, (blocks.len() * trajectory.per_block) as f64));
            }
        }
        parts
    }

    /// A curve of the results: `f` makes its ordinates of means. Errors are given if all are known.
    pub fn curve(
        &self,
        (name, label): (&str, &str),
        (x_axis, x): ((&str, &str), Vec<f64>),
        y_axis: (&str, &str),
        f: impl Fn(&[f64]) -> Vec<f64>,
    ) -> Curve {
        let axis =
            |(label, unit): (&str, &str)| Axis { label: label.to_owned(), unit: unit.to_owned() };
        let known = self.evaluate(f);
        let errors: Option<Vec<f64>> = known.iter().map(|known| known.error).collect();
        Curve {
            name: name.to_owned(),
            label: label.to_owned(),
            x_axis: axis(x_axis),
            y_axis: axis(y_axis),
            x,
            y: known.iter().map(|known| known.value).collect(),
            y_error: errors.unwrap_or_default(),
        }
    }

    /// Values of named categories: `f` makes them of means. Errors are given if all are known.
    pub fn categories(
        &self,
        (name, label): (&str, &str),
        (axis, unit): (&str, &str),
        names: Vec<String>,
        f: impl Fn(&[f64]) -> Vec<f64>,
    ) -> Categories {
        let known = self.evaluate(f);
        let errors: Option<Vec<f64>> = known.iter().map(|known| known.error).collect();
        Categories {
            name: name.to_owned(),
            label: label.to_owned(),
            axis: Axis { label: axis.to_owned(), unit: unit.to_owned() },
            names,
            values: known.iter().map(|known| known.value).collect(),
            errors: errors.unwrap_or_default(),
        }
    }

    /// Numbers of the results as `(name, label, unit)`: `f` makes their values of means. Those
    /// that are not finite are left out.
    pub fn estimates(
        &self,
        labels: &[(String, String, &str)],
        f: impl Fn(&[f64]) -> Vec<f64>,
    ) -> Vec<Estimate> {
        let found = labels.iter().zip(self.evaluate(f));
        found
            .filter(|(_, known)| known.value.is_finite())
            .map(|((name, label, unit), known)| Estimate {
                name: name.clone(),
                label: label.clone(),
                value: known.value,
                uncertainty: self.uncertainty(known),
                unit: (*unit).to_owned(),
            })
            .collect()
    }

    /// The uncertainty of a value that [`Samples::evaluate`] gave.
    pub fn uncertainty(&self, known: Known) -> Uncertainty {
        match known.error {
            Some(value) => Uncertainty::StandardError { value, n_eff: known.parts as f64 },
            None if self.blocks() < FEW_BLOCKS => Uncertainty::NotEstimated {
                why: format!("fewer than {FEW_BLOCKS} blocks of frames"),
            },
            None => {
                Uncertainty::NotEstimated { why: "it is not there in every block of frames".into() }
            }
        }
    }
}

/// Adds to numbers that are zero where they end.
fn add_scaled(sum: &mut Vec<f64>, factor: f64, terms: &[f64]) {
    if sum.len() < terms.len() {
        sum.resize(terms.len(), 0.0);
    }
    for (sum, x) in sum.iter_mut().zip(terms) {
        *sum += factor * x;
    }
}

/// Standard error from the values without one part of the data each.
pub(crate) fn jackknife(left: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = left.len() as f64;
    let mean = left.clone().sum::<f64>() / count;
    let spread: f64 = left.map(|value| (value - mean).powi(2)).sum();
    ((count - 1.0) / count * spread).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::rng::{self, Stream};

    fn samples(trajectories: usize, frames: usize) -> (Samples, Vec<f64>) {
        let mut random = rng::at(7, Stream::Testing, 0, 3);
        let mut samples = Samples::default();
        let mut all = Vec::new();
        for _ in 0..trajectories {
            samples.next_trajectory();
            for _ in 0..frames {
                let x = 2.0 + random.normal();
                samples.add(&Measured::means(vec![x, x * x]));
                all.push(x);
            }
        }
        (samples, all)
    }

    #[test]
    fn the_jackknife_of_a_mean_is_its_standard_error() {
        let (samples, all) = samples(1, 16);
        let known = samples.evaluate(|mean| vec![mean[0]])[0];
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((known.value - mean).abs() < 1e-12);
        let error = (variance / n).sqrt();
        // pairs of frames spread as much, or chance makes them spread a little more
        let pairs: Vec<f64> = all.chunks(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
        let of_pairs = pairs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 7.0;
        let expected = f64::max(error, (of_pairs / 8.0).sqrt());
        assert!((known.error.expect("16 blocks") - expected).abs() < 1e-12);
        assert_eq!(known.parts, if expected > error { 8 } else { 16 });
    }

    #[test]
    fn correlated_frames_have_the_error_of_their_correlation_time() {
        // x' = a x + noise: the variance of the mean is (1 + a)/(1 − a) times that of independent numbers
        let mut random = rng::at(8, Stream::Testing, 0, 0);
        let (a, frames, repeats) = (0.9_f64, 800, 100);
        let (mut squares, mut claimed) = (0.0, 0.0);
        for _ in 0..repeats {
            let mut samples = Samples::default();
            let mut x = random.normal() / (1.0 - a * a).sqrt();
            for _ in 0..frames {
                samples.add(&Measured::means(vec![x]));
                x = a * x + random.normal();
            }
            let known = samples.evaluate(<[f64]>::to_vec)[0];
            squares += known.value.powi(2) / f64::from(repeats);
            claimed += known.error.expect("blocks").powi(2) / f64::from(repeats);
        }
        let exact = 1.0 / (1.0 - a).powi(2) / f64::from(frames);
        assert!((squares / exact - 1.0).abs() < 0.5, "{squares} {exact}");
        assert!(claimed > 0.85 * exact && claimed < 1.6 * exact, "{claimed} {exact}");
    }

    #[test]
    fn frames_of_an_open_block_count() {
        let (samples, all) = samples(1, 37);
        let mean = all.iter().sum::<f64>() / 37.0;
        assert!((samples.mean()[0] - mean).abs() < 1e-12);
        assert_eq!(samples.frames(), 37);
    }

    #[test]
    fn the_error_of_a_ratio_follows_from_propagation() {
        // f = ⟨x²⟩ − ⟨x⟩²: the variance, 1 with standard error √(2/n)
        let (samples, _) = samples(4, 4000);
        let known = samples.evaluate(|mean| vec![mean[1] - mean[0] * mean[0]])[0];
        let error = known.error.expect("many blocks");
        let expected = (2.0_f64 / 16000.0).sqrt();
        assert!((known.value - 1.0).abs() < 5.0 * expected);
        assert!(error > 0.6 * expected && error < 2.2 * expected, "{error} against {expected}");
    }

    #[test]
    fn many_trajectories_have_errors_too() {
        let (samples, _) = samples(9, 40);
        let known = samples.evaluate(|mean| vec![mean[0]])[0];
        let expected = (1.0_f64 / 360.0).sqrt();
        let error = known.error.expect("many blocks");
        assert!(error > 0.6 * expected && error < 2.2 * expected, "{error} against {expected}");
    }

    #[test]
    fn trajectories_that_differ_among_themselves_enlarge_the_error() {
        let mut samples = Samples::default();
        for offset in [0.0, 1.0, 2.0] {
            samples.next_trajectory();
            for frame in 0..100 {
                samples.add(&Measured::means(vec![offset + 1e-3 * f64::from(frame % 7)]));
            }
        }
        let known = samples.evaluate(<[f64]>::to_vec)[0];
        assert!((known.error.expect("three trajectories") - (1.0_f64 / 3.0).sqrt()).abs() < 1e-3);
    }

    #[test]
    fn what_a_frame_does_not_name_is_zero_in_it() {
        let mut samples = Samples::default();
        for frame in 0..100 {
            let mut measured = Measured::means(vec![1.0]);
            if frame >= 60 {
                measured.named.push(("late".into(), 2.0));
            }
            if frame % 2 == 0 {
                measured.named.push(("even".into(), 1.0));
            }
            samples.add(&measured);
        }
        let names: Vec<(&str, usize)> = samples.names().collect();
        assert_eq!(names, [("even", 1), ("late", 2)]);
        let mean = samples.mean();
        for (found, expected) in mean.iter().zip([1.0, 0.5, 0.8]) {
            assert!((found - expected).abs() < 1e-12, "{mean:?}");
        }
        assert!(samples.evaluate(|mean| vec![mean[2]])[0].error.is_some());
    }

    #[test]
    fn names_in_another_order_mean_the_same() {
        let mut samples = Samples::default();
        for order in [["a", "b", "c"], ["c", "a", "b"], ["b", "b", "a"], ["d", "c", "a"]] {
            let named = order.iter().map(|name| ((*name).to_owned(), 1.0)).collect();
            samples.add(&Measured { named, ..Measured::default() });
        }
        let names: Vec<&str> = samples.names().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        let sums: Vec<f64> = samples.mean().iter().map(|mean| 4.0 * mean).collect();
        for (sum, expected) in sums.iter().zip([4.0, 4.0, 3.0, 1.0]) {
            assert!((sum - expected).abs() < 1e-12, "{sums:?}");
        }
    }

    #[test]
    fn what_is_missing_in_a_block_has_no_error() {
        let (samples, _) = samples(1, 16);
        let known = samples.evaluate(|_| vec![f64::NAN])[0];
        assert_eq!(known.error, None);
        assert!(matches!(samples.uncertainty(known), Uncertainty::NotEstimated { .. }));
    }
}

//! From a profile to glass, interface and crystal.
//!
//! Windows fall into two groups by F relative to random positions (the threshold that separates
//! them best, Otsu 1979). There is one phase, glass above 0.7 of random and crystal below, if the
//! groups differ by less than 15 % or by less than four times the scatter within them (noise of one
//! phase, cut in two, differs by 2.6 times). Otherwise the inner windows of the longest stretch of each group are
//! its plateau. A window within three standard deviations of the glass plateau (or above it) is glass,
//! one within three of the crystal plateau (or below it) is crystal, what lies between is
//! interface. Boundaries are where F crosses the middle between the plateaus.

use super::Amorphization;
use crate::samples::Samples;
use vitrion_core::observables::Observables;

/// Names of phases.
pub const GLASS: &str = "glass";
pub const INTERFACE: &str = "interface";
pub const CRYSTAL: &str = "crystal";

/// Groups must differ by so much of the higher to be two phases.
const CONTRAST: f64 = 0.15;
/// And by so many times the standard deviation within them.
const SEPARATION: f64 = 4.0;
/// A single phase is glass above so much of the F of random positions.
const DISORDERED: f64 = 0.7;
/// Standard deviations around a plateau that still belong to it.
const WITHIN: f64 = 3.0;
/// Standard deviations of plateaus are not taken smaller than this part of the mean.
const LEAST_SPREAD: f64 = 0.02;

/// What a profile says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Regions {
    /// Phase of every window.
    pub(super) labels: Vec<&'static str>,
    /// Mean and standard deviation of F relative to random, where the phase exists.
    pub(super) glass: Option<[f64; 2]>,
    pub(super) crystal: Option<[f64; 2]>,
    /// Where F crosses the middle, along the axis [Å], and width of the interface there [Å].
    pub(super) boundaries: Vec<[f64; 2]>,
    /// The plateaus are too near for an interface between them.
    pub(super) blurred: bool,
}

impl Regions {
    pub(super) fn find(this: &Amorphization, f: &[f64], random: &[f64], length: f64) -> Regions {
        let relative: Vec<f64> =
            f.iter().zip(random).map(|(f, r)| if *r > 0.0 { f / r } else { 1.0 }).collect();
        let n = relative.len();
        let threshold = otsu(&relative);
        let high: Vec<bool> = relative.iter().map(|x| *x > threshold).collect();
        let mean = |of: bool| {
            let chosen = relative.iter().zip(&high).filter(|(_, h)| **h == of);
            let (sum, count) = chosen.fold((0.0, 0.0), |(s, c), (x, _)| (s + x, c + 1.0));
            sum / count
        };
        let (low_mean, high_mean) = (mean(false), mean(true));
        let within = relative.iter().zip(&high).map(|(x, high)| {
            let mean = if *high { high_mean } else { low_mean };
            (x - mean).powi(2)
        });
        let scatter = (within.sum::<f64>() / n as f64).sqrt();
        let two =
            low_mean < (1.0 - CONTRAST) * high_mean && high_mean - low_mean > SEPARATION * scatter;
        if !two {
            let all = moments(&relative);
            let glassy = all[0] > DISORDERED;
            return Regions {
                labels: vec![if glassy { GLASS } else { CRYSTAL }; n],
                glass: glassy.then_some(all),
                crystal: (!glassy).then_some(all),
                boundaries: Vec::new(),
                blurred: false,
            };
        }
        let marked = this.settings.glass.map(|[from, to]| {
            let inside = |k: &usize| (from..=to).contains(&(this.center(*k) * length));
            let chosen: Vec<f64> = (0..n).filter(inside).map(|k| relative[k]).collect();
            moments(&chosen)
        });
        let glass = marked
            .filter(|[mean, _]| mean.is_finite())
            .unwrap_or_else(|| moments(&plateau(&relative, &high, true)));
        let crystal = moments(&plateau(&relative, &high, false));
        let middle = 0.5 * (glass[0] + crystal[0]);
        let (mut above, mut below) =
            (glass[0] - WITHIN * glass[1], crystal[0] + WITHIN * crystal[1]);
        let blurred = above <= below;
        if blurred {
            (above, below) = (middle, middle);
        }
        let label = |x: &f64| {
            if *x >= above {
                GLASS
            } else if *x <= below {
                CRYSTAL
            } else {
                INTERFACE
            }
        };
        let labels: Vec<&'static str> = relative.iter().map(label).collect();
        let step = length / n as f64;
        let mut boundaries = Vec::new();
        for k in 0..n {
            let (a, b) = (relative[k] - middle, relative[(k + 1) % n] - middle);
            if (a > 0.0) != (b > 0.0) {
                let at = this.center(k) * length + step * a / (a - b);
                let width = step * between(&labels, k) as f64;
                boundaries.push([at.rem_euclid(length), width]);
            }
        }
        Regions { labels, glass: Some(glass), crystal: Some(crystal), boundaries, blurred }
    }
}

/// Interface windows around the step from window `k` to the next.
fn between(labels: &[&str], k: usize) -> usize {
    let n = labels.len();
    let back = (0..n).take_while(|i| labels[(k + n - i) % n] == INTERFACE).count();
    let forth = (1..n).take_while(|i| labels[(k + i) % n] == INTERFACE).count();
    (back + forth).min(n)
}

/// The threshold with the largest variance between the groups it separates.
fn otsu(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let total: f64 = sorted.iter().sum();
    let n = sorted.len() as f64;
    let mut best = (0.0, f64::NEG_INFINITY);
    let mut below = 0.0;
    for k in 1..sorted.len() {
        below += sorted[k - 1];
        let low = k as f64;
        let difference = below / low - (total - below) / (n - low);
        let between = low * (n - low) * difference * difference;
        if between > best.1 {
            best = (0.5 * (sorted[k - 1] + sorted[k]), between);
        }
    }
    best.0
}

/// Values of the longest stretch of a group along the periodic axis, without its ends if it is long.
fn plateau(values: &[f64], high: &[bool], group: bool) -> Vec<f64> {
    let n = values.len();
    let run = |start: usize| (0..n).take_while(|k| high[(start + k) % n] == group).count();
    let starts = (0..n).filter(|k| high[*k] == group && high[(k + n - 1) % n] != group);
    let (start, length) =
        starts.map(|start| (start, run(start))).max_by_key(|(_, length)| *length).unwrap_or((0, n));
    let trim = if length >= 8 { 2 } else { usize::from(length >= 5) };
    (trim..length - trim).map(|k| values[(start + k) % n]).collect()
}

/// Mean and standard deviation, the latter not too small.
fn moments(values: &[f64]) -> [f64; 2] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    [mean, variance.sqrt().max(LEAST_SPREAD * mean)]
}

pub(super) fn report(this: &Amorphization, samples: &Samples) -> Observables {
    let mut result = Observables::new(
        "amorphization",
        "Amorphisation profile",
        "F(slab) = sum_{k != 0} |sum_{j in slab} exp(i k.r_j)| exp(-sigma^2 k^2/2), k of the lattice in the plane: the \
         amplitude, not its square (paper, eq. 6; Stegmaier et al., Adv. Energy Mater. 11, 2100707 (2021)); \
         relative to atoms at random: divided by sqrt(pi N)/2 sum_k exp(-sigma^2 k^2/2); normalised: divided by the \
         mean of the glass plateau, or without a glass by the maximum",
    );
    let n = this.windows();
    let mean = samples.mean();
    let length = mean[2 * n + 3];
    this.parameters(&mut result, length);
    let regions =
        |means: &[f64]| Regions::find(this, &means[..n], &means[n..2 * n], means[2 * n + 3]);
    let found = regions(&mean);
    let x: Vec<f64> = {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| this.center(*a).total_cmp(&this.center(*b)));
        order.into_iter().map(|k| this.center(k) * length).collect()
    };
    // windows that reach around the end of the cell come first
    let sorted = |values: Vec<f64>| -> Vec<f64> {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| this.center(*a).total_cmp(&this.center(*b)));
        order.into_iter().map(|k| values[k]).collect()
    };
    let axis = || ((["a", "b", "c"][this.settings.axis], "Å"), x.clone());
    let relative =
        |means: &[f64]| -> Vec<f64> { (0..n).map(|k| means[k] / means[n + k]).collect() };
    let curve = samples.curve(("f_normalised", "F(Z)"), axis(), ("F(Z), glass = 1", ""), |means| {
        let relative = relative(means);
        let scale = regions(means)
            .glass
            .map_or_else(|| relative.iter().copied().fold(0.0, f64::max), |[mean, _]| mean);
        sorted(relative.iter().map(|x| x / scale).collect())
    });
    result.curves.push(curve);
    let curve = samples.curve(
        ("f_relative", "F(Z)"),
        axis(),
        ("F(Z) relative to random positions", ""),
        |means| sorted(relative(means)),
    );
    result.curves.push(curve);
    let curve =
        samples.curve(("f", "F(Z)"), axis(), ("F(Z)", ""), |means| sorted(means[..n].to_vec()));
    result.curves.push(curve);
    plateaus(samples, &found, &regions, &mut result);
    let labels = [GLASS, INTERFACE, CRYSTAL].map(|name| {
        (format!("fraction_{name}"), format!("fraction of atoms in the {name}, frame by frame"), "")
    });
    result.estimates.extend(samples.estimates(&labels, |means| means[2 * n..2 * n + 3].to_vec()));
    if found.blurred {
        result.caution(
            "plateaus_overlap",
            "glass and crystal differ by less than their scatter: no interface can be told apart"
                .into(),
            "average over more frames, take thicker slabs, or only the elements of the framework",
        );
    }
    result
}

/// F of both phases, contrast, shares of the length, boundaries.
fn plateaus(
    samples: &Samples,
    found: &Regions,
    regions: &impl Fn(&[f64]) -> Regions,
    result: &mut Observables,
) {
    let value = |plateau: Option<[f64; 2]>, k: usize| plateau.map_or(f64::NAN, |p| p[k]);
    let share = |regions: &Regions, name: &str| {
        let count = regions.labels.iter().filter(|label| **label == name).count();
        count as f64 / regions.labels.len() as f64
    };
    let labels = [
        ("f_glass", "F of the glass, relative to random"),
        ("f_glass_sd", "its scatter between slabs"),
        ("f_crystal", "F of the crystal, relative to random"),
        ("f_crystal_sd", "its scatter between slabs"),
        ("contrast", "F of the crystal over F of the glass"),
        ("length_fraction_glass", "fraction of the length that is glass"),
        ("length_fraction_interface", "fraction of the length that is interface"),
        ("length_fraction_crystal", "fraction of the length that is crystal"),
    ]
    .map(|(name, label)| (name.to_owned(), label.to_owned(), ""));
    result.estimates.extend(samples.estimates(&labels, |means| {
        let r = regions(means);
        vec![
            value(r.glass, 0),
            value(r.glass, 1),
            value(r.crystal, 0),
            value(r.crystal, 1),
            value(r.crystal, 0) / value(r.glass, 0),
            share(&r, GLASS),
            share(&r, INTERFACE),
            share(&r, CRYSTAL),
        ]
    }));
    for number in 0..found.boundaries.len() {
        let labels = [
            (format!("boundary_{}_a", number + 1), format!("boundary {}", number + 1), "Å"),
            (
                format!("interface_width_{}_a", number + 1),
                "width of the interface there".to_owned(),
                "Å",
            ),
        ];
        let expected = found.boundaries[number][0];
        result.estimates.extend(samples.estimates(&labels, |means| {
            // the nearest one: blocks of frames may see others too
            let all = regions(means).boundaries;
            let near = all
                .iter()
                .min_by(|a, b| (a[0] - expected).abs().total_cmp(&(b[0] - expected).abs()));
            near.map_or(vec![f64::NAN; 2], |boundary| boundary.to_vec())
        }));
    }
    result.parameter("boundaries", found.boundaries.len());
}

//! The minimum.

use super::gram::{PAD, Samples, Sums};
use super::{ClassifierSettings, Penalty, Plane, Standardizer, Table};
use rayon::prelude::*;

/// Rows that one thread fills.
const ROWS: usize = 1024;
/// Iterations, at most.
const MOST: usize = 200;
/// Squared Newton decrement below which the next step changes nothing: the penalty's curvature is one, so weights are closer to the minimum than its root.
const DONE: f64 = 1e-18;
/// Added to curvatures that may vanish.
const RIDGE: f64 = 1e-10;
/// Sweeps and linear systems of one step with `|w|₁`, at most.
const ROUNDS: usize = 1000;
/// Samples from which a part of them is fitted first, and how many.
const MANY: usize = 100_000;
const PART: usize = 20_000;

/// A plane and how it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub plane: Plane,
    pub iterations: usize,
    /// Value of the function that was minimised.
    pub objective: f64,
}

/// Why there is no plane.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    #[error("all {found} training samples are {which}; two classes are needed")]
    OneClass { found: usize, which: &'static str },
    #[error("C is {0}; it must be positive")]
    C(f64),
    #[error("the fit did not converge in {MOST} iterations; use a smaller C")]
    NoMinimum,
}

impl Fit {
    /// The minimum for some samples (by number), of which the `mobile` are on the positive side.
    ///
    /// # Errors
    /// One class only, `C` not positive.
    pub fn new(
        table: Table<'_>,
        samples: &[u32],
        mobile: &[bool],
        settings: &ClassifierSettings,
        start: Option<&Plane>,
    ) -> Result<Fit, FitError> {
        if !(settings.c > 0.0 && settings.c.is_finite()) {
            return Err(FitError::C(settings.c));
        }
        let positive = samples.iter().filter(|sample| mobile[**sample as usize]).count();
        for (count, which) in [(positive, "immobile"), (samples.len() - positive, "mobile")] {
            if count == 0 {
                return Err(FitError::OneClass { found: samples.len(), which });
            }
        }
        let standardizer = Standardizer::of(table, samples);
        let share = |count: usize| samples.len() as f64 / (2.0 * count as f64);
        let class = if settings.balanced {
            [share(samples.len() - positive), share(positive)]
        } else {
            [1.0; 2]
        };
        let packed = |samples: &[u32], factor: f64| {
            packed(table, samples, mobile, &standardizer, class.map(|w| factor * settings.c * w))
        };
        let mut unknowns = vec![0.0; table.width + 1];
        if let Some(start) = start {
            unknowns[..table.width].copy_from_slice(&start.weights);
            unknowns[table.width] = start.intercept;
        } else if samples.len() > MANY {
            // a part of the samples shows the way
            let step = samples.len() / PART;
            let few: Vec<u32> = samples.iter().copied().step_by(step).collect();
            let factor = samples.len() as f64 / few.len() as f64;
            minimise(&packed(&few, factor), settings, &mut unknowns)?;
        }
        let all = packed(samples, 1.0);
        let (iterations, objective) = minimise(&all, settings, &mut unknowns)?;
        let intercept = unknowns.pop().expect("the last");
        let plane = Plane { standardizer, weights: unknowns, intercept };
        Ok(Fit { plane, iterations, objective })
    }
}

fn packed(
    table: Table<'_>,
    samples: &[u32],
    mobile: &[bool],
    standardizer: &Standardizer,
    class: [f64; 2],
) -> Samples {
    let unknowns = table.width + 1;
    let stride = unknowns.next_multiple_of(PAD);
    let inverse: Vec<f64> = standardizer.scale.iter().map(|scale| 1.0 / scale).collect();
    let mut x = vec![0.0; samples.len() * stride];
    let fill = |(rows, samples): (&mut [f64], &[u32])| {
        for (row, sample) in rows.chunks_exact_mut(stride).zip(samples) {
            let from = table.row(*sample as usize);
            for k in 0..table.width {
                row[k] = (from[k] - standardizer.mean[k]) * inverse[k];
            }
            row[table.width] = 1.0;
        }
    };
    x.par_chunks_mut(ROWS * stride).zip(samples.par_chunks(ROWS)).for_each(fill);
    let of = |sample: &u32| usize::from(mobile[*sample as usize]);
    Samples {
        unknowns,
        stride,
        x,
        side: samples.iter().map(|sample| [-1.0, 1.0][of(sample)]).collect(),
        weight: samples.iter().map(|sample| class[of(sample)]).collect(),
    }
}

fn penalty(settings: &ClassifierSettings, unknowns: &[f64]) -> f64 {
    let weights = &unknowns[..unknowns.len() - 1];
    match settings.penalty {
        Penalty::L2 => 0.5 * weights.iter().map(|w| w * w).sum::<f64>(),
        Penalty::L1 => weights.iter().map(|w| w.abs()).sum(),
    }
}

/// Iterations and the value at the minimum.
fn minimise(
    samples: &Samples,
    settings: &ClassifierSettings,
    unknowns: &mut Vec<f64>,
) -> Result<(usize, f64), FitError> {
    let mut sums = samples.sums(settings.loss, unknowns);
    let mut value = sums.value + penalty(settings, unknowns);
    for iteration in 1..=MOST {
        let (step, decrement) = match settings.penalty {
            Penalty::L2 => newton_step(samples, &sums, unknowns),
            Penalty::L1 => proximal_step(samples, &sums, unknowns),
        };
        let mut length = 1.0;
        loop {
            let next: Vec<f64> =
                unknowns.iter().zip(&step).map(|(w, step)| w + length * step).collect();
            let next_sums = samples.sums(settings.loss, &next);
            let next_value = next_sums.value + penalty(settings, &next);
            // near the minimum a value that rounding has raised will do
            let allowed = value - 1e-4 * length * decrement + 1e-12 * value.abs();
            if next_value <= allowed {
                (*unknowns, sums, value) = (next, next_sums, next_value);
                break;
            }
            length *= 0.5;
            if length < 1e-10 {
                return if decrement < 1e-10 * value.abs().max(1.0) {
                    Ok((iteration, value))
                } else {
                    Err(FitError::NoMinimum)
                };
            }
        }
        if decrement < DONE.max(1e-20 * value) {
            return Ok((iteration, value));
        }
    }
    Err(FitError::NoMinimum)
}

/// Solves a positive definite system in place by Cholesky's method; `at(i, j)` is asked for `i ≤ j`.
fn solve(count: usize, at: impl Fn(usize, usize) -> f64, right: &mut [f64]) {
    let mut factor = vec![0.0; count * count];
    for i in 0..count {
        for j in i..count {
            factor[j * count + i] = at(i, j);
        }
    }
    for i in 0..count {
        for j in 0..=i {
            let (head, row_i) = factor.split_at_mut(i * count);
            let row_j = if i == j { None } else { Some(&head[j * count..j * count + j]) };
            let dot: f64 = match row_j {
                Some(row_j) => row_i[..j].iter().zip(row_j).map(|(a, b)| a * b).sum(),
                None => row_i[..j].iter().map(|a| a * a).sum(),
            };
            let left = row_i[j] - dot;
            row_i[j] = if i == j { left.max(1e-300).sqrt() } else { left / head[j * count + j] };
        }
    }
    for i in 0..count {
        let dot: f64 = (0..i).map(|j| factor[i * count + j] * right[j]).sum();
        right[i] = (right[i] - dot) / factor[i * count + i];
    }
    for i in (0..count).rev() {
        let dot: f64 = (i + 1..count).map(|j| factor[j * count + i] * right[j]).sum();
        right[i] = (right[i] - dot) / factor[i * count + i];
    }
}

/// Solves `(H + 1) step = −(g + w)`; the intercept is not penalised.
fn newton_step(samples: &Samples, sums: &Sums, unknowns: &[f64]) -> (Vec<f64>, f64) {
    let (count, stride) = (samples.unknowns, samples.stride);
    let last = count - 1;
    let gradient: Vec<f64> =
        (0..count).map(|k| sums.gradient[k] + if k < last { unknowns[k] } else { 0.0 }).collect();
    // a squared hinge that nobody touches has no curvature along the intercept
    let at = |i: usize, j: usize| {
        sums.hessian[i * stride + j]
            + if i != j {
                0.0
            } else if i < last {
                1.0
            } else {
                RIDGE
            }
    };
    let mut step: Vec<f64> = gradient.iter().map(|g| -g).collect();
    solve(count, at, &mut step);
    let decrement = -step.iter().zip(&gradient).map(|(s, g)| s * g).sum::<f64>();
    (step, decrement)
}

/// The minimum of the quadratic model with `|w|₁`: sweeps over the coordinates find which weights are zero, a linear system finds the others as long as they keep
/// their signs.
fn proximal_step(samples: &Samples, sums: &Sums, unknowns: &[f64]) -> (Vec<f64>, f64) {
    let (count, stride) = (samples.unknowns, samples.stride);
    let last = count - 1;
    let h = |i: usize, j: usize| {
        sums.hessian[i.min(j) * stride + i.max(j)] + if i == j { RIDGE } else { 0.0 }
    };
    let mut w = unknowns.to_vec();
    let mut slope = sums.gradient.clone();
    let shift = |slope: &mut [f64], k: usize, change: f64| {
        for (j, slope) in slope.iter_mut().enumerate() {
            *slope += change * h(k, j);
        }
    };
    for _ in 0..ROUNDS {
        let mut largest = 0.0_f64;
        for k in 0..count {
            let curvature = h(k, k);
            let wanted = w[k] - slope[k] / curvature;
            let reach = if k < last { 1.0 / curvature } else { 0.0 };
            let next = wanted.signum() * (wanted.abs() - reach).max(0.0);
            let change = next - w[k];
            if change != 0.0 {
                w[k] = next;
                shift(&mut slope, k, change);
                largest = largest.max(change * change * curvature);
            }
        }
        if largest < 1e-20 {
            break;
        }
        let active: Vec<usize> = (0..count).filter(|k| *k == last || w[*k] != 0.0).collect();
        let sign = |k: usize| if k < last { w[k].signum() } else { 0.0 };
        let mut step: Vec<f64> = active.iter().map(|k| -(slope[*k] + sign(*k))).collect();
        solve(active.len(), |i, j| h(active[i], active[j]), &mut step);
        // as far as the first weight that would change its sign
        let crossing = |(k, step): (&usize, &f64)| {
            let part = -w[*k] / step;
            (*k < last && part > 0.0 && part < 1.0).then_some((part, *k))
        };
        let first =
            active.iter().zip(&step).filter_map(crossing).min_by(|a, b| a.0.total_cmp(&b.0));
        let part = first.map_or(1.0, |(part, _)| part);
        for (k, step) in active.iter().zip(&step) {
            let next = match first {
                Some((_, zero)) if zero == *k => 0.0,
                _ => w[*k] + part * step,
            };
            let change = next - w[*k];
            w[*k] = next;
            shift(&mut slope, *k, change);
        }
    }
    let step: Vec<f64> = w.iter().zip(unknowns).map(|(w, before)| w - before).collect();
    let linear: f64 = step.iter().zip(&sums.gradient).map(|(s, g)| s * g).sum();
    let norm = |weights: &[f64]| weights[..last].iter().map(|w| w.abs()).sum::<f64>();
    let decrement = -(linear + norm(&w) - norm(unknowns));
    (step, decrement)
}

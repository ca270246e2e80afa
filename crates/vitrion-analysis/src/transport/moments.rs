//! Moments of displacements over all time origins, the sums behind most curves of motion.
//!
//! For every lag: `⟨Δr_a Δr_b⟩` and `⟨|Δr|⁴⟩` by groups of atoms, `⟨|Δr|²⟩` of every single atom, and how much more the sum over
//! atoms scatters than independent atoms would,
//!
//! ```text
//! F = Var_m(Σ_i |Δr_i(m)|²) / Σ_i Var_m(|Δr_i(m)|²)
//! ```
//!
//! over windows `m` that do not overlap: 1 for independent atoms, more for atoms that move together. Errors over atoms are `√F` times as
//! large where `F` is above one by more than chance.

use super::lags::{dealt, lags, longest};
use super::recording::{Path, Recording, Reference};
use crate::error::AnalysisError;
use crate::samples::jackknife;
use pulp::{Arch, Simd, WithSimd};
use vitrion_core::math::Matrix3;

/// Groups of atoms that are left out one at a time.
pub(crate) const GROUPS: usize = 32;
/// Most windows for the scatter of the sum over atoms.
const WINDOWS: usize = 128;
/// `F` counts where it is above one by so many of its standard errors `√(2/(M − 1))`.
const SIGNIFICANT: f64 = 2.0;

/// Sums over displacements.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) count: f64,
    /// xx, yy, zz, xy, xz, yz [Å²]
    pub(crate) products: [f64; 6],
    /// [Å⁴]
    pub(crate) r4: f64,
}

impl Sums {
    pub(crate) fn plus(self, other: Sums, sign: f64) -> Sums {
        Sums {
            count: self.count + sign * other.count,
            products: std::array::from_fn(|k| self.products[k] + sign * other.products[k]),
            r4: self.r4 + sign * other.r4,
        }
    }

    /// `⟨|Δr|²⟩` [Å²]
    pub(crate) fn msd(&self) -> f64 {
        (self.products[0] + self.products[1] + self.products[2]) / self.count
    }

    /// `⟨Δr_a Δr_b⟩` [Å²]
    pub(crate) fn tensor(&self) -> Matrix3 {
        let [xx, yy, zz, xy, xz, yz] = self.products.map(|sum| sum / self.count);
        [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
    }

    /// `3⟨|Δr|⁴⟩/(5⟨|Δr|²⟩²) − 1`; zero where nothing moves.
    pub(crate) fn alpha2(&self) -> f64 {
        let r2 = self.msd();
        if r2 == 0.0 { 0.0 } else { 3.0 * self.r4 / (5.0 * self.count * r2 * r2) - 1.0 }
    }
}

/// Moments of the displacements of the atoms of one element.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    /// [frames]
    pub(crate) lags: Vec<usize>,
    /// `[lag]`
    pub(crate) total: Vec<Sums>,
    /// `[lag][group of atoms]`
    pub(crate) groups: Vec<Vec<Sums>>,
    /// `[lag][atom]`: `⟨|Δr_i|²⟩` over origins [Å²]; empty where atoms were only counted in groups.
    pub(crate) single: Vec<Vec<f64>>,
    /// How many atoms count as independent: those that were followed, or fewer where they were followed for a part of the time.
    pub(crate) atoms: f64,
    /// `[lag]`: `F`, one where it is not above by more than chance.
    pub(crate) collective: Vec<f64>,
}

impl Moments {
    pub(crate) fn of(
        data: &Recording,
        symbol: &str,
        reference: Reference,
    ) -> Result<Self, AnalysisError> {
        let lags = lags(longest(data.frames()));
        let (_, atoms) = data.center(symbol, reference);
        let count = GROUPS.min(atoms);
        let group_of = dealt(atoms, count);
        let mut groups = vec![vec![Sums::default(); count]; lags.len()];
        let mut single = vec![Vec::with_capacity(atoms); lags.len()];
        let mut windows: Vec<Vec<f64>> = vec![Vec::new(); lags.len()];
        let mut variance = vec![0.0; lags.len()];
        let arch = Arch::new();
        let measure = |_: usize, path: Path<'_>| -> Vec<(Sums, Vec<f64>)> {
            lags.iter()
                .map(|lag| (arch.dispatch(AtLag { path, lag: *lag }), apart(path, *lag)))
                .collect()
        };
        data.each_path(symbol, reference, measure, |atom, found| {
            for (k, (sums, of_windows)) in found.into_iter().enumerate() {
                let group = &mut groups[k][group_of[atom]];
                *group = group.plus(sums, 1.0);
                single[k].push(sums.msd());
                variance[k] += variance_of(&of_windows);
                windows[k].resize(of_windows.len(), 0.0);
                for (sum, one) in windows[k].iter_mut().zip(of_windows) {
                    *sum += one;
                }
            }
        })?;
        let total = groups
            .iter()
            .map(|of| of.iter().fold(Sums::default(), |sum, one| sum.plus(*one, 1.0)))
            .collect();
        let collective = windows.iter().zip(&variance).map(|(sum, alone)| {
            let factor = variance_of(sum) / alone;
            let chance = (2.0 / (sum.len() as f64 - 1.0).max(1.0)).sqrt();
            if factor > 1.0 + SIGNIFICANT * chance { factor } else { 1.0 }
        });
        let collective = collective.collect();
        Ok(Moments { collective, lags, total, groups, single, atoms: atoms as f64 })
    }

    /// Of sums by groups of atoms, `[lag][group]`, that came from a part of the displacements.
    pub(crate) fn of_groups(lags: Vec<usize>, groups: Vec<Vec<Sums>>) -> Self {
        let sum = |of: &Vec<Sums>| of.iter().fold(Sums::default(), |sum, one| sum.plus(*one, 1.0));
        let total: Vec<Sums> = groups.iter().map(sum).collect();
        let atoms = groups.first().map_or(0, |of| of.iter().filter(|one| one.count > 0.0).count());
        Moments {
            collective: vec![1.0; lags.len()],
            lags,
            total,
            groups,
            single: Vec::new(),
            atoms: atoms as f64,
        }
    }

    /// The same at the first lags only.
    pub(crate) fn first_lags(&self, count: usize) -> Self {
        let mut part = self.clone();
        part.lags.truncate(count);
        part.total.truncate(count);
        part.groups.truncate(count);
        part.single.truncate(count);
        part.collective.truncate(count);
        part
    }

    /// What the error of [`Moments::error`] comes from: single atoms, or groups of them.
    pub(crate) fn samples(&self) -> usize {
        let groups = self.groups.first().map_or(0, Vec::len);
        self.single.first().map_or(groups, Vec::len)
    }

    /// `⟨|Δr|²⟩` [Å²] at all lags.
    pub(crate) fn msd(&self) -> Vec<f64> {
        self.total.iter().map(Sums::msd).collect()
    }

    /// Standard error of a number that is a sum over the lags of `weights[k] MSD(lag first + k)`: from the scatter of single atoms, or groups of them,
    /// `√F` times as large where atoms move together. `None` for less than two atoms.
    pub(crate) fn error(&self, first: usize, weights: &[f64]) -> Option<f64> {
        if self.samples() < 2 {
            return None;
        }
        let enlarged = self.collective[first].sqrt();
        let sum = |value: &dyn Fn(usize) -> f64| -> f64 {
            weights.iter().enumerate().map(|(k, weight)| weight * value(first + k)).sum()
        };
        if self.single.is_empty() {
            let left = (0..self.samples())
                .map(|group| sum(&|lag| self.total[lag].plus(self.groups[lag][group], -1.0).msd()));
            return Some(enlarged * jackknife(left));
        }
        let values: Vec<f64> =
            (0..self.samples()).map(|atom| sum(&|lag| self.single[lag][atom])).collect();
        Some(enlarged * (variance_of(&values) / self.atoms).sqrt())
    }

    /// Standard error of each MSD; empty for less than two atoms.
    pub(crate) fn msd_errors(&self) -> Vec<f64> {
        (0..self.lags.len()).filter_map(|k| self.error(k, &[1.0])).collect()
    }

    /// `f` of the sums at a lag, with its jackknife error over groups of atoms; no error for less than two atoms.
    pub(crate) fn evaluate(&self, lag: usize, f: impl Fn(&Sums) -> f64) -> (f64, Option<f64>) {
        let total = self.total[lag];
        let groups = &self.groups[lag];
        let left = groups.iter().map(|group| f(&total.plus(*group, -1.0)));
        let error = (groups.len() > 1).then(|| self.collective[lag].sqrt() * jackknife(left));
        (f(&total), error)
    }

    /// `f` of the sums at every lag; errors are empty where there are none.
    pub(crate) fn curve(&self, f: impl Fn(&Sums) -> f64) -> (Vec<f64>, Vec<f64>) {
        let known: Vec<(f64, Option<f64>)> =
            (0..self.lags.len()).map(|lag| self.evaluate(lag, &f)).collect();
        let values = known.iter().map(|(value, _)| *value).collect();
        (values, known.iter().filter_map(|(_, error)| *error).collect())
    }
}

/// Standard error of the mean of independent values.
pub(crate) fn standard_error(values: &[f64]) -> f64 {
    (variance_of(values) / values.len() as f64).sqrt()
}

/// Unbiased variance; zero for less than two values.
pub(crate) fn variance_of(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    if values.len() < 2 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / count;
    values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0)
}

/// `|Δr|²` over windows that do not overlap.
fn apart(path: Path<'_>, lag: usize) -> Vec<f64> {
    let frames = path.r[0].len();
    let step = lag.max(frames / WINDOWS);
    (0..frames.saturating_sub(lag))
        .step_by(step)
        .map(|t| path.r.iter().map(|x| (x[t + lag] - x[t]).powi(2)).sum())
        .collect()
}

/// The sums of one path at one lag.
struct AtLag<'a> {
    path: Path<'a>,
    lag: usize,
}

impl WithSimd for AtLag<'_> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums {
        let origins = self.path.r[0].len() - self.lag;
        let [(xa, _), (ya, _), (za, _)] = self.path.r.map(|x| S::as_simd_f64s(&x[..origins]));
        let [(xb, _), (yb, _), (zb, _)] = self.path.r.map(|x| S::as_simd_f64s(&x[self.lag..]));
        let zero = simd.splat_f64s(0.0);
        let [mut xx, mut yy, mut zz, mut xy, mut xz, mut yz, mut r4] = [zero; 7];
        let starts = xa.iter().zip(ya).zip(za);
        for (((xa, ya), za), ((xb, yb), zb)) in starts.zip(xb.iter().zip(yb).zip(zb)) {
            let x = simd.sub_f64s(*xb, *xa);
            let y = simd.sub_f64s(*yb, *ya);
            let z = simd.sub_f64s(*zb, *za);
            let r2 = simd.mul_add_f64s(z, z, simd.mul_add_f64s(y, y, simd.mul_f64s(x, x)));
            xx = simd.mul_add_f64s(x, x, xx);
            yy = simd.mul_add_f64s(y, y, yy);
            zz = simd.mul_add_f64s(z, z, zz);
            xy = simd.mul_add_f64s(x, y, xy);
            xz = simd.mul_add_f64s(x, z, xz);
            yz = simd.mul_add_f64s(y, z, yz);
            r4 = simd.mul_add_f64s(r2, r2, r4);
        }
        let mut sums = Sums {
            count: origins as f64,
            products: [xx, yy, zz, xy, xz, yz].map(|sum| simd.reduce_sum_f64s(sum)),
            r4: simd.reduce_sum_f64s(r4),
        };
        let done = origins - origins % S::F64_LANES;
        for t in done..origins {
            let [x, y, z] = self.path.r.map(|x| x[t + self.lag] - x[t]);
            let terms = [x * x, y * y, z * z, x * y, x * z, y * z];
            for (sum, term) in sums.products.iter_mut().zip(terms) {
                *sum += term;
            }
            sums.r4 += (terms[0] + terms[1] + terms[2]).powi(2);
        }
        sums
    }
}

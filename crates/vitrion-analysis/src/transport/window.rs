//! The logarithmic exponent of the mean squared displacement and the lags at which motion is diffusive.
//!
//! `β(τ) = d ln MSD / d ln τ` is the slope of a line through the points within [`HALF_WIDTH`] in `ln τ`; its error is that of the jackknife over
//! groups of atoms, since neighbouring points move together. Diffusive lags are the last ones of the curve, from the first after which `β` nowhere differs from
//! one by more than [`TOLERANCE`] and four of its errors (many lags are looked at).

use super::moments::Moments;
use crate::samples::jackknife;
use std::ops::Range;

/// Half of the width of a fitted line, in ln τ: 0.15 decades.
const HALF_WIDTH: f64 = 0.15 * std::f64::consts::LN_10;
/// Differences of the exponent from one that do not matter.
const TOLERANCE: f64 = 0.05;
/// Errors by which the exponent may differ from one.
pub(crate) const ERRORS: f64 = 4.0;
/// A window spans at least this factor in τ.
const SPAN: f64 = 3.0;

/// Late lags are those from this part of the longest.
const LATE: usize = 5;

/// The exponent at one lag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exponent {
    /// Place in [`Moments::lags`].
    pub(crate) lag: usize,
    pub(crate) value: f64,
    /// Standard error; infinite for less than two atoms.
    pub(crate) error: f64,
}

impl Exponent {
    fn diffusive(&self) -> bool {
        (self.value - 1.0).abs() <= TOLERANCE.max(ERRORS * self.error)
    }
}

/// `ln MSD` against `ln τ` of all atoms, and without each group of them.
struct Logarithms {
    x: Vec<f64>,
    y: Vec<f64>,
    left: Vec<Vec<f64>>,
}

impl Logarithms {
    fn new(moments: &Moments) -> Self {
        let groups = moments.groups.first().map_or(0, Vec::len);
        let without = |group: usize| {
            let lags = moments.total.iter().zip(&moments.groups);
            lags.map(|(all, of)| all.plus(of[group], -1.0).msd().ln()).collect()
        };
        Logarithms {
            x: moments.lags.iter().map(|lag| (*lag as f64).ln()).collect(),
            y: moments.msd().iter().map(|msd| msd.ln()).collect(),
            left: if groups > 1 { (0..groups).map(without).collect() } else { Vec::new() },
        }
    }

    /// The slope over some lags, stated at one of them.
    fn exponent(&self, moments: &Moments, lag: usize, over: Range<usize>) -> Option<Exponent> {
        let value = slope(&self.x, &self.y, over.clone())?;
        let without = self.left.iter().map(|y| slope(&self.x, y, over.clone()).unwrap_or(f64::NAN));
        let collective = moments.collective[over.start].sqrt();
        let known = !self.left.is_empty();
        let error = if known { collective * jackknife(without) } else { f64::INFINITY };
        Some(Exponent { lag, value, error })
    }
}

/// The exponent wherever there are enough lags about.
pub(crate) fn exponents(moments: &Moments) -> Vec<Exponent> {
    let curves = Logarithms::new(moments);
    (0..curves.x.len())
        .filter_map(|lag| curves.exponent(moments, lag, near(&curves.x, lag)?))
        .collect()
}

/// The exponent over the last lags, a factor of [`LATE`].
pub(crate) fn late_exponent(moments: &Moments) -> Option<Exponent> {
    let last = moments.lags.len().checked_sub(1)?;
    let longest = moments.lags[last];
    let first = moments.lags.iter().position(|lag| LATE * lag >= longest)?;
    Logarithms::new(moments).exponent(moments, last, first..last + 1)
}

/// Lags about one, at least three.
fn near(x: &[f64], at: usize) -> Option<Range<usize>> {
    let start = (0..=at).find(|k| x[at] - x[*k] <= HALF_WIDTH + 1e-12)?;
    let end = (at..x.len()).rfind(|k| x[*k] - x[at] <= HALF_WIDTH + 1e-12)? + 1;
    (end - start >= 3).then_some(start..end)
}

fn slope(x: &[f64], y: &[f64], range: Range<usize>) -> Option<f64> {
    let count = range.len() as f64;
    let mean = |of: &[f64]| of[range.clone()].iter().sum::<f64>() / count;
    let (mx, my) = (mean(x), mean(y));
    let sxx: f64 = range.clone().map(|k| (x[k] - mx).powi(2)).sum();
    let sxy: f64 = range.map(|k| (x[k] - mx) * (y[k] - my)).sum();
    (sxy / sxx).is_finite().then_some(sxy / sxx)
}

/// The diffusive lags, places in [`Moments::lags`]; `None` where the last lags are not, or too few.
pub(crate) fn diffusive(moments: &Moments, exponents: &[Exponent]) -> Option<Range<usize>> {
    let last_bad = exponents.iter().rposition(|exponent| !exponent.diffusive());
    let first = match last_bad {
        None => 0,
        Some(bad) => exponents.get(bad + 1)?.lag,
    };
    let lags = &moments.lags;
    let enough = *lags.last()? as f64 >= SPAN * *lags.get(first)? as f64;
    enough.then_some(first..lags.len())
}

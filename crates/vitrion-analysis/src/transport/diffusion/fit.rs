//! The straight line through the mean squared displacement.

use crate::error::AnalysisError;
use crate::transport::moments::{Moments, Sums};
use crate::transport::recording::Recording;
use std::ops::Range;
use vitrion_core::stats::{LineFit, shrunk_line_fit};

/// Points of the fit: more adds nothing, neighbouring lags being nearly equal.
const POINTS: usize = 24;
/// The fit of a curve without diffusive lags begins at this part of the trajectory,
const LATE: f64 = 0.05;
/// but not before this time [fs].
const EARLIEST: f64 = 1000.0;

/// A diffusion coefficient as a linear function of the MSD; times in frames.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    /// Places in [`Moments::lags`].
    pub(crate) range: Range<usize>,
    /// `D = Σ_k weights[k] MSD(first + k)`.
    pub(crate) weights: Vec<f64>,
    /// [Å²/frame]
    pub(crate) value: f64,
    /// Standard error [Å²/frame].
    pub(crate) error: f64,
    /// Degrees of freedom of the error.
    pub(crate) degrees: f64,
    /// Error of the covariance model alone [Å²/frame].
    pub(crate) model_error: f64,
    /// MSD of the line at zero lag [Å²].
    pub(crate) intercept: f64,
}

impl Fit {
    /// `None` where nothing moves.
    pub(crate) fn new(moments: &Moments, range: Range<usize>, frames: usize) -> Option<Self> {
        let (chosen, line) = line(moments, range.clone(), frames)?;
        let mut weights = vec![0.0; range.len()];
        for (place, weight) in chosen.iter().zip(&line.slope_weights) {
            weights[place - range.start] = weight / 6.0;
        }
        let model_error = line.variance_slope.sqrt() / 6.0;
        let error = moments.error(range.start, &weights);
        Some(Fit {
            value: line.slope / 6.0,
            error: error.unwrap_or(model_error),
            degrees: if error.is_some() { moments.samples() as f64 - 1.0 } else { f64::INFINITY },
            model_error,
            intercept: line.intercept,
            weights,
            range,
        })
    }

    /// The same linear function of another number than the MSD at the lags.
    pub(crate) fn of(&self, number: impl Fn(usize) -> f64) -> f64 {
        self.weights.iter().zip(self.range.clone()).map(|(w, lag)| w * number(lag)).sum()
    }

    /// Exponent of the MSD between the ends of the window; zero where nothing moves.
    pub(crate) fn exponent(&self, moments: &Moments) -> f64 {
        let (first, last) = (self.range.start, self.range.end - 1);
        let msd = |lag: usize| moments.total[lag].msd();
        if last == first || msd(first) <= 0.0 || msd(last) <= 0.0 {
            return 0.0;
        }
        let ratio = moments.lags[last] as f64 / moments.lags[first] as f64;
        (msd(last) / msd(first)).ln() / ratio.ln()
    }
}

/// Lags that are used, and the line.
fn line(moments: &Moments, range: Range<usize>, frames: usize) -> Option<(Vec<usize>, LineFit)> {
    let (first, last) = (range.start, range.end - 1);
    let count = POINTS.min(range.len());
    let mut chosen: Vec<usize> =
        (0..count).map(|k| first + (last - first) * k / (count - 1).max(1)).collect();
    chosen.dedup();
    let x: Vec<f64> = chosen.iter().map(|lag| moments.lags[*lag] as f64).collect();
    let y: Vec<f64> = chosen.iter().map(|lag| moments.total[*lag].msd()).collect();
    let variance = |sums: &Sums| (sums.r4 / sums.count - sums.msd().powi(2)).max(0.0);
    let variances: Vec<f64> = chosen.iter().map(|lag| variance(&moments.total[*lag])).collect();
    let independent = |k: usize| moments.atoms * (frames - 1) as f64 / x[k];
    let n = x.len();
    let mut covariance = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            covariance[i * n + j] = variances[i.min(j)] / independent(i.max(j));
        }
    }
    Some((chosen, shrunk_line_fit(&x, &y, &covariance)?))
}

/// The lags of a window that was asked for [fs].
pub(crate) fn given(
    window: [f64; 2],
    data: &Recording,
    moments: &Moments,
) -> Result<Range<usize>, AnalysisError> {
    let [from, to] = window.map(|time| time / data.interval());
    let inside = |lag: &usize| (*lag as f64) >= from - 1e-6 && (*lag as f64) <= to + 1e-6;
    let start = moments.lags.iter().position(inside);
    let end = moments.lags.iter().rposition(inside);
    match (start, end) {
        (Some(start), Some(end)) if end > start + 1 => Ok(start..end + 1),
        _ => {
            let last = *moments.lags.last().expect("there are lags") as f64 * data.interval();
            Err(AnalysisError::Parameter {
                name: "window",
                found: format!("{} to {} fs", window[0], window[1]),
                expected: format!(
                    "three lags or more between {} fs and a third of the trajectory, {last} fs",
                    data.interval()
                ),
            })
        }
    }
}

/// Late lags, where none are diffusive.
pub(crate) fn late(data: &Recording, moments: &Moments) -> Range<usize> {
    let from = EARLIEST.max(LATE * data.duration()) / data.interval();
    let last = moments.lags.len();
    let first = moments.lags.iter().position(|lag| *lag as f64 >= from).unwrap_or(last);
    first.min(last.saturating_sub(5))..last
}

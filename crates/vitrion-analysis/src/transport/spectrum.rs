//! Mean squared displacements at every lag, by fast Fourier transforms.
//!
//! `Σ_t |r(t + m) − r(t)|² = S(m) − 2 C(m)` with the autocorrelation `C(m) = Σ_t r(t)·r(t + m)` and `S(m) = Σ_t |r(t)|² + |r(t + m)|²`, a running
//! sum. `C` is the inverse transform of the power spectrum of the positions, padded with zeros (Calandrini et al., Collection SFN 12, 201 (2011)). Power spectra of all atoms
//! are added before the one inverse transform. Positions count from the middle of each path, so that little is lost in the difference.

use super::lags::longest;
use super::recording::{Path, Recording, Reference};
use crate::error::AnalysisError;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// The MSD [Å²] at the lags 1, 2, …, a third of the trajectory.
///
/// # Errors
/// What reading the positions gives.
pub(crate) fn mean_squared_displacement(
    data: &Recording,
    symbol: &str,
) -> Result<Vec<f64>, AnalysisError> {
    let frames = data.frames();
    let most = longest(frames);
    let length = smooth(frames + most);
    let forward = FftPlanner::new().plan_fft_forward(length);
    let measure = |_: usize, path: Path<'_>| {
        let mut power = vec![0.0; length];
        let mut squares = vec![0.0; frames];
        let centered = path.r.map(|x| {
            let middle = x.iter().sum::<f64>() / frames as f64;
            x.iter().map(|x| x - middle).collect::<Vec<f64>>()
        });
        for x in &centered {
            for (sum, x) in squares.iter_mut().zip(x) {
                *sum += x * x;
            }
        }
        // two real series in one transform: only the sum of their power spectra is needed
        let zeros = vec![0.0; frames];
        for (re, im) in [(&centered[0], &centered[1]), (&centered[2], &zeros)] {
            let mut series: Vec<Complex<f64>> =
                re.iter().zip(im).map(|(re, im)| Complex::new(*re, *im)).collect();
            series.resize(length, Complex::default());
            forward.process(&mut series);
            for (sum, x) in power.iter_mut().zip(&series) {
                *sum += x.norm_sqr();
            }
        }
        (power, squares)
    };
    let (mut power, mut squares) = (vec![0.0; length], vec![0.0; frames]);
    let mut atoms = 0.0;
    data.each_path(symbol, Reference::Framework, measure, |_, (one, of)| {
        atoms += 1.0;
        for (sum, x) in power.iter_mut().zip(one) {
            *sum += x;
        }
        for (sum, x) in squares.iter_mut().zip(of) {
            *sum += x;
        }
    })?;
    let mut correlation: Vec<Complex<f64>> =
        power.into_iter().map(|re| Complex::new(re, 0.0)).collect();
    FftPlanner::new().plan_fft_inverse(length).process(&mut correlation);
    let mut ends = 2.0 * squares.iter().sum::<f64>();
    let mut found = Vec::with_capacity(most);
    for lag in 1..=most {
        ends -= squares[lag - 1] + squares[frames - lag];
        let origins = (frames - lag) as f64;
        let sum = ends - 2.0 * correlation[lag].re / length as f64;
        found.push((sum / (origins * atoms)).max(0.0));
    }
    Ok(found)
}

/// The least number of factors 2, 3 and 5 that is not below `least`.
fn smooth(least: usize) -> usize {
    let is_smooth = |n: &usize| {
        let mut rest = *n;
        for factor in [2, 3, 5] {
            while rest.is_multiple_of(factor) {
                rest /= factor;
            }
        }
        rest == 1
    };
    (least..=2 * least).find(is_smooth).expect("a power of two lies between")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_small_factors() {
        assert_eq!([1, 7, 11, 13, 26_667].map(smooth), [1, 8, 12, 15, 27_000]);
    }
}

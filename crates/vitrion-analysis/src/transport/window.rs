//! Which lags of a mean squared displacement are diffusive.
//!
//! Vibrations add a constant to the MSD, `a + 6 D τ`, so the plain exponent `d ln MSD / d ln τ` is
//! below 1 long after the motion has become diffusive. The exponent used here does not see `a`:
//! `β₀(τ) = log₂ [ (M(4τ) − M(2τ)) / (M(2τ) − M(τ)) ]` is exactly β for `M = a + c τ^β`.

use super::TransportError;
use super::diffusion::fit_line;
use super::displacement::{MeanSquaredDisplacement, standard_error};
use std::ops::Range;

/// A window has at least this many lags.
const LEAST_LAGS: usize = 4;
/// The longest lag is at least this many times the shortest; the exponent needs a factor of four.
const LEAST_RATIO: f64 = 4.0;

/// Enough lags for a fit?
pub(super) fn long_enough(msd: &MeanSquaredDisplacement, range: Range<usize>) -> bool {
    range.len() >= LEAST_LAGS
        && msd.lags[range.end - 1] as f64 >= LEAST_RATIO * msd.lags[range.start] as f64
}

/// The shortest lag τ₁ from which the motion is diffusive up to lag number `end` (excluded):
///
/// 1. the intercept-free exponent, averaged over the octave from τ₁, is within `tolerance` of 1;
/// 2. the diffusive part exceeds the vibrational one, `6 D τ₁ ≥ a`;
/// 3. the mean slope over the last octave agrees with the fitted one within `tolerance` of it or
///    two standard errors: an accidental straight piece between two regimes is no window.
pub(super) fn diffusive_start(
    msd: &MeanSquaredDisplacement,
    end: usize,
    tolerance: f64,
) -> Result<Option<usize>, TransportError> {
    let (last, last_error) = last_octave(msd, end);
    for start in (0..end).take_while(|start| long_enough(msd, *start..end)) {
        let straight = octave_exponent(msd, start, end)
            .is_some_and(|exponent| (exponent - 1.0).abs() <= tolerance);
        if !straight {
            continue;
        }
        let fit = fit_line(msd, start..end)?;
        let first_lag = msd.lags[start] as f64 * msd.interval;
        let beyond_vibration = fit.intercept <= 6.0 * fit.diffusion * first_lag;
        let lasting = (last - fit.diffusion).abs() <= tolerance * fit.diffusion + 2.0 * last_error;
        if fit.diffusion > 0.0 && beyond_vibration && lasting {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

/// Mean of β₀ over the lags from `start` to twice that lag, as far as four times them is known;
/// `None` where an increment is not positive.
fn octave_exponent(msd: &MeanSquaredDisplacement, start: usize, end: usize) -> Option<f64> {
    let values = msd.values();
    let first = msd.lags[start] as f64;
    let longest = msd.lags[end - 1] as f64;
    let mut sum = 0.0;
    let mut count = 0.0;
    for lag in msd.lags[start..end].iter().map(|lag| *lag as f64) {
        if lag > 2.0 * first || 4.0 * lag > longest {
            break;
        }
        let at = |lag: f64| interpolate(msd, &values, lag);
        let (near, far) = (at(2.0 * lag) - at(lag), at(4.0 * lag) - at(2.0 * lag));
        if near <= 0.0 || far <= 0.0 {
            return None;
        }
        sum += (far / near).log2();
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

/// MSD at a lag [frames] between two known ones, linearly; the known range is not left.
fn interpolate(msd: &MeanSquaredDisplacement, values: &[f64], lag: f64) -> f64 {
    let above = msd.lags.partition_point(|known| (*known as f64) < lag).min(msd.lags.len() - 1);
    let below = above.saturating_sub(1);
    let (low, high) = (msd.lags[below] as f64, msd.lags[above] as f64);
    if high <= low {
        return values[above];
    }
    values[below] + (values[above] - values[below]) * (lag - low) / (high - low)
}

/// D from the mean slope over the last octave of lags [Å²/fs] and its standard error, from the
/// scatter between ions or blocks of origins, whichever is larger.
fn last_octave(msd: &MeanSquaredDisplacement, end: usize) -> (f64, f64) {
    let last = end - 1;
    let half = (0..last).rev().find(|k| 2 * msd.lags[*k] <= msd.lags[last]).unwrap_or(0);
    let span = 6.0 * (msd.lags[last] - msd.lags[half]) as f64 * msd.interval;
    let values = msd.values();
    let ions: Vec<f64> = (0..msd.ions)
        .map(|ion| {
            let of = |k: usize| msd.per_ion[k][ion].iter().sum::<f64>();
            (of(last) - of(half)) / span
        })
        .collect();
    let blocks: Vec<f64> = msd.per_block[last]
        .iter()
        .zip(&msd.per_block[half])
        .map(|(far, near)| (far - near) / span)
        .collect();
    let error = standard_error(&ions).max(standard_error(&blocks));
    ((values[last] - values[half]) / span, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smooth(msd: impl Fn(f64) -> f64) -> MeanSquaredDisplacement {
        let paths = vec![vec![[0.0; 3]]; 4000];
        let lags = super::super::displacement::logarithmic_lags(1300);
        let mut empty =
            MeanSquaredDisplacement::from_paths("Li", &paths, 1.0, lags).expect("enough frames");
        for (k, lag) in empty.lags.iter().enumerate() {
            let value = msd(*lag as f64);
            empty.components[k] = [value / 3.0; 3];
            empty.per_ion[k] = vec![[value / 3.0; 3]];
            empty.per_block[k] = vec![value; 8];
            empty.spread[k] = 2.0 / 3.0 * value * value;
        }
        empty
    }

    #[test]
    fn the_exponent_does_not_see_the_intercept() {
        for beta in [0.5, 1.0, 2.0] {
            let msd = smooth(|t| 3.0 + 0.01 * t.powf(beta));
            let found = octave_exponent(&msd, 20, msd.lags.len()).expect("it grows");
            assert!((found - beta).abs() < 0.01, "{found} is not {beta}");
        }
    }

    #[test]
    fn the_window_begins_where_diffusion_exceeds_vibration() {
        // plateau 1.5 Å² reached within 10 frames, then 6 D = 0.01 Å² per frame
        let msd = smooth(|t| 1.5 * (1.0 - (-t * t / 20.0).exp()) + 0.01 * t);
        let start = diffusive_start(&msd, msd.lags.len(), 0.2).expect("fits").expect("a window");
        let lag = msd.lags[start];
        assert!((140..180).contains(&lag), "{lag}");
    }

    #[test]
    fn a_straight_piece_between_two_regimes_is_no_window() {
        let msd = smooth(|t| 1e-3 * t * t);
        assert_eq!(diffusive_start(&msd, msd.lags.len(), 0.2), Ok(None));
        let msd = smooth(|t| t.sqrt());
        assert_eq!(diffusive_start(&msd, msd.lags.len(), 0.2), Ok(None));
        // ballistic, then caged: the exponent passes 1 on its way from 2 to 0
        let msd = smooth(|t| 4.0 * (1.0 - (-t * t / 4000.0).exp()) + 1e-5 * t);
        let start = diffusive_start(&msd, msd.lags.len(), 0.2).expect("fits");
        assert_eq!(start, None, "{:?}", start.map(|k| msd.lags[k]));
    }
}

//! Times between two frames, and what is summed over atoms in groups.

use super::recording::Recording;
use crate::error::AnalysisError;
use vitrion_core::rng::{self, Stream};

/// Most lags of a curve.
const LAGS: usize = 120;

/// Lags [frames] from 1 to `longest`, all of them or about [`LAGS`] evenly spaced in their logarithm.
pub(crate) fn lags(longest: usize) -> Vec<usize> {
    spaced(longest, LAGS)
}

/// At most `most + 1` lags [frames] from 1 to `longest`, evenly spaced in their logarithm unless all are.
pub(crate) fn spaced(longest: usize, most: usize) -> Vec<usize> {
    if longest <= most {
        return (1..=longest).collect();
    }
    let ratio = (longest as f64).ln();
    let mut result: Vec<usize> =
        (0..=most).map(|k| (ratio * k as f64 / most as f64).exp().round() as usize).collect();
    result.dedup();
    result
}

/// The lags [frames] of times that were asked for [fs].
///
/// # Errors
/// A time that is no multiple of the interval between frames, or longer than the longest lag.
pub(crate) fn at_times(
    times: &[f64],
    data: &Recording,
    name: &'static str,
) -> Result<Vec<usize>, AnalysisError> {
    let longest = longest(data.frames());
    let lag = |time: &f64| {
        let lag = (time / data.interval()).round();
        let fits = (lag * data.interval() - time).abs() < 1e-3 * data.interval();
        if fits && lag >= 1.0 && lag <= longest as f64 {
            return Ok(lag as usize);
        }
        Err(AnalysisError::Parameter {
            name,
            found: format!("{time} fs"),
            expected: format!(
                "a multiple of the {} fs between frames, up to a third of the trajectory, {} fs",
                data.interval(),
                longest as f64 * data.interval()
            ),
        })
    };
    times.iter().map(lag).collect()
}

/// The longest lag that is looked at: a third of the trajectory.
pub(crate) fn longest(frames: usize) -> usize {
    frames.saturating_sub(1) / 3
}

/// Groups of equal size, dealt at random, since the order of atoms may follow their sites.
pub(crate) fn dealt(atoms: usize, groups: usize) -> Vec<usize> {
    let draw = |atom: usize| rng::at(0, Stream::Bootstrap, 0, atom as u64).uniform();
    let mut order: Vec<(f64, usize)> = (0..atoms).map(|atom| (draw(atom), atom)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut group = vec![0; atoms];
    for (place, (_, atom)) in order.into_iter().enumerate() {
        group[atom] = place % groups;
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_are_all_or_evenly_spaced_in_their_logarithm() {
        assert_eq!(lags(4), [1, 2, 3, 4]);
        let many = lags(6000);
        assert!(many.len() > 80 && many.len() <= LAGS + 1);
        assert_eq!((many[0], many[many.len() - 1]), (1, 6000));
        assert!(many.windows(2).all(|pair| pair[1] > pair[0]));
    }

    #[test]
    fn groups_are_of_equal_size() {
        let group = dealt(100, 32);
        let sizes: Vec<usize> =
            (0..32).map(|g| group.iter().filter(|of| **of == g).count()).collect();
        assert!(sizes.iter().all(|size| (3..=4).contains(size)), "{sizes:?}");
    }
}

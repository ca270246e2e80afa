//! Resampling with replacement, reproducible from a seed.

use crate::rng::{self, Stream};

/// Values of a statistic on `replicas` resamples of `n` items.
///
/// `statistic` receives `n` indices drawn with replacement; replica `b` draws from
/// `rng::at(seed, Stream::Bootstrap, b, 0)`, so results depend on nothing else. The standard
/// deviation of the returned values is the bootstrap standard error.
///
/// # Panics
/// If `n` is zero.
pub fn replicas(
    n: usize,
    replicas: usize,
    seed: u64,
    mut statistic: impl FnMut(&[usize]) -> f64,
) -> Vec<f64> {
    let mut indices = vec![0; n];
    (0..replicas)
        .map(|replica| {
            let mut random = rng::at(seed, Stream::Bootstrap, replica as u64, 0);
            for index in &mut indices {
                *index = random.below(n);
            }
            statistic(&indices)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{mean, variance};

    #[test]
    fn the_bootstrap_error_of_a_mean_is_the_textbook_one() {
        let mut random = rng::at(4, Stream::Testing, 0, 0);
        let data: Vec<f64> = (0..200).map(|_| random.normal()).collect();
        let values = replicas(data.len(), 2000, 9, |indices| {
            indices.iter().map(|i| data[*i]).sum::<f64>() / indices.len() as f64
        });
        let error = variance(&values).sqrt();
        let exact = (variance(&data) / data.len() as f64).sqrt();
        // relative scatter of a standard deviation from 2000 replicas is 1/sqrt(4000)
        assert!((error / exact - 1.0).abs() < 5.0 / 4000f64.sqrt(), "{error} vs {exact}");
        assert!((mean(&values) - mean(&data)).abs() < 5.0 * exact / 2000f64.sqrt());
    }

    #[test]
    fn the_same_seed_gives_the_same_replicas() {
        let draw = |seed| replicas(5, 3, seed, |indices| indices[0] as f64);
        assert_eq!(draw(1), draw(1));
    }
}

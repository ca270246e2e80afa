//! Runs at one temperature.

use super::ArrheniusPoint;
use crate::transport::replicas::error_of_mean;

/// Temperatures closer than this are one [K].
const SAME: f64 = 1e-6;

/// One point for each temperature: the mean of its runs. Its error is the larger of that of the errors of the runs, `√(Σ s²)/R`, and of their spread,
/// `sd/√R`, from three runs on; two that differ by more than three of their errors have half of their difference.
pub(super) fn pool(sorted: &[ArrheniusPoint]) -> Vec<ArrheniusPoint> {
    let same =
        |a: &ArrheniusPoint, b: &ArrheniusPoint| (a.temperature - b.temperature).abs() < SAME;
    sorted.chunk_by(same).map(mean).collect()
}

fn mean(runs: &[ArrheniusPoint]) -> ArrheniusPoint {
    let count = runs.len() as f64;
    let values: Vec<f64> = runs.iter().map(|run| run.diffusion.value).collect();
    let errors: Vec<f64> = runs.iter().map(|run| run.diffusion.error).collect();
    let mut point = runs[0];
    point.diffusion.value = values.iter().sum::<f64>() / count;
    point.diffusion.error = error_of_mean(&values, &errors).0;
    point.diffusion.number_density =
        runs.iter().map(|run| run.diffusion.number_density).sum::<f64>() / count;
    point
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Diffusion;

    fn run(temperature: f64, value: f64, error: f64) -> ArrheniusPoint {
        let diffusion = Diffusion { value, error, diffusive: true, number_density: 0.02 };
        ArrheniusPoint { temperature, diffusion }
    }

    #[test]
    fn the_larger_of_own_errors_and_spread_counts() {
        let found = pool(&[
            run(700.0, 1.0, 0.1),
            run(800.0, 2.0, 0.3),
            run(800.0, 2.2, 0.4),
            run(900.0, 3.0, 0.1),
            run(900.0, 4.0, 0.1),
            run(900.0, 5.0, 0.1),
        ]);
        assert_eq!(found.len(), 3);
        let errors: Vec<f64> = found.iter().map(|point| point.diffusion.error).collect();
        let expected = [0.1, 0.25, (1.0_f64 / 3.0).sqrt()];
        for (error, expected) in errors.iter().zip(expected) {
            assert!((error - expected).abs() < 1e-12, "{errors:?}");
        }
        assert!((found[2].diffusion.value - 4.0).abs() < 1e-12);
    }
}

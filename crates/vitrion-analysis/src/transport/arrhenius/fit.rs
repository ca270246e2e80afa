//! The line through the logarithms, and the density between the runs.

use super::ArrheniusPoint;
use std::cell::OnceCell;
use vitrion_core::stats::{LineFit, student_t_quantile, weighted_line_fit};
use vitrion_core::units;

/// `1/(k_B T)` [1/eV].
pub(super) fn inverse(temperature: f64) -> f64 {
    1.0 / (units::BOLTZMANN * temperature)
}

/// Variance of `ln D`.
pub(super) fn own_variance(point: &ArrheniusPoint) -> f64 {
    (point.diffusion.error / point.diffusion.value).powi(2)
}

/// A line with its scatter.
pub(super) struct Fit {
    pub(super) line: LineFit,
    /// Beyond the errors of the points, in `ln D`.
    pub(super) scatter: f64,
    degrees: f64,
    level: f64,
    quantile: OnceCell<f64>,
}

impl Fit {
    /// Of `ln D`; `None` below three temperatures.
    pub(super) fn new(points: &[ArrheniusPoint], level: f64) -> Option<Self> {
        Fit::of(points, level, &|point| point.diffusion.value.ln())
    }

    /// Of another number with the errors of `ln D`.
    pub(super) fn of(
        points: &[ArrheniusPoint],
        level: f64,
        f: &dyn Fn(&ArrheniusPoint) -> f64,
    ) -> Option<Self> {
        if points.len() < 3 {
            return None;
        }
        let x: Vec<f64> = points.iter().map(|p| inverse(p.temperature)).collect();
        let y: Vec<f64> = points.iter().map(f).collect();
        let own: Vec<f64> = points.iter().map(own_variance).collect();
        let degrees = points.len() as f64 - 2.0;
        let fit = |scatter: f64| {
            let variance: Vec<f64> = own.iter().map(|v| v + scatter * scatter).collect();
            weighted_line_fit(&x, &y, &variance)
        };
        let plain = fit(0.0)?;
        if plain.chi2 <= degrees {
            let (degrees, quantile) = (f64::INFINITY, OnceCell::new());
            return Some(Fit { line: plain, scatter: 0.0, degrees, level, quantile });
        }
        // χ² falls monotonically with the scatter
        let (mut low, mut high) = (0.0, 1.0);
        while fit(high)?.chi2 > degrees {
            high *= 2.0;
        }
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if fit(middle)?.chi2 > degrees {
                low = middle;
            } else {
                high = middle;
            }
        }
        let quantile = OnceCell::new();
        Some(Fit { line: fit(high)?, scatter: high, degrees, level, quantile })
    }

    /// Of the intervals: Student's where the scatter comes from the residuals, normal otherwise.
    pub(super) fn quantile(&self) -> f64 {
        let p = 0.5 + 0.5 * self.level;
        *self.quantile.get_or_init(|| student_t_quantile(p, self.degrees))
    }

    /// The line at a temperature.
    pub(super) fn at(&self, temperature: f64) -> f64 {
        self.line.at(inverse(temperature))
    }

    /// Half of the interval at a temperature.
    pub(super) fn half_width(&self, temperature: f64) -> f64 {
        self.quantile() * self.line.variance_at(inverse(temperature)).sqrt()
    }
}

/// Number density against temperature [1/Å³].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Density {
    /// At zero temperature, and its slope.
    intercept: f64,
    slope: f64,
}

impl Density {
    /// A straight line through those of the runs; their mean below three runs or at one temperature.
    pub(super) fn of(points: &[ArrheniusPoint]) -> Self {
        let count = points.len() as f64;
        let mean = points.iter().map(|p| p.diffusion.number_density).sum::<f64>() / count;
        let flat = Density { intercept: mean, slope: 0.0 };
        let x: Vec<f64> = points.iter().map(|p| p.temperature).collect();
        let y: Vec<f64> = points.iter().map(|p| p.diffusion.number_density).collect();
        if points.len() < 3 {
            return flat;
        }
        let line = weighted_line_fit(&x, &y, &vec![1.0; x.len()]);
        line.map_or(flat, |line| Density { intercept: line.intercept, slope: line.slope })
    }

    pub(super) fn at(&self, temperature: f64) -> f64 {
        self.intercept + self.slope * temperature
    }
}

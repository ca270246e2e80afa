//! Measured structure factors to compare with.

use crate::error::AnalysisError;
use serde::{Deserialize, Serialize};

/// Which function was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scattering {
    /// `S(Q)` of neutrons.
    NeutronS,
    /// `F(Q)` of neutrons [barn/sr].
    NeutronF,
    /// `S(Q)` of X-rays.
    XrayS,
}

/// A measured function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Where it was read, for the report.
    pub file: String,
    /// Which function it is.
    pub function: Scattering,
    /// Find the scale and offset of the measurement that fit best.
    pub fit: bool,
    /// `Q` [1/Å] in increasing order, value and, where it is known, its error.
    pub points: Vec<Point>,
}

/// One measured point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    #[serde(rename = "q_per_a")]
    pub q: f64,
    pub value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
}

/// How well calculation and measurement agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Agreement {
    /// `√(Σ (measured − calculated)²/Σ measured²)` (Wright, J. Non-Cryst. Solids 159, 264, 1993).
    pub(super) r_chi: f64,
    /// Mean of `((measured − calculated)/error)²`; NaN without errors.
    pub(super) chi2: f64,
    /// measured = scale · calculated + offset.
    pub(super) scale: f64,
    pub(super) offset: f64,
}

impl Experiment {
    /// Reads columns Q [1/Å], value and, in all lines or none, its error. Lines that begin with `#` are comments.
    ///
    /// # Errors
    /// The line that holds something else, and what.
    pub fn parse(text: &str) -> Result<Vec<Point>, (usize, String)> {
        let mut points: Vec<Point> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refuse = |what: String| Err((number + 1, what));
            let words: Vec<&str> = line
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|w| !w.is_empty())
                .collect();
            let numbers: Result<Vec<f64>, _> = words.iter().map(|word| word.parse()).collect();
            let Ok(numbers) = numbers else {
                return refuse(format!("expected numbers, found \"{line}\""));
            };
            let (q, value, error) = match numbers[..] {
                [q, value] => (q, value, None),
                [q, value, error] => (q, value, Some(error)),
                _ => return refuse(format!("expected 2 or 3 columns, found {}", numbers.len())),
            };
            if numbers.iter().any(|x| !x.is_finite()) || error.is_some_and(|error| error <= 0.0) {
                return refuse(format!(
                    "expected finite numbers and a positive error, found \"{line}\""
                ));
            }
            if let Some(last) = points.last() {
                if q <= last.q {
                    return refuse(format!("Q must increase; found {q} after {}", last.q));
                }
                if error.is_some() != last.error.is_some() {
                    return refuse("some lines have errors and others none".into());
                }
            }
            points.push(Point { q, value, error });
        }
        if points.len() < 3 {
            return Err((
                text.lines().count(),
                format!("expected at least 3 points, found {}", points.len()),
            ));
        }
        Ok(points)
    }

    /// Compares with a calculated curve; points outside of it do not count.
    pub(super) fn compare(&self, q: &[f64], calculated: &[f64]) -> Agreement {
        let mut pairs: Vec<(f64, f64, f64)> = Vec::new();
        for point in &self.points {
            let above = q.partition_point(|q| *q < point.q);
            if above == 0 || above == q.len() {
                continue;
            }
            let part = (point.q - q[above - 1]) / (q[above] - q[above - 1]);
            let value = calculated[above - 1] + part * (calculated[above] - calculated[above - 1]);
            if value.is_finite() {
                pairs.push((value, point.value, point.error.map_or(1.0, |error| error.powi(-2))));
            }
        }
        let sum = |f: &dyn Fn(&(f64, f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
        let (mut scale, mut offset) = (1.0, 0.0);
        if self.fit {
            // weighted least squares
            let w = sum(&|p| p.2);
            let (x, y) = (sum(&|p| p.2 * p.0) / w, sum(&|p| p.2 * p.1) / w);
            scale = sum(&|p| p.2 * (p.0 - x) * (p.1 - y)) / sum(&|p| p.2 * (p.0 - x).powi(2));
            offset = y - scale * x;
        }
        let misfit = |p: &(f64, f64, f64)| (p.1 - scale * p.0 - offset).powi(2);
        let with_errors = self.points[0].error.is_some();
        Agreement {
            r_chi: (sum(&misfit) / sum(&|p| p.1 * p.1)).sqrt(),
            chi2: if with_errors {
                sum(&|p| p.2 * misfit(p)) / pairs.len() as f64
            } else {
                f64::NAN
            },
            scale,
            offset,
        }
    }

    pub(super) fn check(&self, q_max: f64) -> Result<(), AnalysisError> {
        let (first, last) = match (self.points.first(), self.points.last()) {
            (Some(first), Some(last)) if self.points.len() >= 3 => (first.q, last.q),
            _ => (f64::INFINITY, 0.0),
        };
        if first < q_max {
            return Ok(());
        }
        Err(AnalysisError::Parameter {
            name: "experiment",
            found: format!("{} with points from {first} 1/Å to {last} 1/Å", self.file),
            expected: format!("at least three points, some below {q_max} 1/Å"),
        })
    }
}

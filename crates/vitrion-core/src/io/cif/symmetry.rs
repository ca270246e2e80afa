//! Symmetry operations as CIF writes them, and whether a list of them makes a space group.

use crate::cell::Cell;
use crate::math::{self, Matrix3, Vector3};

/// `s → W s + w` in fractional coordinates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    rotation: Matrix3,
    translation: Vector3,
}

impl Operation {
    pub(super) fn identity() -> Self {
        Operation { rotation: math::IDENTITY, translation: [0.0; 3] }
    }

    /// Reads "-x+1/2, y, z-0.25".
    pub(super) fn parse(text: &str) -> Option<Operation> {
        let parts: Vec<&str> = text.split(',').collect();
        if parts.len() != 3 {
            return None;
        }
        let mut operation = Operation { rotation: [[0.0; 3]; 3], translation: [0.0; 3] };
        for (row, part) in parts.iter().enumerate() {
            let compact: String = part.chars().filter(|c| !c.is_whitespace()).collect();
            // a sign starts a new term
            let mut terms: Vec<String> = Vec::new();
            for c in compact.to_lowercase().chars() {
                if terms.is_empty() || c == '+' || c == '-' {
                    terms.push(String::new());
                }
                terms.last_mut()?.push(c);
            }
            for term in &terms {
                let (sign, body) = match term.strip_prefix('-') {
                    Some(body) => (-1.0, body),
                    None => (1.0, term.strip_prefix('+').unwrap_or(term)),
                };
                match body.find(['x', 'y', 'z']) {
                    Some(at) if at + 1 == body.len() => {
                        let axis = "xyz".find(&body[at..])?;
                        let factor = body[..at].trim_end_matches('*');
                        operation.rotation[row][axis] +=
                            sign * if factor.is_empty() { 1.0 } else { fraction(factor)? };
                    }
                    Some(_) => return None,
                    None => operation.translation[row] += sign * fraction(body)?,
                }
            }
            if terms.is_empty() {
                return None;
            }
        }
        Some(operation)
    }

    /// True if distances stay: Wᵀ G W = G for the metric G of the cell, to a hundredth, since
    /// files round lengths and angles.
    pub(super) fn fits(&self, cell: &Cell) -> bool {
        let metric = math::matmul(cell.matrix(), &math::transpose(cell.matrix()));
        let moved =
            math::matmul(&math::matmul(&math::transpose(&self.rotation), &metric), &self.rotation);
        (0..3).all(|i| {
            (0..3).all(|j| {
                let scale = (metric[i][i] * metric[j][j]).sqrt();
                (moved[i][j] - metric[i][j]).abs() < 0.01 * scale
            })
        })
    }

    /// This operation after another one.
    fn after(&self, first: &Operation) -> Operation {
        Operation {
            rotation: math::matmul(&self.rotation, &first.rotation),
            translation: self.apply(first.translation),
        }
    }

    /// Equal up to lattice vectors; thirds may be written with two digits.
    fn same(&self, other: &Operation) -> bool {
        let close = |a: f64, b: f64| (a - b).abs() < 0.02;
        (0..3).all(|i| {
            let shift = self.translation[i] - other.translation[i];
            close(shift, shift.round())
                && (0..3).all(|j| close(self.rotation[i][j], other.rotation[i][j]))
        })
    }

    pub(super) fn apply(&self, s: Vector3) -> Vector3 {
        std::array::from_fn(|row| {
            self.translation[row] + (0..3).map(|k| self.rotation[row][k] * s[k]).sum::<f64>()
        })
    }
}

/// What keeps a list of operations from being a space group, if anything.
pub(super) fn missing_from_group(operations: &[Operation]) -> Option<&'static str> {
    let listed = |o: &Operation| operations.iter().any(|known| known.same(o));
    if !listed(&Operation::identity()) {
        return Some("the identity x, y, z is not among the operations");
    }
    let closed = operations.iter().all(|a| operations.iter().all(|b| listed(&a.after(b))));
    (!closed).then_some("one operation after another gives one that is not listed")
}

fn fraction(text: &str) -> Option<f64> {
    match text.split_once('/') {
        Some((a, b)) => {
            let (a, b) = (a.parse::<f64>().ok()?, b.parse::<f64>().ok()?);
            (b != 0.0).then_some(a / b)
        }
        None => text.parse().ok(),
    }
}

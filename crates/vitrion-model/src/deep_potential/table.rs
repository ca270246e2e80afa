//! Embedding nets as piecewise polynomials of their one input.
//!
//! On every interval the polynomial takes value, slope and curvature of the net at both ends, so the
//! table is twice continuously differentiable whatever the widths of neighbouring intervals; degrees
//! above five also take the net's value at inner points. The range is cut into equal cells, and each
//! cell into as many intervals as the wanted error needs there: wide ones where the net is flat,
//! narrow ones where it bends. So the rows in use stay in a core's cache. The error is measured
//! between the nodes; what was reached is kept and shown. Inputs outside the range, and nets that no
//! table follows (kinks), are evaluated exactly.

use super::aligned::Aligned;
use super::network::{Network, ScalarDerivatives};
use super::real::Real;

/// Equal cells of the range.
const CELLS: usize = 64;
/// Intervals of a cell, at most.
const MOST_INTERVALS: usize = 256;
/// Where the error is measured, in units of an interval: a Hermite polynomial strays most around
/// the middle in value and around the quarters in slope.
const CHECKS: [f64; 3] = [0.24, 0.5, 0.76];
/// Inner points of degree 7: they balance the maxima of `u³(1−u)³(u−a)(u−1+a)`.
const INNER: [f64; 2] = [0.36, 0.64];

/// Largest measured difference to the net.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bound {
    /// Of the outputs.
    pub value: f64,
    /// Of their derivatives with respect to the input.
    pub slope: f64,
}

impl Bound {
    fn larger(self, other: Bound) -> Bound {
        Bound { value: self.value.max(other.value), slope: self.slope.max(other.slope) }
    }

    fn within(self, wanted: Bound) -> bool {
        // false for NaN
        self.value <= wanted.value && self.slope <= wanted.slope
    }
}

/// A tabulated embedding net; outputs are padded with zeros to full registers.
#[derive(Debug)]
pub struct Table<T> {
    lower: f64,
    per_cell: f64,
    /// First row and number of intervals of each cell; empty if the net is not tabulated.
    cells: Vec<(u32, u32)>,
    shape: RowShape,
    /// Rows of `shape`, in units of the interval.
    coefficients: Aligned<T>,
    network: Network,
    bound: Bound,
}

/// Order of the coefficients of an interval: `[register][power][lane]`, powers ascending, so that a
/// kernel reads a row from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowShape {
    /// Of the polynomials: 5 or 7.
    pub degree: usize,
    /// Numbers in a register.
    pub lanes: usize,
    /// Registers that hold all outputs.
    pub registers: usize,
}

impl RowShape {
    /// Numbers in a row.
    pub fn size(self) -> usize {
        self.registers * (self.degree + 1) * self.lanes
    }

    /// Place of a coefficient.
    fn place(self, power: usize, output: usize) -> usize {
        let (register, lane) = (output / self.lanes, output % self.lanes);
        (register * (self.degree + 1) + power) * self.lanes + lane
    }
}

/// Where an input lies in a table.
#[derive(Debug, Clone, Copy)]
pub struct Location {
    pub row: u32,
    /// Position in the interval, from 0 to 1.
    pub u: f64,
    /// `du/dx`
    pub scale: f64,
}

impl<T: Real> Table<T> {
    /// A table of `network` for inputs from `lower` to `upper` with errors below `wanted`; without rows, so that every input is evaluated exactly, if
    /// that cannot be reached or `wanted` is `None`.
    pub fn new(
        network: Network,
        (lower, upper): (f64, f64),
        shape: RowShape,
        wanted: Option<Bound>,
    ) -> Self {
        let mut table = Table {
            lower,
            per_cell: CELLS as f64 / (upper - lower),
            cells: Vec::new(),
            shape,
            coefficients: Aligned::zeros(0),
            bound: Bound::default(),
            network,
        };
        if let Some(wanted) = wanted
            && table.network.is_smooth()
        {
            table.fill(wanted);
        }
        table
    }

    fn fill(&mut self, wanted: Bound) {
        let fit = hermite(self.shape.degree);
        let mut rows: Vec<T> = Vec::new();
        let mut cells = Vec::with_capacity(CELLS);
        let mut total = 0;
        for cell in 0..CELLS {
            let left = self.lower + cell as f64 / self.per_cell;
            let mut intervals = 1;
            let (found, bound) = loop {
                let width = 1.0 / (self.per_cell * intervals as f64);
                if let Some(found) = self.cell(&fit, left, width, intervals, wanted) {
                    break found;
                }
                intervals *= 2;
                if intervals > MOST_INTERVALS {
                    return; // no table follows this net
                }
            };
            rows.extend(found);
            cells.push((total, intervals as u32));
            total += intervals as u32;
            self.bound = self.bound.larger(bound);
        }
        self.coefficients = Aligned::from_slice(&rows);
        self.cells = cells;
    }

    /// The rows of one cell, or `None` as soon as an error exceeds what is wanted.
    fn cell(
        &self,
        fit: &[Vec<f64>],
        left: f64,
        width: f64,
        intervals: usize,
        wanted: Bound,
    ) -> Option<(Vec<T>, Bound)> {
        let outputs = self.network.outputs();
        let mut rows = vec![T::ZERO; intervals * self.shape.size()];
        let mut bound = Bound::default();
        let at = |u: f64| self.network.scalar_derivatives(left + u * width);
        let mut start = at(0.0);
        for (k, row) in rows.chunks_exact_mut(self.shape.size()).enumerate() {
            let k = k as f64;
            let end = at(k + 1.0);
            let inner: Vec<ScalarDerivatives> =
                INNER[..self.shape.degree - 5].iter().map(|u| at(k + u)).collect();
            let checks = CHECKS.map(|u| (u, at(k + u)));
            for o in 0..outputs {
                // the rise above the start: small numbers, so that the fit cancels no digits
                let base = start.value[o];
                let ends = |node: &ScalarDerivatives| {
                    [node.value[o] - base, width * node.first[o], width * width * node.second[o]]
                };
                let mut known = ends(&start).to_vec();
                known.extend(ends(&end));
                known.extend(inner.iter().map(|node| node.value[o] - base));
                let mut a: Vec<f64> = fit
                    .iter()
                    .map(|line| line.iter().zip(&known).map(|(f, y)| f * y).sum())
                    .collect();
                a[0] += base;
                for (u, exact) in &checks {
                    let value = a.iter().rev().fold(0.0, |y, c| y * u + c);
                    let slope =
                        (1..a.len()).rev().fold(0.0, |y, p| y * u + p as f64 * a[p]) / width;
                    bound = bound.larger(Bound {
                        value: (value - exact.value[o]).abs(),
                        slope: (slope - exact.first[o]).abs(),
                    });
                }
                for (p, c) in a.iter().enumerate() {
                    row[self.shape.place(p, o)] = T::from_f64(*c);
                }
            }
            if !bound.within(wanted) {
                return None;
            }
            start = end;
        }
        Some((rows, bound))
    }

    /// The measured error of the table; zero for an exact net.
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// Intervals of the table; none if the net is evaluated exactly.
    pub fn rows(&self) -> usize {
        self.cells.last().map_or(0, |(first, count)| (first + count) as usize)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.coefficients.len() * size_of::<T>()
    }

    /// The interval of `x`, if `x` is in the table.
    #[inline(always)]
    pub fn locate(&self, x: f64) -> Option<Location> {
        let position = (x - self.lower) * self.per_cell;
        // also false for NaN
        if !(position >= 0.0 && position < self.cells.len() as f64) {
            return None;
        }
        let cell = position as usize;
        let (first, intervals) = self.cells[cell];
        let fine = (position - cell as f64) * f64::from(intervals);
        let k = (fine as u32).min(intervals - 1);
        Some(Location {
            row: first + k,
            u: fine - f64::from(k),
            scale: self.per_cell * f64::from(intervals),
        })
    }

    /// First row and number of intervals of each cell; none if the net is evaluated exactly.
    pub fn cells(&self) -> &[(u32, u32)] {
        &self.cells
    }

    /// Input at the start of the first cell, and cells per unit of the input.
    pub fn scale(&self) -> (f64, f64) {
        (self.lower, self.per_cell)
    }

    /// All rows.
    #[inline(always)]
    pub fn coefficients(&self) -> &[T] {
        &self.coefficients
    }

    /// Appends a row of the same shape that stands for the net at `x` alone: at `u = 0` it has the
    /// value of the net, and its slope with `scale = 1`.
    pub fn push_exact(&self, x: f64, rows: &mut Vec<T>) {
        let exact = self.network.scalar_derivatives(x);
        let start = rows.len();
        rows.resize(start + self.shape.size(), T::ZERO);
        for o in 0..exact.value.len() {
            rows[start + self.shape.place(0, o)] = T::from_f64(exact.value[o]);
            rows[start + self.shape.place(1, o)] = T::from_f64(exact.first[o]);
        }
    }
}

/// The matrix from `[y₀, y₀′, y₀″, y₁, y₁′, y₁″, inner values]` to polynomial coefficients in `u` on
/// [0, 1], ascending: the inverse of the conditions, by Gauss–Jordan elimination.
fn hermite(degree: usize) -> Vec<Vec<f64>> {
    let n = degree + 1;
    let derivative = |order: usize, u: f64| -> Vec<f64> {
        (0..n)
            .map(|p| {
                let factor: f64 = (0..order).map(|q| p as f64 - q as f64).product();
                if p < order { 0.0 } else { factor * u.powi((p - order) as i32) }
            })
            .collect()
    };
    let mut conditions: Vec<Vec<f64>> = Vec::with_capacity(n);
    for end in [0.0, 1.0] {
        conditions.extend((0..3).map(|order| derivative(order, end)));
    }
    conditions.extend(INNER[..degree - 5].iter().map(|u| derivative(0, *u)));
    let mut inverse: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|a, b| conditions[*a][column].abs().total_cmp(&conditions[*b][column].abs()))
            .expect("rows are left");
        conditions.swap(column, pivot);
        inverse.swap(column, pivot);
        let scale = 1.0 / conditions[column][column];
        conditions[column].iter_mut().for_each(|x| *x *= scale);
        inverse[column].iter_mut().for_each(|x| *x *= scale);
        for row in 0..n {
            if row != column {
                let factor = conditions[row][column];
                for k in 0..n {
                    conditions[row][k] -= factor * conditions[column][k];
                    inverse[row][k] -= factor * inverse[column][k];
                }
            }
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::super::activation::Activation;
    use super::super::network::tests::random_network;
    use super::*;

    fn evaluate(table: &Table<f64>, x: f64) -> (Vec<f64>, Vec<f64>) {
        let at = table.locate(x).expect("inside");
        let (shape, n) = (table.shape, table.shape.degree + 1);
        let row = &table.coefficients()[at.row as usize * shape.size()..][..shape.size()];
        (0..shape.registers * shape.lanes)
            .map(|o| {
                let c = |p: usize| row[shape.place(p, o)];
                let value = (0..n).rev().fold(0.0, |y, p| y * at.u + c(p));
                let slope = (1..n).rev().fold(0.0, |y, p| y * at.u + p as f64 * c(p));
                (value, slope * at.scale)
            })
            .unzip()
    }

    #[test]
    fn table_follows_the_net_within_its_bound() {
        let net = random_network(5, &[1, 8, 16, 30], Activation::Tanh, false, false);
        for (degree, wanted) in
            [(5, Bound { value: 1e-9, slope: 1e-8 }), (7, Bound { value: 1e-11, slope: 1e-9 })]
        {
            let shape = RowShape { degree, lanes: 8, registers: 4 };
            let table = Table::<f64>::new(net.clone(), (-0.7, 8.0), shape, Some(wanted));
            assert!(table.rows() > 0 && table.bound().within(wanted));
            for k in 0..4000 {
                let x = -0.7 + 8.69 * f64::from(k) / 4000.0;
                let (value, slope) = evaluate(&table, x);
                let exact = net.scalar_derivatives(x);
                for o in 0..30 {
                    // the largest error may sit between the points where it was measured
                    assert!((value[o] - exact.value[o]).abs() < 1.5 * wanted.value);
                    assert!((slope[o] - exact.first[o]).abs() < 1.5 * wanted.slope);
                }
                assert!(value[30].abs() + value[31].abs() < 1e-300, "padding is zero");
            }
            assert!(table.locate(-0.71).is_none() && table.locate(8.01).is_none());
            assert!(table.locate(f64::NAN).is_none());
        }
    }

    #[test]
    fn the_table_is_twice_continuously_differentiable() {
        let net = random_network(6, &[1, 8, 16], Activation::Tanh, false, false);
        let wanted = Bound { value: 1e-8, slope: 1e-7 };
        let shape = RowShape { degree: 5, lanes: 4, registers: 4 };
        let table = Table::<f64>::new(net, (-0.5, 60.0), shape, Some(wanted));
        let n = 6;
        let mut widths = std::collections::BTreeSet::new();
        for row in 1..table.rows() {
            let scale = |row: usize| {
                let owner = table.cells.iter().rfind(|c| c.0 as usize <= row).expect("a cell");
                widths.insert(owner.1);
                f64::from(owner.1)
            };
            let [before, after] = [row - 1, row].map(scale);
            for o in 0..16 {
                let c = |row: usize, p: usize| {
                    table.coefficients[row * shape.size() + shape.place(p, o)]
                };
                for order in 0..3 {
                    let factor =
                        |p: usize| (0..order).map(|q| p as f64 - f64::from(q)).product::<f64>();
                    let left: f64 = (0..n).map(|p| factor(p) * c(row - 1, p)).sum();
                    let right = factor(order as usize) * c(row, order as usize);
                    let (left, right) = (left * before.powi(order), right * after.powi(order));
                    assert!((left - right).abs() < 1e-7, "row {row}, derivative {order}");
                }
            }
        }
        assert!(widths.len() > 1, "intervals of several widths meet");
    }

    #[test]
    fn nets_with_kinks_are_not_tabulated() {
        let net = random_network(5, &[1, 8, 8], Activation::Relu, false, false);
        let wanted = Bound { value: 1e-6, slope: 1e-6 };
        let shape = RowShape { degree: 5, lanes: 8, registers: 1 };
        let table = Table::<f64>::new(net.clone(), (-1.0, 8.0), shape, Some(wanted));
        assert_eq!((table.rows(), table.locate(0.5).is_none()), (0, true));
        let mut row = Vec::new();
        table.push_exact(0.5, &mut row);
        let exact = net.scalar_derivatives(0.5);
        assert_eq!((row.len(), &row[..8], &row[8..16]), (48, &exact.value[..], &exact.first[..]));
    }
}

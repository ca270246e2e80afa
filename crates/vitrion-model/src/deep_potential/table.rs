//! Embedding nets as piecewise quintic polynomials of their one input.
//!
//! Each interval matches value, slope and curvature of the net at both ends (so the table is twice
//! continuously differentiable). The spacing is halved until the error, measured at points between
//! the nodes, is below the wanted bound; the bound reached is kept and shown. Inputs outside the
//! table, and nets that no table follows (kinks), are evaluated exactly.

use super::network::{Network, ScalarDerivatives};
use super::real::{LANES, Real};

/// A tabulated embedding net; outputs are padded with zeros to a multiple of [`LANES`].
#[derive(Debug, Clone)]
pub struct Table<T> {
    lower: f64,
    per_stride: f64,
    stride: f64,
    rows: usize,
    padded: usize,
    /// `[row][power][output]`, powers ascending.
    coefficients: Vec<T>,
    network: Network,
    bound: Bound,
}

/// Largest measured difference to the net.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bound {
    /// Of the outputs.
    pub value: f64,
    /// Of their derivatives with respect to the input.
    pub slope: f64,
}

/// Spacings tried, coarse to fine.
const STRIDES: [f64; 6] = [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003_125];

/// The polynomial coefficients of one interval of width `h` for one output (Taylor at the left end,
/// matched to value, slope and curvature at the right end).
fn quintic(left: [f64; 3], right: [f64; 3], h: f64) -> [f64; 6] {
    let [y0, d0, c0] = left;
    let [y1, d1, c1] = right;
    let v = y1 - y0;
    let (h2, h3) = (h * h, h * h * h);
    [
        y0,
        d0,
        c0 / 2.0,
        (20.0 * v - (8.0 * d1 + 12.0 * d0) * h - (3.0 * c0 - c1) * h2) / (2.0 * h3),
        (-30.0 * v + (14.0 * d1 + 16.0 * d0) * h + (3.0 * c0 - 2.0 * c1) * h2) / (2.0 * h3 * h),
        (12.0 * v - 6.0 * (d1 + d0) * h + (c1 - c0) * h2) / (2.0 * h3 * h2),
    ]
}

impl<T: Real> Table<T> {
    /// A table of `network` for inputs from `lower` to `upper` with errors below `wanted`, or the
    /// exact net (an empty table) if no spacing reaches that.
    pub fn new(network: Network, lower: f64, upper: f64, wanted: Bound) -> Self {
        let outputs = network.outputs();
        let padded = outputs.next_multiple_of(LANES);
        let mut table = Table {
            lower,
            per_stride: 1.0,
            stride: 1.0,
            rows: 0,
            padded,
            coefficients: Vec::new(),
            bound: Bound::default(),
            network,
        };
        if !table.network.is_smooth() {
            return table;
        }
        for stride in STRIDES {
            let rows = ((upper - lower) / stride).ceil() as usize + 1;
            // a sample of the intervals tells early that a spacing is too wide
            let sampled = table.fill(lower, stride, rows, 16, wanted);
            if sampled.is_none() {
                continue;
            }
            if let Some(bound) = table.fill(lower, stride, rows, 1, wanted) {
                table.rows = rows;
                table.stride = stride;
                table.per_stride = 1.0 / stride;
                table.bound = bound;
                return table;
            }
        }
        table.coefficients = Vec::new();
        table
    }

    /// Coefficients of every `step`-th interval and the largest error found, or `None` as soon as
    /// an error exceeds what is wanted.
    fn fill(
        &mut self,
        lower: f64,
        stride: f64,
        rows: usize,
        step: usize,
        wanted: Bound,
    ) -> Option<Bound> {
        let padded = self.padded;
        self.coefficients.clear();
        self.coefficients.resize(rows * 6 * padded, T::ZERO);
        let node = |net: &Network, k: f64| net.scalar_derivatives(lower + k * stride);
        let mut bound = Bound::default();
        let mut right: Option<(usize, ScalarDerivatives)> = None;
        for k in (0..rows).step_by(step) {
            let left = match right.take() {
                Some((at, node)) if at == k => node,
                _ => node(&self.network, k as f64),
            };
            let end = node(&self.network, k as f64 + 1.0);
            // a quintic strays most near the middle in value and near the quarter in slope
            let checks =
                [0.25, 0.5].map(|part| (part * stride, node(&self.network, k as f64 + part)));
            for o in 0..left.value.len() {
                let at = |node: &ScalarDerivatives| [node.value[o], node.first[o], node.second[o]];
                let a = quintic(at(&left), at(&end), stride);
                for (dx, exact) in &checks {
                    let value = a.iter().rev().fold(0.0, |y, c| y * dx + c);
                    let slope = (1..6).rev().fold(0.0, |y, p| y * dx + p as f64 * a[p]);
                    bound.value = bound.value.max((value - exact.value[o]).abs());
                    bound.slope = bound.slope.max((slope - exact.first[o]).abs());
                }
                for (p, c) in a.iter().enumerate() {
                    self.coefficients[(k * 6 + p) * padded + o] = T::from_f64(*c);
                }
            }
            if bound.value > wanted.value || bound.slope > wanted.slope {
                return None;
            }
            right = Some((k + 1, end));
        }
        Some(bound)
    }

    /// The measured error of the table; zero for an exact net.
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// Spacing of the nodes, if there is a table.
    pub fn stride(&self) -> Option<f64> {
        (self.rows > 0).then_some(self.stride)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.coefficients.len() * size_of::<T>()
    }

    /// The interval of `x` and the distance from its left end, if `x` is in the table.
    #[inline(always)]
    pub fn locate(&self, x: f64) -> Option<(usize, T)> {
        let position = (x - self.lower) * self.per_stride;
        if position >= 0.0 && position < self.rows as f64 {
            let row = position as usize;
            let dx = x - (self.lower + row as f64 * self.stride);
            Some((row, T::from_f64(dx)))
        } else {
            None
        }
    }

    /// Six coefficient rows of an interval, each `padded` long.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &[T] {
        &self.coefficients[row * 6 * self.padded..(row + 1) * 6 * self.padded]
    }

    /// The net itself at `x`: outputs and slopes, padded.
    pub fn exact(&self, x: f64, value: &mut [T], slope: &mut [T]) {
        let result = self.network.scalar_derivatives(x);
        for o in 0..result.value.len() {
            value[o] = T::from_f64(result.value[o]);
            slope[o] = T::from_f64(result.first[o]);
        }
        value[result.value.len()..self.padded].fill(T::ZERO);
        slope[result.value.len()..self.padded].fill(T::ZERO);
    }
}

/// Values of one group of lanes of an interval.
#[inline(always)]
pub fn lane_values<T: Real>(row: &[T], padded: usize, start: usize, dx: T) -> [T; LANES] {
    let mut y = *lanes(row, 5 * padded + start);
    for p in (0..5).rev() {
        let c = lanes(row, p * padded + start);
        for l in 0..LANES {
            y[l] = y[l].fma(dx, c[l]);
        }
    }
    y
}

/// Values and slopes of one group of lanes of an interval.
#[inline(always)]
pub fn lane_values_slopes<T: Real>(
    row: &[T],
    padded: usize,
    start: usize,
    dx: T,
) -> ([T; LANES], [T; LANES]) {
    let mut value = *lanes(row, 5 * padded + start);
    let mut slope = value;
    for p in (1..5).rev() {
        let c = lanes(row, p * padded + start);
        for l in 0..LANES {
            value[l] = value[l].fma(dx, c[l]);
            slope[l] = slope[l].fma(dx, value[l]);
        }
    }
    let c = lanes(row, start);
    for l in 0..LANES {
        value[l] = value[l].fma(dx, c[l]);
    }
    (value, slope)
}

/// `LANES` numbers from `start`.
#[inline(always)]
pub fn lanes<T>(data: &[T], start: usize) -> &[T; LANES] {
    data[start..start + LANES].as_array().expect("a slice of LANES numbers")
}

#[cfg(test)]
mod tests {
    use super::super::activation::Activation;
    use super::super::network::tests::random_network;
    use super::*;

    fn evaluate(table: &Table<f64>, x: f64) -> (Vec<f64>, Vec<f64>) {
        let (row, dx) = table.locate(x).expect("inside");
        let mut value = Vec::new();
        let mut slope = Vec::new();
        for start in (0..table.padded).step_by(LANES) {
            let (v, s) = lane_values_slopes(table.row(row), table.padded, start, dx);
            assert_eq!(v.to_vec(), lane_values(table.row(row), table.padded, start, dx).to_vec());
            value.extend(v);
            slope.extend(s);
        }
        (value, slope)
    }

    #[test]
    fn table_follows_the_net_within_its_bound() {
        let net = random_network(5, &[1, 8, 16, 32], Activation::Tanh, false, false);
        let wanted = Bound { value: 1e-9, slope: 1e-8 };
        let table: Table<f64> = Table::new(net.clone(), -0.7, 8.0, wanted);
        assert!(table.stride().is_some());
        for k in 0..4000 {
            let x = -0.7 + 8.69 * f64::from(k) / 4000.0;
            let (value, slope) = evaluate(&table, x);
            let exact = net.scalar_derivatives(x);
            for o in 0..32 {
                // twice the bound: the maximum may sit between the points where it was measured
                assert!((value[o] - exact.value[o]).abs() < 2.0 * wanted.value);
                assert!((slope[o] - exact.first[o]).abs() < 2.0 * wanted.slope);
            }
        }
        assert!(table.locate(-0.71).is_none() && table.locate(9.0).is_none());
    }

    #[test]
    fn nets_with_kinks_are_not_tabulated() {
        let net = random_network(5, &[1, 8, 8], Activation::Relu, false, false);
        let table: Table<f64> = Table::new(net, -1.0, 8.0, Bound { value: 1e-6, slope: 1e-6 });
        assert_eq!(table.stride(), None);
    }
}

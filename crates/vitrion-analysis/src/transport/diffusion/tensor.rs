//! The tensor of diffusion: `D_ab = Σ_k w_k ⟨Δr_a Δr_b⟩(τ_k)/2` with the weights of the trace.

use super::fit::Fit;
use crate::samples::jackknife;
use crate::transport::moments::{Moments, Sums};
use vitrion_core::math::{self, Matrix3};

/// Weights of the fit are those of a sixth of the slope; components have half of it.
const OF_COMPONENT: f64 = 3.0;

/// The tensor [Å²/frame] from all atoms, and without each group of them.
pub(crate) struct Tensor {
    pub(crate) value: Matrix3,
    left: Vec<Matrix3>,
    /// Errors are so many times those of independent atoms.
    enlarged: f64,
}

impl Tensor {
    pub(crate) fn new(moments: &Moments, fit: &Fit) -> Self {
        let fitted = |sums: &dyn Fn(usize) -> Sums| -> Matrix3 {
            let terms = fit.weights.iter().zip(fit.range.clone());
            terms.fold(math::ZERO, |sum, (weight, lag)| {
                let tensor = sums(lag).tensor();
                math::matrix_add(&sum, &math::matrix_scale(&tensor, OF_COMPONENT * weight))
            })
        };
        let groups = moments.groups.first().map_or(0, Vec::len);
        let without =
            |group| fitted(&|lag| moments.total[lag].plus(moments.groups[lag][group], -1.0));
        Tensor {
            value: fitted(&|lag| moments.total[lag]),
            left: if groups > 1 { (0..groups).map(without).collect() } else { Vec::new() },
            enlarged: moments.collective[fit.range.start].sqrt(),
        }
    }

    /// A function of the tensor, with its standard error and the groups it comes from; no error for a single atom.
    pub(crate) fn evaluate(&self, f: impl Fn(&Matrix3) -> f64) -> (f64, Option<(f64, usize)>) {
        let groups = self.left.len();
        let error =
            (groups > 1).then(|| (self.enlarged * jackknife(self.left.iter().map(&f)), groups));
        (f(&self.value), error)
    }

    /// Eigenvalues, the largest first, and their directions.
    pub(crate) fn principal(&self) -> ([f64; 3], Matrix3) {
        let (values, vectors) = math::eigen(&self.value);
        let mut order = [0, 1, 2];
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        (order.map(|k| values[k]), order.map(|k| vectors[k]))
    }
}

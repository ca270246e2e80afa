//! What of a bond-order vector does not depend on directions: `q_l` and `w_l`.

use super::harmonics::Layout;
use super::third_order::ThirdOrder;

/// Invariants of several centres, as `[l][centre]`; NaN for centres without neighbours.
#[derive(Debug)]
pub(super) struct Invariants {
    /// `q_l`, the norm of the vector.
    pub(super) q: Vec<Vec<f64>>,
    /// Normalised `w_l`, if it was asked for.
    pub(super) w: Vec<Vec<f64>>,
}

impl Invariants {
    /// Of rows of components of centres with so many neighbours; `w` for the `l` with a table.
    pub(super) fn of(
        layout: &Layout,
        rows: &[f64],
        counts: &[u32],
        third: &[Option<ThirdOrder>],
    ) -> Self {
        let centers = counts.len();
        let empty = vec![f64::NAN; centers];
        let mut q = vec![empty.clone(); third.len()];
        let mut w: Vec<Vec<f64>> = third
            .iter()
            .map(|table| if table.is_some() { empty.clone() } else { Vec::new() })
            .collect();
        for (center, row) in rows.chunks_exact(layout.stride()).enumerate() {
            if counts[center] == 0 {
                continue;
            }
            for (which, (_, components)) in layout.components(row).enumerate() {
                q[which][center] = components.iter().map(|x| x * x).sum::<f64>().sqrt();
                if let Some(third) = &third[which] {
                    w[which][center] = third.of(components);
                }
            }
        }
        Invariants { q, w }
    }
}

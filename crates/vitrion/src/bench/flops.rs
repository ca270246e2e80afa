//! The documented count of floating-point operations.
//!
//! An evaluator may reach the same numbers with fewer operations (symmetric entries of the
//! descriptor once) or other ones; this count is that of the method, so that figures of different
//! programs and versions can be compared.

use vitrion_model::DeepPotential;

/// Multiplications and additions per atom and step of a tabulated se_e2_a model with `neighbors`
/// real neighbours, `M` outputs and `A` axis columns, averaged over centres by `counts`:
///
/// ```text
/// tables        20 n M          quintic, value and slope
/// outer product  8 n M          forward, 16 n M backward
/// descriptor     8 M A          forward, 16 M A backward
/// fitting net    2 Σ in·out     forward, the same backward
/// ```
///
/// The network of Li3PS4 (M = 100, A = 16, 240-240-240) with 57 neighbours: 2.29 MFLOP.
pub fn documented(model: &DeepPotential, counts: &[usize], neighbors: f64) -> f64 {
    let (m, a) = (model.descriptor.width() as f64, model.descriptor.axis as f64);
    let weights = |net: &vitrion_model::deep_potential::network::Network| {
        net.layers.iter().map(|layer| layer.inputs * layer.outputs).sum::<usize>() as f64
    };
    let total: usize = counts.iter().sum();
    let nets: f64 =
        counts.iter().zip(&model.fitting).map(|(count, net)| *count as f64 * weights(net)).sum();
    44.0 * neighbors * m + 24.0 * m * a + 4.0 * nets / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_the_paper_takes_2_29_mflop() {
        let model = vitrion_model::builtin::li_p_s();
        let fitting = 4.0 * (1600.0 * 240.0 + 2.0 * 240.0 * 240.0 + 240.0);
        let by_hand = fitting + 57.0 * 100.0 * 44.0 + 1600.0 * 24.0;
        let count = documented(&model, &[24, 8, 32], 57.0);
        assert!((count - by_hand).abs() < 1e-6 && (count - 2.29e6).abs() < 0.01e6, "{count}");
    }
}

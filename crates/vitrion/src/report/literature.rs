//! Measured conductivities drawn beside ours for orientation.
//!
//! These are headline numbers remembered from the papers, not digitised curves: good for "which
//! decade", never for validation. The report says so under the figure.

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measurement {
    /// What was measured.
    pub(super) material: &'static str,
    /// Temperature [K].
    pub(super) temperature_k: f64,
    /// Conductivity [S/cm]: lowest and highest of the reported values (equal for a single one).
    pub(super) conductivity_s_per_cm: [f64; 2],
    /// Activation energy [eV]: lowest and highest; `None` where not remembered.
    pub(super) activation_energy_ev: Option<[f64; 2]>,
    /// Where it was published.
    pub(super) citation: &'static str,
}

/// The caveat that goes with every use of [`MEASUREMENTS`].
pub(super) const CAVEAT: &str = "Literature points are for orientation: read from the literature \
    as remembered, not digitised. They were measured on powders and glasses with grain boundaries, \
    pores and impurities, most of them near room temperature.";

/// Lithium thiophosphates of the composition Li3PS4.
pub(super) const MEASUREMENTS: [Measurement; 4] = [
    Measurement {
        material: "nano-porous β-Li3PS4",
        temperature_k: 298.0,
        conductivity_s_per_cm: [1.6e-4, 1.6e-4],
        activation_energy_ev: Some([0.356, 0.356]),
        citation: "Liu et al., J. Am. Chem. Soc. 135, 975 (2013)",
    },
    Measurement {
        material: "γ-Li3PS4",
        temperature_k: 298.0,
        conductivity_s_per_cm: [3e-7, 3e-7],
        activation_energy_ev: None,
        citation: "Tachez et al., Solid State Ionics 14, 181 (1984)",
    },
    Measurement {
        material: "75Li2S–25P2S5 glass",
        temperature_k: 298.0,
        conductivity_s_per_cm: [2e-4, 4e-4],
        activation_energy_ev: Some([0.35, 0.40]),
        citation: "Dietrich et al., J. Mater. Chem. A 5, 18111 (2017)",
    },
    Measurement {
        material: "β-Li3PS4",
        temperature_k: 500.0,
        conductivity_s_per_cm: [3e-2, 3e-2],
        activation_energy_ev: Some([0.16, 0.16]),
        citation: "Homma et al., Solid State Ionics 182, 53 (2011)",
    },
];

/// "2 × 10⁻⁴" style is left to the caller: the central value [S/cm], the geometric mean.
pub(super) fn central(measurement: &Measurement) -> f64 {
    let [low, high] = measurement.conductivity_s_per_cm;
    (low * high).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_is_cited_and_in_order() {
        for m in &MEASUREMENTS {
            assert!(m.citation.contains("(19") || m.citation.contains("(20"), "{}", m.citation);
            let [low, high] = m.conductivity_s_per_cm;
            assert!(low > 0.0 && low <= central(m) && central(m) <= high, "{}", m.material);
        }
    }
}

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
    pub(super) doi: &'static str,
}

/// The caveat that goes with every use of [`MEASUREMENTS`].
pub(super) const CAVEAT: &str = "Literature points are for orientation: read from the literature \
    as remembered, not digitised. They were measured on powders and glasses with grain boundaries, \
    pores and impurities, most of them near room temperature.";

/// Li3PS4 first, then other electrolytes.
pub(super) const MEASUREMENTS: [Measurement; 9] = [
    Measurement {
        material: "nano-porous β-Li₃PS₄",
        temperature_k: 298.0,
        conductivity_s_per_cm: [1.6e-4, 1.6e-4],
        activation_energy_ev: Some([0.356, 0.356]),
        citation: "Liu et al., J. Am. Chem. Soc. 135, 975 (2013)",
        doi: "10.1021/ja3110895",
    },
    Measurement {
        material: "γ-Li₃PS₄",
        temperature_k: 298.0,
        conductivity_s_per_cm: [3e-7, 3e-7],
        activation_energy_ev: None,
        citation: "Tachez et al., Solid State Ionics 14, 181 (1984)",
        doi: "10.1016/0167-2738(84)90097-3",
    },
    Measurement {
        material: "75Li₂S–25P₂S₅ glass",
        temperature_k: 298.0,
        conductivity_s_per_cm: [2e-4, 4e-4],
        activation_energy_ev: Some([0.35, 0.40]),
        citation: "Dietrich et al., J. Mater. Chem. A 5, 18111 (2017)",
        doi: "10.1039/C7TA06067J",
    },
    Measurement {
        material: "β-Li₃PS₄",
        temperature_k: 500.0,
        conductivity_s_per_cm: [3e-2, 3e-2],
        activation_energy_ev: Some([0.16, 0.16]),
        citation: "Homma et al., Solid State Ionics 182, 53 (2011)",
        doi: "10.1016/j.ssi.2010.10.001",
    },
    Measurement {
        material: "70Li₂S–30P₂S₅ glass-ceramic",
        temperature_k: 298.0,
        conductivity_s_per_cm: [3.2e-3, 3.2e-3],
        activation_energy_ev: None,
        citation: "Mizuno et al., Adv. Mater. 17, 918 (2005)",
        doi: "10.1002/adma.200401286",
    },
    Measurement {
        material: "Li₇P₃S₁₁, hot-pressed",
        temperature_k: 298.0,
        conductivity_s_per_cm: [1.7e-2, 1.7e-2],
        activation_energy_ev: Some([0.18, 0.18]),
        citation: "Seino et al., Energy Environ. Sci. 7, 627 (2014)",
        doi: "10.1039/C3EE41655K",
    },
    Measurement {
        material: "Li₁₀GeP₂S₁₂",
        temperature_k: 300.0,
        conductivity_s_per_cm: [1.2e-2, 1.2e-2],
        activation_energy_ev: Some([0.24, 0.24]),
        citation: "Kamaya et al., Nat. Mater. 10, 682 (2011)",
        doi: "10.1038/nmat3066",
    },
    Measurement {
        material: "Li₇La₃Zr₂O₁₂",
        temperature_k: 298.0,
        conductivity_s_per_cm: [3e-4, 3e-4],
        activation_energy_ev: Some([0.30, 0.30]),
        citation: "Murugan et al., Angew. Chem. Int. Ed. 46, 7778 (2007)",
        doi: "10.1002/anie.200701144",
    },
    Measurement {
        material: "Li₉.₅₄Si₁.₇₄P₁.₄₄S₁₁.₇Cl₀.₃",
        temperature_k: 298.0,
        conductivity_s_per_cm: [2.5e-2, 2.5e-2],
        activation_energy_ev: None,
        citation: "Kato et al., Nat. Energy 1, 16030 (2016)",
        doi: "10.1038/nenergy.2016.30",
    },
];

/// "2 × 10⁻⁴" style is left to the caller: the central value [S/cm], the geometric mean.
pub(super) fn central(measurement: &Measurement) -> f64 {
    let [low, high] = measurement.conductivity_s_per_cm;
    (low * high).sqrt()
}

/// "Liu 2013".
pub(super) fn short_citation(measurement: &Measurement) -> String {
    let citation = measurement.citation;
    let author = citation.split([' ', ',']).next().unwrap_or(citation);
    let year = citation.rsplit_once('(').map_or("", |(_, year)| year.trim_end_matches(')'));
    format!("{author} {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_is_cited_and_in_order() {
        for m in &MEASUREMENTS {
            assert!(m.citation.contains("(19") || m.citation.contains("(20"), "{}", m.citation);
            assert!(m.doi.starts_with("10."), "{}", m.doi);
            let short = short_citation(m);
            assert!(short.len() > 6 && short.ends_with(|c: char| c.is_ascii_digit()), "{short}");
            let [low, high] = m.conductivity_s_per_cm;
            assert!(low > 0.0 && low <= central(m) && central(m) <= high, "{}", m.material);
        }
    }
}

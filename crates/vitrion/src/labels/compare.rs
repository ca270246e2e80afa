//! Do two sets of labels of the same frames come from the same level of theory?

use super::LabelRecord;
use serde::{Deserialize, Serialize};

/// How far labels of one level may differ between programs, versions and thresholds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// [eV/atom]
    pub energy: f64,
    /// Root mean square of components [eV/Å].
    pub force: f64,
    /// Root mean square of components [eV/atom].
    pub virial: f64,
}

impl Default for Tolerance {
    /// Well below the error of any potential, well above what thresholds and rounding do: 1 meV/atom,
    /// 5 meV/Å, 5 meV/atom.
    fn default() -> Self {
        Tolerance { energy: 1e-3, force: 5e-3, virial: 5e-3 }
    }
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub frames: usize,
    /// Mean difference of the energies, second minus first [meV/atom].
    pub energy_offset_mev_per_atom: f64,
    /// Largest difference of an energy [meV/atom].
    pub energy_max_mev_per_atom: f64,
    /// Spread of the energy differences about their mean [meV/atom].
    pub energy_spread_mev_per_atom: f64,
    /// Root mean square of the differences of components.
    #[serde(rename = "force_rmse_mev_per_A")]
    pub force_rmse_mev_per_a: f64,
    /// Only frames where both have a virial.
    pub virial_rmse_mev_per_atom: Option<f64>,
    pub agreement: Agreement,
    /// In words.
    pub verdict: String,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// One level of theory.
    Same,
    /// Energies differ by a constant per atom, forces agree: other reference energies, for example
    /// other pseudopotentials' zero.
    Shifted,
    Different,
}

/// Compares labels pair by pair; both of a pair are of the same geometry.
///
/// # Panics
/// Without pairs.
pub fn compare(pairs: &[(&LabelRecord, &LabelRecord)], tolerance: &Tolerance) -> Comparison {
    assert!(!pairs.is_empty(), "there are frames to compare");
    let mut differences = Vec::new();
    let (mut force, mut components) = (0.0, 0.0);
    let (mut virial, mut entries) = (0.0, 0.0);
    for (a, b) in pairs {
        let atoms = a.positions.len() as f64;
        differences.push((b.energy - a.energy) / atoms);
        for (f, g) in a.forces.as_flattened().iter().zip(b.forces.as_flattened()) {
            force += (g - f) * (g - f);
            components += 1.0;
        }
        if let (Some(v), Some(w)) = (a.virial, b.virial) {
            for (x, y) in v.as_flattened().iter().zip(w.as_flattened()) {
                virial += ((y - x) / atoms).powi(2);
                entries += 1.0;
            }
        }
    }
    let n = differences.len() as f64;
    let offset = differences.iter().sum::<f64>() / n;
    let spread = (differences.iter().map(|d| (d - offset).powi(2)).sum::<f64>() / n).sqrt();
    let largest = differences.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
    let force = (force / f64::max(components, 1.0)).sqrt();
    let virial = (entries > 0.0).then(|| (virial / entries).sqrt());
    let forces_agree = force <= tolerance.force && virial.is_none_or(|v| v <= tolerance.virial);
    let agreement = if forces_agree && largest <= tolerance.energy {
        Agreement::Same
    } else if forces_agree && n > 1.0 && spread <= tolerance.energy {
        Agreement::Shifted
    } else {
        Agreement::Different
    };
    let numbers = format!(
        "energies differ by {:+.3} meV/atom (at most {:.3}, spread {:.3}), forces by {:.2} meV/Å (root \
         mean square){}",
        1e3 * offset,
        1e3 * largest,
        1e3 * spread,
        1e3 * force,
        virial.map_or(String::new(), |v| format!(", virials by {:.2} meV/atom", 1e3 * v)),
    );
    let verdict = match agreement {
        Agreement::Same => format!("one level of theory: {numbers}"),
        Agreement::Shifted => format!(
            "forces agree but energies are shifted: {numbers}; other reference energies \
             (pseudopotentials, settings of free atoms)? Do not mix them"
        ),
        Agreement::Different => format!(
            "different levels of theory: {numbers}; compare functional, dispersion term, basis and \
             cut-offs. Do not mix them"
        ),
    };
    Comparison {
        frames: pairs.len(),
        energy_offset_mev_per_atom: 1e3 * offset,
        energy_max_mev_per_atom: 1e3 * largest,
        energy_spread_mev_per_atom: 1e3 * spread,
        force_rmse_mev_per_a: 1e3 * force,
        virial_rmse_mev_per_atom: virial.map(|v| 1e3 * v),
        agreement,
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{Origin, RunInfo};

    fn label(energy: f64, force: f64) -> LabelRecord {
        LabelRecord {
            key: String::new(),
            level: String::new(),
            symbols: vec!["Li".to_owned(); 2],
            periodic: [true; 3],
            cell: [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]],
            positions: vec![[0.0; 3], [2.0, 2.0, 2.0]],
            energy,
            forces: vec![[force, 0.0, 0.0], [-force, 0.0, 0.0]],
            virial: Some([[force, 0.0, 0.0], [0.0; 3], [0.0; 3]]),
            run: RunInfo::default(),
            origin: Origin::default(),
            time: String::new(),
        }
    }

    #[test]
    fn offsets_spreads_and_forces_decide_whether_labels_may_be_mixed() {
        let (a, b) = (label(-10.0, 0.3), label(-9.0, 0.1));
        let against =
            |x: &LabelRecord, y: &LabelRecord| compare(&[(&a, x), (&b, y)], &Tolerance::default());
        let same = against(&label(-10.001, 0.301), &label(-9.0015, 0.1));
        assert_eq!(same.agreement, Agreement::Same, "{}", same.verdict);
        assert!((same.energy_offset_mev_per_atom + 0.625).abs() < 1e-9);
        // the square of 1 meV/Å on two of twelve components
        assert!((same.force_rmse_mev_per_a - (2.0_f64 / 12.0).sqrt()).abs() < 1e-9);
        let shifted = against(&label(-10.2, 0.3), &label(-9.2, 0.1));
        assert_eq!(shifted.agreement, Agreement::Shifted);
        let forces = against(&label(-10.0, 0.35), &label(-9.0, 0.1));
        assert_eq!(forces.agreement, Agreement::Different);
        assert!(forces.verdict.contains("dispersion"), "{}", forces.verdict);
    }
}

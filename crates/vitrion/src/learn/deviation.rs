//! By how much a committee disagrees about a frame, and the table that DeePMD-kit's users know.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;
use vitrion_core::math::Vector3;
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Atoms, Cell, PotentialError};
use vitrion_model::Committee;

/// Disagreement about one frame; columns of `model_devi.out`.
///
/// Forces: `ε_i = √⟨|F_i − ⟨F_i⟩|²⟩` over the members, then largest, smallest and mean over the atoms
/// \[eV/Å\]. Virial: standard deviation of each component of `W/N`, then largest and smallest over the nine
/// and root mean square \[eV\].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    pub step: u64,
    pub max_v: f64,
    pub min_v: f64,
    pub avg_v: f64,
    pub max_f: f64,
    pub min_f: f64,
    pub avg_f: f64,
    /// Atom with the largest deviation of its force.
    pub atom: u32,
}

/// A committee with the list it looks through.
pub struct Watch {
    committee: Committee,
    pub(super) list: VerletList,
    species: Vec<u8>,
    sorted: Vec<u8>,
}

impl Watch {
    /// `species` are those of the atoms, as numbers of the committee.
    pub fn new(committee: Committee, species: Vec<u8>) -> Self {
        let list = VerletList::new(committee.cutoff(), 0.5);
        Watch { committee, list, species, sorted: Vec::new() }
    }

    /// Another set of atoms from here on.
    pub fn set_species(&mut self, species: Vec<u8>) {
        self.list = VerletList::new(self.committee.cutoff(), 0.5);
        self.species = species;
    }

    /// The committee.
    pub fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Disagreement about atoms at these positions [Å].
    ///
    /// # Errors
    /// A member gives a result that is not finite.
    pub fn look(
        &mut self,
        step: u64,
        cell: &Cell,
        positions: &[Vector3],
    ) -> Result<Deviation, PotentialError> {
        self.list.update(cell, positions);
        let order = self.list.order();
        self.sorted.clear();
        self.sorted.extend(order.iter().map(|atom| self.species[*atom as usize]));
        let atoms = Atoms {
            positions: self.list.positions(),
            species: &self.sorted,
            n_local: positions.len(),
        };
        self.committee.evaluate(atoms, self.list.list())?;
        let forces = self.committee.force_deviation();
        let largest = (0..forces.len()).max_by(|a, b| forces[*a].total_cmp(&forces[*b]));
        let virial = self.committee.virial_deviation();
        let virial = virial.as_flattened();
        let fold = |values: &[f64], start: f64, pick: fn(f64, f64) -> f64| {
            values.iter().copied().fold(start, pick)
        };
        Ok(Deviation {
            step,
            max_v: fold(virial, 0.0, f64::max),
            min_v: fold(virial, f64::INFINITY, f64::min),
            avg_v: (virial.iter().map(|v| v * v).sum::<f64>() / 9.0).sqrt(),
            max_f: fold(forces, 0.0, f64::max),
            min_f: fold(forces, f64::INFINITY, f64::min),
            avg_f: forces.iter().sum::<f64>() / forces.len().max(1) as f64,
            atom: largest.map_or(0, |k| order[k]),
        })
    }
}

/// The heading of `model_devi.out`.
const HEADING: [&str; 6] =
    ["max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f"];

/// The text of a `model_devi.out`, as DeePMD-kit's `pair_style deepmd` writes it.
pub fn table(samples: &[Deviation]) -> String {
    let mut text = format!("#{:>11}", "step");
    for name in HEADING {
        let _ = write!(text, " {name:>18}");
    }
    text.push('\n');
    for d in samples {
        let _ = write!(text, "{:>12}", d.step);
        for x in [d.max_v, d.min_v, d.avg_v, d.max_f, d.min_f, d.avg_f] {
            let _ = write!(text, " {:>18}", scientific(x));
        }
        text.push('\n');
    }
    text
}

/// As C prints `%.6e`.
fn scientific(x: f64) -> String {
    let text = format!("{x:.6e}");
    let (mantissa, exponent) = text.split_once('e').expect("a number in scientific notation");
    let exponent: i32 = exponent.parse().expect("a whole number");
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Reads a `model_devi.out`, ours or that of LAMMPS.
///
/// # Errors
/// The place and what was found, in words.
pub fn read_table(path: &Path) -> Result<Vec<Deviation>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut samples = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let bad = || {
            let place = path.display();
            format!("{place}:{}: expected a step and six numbers, found {line:?}", number + 1)
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let value = |k: usize| words.get(k).and_then(|w| w.parse::<f64>().ok()).ok_or_else(bad);
        let step = words.first().and_then(|w| w.parse().ok()).ok_or_else(bad)?;
        samples.push(Deviation {
            step,
            max_v: value(1)?,
            min_v: value(2)?,
            avg_v: value(3)?,
            max_f: value(4)?,
            min_f: value(5)?,
            avg_f: value(6)?,
            atom: 0,
        });
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_laid_out_as_lammps_does_and_reads_back() {
        let samples = [
            Deviation {
                step: 0,
                max_v: 1.5e-3,
                min_v: 2e-5,
                avg_v: 7.25e-4,
                max_f: 0.123_456_78,
                min_f: 0.001,
                avg_f: 0.05,
                atom: 0,
            },
            Deviation {
                step: 1_000_000,
                max_v: 0.0,
                min_v: 0.0,
                avg_v: 0.0,
                max_f: 12.0,
                min_f: 3e-12,
                avg_f: 1.0,
                atom: 0,
            },
        ];
        let text = table(&samples);
        // column widths 12 and 6 × (1 + 18), as in pair_deepmd.cpp
        assert!(text.lines().all(|line| line.len() == 12 + 6 * 19));
        let second = text.lines().nth(1).expect("a row");
        assert_eq!(
            second,
            "           0       1.500000e-03       2.000000e-05       7.250000e-04       1.234568e-01       \
             1.000000e-03       5.000000e-02"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model_devi.out");
        std::fs::write(&path, &text).expect("written");
        let read = read_table(&path).expect("our own");
        assert_eq!(read.len(), 2);
        assert!((read[0].max_f - 0.123_456_8).abs() < 1e-12 && read[1].step == 1_000_000);
        std::fs::write(&path, "# step\n 10 0.1 nan? 0 0 0 0\n").expect("written");
        let error = read_table(&path).expect_err("not a number");
        assert!(error.contains(":2: expected a step and six numbers"), "{error}");
    }
}

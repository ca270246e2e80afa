//! Units of energies against forces: along a trajectory the energy changes by the work of the forces.

use super::{Notes, Severity};
use crate::train::dataset::Dataset;
use vitrion_core::math;

/// Energy units that occur, in eV.
const UNITS: [(f64, &str); 5] = [
    (27.211_386, "Hartree"),
    (13.605_693, "Rydberg"),
    (0.043_364, "kcal/mol"),
    (0.010_364, "kJ/mol"),
    (51.422_07, "Hartree/Bohr"),
];

/// `E_{k+1} − E_k ≈ −½ Σ (F_k + F_{k+1}) · Δr` where atoms moved little; the slope of the regression
/// through the origin is one if units fit.
pub(super) fn check(data: &Dataset, system: usize, notes: &mut Notes<'_>) {
    let (mut xx, mut xy, mut yy, mut pairs) = (0.0, 0.0, 0.0, 0);
    for k in data.systems()[system].frames.clone().skip(1).take(400) {
        let (before, after) = (data.frame(k - 1), data.frame(k));
        let (Some(e0), Some(e1)) = (before.energy, after.energy) else { continue };
        let (Some(f0), Some(f1)) = (before.forces, after.forces) else { continue };
        if before.species != after.species || before.cell != after.cell {
            continue;
        }
        let mut work = 0.0;
        let mut farthest = 0.0_f64;
        for i in 0..f0.len() {
            let moved =
                after.cell.minimum_image(math::sub(after.positions[i], before.positions[i]));
            farthest = farthest.max(math::norm(moved));
            work -= 0.5 * math::dot(math::add(f0[i], f1[i]), moved);
        }
        if farthest > 0.2 {
            continue;
        }
        let change = e1 - e0;
        xx += work * work;
        xy += work * change;
        yy += change * change;
        pairs += 1;
    }
    if pairs < 20 || xx <= 0.0 || yy <= 0.0 {
        return;
    }
    let correlation = xy / (xx * yy).sqrt();
    let slope = xy / xx;
    if correlation.abs() < 0.8 {
        return;
    }
    if (slope - 1.0).abs() > 0.1 {
        let guess = UNITS
            .iter()
            .flat_map(|(factor, name)| {
                [(1.0 / factor, "energies", name), (*factor, "forces", name)]
            })
            .find(|(factor, _, _)| (slope / factor - 1.0).abs() < 0.1)
            .map_or(String::new(), |(_, what, name)| format!("; are {what} in {name}?"));
        notes.whole(
            Severity::Error,
            format!(
                "energies change by {slope:.3} times the work of the forces along the trajectory \
                 (correlation {correlation:.3}, {pairs} pairs of frames), expected 1{guess}"
            ),
        );
    }
}

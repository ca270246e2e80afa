//! Units of energies against forces: along a trajectory the energy changes by the work of the forces.

use super::{Notes, Severity};
use crate::train::dataset::{Dataset, LabelledFrame};
use vitrion_core::math;

/// Label units that occur: eV per unit of energy, or eV/Å per unit of force.
const UNITS: [(f64, &str); 5] = [
    (27.211_386, "Hartree"),
    (13.605_693, "Rydberg"),
    (0.043_364, "kcal/mol"),
    (0.010_364, "kJ/mol"),
    (51.422_07, "Hartree/Bohr"),
];
/// Bohr radius [Å].
const BOHR: f64 = 0.529_177;

/// What a slope other than one points to, after "; ".
fn guess(slope: f64) -> String {
    let near = |factor: f64| (slope / factor - 1.0).abs() < 0.1;
    if near(-1.0) {
        return "; are these gradients instead of forces?".into();
    }
    if near(1.0 / BOHR) {
        return "; are energies in Hartree and forces in Hartree/Bohr (or Rydberg in both)?".into();
    }
    if near(BOHR) {
        return "; are positions in Bohr?".into();
    }
    UNITS
        .iter()
        .flat_map(|(factor, name)| [(1.0 / factor, "energies", name), (*factor, "forces", name)])
        .find(|(factor, _, _)| near(*factor))
        .map_or(String::new(), |(_, what, name)| format!("; are {what} in {name}?"))
}

/// `−½ Σ (F_before + F_after) · Δr` [eV], the change of the energy to second order in the
/// displacements, and the largest `|Δr|` [Å] by minimum image. `None` without forces, or for other
/// atoms or another cell.
pub(super) fn work(before: &LabelledFrame<'_>, after: &LabelledFrame<'_>) -> Option<(f64, f64)> {
    let (f0, f1) = before.forces.zip(after.forces)?;
    if before.species != after.species || before.cell != after.cell {
        return None;
    }
    let (mut work, mut farthest) = (0.0, 0.0_f64);
    for i in 0..f0.len() {
        let moved = after.cell.minimum_image(math::sub(after.positions[i], before.positions[i]));
        farthest = farthest.max(math::norm(moved));
        work -= 0.5 * math::dot(math::add(f0[i], f1[i]), moved);
    }
    Some((work, farthest))
}

/// `E_{k+1} − E_k ≈ −½ Σ (F_k + F_{k+1}) · Δr` where atoms moved little; the slope of the regression
/// through the origin is one if units fit.
pub(super) fn check(data: &Dataset, system: usize, notes: &mut Notes<'_>) {
    let (mut xx, mut xy, mut yy, mut pairs) = (0.0, 0.0, 0.0, 0);
    for k in data.systems()[system].frames.clone().skip(1).take(400) {
        let (before, after) = (data.frame(k - 1), data.frame(k));
        let (Some(e0), Some(e1)) = (before.energy, after.energy) else { continue };
        let Some((work, farthest)) = work(&before, &after) else { continue };
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
        notes.whole(
            Severity::Error,
            format!(
                "energies change by {slope:.3} times the work of the forces along the trajectory \
                 (correlation {correlation:.3}, {pairs} pairs of frames), expected 1{}",
                guess(slope)
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::guess;

    #[test]
    fn slopes_name_the_unit_that_makes_them() {
        // energies E and forces F that fit, written in other units: slope (E/u) / (F/v) = v/u
        for (slope, expected) in [
            (-1.0, "gradients"),
            (0.036_749, "energies in Hartree?"),
            (51.422 / 27.211, "energies in Hartree and forces in Hartree/Bohr"),
            (0.529_18, "positions in Bohr"),
            (23.060_5, "energies in kcal/mol"),
            (96.485, "energies in kJ/mol"),
            (51.422, "forces in Hartree/Bohr"),
            (27.211, "forces in Hartree?"),
        ] {
            let found = guess(slope);
            assert!(found.contains(expected), "slope {slope}: {found:?} lacks {expected:?}");
        }
        assert_eq!(guess(1.6), "");
    }
}

//! Glass-ceramics to start from: a crystal slab, and a random packing of the same composition around it.

use super::packing::{LeastDistances, PackingError, Room, pack_around};
use crate::cell::{Cell, CellError};
use crate::math;
use crate::phases::Phases;
use crate::structure::Structure;

/// Label of the atoms of the slab.
pub const CRYSTAL: &str = "crystal";
/// Label of the atoms of the packing.
pub const GLASS: &str = "glass";
/// Largest difference between the fraction asked for and the one that whole formula units make.
const TOLERANCE: f64 = 0.005;

/// Why a glass-ceramic cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GlassCeramicError {
    #[error("a crystal fraction of {0} makes no glass-ceramic; it must lie between 0 and 1")]
    Fraction(f64),
    /// Whole formula units cannot make the fraction.
    #[error(
        "{units} formula units of crystal and a whole number in the glass cannot make a fraction of \
         {wanted}: the nearest is {nearest:.4} with {glass}; take a larger slab"
    )]
    Units { units: usize, wanted: f64, nearest: f64, glass: usize },
    #[error("a density of {0} amu/A^3 makes no glass")]
    Density(f64),
    #[error(transparent)]
    Cell(#[from] CellError),
    #[error(transparent)]
    Packing(#[from] PackingError),
}

/// A crystal slab in a glass to be.
#[derive(Debug, Clone, PartialEq)]
pub struct GlassCeramic {
    /// Atoms of the slab first; phases "crystal" and "glass".
    pub structure: Structure,
    /// Share of the atoms that are crystal.
    pub fraction: f64,
    /// Thickness of slab and of packing along z [Å].
    pub crystal_thickness: f64,
    pub glass_thickness: f64,
}

/// Puts a packing of the composition of `slab` above it, so that the slab makes up `fraction` of the
/// atoms and the packing has `density` [amu/Å³].
///
/// `slab` fills its cell, its first two lattice vectors lie in the xy plane ([`super::orient`]); it is
/// neither moved nor deformed, the cell grows along z. The seed decides the packing.
///
/// # Errors
/// A fraction that whole formula units cannot make to 0.005, a density at which the atoms do not fit.
pub fn glass_ceramic(
    slab: &Structure,
    fraction: f64,
    density: f64,
    least: &LeastDistances,
    seed: u64,
) -> Result<GlassCeramic, GlassCeramicError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(GlassCeramicError::Fraction(fraction));
    }
    if !(density > 0.0 && density.is_finite()) {
        return Err(GlassCeramicError::Density(density));
    }
    let counts = slab.counts();
    let units = counts.iter().copied().filter(|n| *n > 0).fold(0, greatest_common_divisor);
    let share = |glass: usize| units as f64 / (units + glass) as f64;
    let less = (units as f64 * (1.0 - fraction) / fraction).floor() as usize;
    let missed = |glass: usize| (share(glass) - fraction).abs();
    let glass = if less > 0 && missed(less) < missed(less + 1) { less } else { less + 1 };
    let actual = share(glass);
    if (actual - fraction).abs() > TOLERANCE {
        return Err(GlassCeramicError::Units { units, wanted: fraction, nearest: actual, glass });
    }
    let [a, b, mut c] = *slab.cell.matrix();
    let area = math::norm(math::cross(a, b));
    let crystal_thickness = slab.cell.volume() / area;
    let mass = slab.total_mass() * glass as f64 / units as f64;
    let glass_thickness = mass / density / area;
    c[2] += glass_thickness;
    let cell = Cell::periodic([a, b, c])?;
    let symbols = slab.table.symbols();
    let wanted: Vec<(&str, usize)> = symbols
        .iter()
        .zip(&counts)
        .map(|(symbol, n)| (symbol.as_str(), n / units * glass))
        .filter(|(_, n)| *n > 0)
        .collect();
    let fixed = Structure { cell, ..slab.clone() };
    let room = Room { low: crystal_thickness, high: crystal_thickness + glass_thickness };
    let mut structure = pack_around(&fixed, &wanted, room, least, seed)?;
    let label = |atom: usize| if atom < slab.len() { CRYSTAL } else { GLASS };
    let labels: Vec<&str> = (0..structure.len()).map(label).collect();
    structure.phases = Some(Phases::new(&labels).expect("plain words").into());
    Ok(GlassCeramic { structure, fraction: actual, crystal_thickness, glass_thickness })
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::supercell;
    use crate::neighbors::closest_pair;

    /// Antifluorite Li2S.
    fn slab() -> Structure {
        let a = 5.72;
        let cell = Cell::orthorhombic([a; 3]).expect("a cube");
        let mut positions = Vec::new();
        let mut symbols = Vec::new();
        for face in [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]] {
            for (symbol, shift) in [("S", 0.0), ("Li", 0.25), ("Li", 0.75)] {
                symbols.push(symbol);
                positions.push(face.map(|x: f64| (x + shift).rem_euclid(1.0) * a));
            }
        }
        let unit = Structure::new(cell, &symbols, positions).expect("elements");
        supercell::repeat(&unit, [3, 3, 2])
    }

    #[test]
    fn the_slab_is_untouched_and_the_rest_has_composition_density_and_room() {
        let slab = slab();
        let least = LeastDistances::new(&["Li", "S"], &[]).expect("radii");
        let density = 0.9 * slab.density();
        let built = glass_ceramic(&slab, 0.25, density, &least, 3).expect("it fits");
        let GlassCeramic { structure, fraction, crystal_thickness, glass_thickness } = built;
        assert!((fraction - 0.25).abs() < 1e-12 && structure.len() == 4 * slab.len());
        assert_eq!(structure.counts(), slab.counts().iter().map(|n| 4 * n).collect::<Vec<_>>());
        assert_eq!(structure.positions[..slab.len()], slab.positions);
        let area = 9.0 * 5.72 * 5.72;
        let found = 3.0 * slab.total_mass() / (area * glass_thickness);
        assert!((found / density - 1.0).abs() < 1e-12);
        assert!((crystal_thickness - 2.0 * 5.72).abs() < 1e-12);
        let (i, j, distance) =
            closest_pair(&structure.cell, &structure.positions, 4.0).expect("neighbours");
        let wanted = least.of(structure.symbol(i), structure.symbol(j)).expect("in the list");
        assert!(distance > wanted - 1e-3, "{distance} {wanted}");
        let phases = structure.phases.as_ref().expect("labelled");
        for (atom, r) in structure.positions.iter().enumerate().skip(slab.len()) {
            assert_eq!(phases.name(atom), GLASS);
            assert!(
                (crystal_thickness - 0.7..crystal_thickness + glass_thickness + 0.7)
                    .contains(&r[2])
            );
        }
        assert_eq!(phases.name(slab.len() - 1), CRYSTAL);
    }

    #[test]
    fn fractions_that_formula_units_cannot_make_are_refused_with_the_nearest() {
        let unit = supercell::repeat(&slab(), [1, 1, 1]);
        let least = LeastDistances::new(&["Li", "S"], &[]).expect("radii");
        let few = Structure {
            species: unit.species[..3].to_vec(),
            positions: unit.positions[..3].to_vec(),
            ..unit.clone()
        };
        let error = glass_ceramic(&few, 0.4, 1.0, &least, 1).expect_err("1 and 1.5 units");
        assert!(error.to_string().contains("the nearest is 0.3333 with 2"), "{error}");
        for fraction in [0.0, 1.0, f64::NAN] {
            let error = glass_ceramic(&unit, fraction, 1.0, &least, 1).expect_err("no fraction");
            assert!(error.to_string().contains("must lie between 0 and 1"));
        }
    }
}

//! Glass-ceramics to start from: a crystal slab, and beside it what will be the glass, either more of the
//! crystal or a random packing of the same composition.

use super::composition::gcd;
use super::packing::{LeastDistances, PackingError, Room, pack_around};
use crate::cell::{Cell, CellError};
use crate::math;
use crate::phases::Phases;
use crate::structure::Structure;

use super::supercell;

/// Label of the atoms of the slab.
pub const CRYSTAL: &str = "crystal";
/// Label of the atoms that will be glass.
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
    /// Whole layers cannot make the fraction.
    #[error(
        "{layers} layers of crystal and a whole number to be melted cannot make a fraction of {wanted}: \
         the nearest is {nearest:.4} with {glass}; take another number of layers, or a packing, which is \
         made of formula units"
    )]
    Layers { layers: usize, wanted: f64, nearest: f64, glass: usize },
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
    /// Thickness of the slab and of the rest along z [Å].
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
    check(fraction, density)?;
    let counts = slab.counts();
    let units = counts.iter().fold(0, |units, n| gcd(units, *n as u64)) as usize;
    let (glass, actual) = nearest_number(units, fraction);
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

/// Puts more of the crystal above a slab of it, to be melted around it as in the paper: `layer` repeated
/// along its third vector, `layers` times as crystal and so often on top that the former make up `fraction`
/// of the atoms. The latter are stretched along z to `density` [amu/Å³]; the lattice goes on across both
/// interfaces.
///
/// # Errors
/// A fraction that whole layers cannot make to 0.005.
pub fn from_crystal(
    layer: &Structure,
    layers: usize,
    fraction: f64,
    density: f64,
) -> Result<GlassCeramic, GlassCeramicError> {
    check(fraction, density)?;
    let (glass, actual) = nearest_number(layers, fraction);
    if (actual - fraction).abs() > TOLERANCE {
        return Err(GlassCeramicError::Layers { layers, wanted: fraction, nearest: actual, glass });
    }
    let [a, b, c] = *layer.cell.matrix();
    let stretch = layer.density() / density;
    let crystal_thickness = layers as f64 * c[2];
    let glass_thickness = glass as f64 * c[2] * stretch;
    let mut structure = supercell::repeat(layer, [1, 1, layers + glass]);
    let mut third = *structure.cell.matrix();
    third[2][2] = crystal_thickness + glass_thickness;
    structure.cell = Cell::periodic([a, b, third[2]])?;
    let crystal = layers * layer.len();
    for r in structure.positions.iter_mut().skip(crystal) {
        r[2] = crystal_thickness + (r[2] - crystal_thickness) * stretch;
    }
    let label = |atom: usize| if atom < crystal { CRYSTAL } else { GLASS };
    let labels: Vec<&str> = (0..structure.len()).map(label).collect();
    structure.phases = Some(Phases::new(&labels).expect("plain words").into());
    Ok(GlassCeramic { structure, fraction: actual, crystal_thickness, glass_thickness })
}

fn check(fraction: f64, density: f64) -> Result<(), GlassCeramicError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(GlassCeramicError::Fraction(fraction));
    }
    if !(density > 0.0 && density.is_finite()) {
        return Err(GlassCeramicError::Density(density));
    }
    Ok(())
}

/// The whole number beside `crystal` that comes closest to a fraction, and the fraction it makes.
fn nearest_number(crystal: usize, fraction: f64) -> (usize, f64) {
    let share = |glass: usize| crystal as f64 / (crystal + glass) as f64;
    let missed = |glass: usize| (share(glass) - fraction).abs();
    let less = (crystal as f64 * (1.0 - fraction) / fraction).floor() as usize;
    let glass = if less > 0 && missed(less) < missed(less + 1) { less } else { less + 1 };
    (glass, share(glass))
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
    fn melting_from_the_crystal_keeps_the_lattice_and_stretches_the_rest() {
        let layer = supercell::repeat(&slab(), [1, 1, 1]);
        let sheared = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.3, 0.1, 1.0]];
        let cell = Cell::periodic(math::matmul(layer.cell.matrix(), &sheared)).expect("a cell");
        let positions = layer.positions.iter().map(|r| math::row_times(*r, &sheared)).collect();
        let layer = Structure { cell, positions, ..layer };
        let density = 0.8 * layer.density();
        let built = from_crystal(&layer, 2, 0.4, density).expect("two and three layers");
        let GlassCeramic { structure, fraction, crystal_thickness, glass_thickness } = built;
        assert!((fraction - 0.4).abs() < 1e-12 && structure.len() == 5 * layer.len());
        assert!((glass_thickness / (1.5 * crystal_thickness) - 1.25).abs() < 1e-12);
        let height = layer.cell.matrix()[2];
        let third = structure.cell.matrix()[2];
        assert!((third[0] - 5.0 * height[0]).abs() < 1e-12, "in registry: {third:?}");
        for (atom, r) in layer.positions.iter().enumerate() {
            let second = structure.positions[layer.len() + atom];
            assert!(math::norm(math::sub(second, math::add(*r, height))) < 1e-12);
            let above = structure.positions[2 * layer.len() + atom];
            assert!((above[2] - (crystal_thickness + 1.25 * r[2])).abs() < 1e-10);
        }
        let error = from_crystal(&layer, 1, 0.4, density).expect_err("one and a half").to_string();
        assert!(error.contains("take another number of layers, or a packing"), "{error}");
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

//! Random packings: atoms at random in a cell, then pushed apart until none are too close.
//!
//! A packing is where a melt starts, not a glass: it has the composition and the density, and no
//! overlaps that would blow up the first steps of dynamics.

use crate::cell::Cell;
use crate::math::{self, Vector3};
use crate::neighbors::VerletList;
use crate::rng::{self, Stream};
use crate::species::{SpeciesError, SpeciesTable};
use crate::structure::Structure;

use super::composition::oxidation_number;

/// Rounds of pushing before it is given up.
const ROUNDS: usize = 4000;
/// Share of an overlap that is taken away in one round: less than one, because an atom may overlap
/// with several.
const PUSH: f64 = 0.5;
/// Distances are met to this [Å].
const SLACK: f64 = 1e-4;
/// Skin of the neighbour list [Å].
const SKIN: f64 = 0.6;

/// Why atoms could not be packed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PackingError {
    #[error(transparent)]
    Species(#[from] SpeciesError),
    /// No radius is known and no distance was given.
    #[error("no radius is known for {symbol}: give the least distance of every pair with {symbol}")]
    NoRadius { symbol: String },
    /// Too dense for these distances.
    #[error(
        "the atoms cannot be packed: after {ROUNDS} rounds {first} and {second} are still {found:.3} Å \
         apart, at least {wanted:.3} Å was asked for; lower the density or the least distances"
    )]
    TooDense { first: String, second: String, found: f64, wanted: f64 },
}

/// Least distances between atoms [Å], by pairs of elements.
#[derive(Debug, Clone, PartialEq)]
pub struct LeastDistances {
    symbols: Vec<String>,
    /// `[a][b]`, symmetric.
    distances: Vec<f64>,
}

impl LeastDistances {
    /// From the sums of covalent radii (Cordero et al., Dalton Trans. 2008, 2832): 0.9 of them for ions
    /// of opposite charge; `0.9 + 0.2 min(|q|, |q′|, 2)` for like charges of usual oxidation numbers, so
    /// that anions do not start as molecules. `given` replaces pairs.
    ///
    /// # Errors
    /// Symbols that are no elements, elements without a radius that `given` does not cover.
    pub fn new(symbols: &[&str], given: &[(&str, &str, f64)]) -> Result<Self, PackingError> {
        let table = SpeciesTable::new(symbols)?;
        let symbols = table.symbols().to_vec();
        let n = symbols.len();
        let mut distances = vec![0.0; n * n];
        for (i, a) in symbols.iter().enumerate() {
            for (j, b) in symbols.iter().enumerate() {
                let same = |x: &str, y: &str| (x == a && y == b) || (x == b && y == a);
                let known = given.iter().find(|(x, y, _)| same(x, y)).map(|(_, _, d)| *d);
                distances[i * n + j] = match known {
                    Some(distance) => distance,
                    None => usual_distance(a, b)?,
                };
            }
        }
        Ok(LeastDistances { symbols, distances })
    }

    /// Of two elements of the list [Å].
    pub fn of(&self, a: &str, b: &str) -> Option<f64> {
        let at = |symbol: &str| self.symbols.iter().position(|known| known == symbol);
        Some(self.distances[at(a)? * self.symbols.len() + at(b)?])
    }

    fn largest(&self) -> f64 {
        self.distances.iter().copied().fold(0.0, f64::max)
    }
}

fn usual_distance(a: &str, b: &str) -> Result<f64, PackingError> {
    let radius = |symbol: &str| {
        covalent_radius(symbol).ok_or_else(|| PackingError::NoRadius { symbol: symbol.to_owned() })
    };
    let factor = match (oxidation_number(a), oxidation_number(b)) {
        (Some(q), Some(p)) if q.signum() == p.signum() => {
            0.9 + 0.2 * f64::from(q.abs().min(p.abs()).min(2))
        }
        _ => 0.9,
    };
    Ok(factor * (radius(a)? + radius(b)?))
}

/// Covalent radius [Å] of Cordero et al. (2008), for elements of electrolytes and glasses.
pub(super) fn covalent_radius(symbol: &str) -> Option<f64> {
    const RADII: [(&str, f64); 48] = [
        ("H", 0.31),
        ("Li", 1.28),
        ("Be", 0.96),
        ("B", 0.84),
        ("C", 0.76),
        ("N", 0.71),
        ("O", 0.66),
        ("F", 0.57),
        ("Na", 1.66),
        ("Mg", 1.41),
        ("Al", 1.21),
        ("Si", 1.11),
        ("P", 1.07),
        ("S", 1.05),
        ("Cl", 1.02),
        ("Ar", 1.06),
        ("K", 2.03),
        ("Ca", 1.76),
        ("Sc", 1.70),
        ("Ti", 1.60),
        ("V", 1.53),
        ("Cr", 1.39),
        ("Mn", 1.39),
        ("Fe", 1.32),
        ("Co", 1.26),
        ("Ni", 1.24),
        ("Cu", 1.32),
        ("Zn", 1.22),
        ("Ga", 1.22),
        ("Ge", 1.20),
        ("As", 1.19),
        ("Se", 1.20),
        ("Br", 1.20),
        ("Rb", 2.20),
        ("Sr", 1.95),
        ("Y", 1.90),
        ("Zr", 1.75),
        ("Nb", 1.64),
        ("Mo", 1.54),
        ("Ag", 1.45),
        ("Cd", 1.44),
        ("In", 1.42),
        ("Sn", 1.39),
        ("Sb", 1.39),
        ("Te", 1.38),
        ("I", 1.39),
        ("Cs", 2.44),
        ("La", 2.07),
    ];
    RADII.iter().find(|(known, _)| *known == symbol).map(|(_, radius)| *radius)
}

/// Puts `counts` atoms of each element at random into `cell`. The same seed gives the same
/// structure, whatever the number of threads.
///
/// # Errors
/// Unknown elements, distances that cannot be met.
pub fn pack(
    cell: Cell,
    counts: &[(&str, usize)],
    least: &LeastDistances,
    seed: u64,
) -> Result<Structure, PackingError> {
    let place = |atom: usize| {
        let mut random = rng::at(seed, Stream::Structure, 0, atom as u64);
        cell.to_cartesian(std::array::from_fn(|_| random.uniform()))
    };
    let symbols = listed(counts);
    let positions: Vec<Vector3> = (0..symbols.len()).map(place).collect();
    let structure = Structure::new(cell, &symbols, positions)?;
    push_apart(structure, 0, None, least)
}

/// The heights between which atoms are packed [Å], in a cell whose first two vectors lie in the xy plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    pub low: f64,
    pub high: f64,
}

/// Puts `counts` atoms of each element at random into the room that `fixed` leaves in its own cell.
/// Its atoms come first in the result and are not moved.
///
/// # Errors
/// As [`pack`].
pub fn pack_around(
    fixed: &Structure,
    counts: &[(&str, usize)],
    room: Room,
    least: &LeastDistances,
    seed: u64,
) -> Result<Structure, PackingError> {
    let height = fixed.cell.matrix()[2][2];
    let place = |atom: usize| {
        let mut random = rng::at(seed, Stream::Structure, 0, atom as u64);
        let z = room.low + (room.high - room.low) * random.uniform();
        fixed.cell.to_cartesian([random.uniform(), random.uniform(), z / height])
    };
    let added = listed(counts);
    let mut symbols: Vec<&str> = (0..fixed.len()).map(|atom| fixed.symbol(atom)).collect();
    symbols.extend(&added);
    let mut positions = fixed.positions.clone();
    positions.extend((0..added.len()).map(place));
    let structure = Structure::new(fixed.cell.clone(), &symbols, positions)?;
    push_apart(structure, fixed.len(), Some(room), least)
}

fn listed<'a>(counts: &[(&'a str, usize)]) -> Vec<&'a str> {
    counts.iter().flat_map(|(symbol, n)| std::iter::repeat_n(*symbol, *n)).collect()
}

/// Moves all but the first `fixed` atoms until no pair is too close; pairs of fixed atoms are left alone.
fn push_apart(
    mut structure: Structure,
    fixed: usize,
    room: Option<Room>,
    least: &LeastDistances,
) -> Result<Structure, PackingError> {
    let distances = by_species(&structure, least)?;
    let kinds = structure.table.len();
    let mut list = VerletList::new(least.largest(), SKIN);
    let mut push = vec![[0.0; 3]; structure.len()];
    let mut worst = None;
    for _ in 0..ROUNDS {
        list.update(&structure.cell, &structure.positions);
        let order = list.order();
        push.fill([0.0; 3]);
        worst = None;
        let mut deepest = SLACK;
        for i in 0..structure.len() {
            let atom = order[i] as usize;
            if atom < fixed {
                continue;
            }
            for p in list.list().row(i) {
                let other = order[list.list().index[p] as usize] as usize;
                let wanted = distances
                    [structure.species[atom].index() * kinds + structure.species[other].index()];
                let vector = list.list().vector(list.positions(), i, p);
                let found = math::norm(vector);
                if found >= wanted {
                    continue;
                }
                // both ends see the pair, each moves itself; a hair further, so that it ends
                let overlap = wanted + 0.1 * SLACK - found;
                let along = if found > 1e-6 { 1.0 / found } else { 0.0 };
                let share = if other < fixed { 1.0 } else { PUSH };
                push[atom] = math::sub(push[atom], math::scale(vector, share * overlap * along));
                if wanted - found > deepest {
                    deepest = wanted - found;
                    worst = Some((atom, other, found, wanted));
                }
            }
        }
        if worst.is_none() {
            return Ok(structure);
        }
        for (r, d) in structure.positions.iter_mut().zip(&push).skip(fixed) {
            // far overlaps are resolved in several rounds
            let length = math::norm(*d);
            let limited = if length > 0.3 { math::scale(*d, 0.3 / length) } else { *d };
            *r = math::add(*r, limited);
            if let Some(Room { low, high }) = room {
                r[2] = r[2].clamp(low, high);
            }
        }
    }
    let (first, second, found, wanted) = worst.expect("the loop ends without overlaps else");
    Err(PackingError::TooDense {
        first: format!("atom {} ({})", first + 1, structure.symbol(first)),
        second: format!("atom {} ({})", second + 1, structure.symbol(second)),
        found,
        wanted,
    })
}

/// Least distances in the order of the structure's species.
fn by_species(structure: &Structure, least: &LeastDistances) -> Result<Vec<f64>, PackingError> {
    let symbols = structure.table.symbols();
    let mut distances = Vec::with_capacity(symbols.len() * symbols.len());
    for a in symbols {
        for b in symbols {
            let distance = least.of(a, b);
            distances.push(distance.ok_or_else(|| PackingError::NoRadius { symbol: a.clone() })?);
        }
    }
    Ok(distances)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::closest_pair;

    fn cube(edge: f64) -> Cell {
        Cell::orthorhombic([edge; 3]).expect("a cube")
    }

    #[test]
    fn usual_distances_keep_anions_apart_and_let_bonds_form() {
        let least = LeastDistances::new(&["Li", "P", "S"], &[("Li", "Li", 2.0)]).expect("radii");
        let of = |a, b| least.of(a, b).expect("in the list");
        assert!(
            (of("P", "S") - 0.9 * 2.12).abs() < 1e-12
                && (of("S", "P") - of("P", "S")).abs() < 1e-15
        );
        assert!((of("S", "S") - 1.3 * 2.10).abs() < 1e-12);
        assert!((of("Li", "Li") - 2.0).abs() < 1e-15);
        assert_eq!(least.of("Li", "Cl"), None);
        let error = LeastDistances::new(&["Li", "Og"], &[]).expect_err("no radius").to_string();
        assert!(error.contains("no radius is known for Og"), "{error}");
    }

    #[test]
    fn every_pair_of_a_packing_is_as_far_apart_as_asked_for() {
        let counts = [("Li", 96), ("P", 32), ("S", 128)];
        let least = LeastDistances::new(&["Li", "P", "S"], &[]).expect("radii");
        // Li3PS4 at 1.85 g/cm³: 21.6 Å³ per atom
        let edge = (256.0_f64 * 21.56).cbrt();
        let packed = pack(cube(edge), &counts, &least, 7).expect("it fits");
        assert_eq!(packed.counts(), [96, 32, 128]);
        for i in 0..packed.len() {
            for j in 0..i {
                let away = math::sub(packed.positions[j], packed.positions[i]);
                let distance = math::norm(packed.cell.minimum_image(away));
                let wanted = least.of(packed.symbol(i), packed.symbol(j)).expect("in the list");
                assert!(distance > wanted - 2.0 * SLACK, "{i} {j}: {distance} < {wanted}");
            }
        }
        let again = pack(cube(edge), &counts, &least, 7).expect("it fits");
        assert_eq!(again, packed);
        assert_ne!(pack(cube(edge), &counts, &least, 8).expect("it fits"), packed);
    }

    #[test]
    fn triclinic_cells_narrower_than_the_distances_are_packed_with_their_images() {
        let cell =
            Cell::periodic([[5.0, 0.0, 0.0], [2.0, 5.0, 0.0], [-1.0, 2.0, 20.0]]).expect("a cell");
        let least = LeastDistances::new(&["Ar"], &[("Ar", "Ar", 3.0)]).expect("given");
        let packed = pack(cell, &[("Ar", 12)], &least, 1).expect("it fits");
        let (_, _, distance) =
            closest_pair(&packed.cell, &packed.positions, 4.0).expect("neighbours");
        assert!(distance > 3.0 - 2.0 * SLACK, "{distance}");
    }

    #[test]
    fn what_cannot_fit_is_refused_with_the_worst_pair() {
        let least = LeastDistances::new(&["S"], &[]).expect("a radius");
        let error = pack(cube(6.0), &[("S", 40)], &least, 1).expect_err("too dense").to_string();
        assert!(
            error.contains("the atoms cannot be packed") && error.contains("lower the density")
        );
    }
}

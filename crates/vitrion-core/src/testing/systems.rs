//! Random cells and atoms, reproducible from a seed.

use crate::cell::Cell;
use crate::math::{self, Vector3};
use crate::rng::{self, Random, Stream};
use crate::structure::Structure;

/// A triclinic cell with edges between `shortest` and `longest` [Å] and angles of 55° to 125°.
pub fn random_cell(seed: u64, shortest: f64, longest: f64) -> Cell {
    let mut random = rng::at(seed, Stream::Testing, 0, 1);
    loop {
        let lengths = std::array::from_fn(|_| shortest + (longest - shortest) * random.uniform());
        let angles = std::array::from_fn(|_| 55.0 + 70.0 * random.uniform());
        let Ok(cell) = Cell::from_lengths_angles(lengths, angles) else { continue };
        // not flatter than a tenth of the shortest edge
        if cell.perpendicular_widths().iter().all(|w| *w > shortest * 0.3) {
            return cell;
        }
    }
}

/// A random cell and `atoms` positions spread over it and its surroundings.
pub fn random_atoms(
    seed: u64,
    atoms: usize,
    shortest: f64,
    longest: f64,
    periodic: [bool; 3],
) -> (Cell, Vec<Vector3>) {
    let cell = random_cell(seed, shortest, longest);
    let cell = Cell::new(*cell.matrix(), periodic).expect("the same matrix");
    let mut random = rng::at(seed, Stream::Testing, 0, 2);
    let positions = (0..atoms)
        .map(|_| cell.to_cartesian(std::array::from_fn(|_| 2.5 * random.uniform() - 0.75)))
        .collect();
    (cell, positions)
}

/// A structure of the given symbols, cycled, with no two atoms (or images) closer than `closest` [Å].
///
/// # Panics
/// If the atoms do not fit after many tries: the caller asked for too much.
pub fn random_structure(
    seed: u64,
    symbols: &[&str],
    atoms: usize,
    cell: Cell,
    closest: f64,
) -> Structure {
    let mut random = rng::at(seed, Stream::Testing, 0, 3);
    let mut positions: Vec<Vector3> = Vec::new();
    for atom in 0..atoms {
        let mut tries = 0;
        loop {
            let candidate = cell.to_cartesian(std::array::from_fn(|_| random.uniform()));
            let free = positions
                .iter()
                .all(|r| math::norm(cell.minimum_image(math::sub(candidate, *r))) >= closest);
            if free {
                positions.push(candidate);
                break;
            }
            tries += 1;
            assert!(tries < 100_000, "seed {seed}: atom {atom} does not fit at {closest} Å");
        }
    }
    let symbols: Vec<&str> = (0..atoms).map(|i| symbols[i % symbols.len()]).collect();
    Structure::new(cell, &symbols, positions).expect("test symbols are elements")
}

/// A rotation drawn uniformly (from a random unit quaternion), to be used as `r · R`.
pub fn random_rotation(random: &mut Random) -> math::Matrix3 {
    let q: [f64; 4] = std::array::from_fn(|_| random.normal());
    let norm = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let [w, x, y, z] = q.map(|v| v / norm);
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

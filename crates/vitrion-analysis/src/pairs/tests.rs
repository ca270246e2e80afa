use super::{Columns, Neighbors};
use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};
use vitrion_core::neighbors::{brute_force, pair_vector};
use vitrion_core::testing::systems::{random_atoms, random_cell};

/// Neighbours as (i, j, rounded vector), sorted.
fn found(cell: &Cell, positions: &[Vector3], cutoff: f64) -> Vec<(usize, usize, [i64; 3])> {
    let mut neighbors = Neighbors::default();
    neighbors.find(cell, positions, cutoff);
    let table = neighbors.table();
    let mut all: Vec<_> = (0..table.len())
        .flat_map(|i| table.of(i).map(move |(j, vector)| (i, j, vector.map(rounded))))
        .collect();
    all.sort_unstable();
    all
}

fn expected(cell: &Cell, positions: &[Vector3], cutoff: f64) -> Vec<(usize, usize, [i64; 3])> {
    let pairs = brute_force::pairs(cell, positions, cutoff);
    let mut all = Vec::new();
    for i in 0..positions.len() {
        for pair in &pairs.pairs[pairs.offsets[i]..pairs.offsets[i + 1]] {
            let vector = pair_vector(cell, positions, i, *pair);
            all.push((i, pair.j as usize, vector.map(rounded)));
        }
    }
    all.sort_unstable();
    all
}

fn rounded(x: f64) -> i64 {
    (x * 1e6).round() as i64
}

#[test]
fn every_pair_of_random_cells_is_found_once() {
    for seed in 0..40 {
        let periodic = [seed % 2 == 0 || seed < 20, seed % 3 != 0 || seed < 20, seed % 5 != 0];
        let atoms = 1 + (seed as usize * 7) % 40;
        let (cell, positions) = random_atoms(seed, atoms, 2.0, 14.0, periodic);
        let cutoff = 1.5 + (seed % 7) as f64;
        let (found, expected) =
            (found(&cell, &positions, cutoff), expected(&cell, &positions, cutoff));
        assert_eq!(found, expected, "seed {seed}, cut-off {cutoff} Å");
    }
}

#[test]
fn atoms_on_the_faces_of_a_skewed_cell_are_no_trouble() {
    // every coordinate is a multiple of a quarter, so that atoms sit on the edges of columns and
    // share their heights; noise far below rounding puts some of them on the other side
    for (seed, noise) in [0.0, 1e-17, -1e-16].into_iter().enumerate() {
        let cell = random_cell(seed as u64, 5.0, 9.0);
        let positions: Vec<Vector3> = (0..64)
            .map(|n| {
                let s = [n % 4, n / 4 % 4, n / 16].map(|k| 0.25 * f64::from(k) + noise);
                cell.to_cartesian(s)
            })
            .collect();
        for cutoff in [2.1, 4.3, 9.7] {
            let (found, expected) =
                (found(&cell, &positions, cutoff), expected(&cell, &positions, cutoff));
            assert_eq!(found.len(), expected.len(), "noise {noise}, cut-off {cutoff} Å");
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn left_handed_cells_are_cells_too() {
    let cell = Cell::periodic([[0.0, 6.0, 0.5], [7.0, 0.0, 0.0], [1.0, 0.0, 8.0]]).expect("a cell");
    assert!(math::determinant(cell.matrix()) < 0.0);
    let (_, positions) = random_atoms(3, 20, 6.0, 8.0, [true; 3]);
    assert_eq!(found(&cell, &positions, 5.0), expected(&cell, &positions, 5.0));
}

#[test]
fn memory_is_reused_from_frame_to_frame() {
    let (cell, positions) = random_atoms(9, 300, 14.0, 16.0, [true; 3]);
    let mut columns = Columns::default();
    columns.sort(&cell, &positions, 5.0);
    let capacity = columns.x.capacity();
    for _ in 0..3 {
        columns.sort(&cell, &positions, 5.0);
    }
    assert_eq!(columns.x.capacity(), capacity);
}

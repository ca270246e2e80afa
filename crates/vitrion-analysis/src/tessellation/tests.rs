mod lattices;

use super::*;
use vitrion_core::Structure;
use vitrion_core::build::supercell;
use vitrion_core::rng::{self, Stream};

fn made(cell: &Cell, positions: &[Vector3], radii: Option<&[f64]>) -> Tessellation {
    let mut all = Tessellation::default();
    all.make(0, cell, positions, radii).expect("a good frame");
    all
}

fn random(seed: u64, cell: &Cell, count: usize) -> Vec<Vector3> {
    let mut random = rng::at(seed, Stream::Testing, 31, 0);
    (0..count).map(|_| cell.to_cartesian([0; 3].map(|_| random.uniform()))).collect()
}

fn skewed(seed: u64) -> Cell {
    let mut random = rng::at(seed, Stream::Testing, 32, 0);
    let lengths = [0; 3].map(|_| 6.0 + 8.0 * random.uniform());
    let angles = [0; 3].map(|_| 65.0 + 50.0 * random.uniform());
    Cell::from_lengths_angles(lengths, angles).expect("closes")
}

#[test]
fn volumes_add_up_to_the_cell_in_any_cell() {
    for seed in 0..60 {
        let cell = skewed(seed);
        let count = [1, 2, 3, 7, 40, 200][seed as usize % 6];
        let positions = random(seed, &cell, count);
        let radii: Vec<f64> = (0..count).map(|k| 0.5 + 0.3 * (k % 4) as f64).collect();
        for radii in [None, Some(&radii[..])] {
            let all = made(&cell, &positions, radii);
            let sum: f64 = all.volumes().iter().sum();
            let error = sum / cell.volume() - 1.0;
            assert!(error.abs() < 1e-10, "seed {seed}, {count} atoms: {error}");
            assert!(all.volumes().iter().all(|v| *v >= 0.0));
        }
    }
}

#[test]
fn faces_are_seen_from_both_sides_and_close() {
    let cell = skewed(5);
    let positions = random(5, &cell, 60);
    let all = made(&cell, &positions, None);
    for atom in 0..60 {
        let mut closed = [0.0; 3];
        for face in all.faces(atom) {
            let mirrored = all.faces(face.neighbor).iter().find(|other| {
                other.neighbor == atom && math::norm(math::add(other.vector, face.vector)) < 1e-9
            });
            let mirrored = mirrored.unwrap_or_else(|| panic!("{face:?} from one side only"));
            assert!((mirrored.area - face.area).abs() < 1e-9);
            let normal = math::scale(face.vector, 1.0 / math::norm(face.vector));
            closed = math::add(closed, math::scale(normal, face.area));
        }
        assert!(math::norm(closed) < 1e-8, "{closed:?}");
    }
}

#[test]
fn points_belong_to_the_nearest_atom() {
    // Monte Carlo: fraction of points that are nearest to each atom
    let cell = skewed(9);
    let positions = random(9, &cell, 12);
    let radii: Vec<f64> = (0..12).map(|k| 0.6 + 0.2 * (k % 3) as f64).collect();
    let mut random = rng::at(9, Stream::Testing, 33, 0);
    let samples = 40_000;
    let (mut plain, mut radical) = (vec![0.0; 12], vec![0.0; 12]);
    for _ in 0..samples {
        let point = [0; 3].map(|_| random.uniform());
        let distance = |atom: usize| {
            let there = cell.to_fractional(positions[atom]);
            let mut least = f64::INFINITY;
            for image in 0..125 {
                let shift = [image / 25, image / 5 % 5, image % 5].map(|n| f64::from(n) - 2.0);
                let s = std::array::from_fn(|k| there[k] - point[k] + shift[k]);
                least = least.min(math::norm2(cell.to_cartesian(s)));
            }
            least
        };
        let distances: Vec<f64> = (0..12).map(distance).collect();
        let nearest = |own: &dyn Fn(usize) -> f64| {
            (0..12).min_by(|a, b| (distances[*a] - own(*a)).total_cmp(&(distances[*b] - own(*b))))
        };
        plain[nearest(&|_| 0.0).expect("some")] += cell.volume() / f64::from(samples);
        radical[nearest(&|k| radii[k] * radii[k]).expect("some")] +=
            cell.volume() / f64::from(samples);
    }
    for (radii, expected) in [(None, plain), (Some(&radii[..]), radical)] {
        let all = made(&cell, &positions, radii);
        for (found, expected) in all.volumes().iter().zip(expected) {
            let tolerance = 5.0 * (expected * cell.volume() / f64::from(samples)).sqrt() + 0.01;
            assert!((found - expected).abs() < tolerance, "{found} {expected}");
        }
    }
}

#[test]
fn lattices_have_their_cells() {
    let cases: [(&[Vector3], usize, Option<f64>); 3] = [
        (&[[0.0; 3]], 6, Some(6.0)),
        (&[[0.0; 3], [0.5; 3]], 14, None),
        (&[[0.0; 3], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]], 12, None),
    ];
    for (sites, faces, surface) in cases {
        for repeat in [1, 2, 3] {
            let cell = Cell::orthorhombic([1.0; 3]).expect("a box");
            let symbols = vec!["S"; sites.len()];
            let one = Structure::new(cell, &symbols, sites.to_vec()).expect("an element");
            let lattice = supercell::repeat(&one, [repeat; 3]);
            let all = made(&lattice.cell, &lattice.positions, None);
            for atom in 0..lattice.len() {
                assert!((all.volumes()[atom] * sites.len() as f64 - 1.0).abs() < 1e-12);
                assert_eq!(all.faces(atom).len(), faces, "{repeat}");
                if let Some(surface) = surface {
                    let sum: f64 = all.faces(atom).iter().map(|face| face.area).sum();
                    assert!((sum - surface).abs() < 1e-10);
                }
            }
        }
    }
}

#[test]
fn an_atom_inside_a_large_one_has_no_cell() {
    let cell = Cell::orthorhombic([10.0; 3]).expect("a box");
    let positions = [[5.0; 3], [5.3, 5.0, 5.0]];
    let all = made(&cell, &positions, Some(&[3.0, 0.1]));
    assert!(all.volumes()[1].abs() < 1e-300);
    assert!(all.faces(1).is_empty());
    assert!((all.volumes()[0] - 1000.0).abs() < 1e-8);
}

#[test]
fn cells_beside_a_vacuum_reach_across_it() {
    let cell = Cell::orthorhombic([8.0, 8.0, 60.0]).expect("a box");
    let slab = Cell::orthorhombic([8.0, 8.0, 8.0]).expect("a box");
    let positions = random(11, &slab, 40);
    let all = made(&cell, &positions, None);
    let sum: f64 = all.volumes().iter().sum();
    assert!((sum / cell.volume() - 1.0).abs() < 1e-10, "{sum}");
}

#[test]
fn atoms_at_one_place_and_open_cells_are_refused() {
    let cell = Cell::orthorhombic([5.0; 3]).expect("a box");
    let mut all = Tessellation::default();
    let twice = all.make(3, &cell, &[[1.0; 3], [2.0; 3], [1.0; 3]], None).expect_err("refused");
    assert!(twice.to_string().contains("frame 3"), "{twice}");
    let open = Cell::new(*cell.matrix(), [true, true, false]).expect("a cell");
    let refused = all.make(4, &open, &[[1.0; 3]], None).expect_err("refused");
    assert!(refused.to_string().contains("frame 4"), "{refused}");
}

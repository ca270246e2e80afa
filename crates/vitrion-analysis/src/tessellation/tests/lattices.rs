//! Lattices, the faintest noise, symmetry, uneven systems, and a slow twin that clips polygons.

use crate::error::AnalysisError;
use crate::tessellation::{Face, Tessellation};
use vitrion_core::build::supercell::repeat;
use vitrion_core::math::{self, Vector3};
use vitrion_core::rng::{self, Stream};
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Structure};

/// Volumes and areas in double precision, relative.
const EXACT: f64 = 1e-10;

fn tessellate(cell: &Cell, positions: &[Vector3], radii: Option<&[f64]>) -> Tessellation {
    let mut tessellation = Tessellation::default();
    tessellation.make(0, cell, positions, radii).expect("a good frame");
    tessellation
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let difference = (found - expected).abs();
    assert!(difference <= tolerance * expected.abs().max(1.0), "{what}: {found} is not {expected}");
}

fn assert_fills_the_cell(cell: &Cell, tessellation: &Tessellation, what: &str) {
    let volume = cell.volume();
    let sum: f64 = tessellation.volumes().iter().sum();
    assert!((sum / volume - 1.0).abs() < EXACT, "{what}: {sum} of {volume}");
}

/// Every face is seen from both sides, with the same area and opposite vectors.
fn assert_faces_match(tessellation: &Tessellation, what: &str) {
    for atom in 0..tessellation.volumes().len() {
        for face in tessellation.faces(atom) {
            let twin = |other: &&Face| {
                other.neighbor == atom && math::norm(math::add(other.vector, face.vector)) < 1e-9
            };
            let twin = tessellation.faces(face.neighbor).iter().find(twin);
            // slivers near the limit may be kept on one side only
            let area = twin.map_or(0.0, |twin| twin.area);
            assert!((area - face.area).abs() < 1e-8, "{what}, {atom}: {face:?} against {area}");
        }
    }
}

/// The cell of an atom as slowly and plainly as possible: the face of each plane is a polygon in it
/// that all other planes clip. Returns the volume and the area for every neighbour that has one.
fn slow_cell(
    cell: &Cell,
    positions: &[Vector3],
    radii: &[f64],
    atom: usize,
) -> (f64, Vec<(usize, Vector3, f64)>) {
    let size = 0.5 * cell.lengths().iter().sum::<f64>();
    let largest = radii.iter().fold(0.0, |most: f64, r| most.max(r * r));
    let reach = size + (size * size + largest).sqrt();
    let range = cell.perpendicular_widths().map(|w| (reach / w).ceil() as i32 + 3);
    let mut planes: Vec<(usize, Vector3, f64)> = Vec::new();
    for (other, r) in positions.iter().enumerate() {
        for a in -range[0]..=range[0] {
            for b in -range[1]..=range[1] {
                for c in -range[2]..=range[2] {
                    let shift = cell.to_cartesian([a, b, c].map(f64::from));
                    let d = math::sub(math::add(*r, shift), positions[atom]);
                    if math::norm(d) <= reach && !(other == atom && [a, b, c] == [0; 3]) {
                        let height = math::norm2(d) + radii[atom].powi(2) - radii[other].powi(2);
                        planes.push((other, d, 0.5 * height));
                    }
                }
            }
        }
    }
    planes.sort_by(|p, q| math::norm2(p.1).total_cmp(&math::norm2(q.1)));
    let (mut volume, mut faces) = (0.0, Vec::new());
    for (k, (neighbor, normal, offset)) in planes.iter().enumerate() {
        let length = math::norm(*normal);
        let n = math::scale(*normal, 1.0 / length);
        let aside = if n[0].abs() < 0.8 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
        let u = math::cross(n, aside);
        let u = math::scale(u, 1.0 / math::norm(u));
        let v = math::cross(n, u);
        let foot = math::scale(n, offset / length);
        let corner = |(s, t): (f64, f64)| {
            let along = math::add(math::scale(u, s * 3.0 * reach), math::scale(v, t * 3.0 * reach));
            math::add(foot, along)
        };
        let mut polygon: Vec<Vector3> =
            [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].map(corner).to_vec();
        for (other, (_, cut, height)) in planes.iter().enumerate() {
            if other == k {
                continue;
            }
            let beyond: Vec<f64> = polygon.iter().map(|p| math::dot(*p, *cut) - height).collect();
            let mut rest = Vec::new();
            for at in 0..polygon.len() {
                let next = (at + 1) % polygon.len();
                if beyond[at] <= 0.0 {
                    rest.push(polygon[at]);
                }
                if (beyond[at] <= 0.0) != (beyond[next] <= 0.0) {
                    let t = beyond[at] / (beyond[at] - beyond[next]);
                    let step = math::sub(polygon[next], polygon[at]);
                    rest.push(math::add(polygon[at], math::scale(step, t)));
                }
            }
            polygon = rest;
            if polygon.is_empty() {
                break;
            }
        }
        let twice = (0..polygon.len()).fold([0.0; 3], |sum, at| {
            math::add(sum, math::cross(polygon[at], polygon[(at + 1) % polygon.len()]))
        });
        let area = 0.5 * math::dot(twice, n);
        volume += offset / length * area / 3.0;
        if area > 1e-9 {
            faces.push((*neighbor, *normal, area));
        }
    }
    (volume, faces)
}

/// Name, unit cell, sites, and number and area of the faces of a cell.
type Case<'a> = (&'a str, [Vector3; 3], &'a [Vector3], &'a [(usize, f64)]);

#[test]
fn lattices_have_their_volumes_and_faces_in_any_supercell() {
    let root2 = 2.0_f64.sqrt();
    let root3 = 3.0_f64.sqrt();
    let cubic = [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]];
    let c = (8.0_f64 / 3.0).sqrt();
    let hexagonal = [[1.0, 0.0, 0.0], [-0.5, 0.5 * root3, 0.0], [0.0, 0.0, c]];
    let hcp: &[Vector3] = &[[0.0; 3], [1.0 / 3.0, 2.0 / 3.0, 0.5]];
    let fcc: &[Vector3] = &[[0.0; 3], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let rhombus = 9.0 / (4.0 * root2);
    let cases: [Case<'_>; 6] = [
        ("sc", cubic, &[[0.0; 3]], &[(6, 9.0)]),
        // truncated octahedron with edge a/√8
        ("bcc", cubic, &[[0.0; 3], [0.5; 3]], &[(8, 1.5 * root3 * 9.0 / 8.0), (6, 9.0 / 8.0)]),
        ("fcc", cubic, fcc, &[(12, rhombus)]),
        ("shifted fcc", cubic, &fcc_shifted(fcc), &[(12, rhombus)]),
        // primitive and left-handed
        (
            "primitive",
            [[0.0, 1.5, 1.5], [1.5, 1.5, 0.0], [1.5, 0.0, 1.5]],
            &[[0.0; 3]],
            &[(12, rhombus)],
        ),
        ("hcp", hexagonal, hcp, &[(12, 1.0 / (2.0 * root2))]),
    ];
    for (name, matrix, sites, expected) in cases {
        let cell = Cell::periodic(matrix).expect("a cell");
        let positions: Vec<Vector3> = sites.iter().map(|s| cell.to_cartesian(*s)).collect();
        let unit = Structure::new(cell, &vec!["Ar"; sites.len()], positions).expect("an element");
        for times in [[1; 3], [2; 3], [1, 2, 5], [4; 3]] {
            let crystal = repeat(&unit, times);
            let found = tessellate(&crystal.cell, &crystal.positions, None);
            let what = format!("{name} {times:?}");
            let volume = crystal.cell.volume() / crystal.len() as f64;
            assert_faces_match(&found, &what);
            for atom in 0..crystal.len() {
                close(found.volumes()[atom], volume, 1e-12, &what);
                let faces = found.faces(atom);
                let total: usize = expected.iter().map(|(number, _)| number).sum();
                assert_eq!(faces.len(), total, "{what}: {faces:?}");
                let sum: f64 = faces.iter().map(|face| face.area).sum();
                if name != "hcp" {
                    for (number, area) in expected {
                        let same = faces.iter().filter(|face| (face.area - area).abs() < 1e-11);
                        assert_eq!(same.count(), *number, "{what}: {faces:?}");
                    }
                }
                let surface: f64 = expected.iter().map(|(n, area)| *n as f64 * area).sum();
                close(sum, surface, 1e-11, &what);
            }
        }
    }
}

fn fcc_shifted(fcc: &[Vector3]) -> Vec<Vector3> {
    fcc.iter().map(|s| math::add(*s, [0.137_1, -3.2, 0.911])).collect()
}

#[test]
fn the_slow_twin_agrees_in_random_cells_with_and_without_radii() {
    for seed in 0..12 {
        let atoms = 1 + seed as usize;
        let (cell, positions) = systems::random_atoms(seed, atoms, 3.0, 6.0, [true; 3]);
        let mut random = rng::at(seed, Stream::Testing, 5, 0);
        let radii: Vec<f64> = (0..atoms).map(|_| 1.5 * random.uniform()).collect();
        for radii in [None, Some(&radii[..])] {
            let found = tessellate(&cell, &positions, radii);
            let what = format!("seed {seed}, radii {radii:?}");
            assert_fills_the_cell(&cell, &found, &what);
            assert_faces_match(&found, &what);
            let zeros = vec![0.0; atoms];
            for atom in 0..atoms {
                let (volume, faces) = slow_cell(&cell, &positions, radii.unwrap_or(&zeros), atom);
                close(found.volumes()[atom], volume, EXACT, &what);
                for face in found.faces(atom) {
                    let same = faces.iter().find(|(neighbor, vector, _)| {
                        *neighbor == face.neighbor
                            && math::norm(math::sub(*vector, face.vector)) < 1e-9
                    });
                    let area = same.map_or(0.0, |same| same.2);
                    close(face.area, area, 1e-8, &format!("{what}, atom {atom}"));
                }
                let (sum, expected): (f64, f64) = (
                    found.faces(atom).iter().map(|face| face.area).sum(),
                    faces.iter().map(|face| face.2).sum(),
                );
                close(sum, expected, 1e-8, &format!("{what}, atom {atom}"));
            }
        }
    }
}

#[test]
fn a_small_atom_beside_a_large_one_has_an_empty_cell() {
    let cell = Cell::orthorhombic([6.0; 3]).expect("a box");
    let positions = [[3.0; 3], [3.0, 3.0, 3.4], [0.1, 0.2, 0.3]];
    let radii = [2.0, 0.1, 1.0];
    let found = tessellate(&cell, &positions, Some(&radii));
    assert_eq!(found.volumes()[1].to_bits(), 0.0_f64.to_bits());
    assert!(found.faces(1).is_empty());
    assert_fills_the_cell(&cell, &found, "empty cell");
    let without = tessellate(&cell, &[positions[0], positions[2]], Some(&[2.0, 1.0]));
    close(found.volumes()[0], without.volumes()[0], EXACT, "as if it were not there");
}

#[test]
fn equal_radii_change_nothing_and_a_cell_may_lie_beside_its_atom() {
    let (cell, positions) = systems::random_atoms(3, 60, 8.0, 12.0, [true; 3]);
    let plain = tessellate(&cell, &positions, None);
    let equal = tessellate(&cell, &positions, Some(&[1.7; 60]));
    for atom in 0..60 {
        close(equal.volumes()[atom], plain.volumes()[atom], 1e-12, "equal radii");
        assert_eq!(equal.faces(atom).len(), plain.faces(atom).len());
    }
    // the plane between the atoms lies beyond the smaller one
    let cell = Cell::orthorhombic([4.0, 4.0, 20.0]).expect("a box");
    let positions = [[0.0; 3], [0.0, 0.0, 2.0]];
    let found = tessellate(&cell, &positions, Some(&[3.0, 1.0]));
    // planes at z = (4 + 8)/4 = 3 and, to the image at −18, at z = −(324 + 8)/36
    close(found.volumes()[0], 16.0 * (3.0 + 332.0 / 36.0), EXACT, "the larger one");
    assert_fills_the_cell(&cell, &found, "beside");
}

#[test]
fn clusters_layers_and_flat_cells_are_filled() {
    for seed in 0..4 {
        let mut random = rng::at(seed, Stream::Testing, 6, 0);
        for (edges, spread) in [
            ([40.0, 40.0, 40.0], [5.0, 5.0, 5.0]),
            ([10.0, 10.0, 60.0], [10.0, 10.0, 4.0]),
            ([2.0, 30.0, 30.0], [2.0, 30.0, 30.0]),
            ([1.0, 1.0, 90.0], [1.0, 1.0, 90.0]),
        ] {
            let cell = Cell::orthorhombic(edges).expect("a box");
            let positions: Vec<Vector3> =
                (0..80).map(|_| std::array::from_fn(|k| spread[k] * random.uniform())).collect();
            let radii: Vec<f64> = (0..80).map(|_| 0.5 + random.uniform()).collect();
            for radii in [None, Some(&radii[..])] {
                let found = tessellate(&cell, &positions, radii);
                let what = format!("seed {seed}, {edges:?}, radii {}", radii.is_some());
                assert_fills_the_cell(&cell, &found, &what);
                assert_faces_match(&found, &what);
            }
        }
    }
}

#[test]
fn crystals_with_the_faintest_noise_are_filled() {
    // planes that almost meet in one corner: everything that rounding can confuse
    for exponent in 2..=17 {
        let noise = 10.0_f64.powi(-exponent);
        let mut random = rng::at(u64::from(exponent.unsigned_abs()), Stream::Testing, 7, 0);
        for sites in [
            vec![[0.0; 3]],
            vec![[0.0; 3], [0.5; 3]],
            vec![[0.0; 3], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]],
        ] {
            let cell = Cell::orthorhombic([4.1; 3]).expect("a box");
            let positions = sites.iter().map(|s| cell.to_cartesian(*s)).collect();
            let unit = Structure::new(cell, &vec!["Ar"; sites.len()], positions).expect("atoms");
            let mut crystal = repeat(&unit, [4, 3, 5]);
            for r in &mut crystal.positions {
                *r = std::array::from_fn(|k| r[k] + noise * random.normal());
            }
            let found = tessellate(&crystal.cell, &crystal.positions, None);
            let what = format!("{} sites, noise {noise:e}", sites.len());
            assert_fills_the_cell(&crystal.cell, &found, &what);
            assert_faces_match(&found, &what);
        }
    }
}

#[test]
fn moving_and_rotating_and_relabelling_changes_nothing() {
    for seed in 0..5 {
        let (cell, positions) = systems::random_atoms(seed, 40, 6.0, 9.0, [true; 3]);
        let mut random = rng::at(seed, Stream::Testing, 8, 0);
        let rotation = systems::random_rotation(&mut random);
        let moved: Vec<Vector3> = positions
            .iter()
            .rev()
            .map(|r| math::row_times(math::add(*r, [1.0, -20.0, 3.3]), &rotation))
            .collect();
        let turned = Cell::periodic(math::matmul(cell.matrix(), &rotation)).expect("a cell");
        let (before, after) =
            (tessellate(&cell, &positions, None), tessellate(&turned, &moved, None));
        for atom in 0..40 {
            let what = format!("seed {seed}, atom {atom}");
            close(after.volumes()[39 - atom], before.volumes()[atom], EXACT, &what);
            assert_eq!(after.faces(39 - atom).len(), before.faces(atom).len(), "{what}");
        }
    }
}

#[test]
fn what_has_no_cells_is_refused() {
    let mut tessellation = Tessellation::default();
    let open = Cell::new(math::IDENTITY, [true, true, false]).expect("a slab");
    let error = tessellation.make(4, &open, &[[0.0; 3]], None).expect_err("open");
    assert_eq!(error, AnalysisError::NotPeriodic { frame: 4 });
    let cell = Cell::orthorhombic([5.0; 3]).expect("a box");
    let positions = [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [1.0, 6.0, 1.0]];
    let error = tessellation.make(4, &cell, &positions, None).expect_err("an image");
    assert_eq!(
        error.to_string(),
        "frame 4: atoms 0 and 2 lie at one place; no Voronoi cell parts them"
    );
    tessellation.make(0, &cell, &[], None).expect("no atoms, no cells");
    assert!(tessellation.volumes().is_empty());
}

//! Values that symmetry gives, in the smallest cells and in supercells.

use super::super::third_order::wigner_3j;
use super::{Neighborhood, accumulate, close, column, measure, with};
use vitrion_core::build::supercell::repeat;
use vitrion_core::math::{self, Vector3};
use vitrion_core::{Cell, Structure};

fn crystal(cell: [Vector3; 3], fractional: &[Vector3]) -> Structure {
    let cell = Cell::periodic(cell).expect("a cell");
    let sites: Vec<Vector3> = fractional.iter().map(|s| cell.to_cartesian(*s)).collect();
    Structure::new(cell, &vec!["Ar"; sites.len()], sites).expect("an element")
}

/// Four atoms in a cubic cell of edge 1.
pub(super) fn fcc() -> Structure {
    crystal(math::IDENTITY, &[[0.0; 3], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
}

fn primitive_fcc() -> Structure {
    crystal([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]], &[[0.0; 3]])
}

fn bcc() -> Structure {
    crystal(math::IDENTITY, &[[0.0; 3], [0.5; 3]])
}

fn simple_cubic() -> Structure {
    crystal(math::IDENTITY, &[[0.0; 3]])
}

/// Nearest neighbours at distance 1.
fn hcp() -> Structure {
    let c = (8.0_f64 / 3.0).sqrt();
    let b = [0.5, 0.75_f64.sqrt(), 0.0];
    let third = 1.0 / 3.0;
    crystal([[1.0, 0.0, 0.0], b, [0.0, 0.0, c]], &[[0.0; 3], [third, third, 0.5]])
}

/// `q_l` of equal bonds by the addition theorem, `q_l² = Σ_jk P_l(cos γ_jk) / N²`.
pub(super) fn by_addition_theorem(l: u32, bonds: &[(Vector3, f64)]) -> f64 {
    let total: f64 = bonds.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    for (u, a) in bonds {
        for (v, b) in bonds {
            let cosine = math::dot(*u, *v) / (math::norm(*u) * math::norm(*v));
            let (mut before, mut p) = (1.0, cosine);
            for n in 1..l {
                let n = f64::from(n);
                (before, p) = (p, ((2.0 * n + 1.0) * cosine * p - n * before) / (n + 1.0));
            }
            sum += a * b * p;
        }
    }
    sum.max(0.0).sqrt() / total
}

#[test]
fn crystals_have_the_values_of_their_symmetry_in_any_supercell() {
    // averages are the plain values: all sites are the same, or mirror images through a point (hcp), which even
    // harmonics do not see
    // closed forms for the cubic ones
    let fcc6 = (169.0_f64 / 512.0).sqrt();
    let fcc4 = (7.0_f64 / 192.0).sqrt();
    let cases = [
        ("fcc", fcc(), 0.85, 12, fcc4, fcc6, 1e-13),
        ("primitive fcc", primitive_fcc(), 0.85, 12, fcc4, fcc6, 1e-13),
        ("bcc", bcc(), 1.2, 14, 0.036_369_65, 0.510_688_23, 1e-8),
        ("sc", simple_cubic(), 1.2, 6, (7.0_f64 / 12.0).sqrt(), 0.125_f64.sqrt(), 1e-13),
        ("hcp", hcp(), 1.2, 12, 7.0 / 72.0, 0.484_761_68, 1e-8),
    ];
    for (name, unit, cutoff, neighbors, q4, q6, tolerance) in cases {
        for times in [1, 2, 3] {
            let structure = repeat(&unit, [times; 3]);
            for neighborhood in [Neighborhood::Cutoff(cutoff), Neighborhood::Nearest(neighbors)] {
                let settings = with(&[4, 6], neighborhood);
                let measured = measure(&structure, &settings);
                for (column_name, expected) in
                    [("q4", q4), ("q6", q6), ("q4_averaged", q4), ("q6_averaged", q6)]
                {
                    let found = column(&measured, column_name);
                    let what = format!("{name}, {times} cells, {neighborhood:?}, {column_name}");
                    close(&found, &vec![expected; structure.len()], tolerance, &what);
                }
                let result = accumulate(&[structure.clone().into()], settings);
                let found = result.estimate("neighbors_Ar").expect("kept").value;
                assert!((found - neighbors as f64).abs() < 1e-12, "{name}: {found} neighbours");
                assert!(!result.cautions.iter().any(|c| c.code == "equal_distances"), "{name}");
            }
        }
    }
}

#[test]
fn crystals_have_the_values_of_the_areas_of_their_voronoi_faces() {
    // faces of bcc with edge 1: hexagons towards the 8 nearest, squares towards the 6 next
    let mut bonds = Vec::new();
    for k in 0..8 {
        let corner = [k & 1, k >> 1 & 1, k >> 2 & 1].map(|s| f64::from(s) - 0.5);
        bonds.push((corner, 3.0 * 3.0_f64.sqrt() / 16.0));
    }
    for k in 0..3 {
        for sign in [1.0, -1.0] {
            let mut along = [0.0; 3];
            along[k] = sign;
            bonds.push((along, 0.125));
        }
    }
    let of_bcc = |l| by_addition_theorem(l, &bonds);
    // all 12 faces of fcc and hcp have the same area
    let (fcc4, fcc6) = ((7.0_f64 / 192.0).sqrt(), (169.0_f64 / 512.0).sqrt());
    let cases = [
        ("fcc", fcc(), fcc4, fcc6, 12.0, 1e-12),
        ("primitive fcc", primitive_fcc(), fcc4, fcc6, 12.0, 1e-12),
        ("bcc", bcc(), of_bcc(4), of_bcc(6), 14.0, 1e-12),
        ("sc", simple_cubic(), (7.0_f64 / 12.0).sqrt(), 0.125_f64.sqrt(), 6.0, 1e-12),
        ("hcp", hcp(), 7.0 / 72.0, 0.484_761_68, 12.0, 1e-8),
    ];
    for (name, unit, q4, q6, faces, tolerance) in cases {
        for times in [1, 2, 3] {
            let structure = repeat(&unit, [times; 3]);
            let settings = with(&[4, 6], Neighborhood::Voronoi);
            let measured = measure(&structure, &settings);
            for (column_name, expected) in
                [("q4", q4), ("q6", q6), ("q4_averaged", q4), ("q6_averaged", q6)]
            {
                let found = column(&measured, column_name);
                let what = format!("{name}, {times} cells, {column_name}");
                close(&found, &vec![expected; structure.len()], tolerance, &what);
            }
            let result = accumulate(&[structure.into()], settings);
            let found = result.estimate("neighbors_Ar").expect("kept").value;
            assert!((found - faces).abs() < 1e-12, "{name}: {found} faces");
        }
    }
}

#[test]
fn an_icosahedron_has_its_known_q6_and_w6() {
    let golden = 0.5 * (1.0 + 5.0_f64.sqrt());
    let mut positions = vec![[0.0; 3]];
    for s in [1.0, -1.0] {
        for t in [golden, -golden] {
            positions.extend([[0.0, s, t], [s, t, 0.0], [t, 0.0, s]]);
        }
    }
    let open = Cell::new(math::IDENTITY, [false; 3]).expect("no periods");
    let structure = Structure::new(open, &["Ar"; 13], positions).expect("an element");
    let mut settings = with(&[4, 6], Neighborhood::Nearest(12));
    settings.third_order = true;
    let measured = measure(&structure, &settings);
    assert!(column(&measured, "q4")[0] < 1e-14);
    // √11/5 and −11/√4199
    assert!((column(&measured, "q6")[0] - 11.0_f64.sqrt() / 5.0).abs() < 1e-14);
    assert!((column(&measured, "w6")[0] + 11.0 / 4199.0_f64.sqrt()).abs() < 1e-13);
}

#[test]
fn third_order_invariants_of_crystals_are_those_of_steinhardt() {
    let cases = [
        (fcc(), 0.85, -0.159_317_373, -0.013_160_600),
        (bcc(), 1.2, 0.159_317_373, 0.013_160_600),
        (simple_cubic(), 1.2, 0.159_317_373, 0.013_160_600),
        (hcp(), 1.2, 0.134_096_9, -0.012_442_0),
    ];
    for (structure, cutoff, w4, w6) in cases {
        let mut settings = with(&[4, 6], Neighborhood::Cutoff(cutoff));
        settings.third_order = true;
        let measured = measure(&structure, &settings);
        close(&column(&measured, "w4")[..1], &[w4], 5e-7, "w4");
        close(&column(&measured, "w6")[..1], &[w6], 5e-7, "w6");
    }
}

#[test]
fn wigner_symbols_are_orthogonal_and_have_known_values() {
    // Σ_m1,m2 (l l l; m1 m2 m3)² = 1/(2l + 1)
    for l in (2..=12_usize).step_by(2) {
        let top = l as isize;
        for m3 in -top..=top {
            let sum: f64 = (-top..=top)
                .filter(|m1| (-m3 - m1).abs() <= top)
                .map(|m1| wigner_3j(l, [m1, -m3 - m1, m3]).powi(2))
                .sum();
            assert!((sum * (2 * l + 1) as f64 - 1.0).abs() < 1e-12, "l {l}, m3 {m3}: {sum}");
        }
    }
    // (2 2 2; 0 0 0) = −√(2/35), (4 4 4; 0 0 0) = √(18/1001), (2 2 2; 2 −1 −1) = −√(3/35)
    assert!((wigner_3j(2, [0, 0, 0]) + (2.0_f64 / 35.0).sqrt()).abs() < 1e-15);
    assert!((wigner_3j(4, [0, 0, 0]) - (18.0_f64 / 1001.0).sqrt()).abs() < 1e-15);
    assert!((wigner_3j(2, [2, -1, -1]) + (3.0_f64 / 35.0).sqrt()).abs() < 1e-15);
}

#[test]
fn neighbours_at_equal_distance_are_reported_when_not_all_count() {
    let structure = repeat(&fcc(), [2; 3]);
    let result = accumulate(&[structure.into()], with(&[6], Neighborhood::Nearest(10)));
    let caution = result.cautions.iter().find(|caution| caution.code == "equal_distances");
    let message = &caution.expect("12 neighbours are equal").message;
    assert!(message.starts_with("32.00 of 32.00 centres per frame"), "{message}");
}

//! Against sums over images, written down as they are defined.

use super::*;
use vitrion_core::math::{self, Vector3};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Structure};

fn glass(seed: u64, atoms: usize, skewed: bool) -> Structure {
    let mut random = rng::at(seed, Stream::Testing, 81, 0);
    let angles = if skewed { [62.0, 75.0, 108.0] } else { [90.0; 3] };
    let cell = Cell::from_lengths_angles([9.0, 11.0, 8.0], angles).expect("closes");
    let symbols: Vec<&str> = (0..atoms).map(|k| ["Li", "P", "S", "Li", "S"][k % 5]).collect();
    let place = || -> Vector3 { std::array::from_fn(|_| 2.0 * random.uniform() - 0.5) };
    let positions =
        std::iter::repeat_with(place).take(atoms).map(|s| cell.to_cartesian(s)).collect();
    Structure::new(cell, &symbols, positions).expect("elements")
}

/// All images of `j` around `i` up to a distance, the atom itself left out.
fn around(structure: &Structure, i: usize, reach: f64) -> Vec<(usize, Vector3)> {
    let widths = structure.cell.perpendicular_widths();
    let most = widths.map(|w| (reach / w).ceil() as i64 + 2);
    let mut found = Vec::new();
    for j in 0..structure.len() {
        for a in -most[0]..=most[0] {
            for b in -most[1]..=most[1] {
                for c in -most[2]..=most[2] {
                    let shift = structure.cell.to_cartesian([a as f64, b as f64, c as f64]);
                    let step = math::sub(structure.positions[j], structure.positions[i]);
                    let vector = math::add(step, shift);
                    if (i, [a, b, c]) != (j, [0, 0, 0]) && math::norm(vector) < reach {
                        found.push((j, vector));
                    }
                }
            }
        }
    }
    found
}

fn naive(settings: &FeatureSettings, structure: &Structure) -> Vec<f64> {
    let mut all = Vec::new();
    for i in structure.atoms_of(&settings.species) {
        let near = around(structure, i, settings.cutoff + 9.0 * 0.4);
        for element in &settings.elements {
            for bin in 0..settings.bins() {
                let r_k = settings.distance(bin);
                let of = |(j, vector): &(usize, Vector3)| {
                    let r = math::norm(*vector);
                    if structure.symbol(*j) != element {
                        return 0.0;
                    }
                    match settings.shape {
                        Shape::Gaussian { sigma } => {
                            (-(r - r_k).powi(2) / (2.0 * sigma * sigma)).exp()
                        }
                        Shape::Shell => {
                            let inside =
                                r >= bin as f64 * settings.dr && r < (bin + 1) as f64 * settings.dr;
                            f64::from(u8::from(inside))
                        }
                    }
                };
                all.push(near.iter().map(of).sum());
            }
        }
        for one in &settings.angular {
            for (a, b) in settings.element_pairs() {
                let mut sum = 0.0;
                for (k, (j, to_j)) in near.iter().enumerate() {
                    for (l, (m, to_m)) in near.iter().enumerate() {
                        let (r, s) = (math::norm(*to_j), math::norm(*to_m));
                        let elements = structure.symbol(*j) == settings.elements[a]
                            && structure.symbol(*m) == settings.elements[b];
                        let close = r.max(s) < settings.angular_cutoff;
                        if k == l || !elements || !close || (a == b && k > l) {
                            continue;
                        }
                        let t = math::norm(math::sub(*to_m, *to_j));
                        let cosine = math::dot(*to_j, *to_m) / (r * s);
                        sum += (-(r * r + s * s + t * t) / (one.xi * one.xi)).exp()
                            * (1.0 + one.lambda * cosine).powf(one.zeta);
                    }
                }
                all.push(sum);
            }
        }
    }
    all
}

#[test]
fn functions_equal_their_definition_in_any_cell() {
    let elements = ["Li", "P", "S"].map(str::to_owned);
    for (seed, skewed) in [(1, false), (2, true)] {
        let structure = glass(seed, 31, skewed);
        for (shape, dr, cutoff) in [
            (Shape::Gaussian { sigma: 0.2 }, 0.2, 10.0),
            (Shape::Gaussian { sigma: 0.35 }, 0.25, 4.1),
            (Shape::Shell, 0.2, 6.0),
        ] {
            let angular = Angular { xi: 4.0, lambda: -1.0, zeta: 2.0 };
            let settings = FeatureSettings {
                shape,
                dr,
                cutoff,
                angular: vec![angular, Angular { lambda: 1.0, ..angular }],
                angular_cutoff: 3.5,
                ..FeatureSettings::new("Li", &elements)
            };
            let found = settings.of(&structure).expect("Li is there");
            let exact = naive(&settings, &structure);
            assert_eq!(found.len(), exact.len());
            assert_eq!(settings.names().len(), settings.len());
            for (k, (found, exact)) in found.iter().zip(&exact).enumerate() {
                let name = &settings.names()[k % settings.len()];
                // what is left out beyond six widths
                assert!((found - exact).abs() < 2e-6 + 1e-12 * exact, "{name}: {found} {exact}");
            }
        }
    }
}

#[test]
fn elements_that_are_not_there_have_no_functions_but_zeros() {
    let structure = glass(3, 20, true);
    let settings = FeatureSettings::new("Li", &["S".to_owned(), "Cl".to_owned()]);
    let found = settings.of(&structure).expect("Li is there");
    assert!(found.chunks_exact(100).all(|row| row[50..].iter().all(|x| *x == 0.0)));
    let other = FeatureSettings { species: "Na".into(), ..settings };
    assert!(matches!(other.of(&structure), Err(AnalysisError::NoSuchSpecies { .. })));
}

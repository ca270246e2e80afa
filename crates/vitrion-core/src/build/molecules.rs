//! Bonded units of a crystal kept whole, so that a cut between cells does not break them.

use super::packing::covalent_radius;
use crate::math;
use crate::neighbors::brute_force;
use crate::structure::Structure;

/// Bonds are shorter than this times the sum of covalent radii.
const BOND: f64 = 1.2;
/// Elements that bind into molecules and polyanions; metals do not.
const BINDING: [&str; 20] = [
    "H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Br", "Sb", "Te", "I",
    "Al", "Ga", "Sn",
];

/// The crystal with every bonded unit (PS₄, P₂S₇, …) in one piece and its centre inside the cell; atoms
/// may lie outside. Networks that go on without end, and metals, are left atom by atom in the cell.
///
/// Cost O(N²): meant for unit cells, before they are repeated.
#[must_use]
pub fn whole_molecules(structure: &Structure) -> Structure {
    let binds = |atom: usize| BINDING.contains(&structure.symbol(atom));
    let radius = |atom: usize| covalent_radius(structure.symbol(atom)).unwrap_or(0.0);
    let longest = (0..structure.len()).map(radius).fold(0.0, f64::max);
    let found = brute_force::pairs(&structure.cell, &structure.positions, 2.0 * BOND * longest);
    let mut result = structure.clone();
    for r in &mut result.positions {
        *r = structure.cell.wrap(*r).0;
    }
    let mut image: Vec<Option<[i32; 3]>> = vec![None; structure.len()];
    for root in 0..structure.len() {
        if image[root].is_some() || !binds(root) {
            continue;
        }
        image[root] = Some([0; 3]);
        let (mut unit, mut next, mut endless) = (vec![root], 0, false);
        while next < unit.len() {
            let i = unit[next];
            next += 1;
            let at = image[i].expect("members have images");
            for pair in &found.pairs[found.offsets[i]..found.offsets[i + 1]] {
                let j = pair.j as usize;
                let vector =
                    crate::neighbors::pair_vector(&structure.cell, &structure.positions, i, *pair);
                if !binds(j) || math::norm(vector) > BOND * (radius(i) + radius(j)) {
                    continue;
                }
                let there = std::array::from_fn(|k| at[k] + pair.shift[k]);
                match image[j] {
                    None => {
                        image[j] = Some(there);
                        unit.push(j);
                    }
                    Some(known) => endless |= known != there,
                }
            }
        }
        if endless {
            continue;
        }
        let place = |atom: usize| {
            let shift = image[atom].expect("members have images").map(f64::from);
            math::add(structure.positions[atom], structure.cell.to_cartesian(shift))
        };
        let sum = unit.iter().fold([0.0; 3], |sum, atom| math::add(sum, place(*atom)));
        let centre = math::scale(sum, 1.0 / unit.len() as f64);
        let shift = math::sub(structure.cell.wrap(centre).0, centre);
        for atom in unit {
            result.positions[atom] = math::add(place(atom), shift);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;

    #[test]
    fn a_molecule_across_a_face_comes_together_and_a_network_stays() {
        let cell = Cell::orthorhombic([8.0; 3]).expect("a cube");
        // a tetrahedron around the corner, and lithium beside it
        let d = 2.05 / 3.0_f64.sqrt();
        let corners = [[d, d, d], [d, -d, -d], [-d, d, -d], [-d, -d, d]];
        let mut positions = vec![[7.9, 7.9, 7.9], [4.0, 0.0, 0.0]];
        let wrapped = corners.map(|c| cell.wrap(math::add([7.9; 3], c)).0);
        positions.extend(wrapped);
        let symbols = ["P", "Li", "S", "S", "S", "S"];
        let structure = Structure::new(cell, &symbols, positions).expect("elements");
        let whole = whole_molecules(&structure);
        for sulphur in 2..6 {
            let bond = math::norm(math::sub(whole.positions[sulphur], whole.positions[0]));
            assert!((bond - 2.05).abs() < 1e-12, "{bond}");
        }
        assert!((math::norm(math::sub(whole.positions[0], [7.9; 3]))) < 1e-12);
        // a chain along x that never ends
        let cell = Cell::orthorhombic([4.2, 9.0, 9.0]).expect("a box");
        let chain = vec![[-0.5, 1.0, 1.0], [1.6, 1.0, 1.0]];
        let chain = Structure::new(cell, &["P", "S"], chain).expect("elements");
        let whole = whole_molecules(&chain);
        assert!((whole.positions[0][0] - 3.7).abs() < 1e-12, "{:?}", whole.positions);
    }
}

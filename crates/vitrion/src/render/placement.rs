//! Where atoms are drawn: in the cell, but units whole across its faces.

use super::elements::is_centre;
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Structure, Vector3, math};

/// Two atoms are where their bond wants them if they are off by less than this [Å].
const SAME_PLACE: f64 = 0.1;

/// Places of atoms, and the bonds between them.
#[derive(Debug, Clone)]
pub struct Placement {
    /// By atom [Å].
    pub positions: Vec<Vector3>,
    /// Bonds whose atoms are drawn side by side, the centre first.
    pub bonds: Vec<(usize, usize)>,
    /// All bonds, those to atoms drawn elsewhere included.
    pub all: Vec<Bond>,
}

/// A bond, seen from one of its atoms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bond {
    pub from: usize,
    pub to: usize,
    /// From the first atom to the second [Å].
    pub step: Vector3,
}

/// Wraps atoms into the cell along its periodic directions, and then sets ligands beside the first centre
/// they are bonded to, and the two centres of a pair (P–P in P₂S₆) beside each other.
///
/// * `length`: the longest bond between two elements [Å], if they are bonded
pub fn place(structure: &Structure, length: impl Fn(&str, &str) -> Option<f64>) -> Placement {
    let all = bonds(structure, length);
    let centre: Vec<bool> = (0..structure.len()).map(|i| is_centre(structure.symbol(i))).collect();
    let mut positions: Vec<Vector3> =
        structure.positions.iter().map(|r| structure.cell.wrap(*r).0).collect();
    // a centre in a pair knows no other centre; networks of centres stay where they are
    let mut partners = vec![0; structure.len()];
    for bond in all.iter().filter(|bond| centre[bond.from] && centre[bond.to]) {
        partners[bond.from] += 1;
    }
    let mut moved = vec![false; structure.len()];
    for Bond { from, to, step } in &all {
        let pair = centre[*from] && centre[*to] && from < to;
        if pair && partners[*from] == 1 && partners[*to] == 1 {
            positions[*to] = math::add(positions[*from], *step);
            moved[*to] = true;
        }
    }
    for Bond { from, to, step } in &all {
        if centre[*from] && !centre[*to] && !moved[*to] {
            positions[*to] = math::add(positions[*from], *step);
            moved[*to] = true;
        }
    }
    let drawn = |bond: &&Bond| {
        let beside = math::add(positions[bond.from], bond.step);
        let once = if centre[bond.from] == centre[bond.to] {
            bond.from < bond.to
        } else {
            centre[bond.from]
        };
        once && math::norm(math::sub(positions[bond.to], beside)) < SAME_PLACE
    };
    let bonds = all.iter().filter(drawn).map(|bond| (bond.from, bond.to)).collect();
    Placement { positions, bonds, all }
}

/// All bonds from both of their ends, sorted by atoms.
fn bonds(structure: &Structure, length: impl Fn(&str, &str) -> Option<f64>) -> Vec<Bond> {
    let symbols = structure.table.symbols();
    let lengths: Vec<Vec<f64>> = symbols
        .iter()
        .map(|a| symbols.iter().map(|b| length(a, b).unwrap_or(0.0)).collect())
        .collect();
    let longest = lengths.iter().flatten().copied().fold(0.0, f64::max);
    if longest <= 0.0 || structure.is_empty() {
        return Vec::new();
    }
    let mut verlet = VerletList::new(longest, 0.0);
    verlet.update(&structure.cell, &structure.positions);
    let (list, order) = (verlet.list(), verlet.order());
    let mut found = Vec::new();
    for i in 0..structure.len() {
        let from = order[i] as usize;
        for entry in list.row(i) {
            let to = order[list.index[entry] as usize] as usize;
            let step = list.vector(verlet.positions(), i, entry);
            let [a, b] = [from, to].map(|atom| structure.species[atom].index());
            if math::norm(step) <= lengths[a][b] {
                found.push(Bond { from, to, step });
            }
        }
    }
    found.sort_by(|a, b| {
        let steps = a.step.iter().zip(&b.step).map(|(x, y)| x.total_cmp(y));
        let steps =
            || steps.clone().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal);
        (a.from, a.to).cmp(&(b.from, b.to)).then_with(steps)
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::elements::bond_length;
    use vitrion_core::Cell;

    fn placed(symbols: &[&str], positions: Vec<Vector3>) -> Placement {
        let cell = Cell::orthorhombic([8.0; 3]).expect("a cube");
        let structure = Structure::new(cell, symbols, positions).expect("elements");
        place(&structure, bond_length)
    }

    #[test]
    fn a_tetrahedron_across_the_boundary_is_whole() {
        let placement =
            placed(&["P", "S", "Li"], vec![[0.2, 4.0, 4.0], [6.2, 4.0, 4.0], [12.0, 4.0, 4.0]]);
        assert_eq!(placement.bonds, [(0, 1)]);
        assert!((placement.positions[1][0] + 1.8).abs() < 1e-9, "S is beside P");
        assert!((placement.positions[2][0] - 4.0).abs() < 1e-9, "Li is wrapped");
        assert_eq!(placement.all.len(), 2, "one bond from both ends");
    }

    #[test]
    fn a_pair_of_centres_across_the_boundary_is_whole_with_its_ligands() {
        let placement =
            placed(&["P", "P", "S"], vec![[0.5, 4.0, 4.0], [6.4, 4.0, 4.0], [4.5, 4.0, 4.0]]);
        assert_eq!(placement.bonds, [(0, 1), (1, 2)]);
        assert!((placement.positions[1][0] + 1.6).abs() < 1e-9);
        assert!((placement.positions[2][0] + 3.5).abs() < 1e-9);
    }

    #[test]
    fn a_network_of_centres_stays_in_the_cell() {
        let line: Vec<Vector3> = (0..4).map(|i| [2.0 * f64::from(i) + 0.5, 1.0, 1.0]).collect();
        let placement = placed(&["Si"; 4], line.clone());
        assert_eq!(placement.positions, line);
        assert_eq!(placement.bonds, [(0, 1), (1, 2), (2, 3)]);
    }
}

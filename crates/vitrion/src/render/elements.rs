//! How elements look, and which of them are bonded.

/// What centres of units are bonded to at most this far away [Å], whatever the pair is: the first minimum
/// of g(r) of P and S lies near 2.6 Å.
const LENGTHS: [(&str, &str, f64); 17] = [
    ("P", "S", 2.6),
    ("P", "Se", 2.7),
    ("P", "O", 2.0),
    ("P", "P", 2.6),
    ("Si", "S", 2.6),
    ("Si", "Se", 2.7),
    ("Si", "O", 2.1),
    ("Si", "Si", 2.8),
    ("Ge", "S", 2.7),
    ("Ge", "Se", 2.8),
    ("Ge", "O", 2.2),
    ("Ge", "Ge", 2.9),
    ("Sn", "S", 2.9),
    ("Sn", "Se", 3.0),
    ("Sn", "O", 2.5),
    ("B", "S", 2.3),
    ("B", "O", 1.9),
];

/// The longest bond between two elements [Å], if they are bonded at all: a network former and a chalcogen
/// around it, or two formers.
pub fn bond_length(a: &str, b: &str) -> Option<f64> {
    let same =
        |(one, other, _): &&(&str, &str, f64)| (*one, *other) == (a, b) || (*one, *other) == (b, a);
    LENGTHS.iter().find(same).map(|(_, _, length)| *length)
}

/// True for the elements that sit in the middle of the tetrahedra.
pub fn is_centre(symbol: &str) -> bool {
    LENGTHS.iter().any(|(centre, _, _)| *centre == symbol)
}

/// Radius [Å] (about half the distance to neighbours, for looks) and a colour as `#rrggbb`, which
/// colour-blind readers can tell from those it is usually seen with. Elements of which nothing is known
/// are told apart by `index`, their place among the elements of the structure.
pub fn radius_and_color(symbol: &str, index: usize) -> (f64, &'static str) {
    match symbol {
        "H" => (0.35, "#f2f2f2"),
        "Li" => (0.55, "#009e73"),
        "Na" => (0.65, "#117733"),
        "K" => (0.80, "#44aa99"),
        "Rb" => (0.85, "#6fb98f"),
        "Cs" => (0.90, "#2f6f5e"),
        "Ag" => (0.65, "#b8bcc4"),
        "Cu" => (0.60, "#b5651d"),
        "Be" => (0.45, "#a6d854"),
        "Mg" => (0.60, "#66a61e"),
        "Ca" => (0.75, "#7fb069"),
        "Sr" => (0.85, "#4d9221"),
        "Ba" => (0.90, "#276419"),
        "P" => (0.60, "#d55e00"),
        "Si" => (0.60, "#c9794a"),
        "Ge" => (0.65, "#8c510a"),
        "Sn" => (0.70, "#a6761d"),
        "As" => (0.65, "#b2567a"),
        "Sb" => (0.70, "#8e4585"),
        "Bi" => (0.75, "#7a3e9d"),
        "B" => (0.45, "#e7969c"),
        "Al" => (0.60, "#b3a2c7"),
        "Ga" => (0.62, "#a17fb5"),
        "In" => (0.70, "#8a6fae"),
        "Pb" => (0.75, "#4a4e69"),
        "C" => (0.50, "#4d4d4d"),
        "N" => (0.60, "#3b5bdb"),
        "O" => (0.70, "#cc3311"),
        "S" => (0.85, "#e8c52a"),
        "Se" => (0.90, "#c99a06"),
        "Te" => (0.95, "#9a7d0a"),
        "F" => (0.65, "#88ccee"),
        "Cl" => (0.95, "#56b4e9"),
        "Br" => (1.00, "#0072b2"),
        "I" => (1.10, "#332288"),
        "Y" => (0.75, "#5ab4ac"),
        "La" => (0.80, "#01665e"),
        "Sc" => (0.70, "#80cdc1"),
        "Ti" => (0.65, "#9aa5b1"),
        "Zr" => (0.70, "#6c8ebf"),
        "Hf" => (0.70, "#5470a0"),
        "V" => (0.62, "#7570b3"),
        "Nb" => (0.68, "#4f7cac"),
        "Ta" => (0.68, "#6a7b8c"),
        "Cr" => (0.62, "#5c7c8a"),
        "Mo" => (0.68, "#54868c"),
        "W" => (0.68, "#3d5a80"),
        "Mn" => (0.62, "#aa4499"),
        "Fe" => (0.62, "#b34700"),
        "Co" => (0.62, "#1f4e99"),
        "Ni" => (0.62, "#4daf4a"),
        "Zn" => (0.62, "#7d80b0"),
        "Au" => (0.70, "#d4af37"),
        "He" | "Ne" | "Ar" | "Kr" | "Xe" => (0.90, "#9fd8df"),
        _ => (0.7, ["#0072b2", "#cc79a7", "#e69f00", "#777777"][index % 4]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Color;

    #[test]
    fn every_element_has_a_radius_and_a_colour() {
        for (index, element) in vitrion_core::elements::ELEMENTS.iter().enumerate() {
            let (radius, color) = radius_and_color(element.symbol, index);
            assert!(radius > 0.3 && radius < 1.2, "{}", element.symbol);
            assert!(Color::parse(color).is_some(), "{}: {color}", element.symbol);
        }
    }

    #[test]
    fn bonds_join_formers_with_ligands_and_nothing_else() {
        assert_eq!(bond_length("S", "P"), Some(2.6));
        assert_eq!(bond_length("P", "P"), Some(2.6));
        for (a, b) in [("Li", "S"), ("S", "S"), ("Li", "P"), ("O", "S")] {
            assert_eq!(bond_length(a, b), None, "{a}-{b}");
        }
        assert!(is_centre("P") && !is_centre("S") && !is_centre("Li"));
    }
}

//! The atoms of one picture: cell, symbols, positions from the first frame of an extended XYZ file.

use vitrion_core::{Cell, Vector3};

/// Atoms to draw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    pub(super) cell: Cell,
    pub(super) symbols: Vec<String>,
    /// [Å]
    pub(super) positions: Vec<Vector3>,
}

/// The first frame of an extended XYZ text with `Lattice` and `Properties`.
pub(super) fn parse(text: &str) -> Result<Snapshot, String> {
    let mut lines = text.lines();
    let count: usize = lines
        .next()
        .and_then(|line| line.trim().parse().ok())
        .ok_or("line 1: expected the number of atoms")?;
    let header = lines.next().ok_or("line 2: expected Lattice=… Properties=…")?;
    let lattice = value_of(header, "Lattice").ok_or("line 2: no Lattice")?;
    let numbers: Vec<f64> =
        lattice.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [a, b, c, d, e, f, g, h, i] = numbers[..] else {
        return Err(format!("line 2: expected 9 numbers in Lattice, found {lattice:?}"));
    };
    let cell = Cell::periodic([[a, b, c], [d, e, f], [g, h, i]]).map_err(|e| e.to_string())?;
    let properties = value_of(header, "Properties").unwrap_or("species:S:1:pos:R:3");
    let (species, position) = columns(properties)
        .ok_or_else(|| format!("line 2: no species and pos in Properties={properties}"))?;
    let mut snapshot = Snapshot { cell, symbols: Vec::new(), positions: Vec::new() };
    for (index, line) in lines.take(count).enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |column: usize| words.get(column).and_then(|word| word.parse::<f64>().ok());
        let place = [number(position), number(position + 1), number(position + 2)];
        let (Some(symbol), [Some(x), Some(y), Some(z)]) = (words.get(species), place) else {
            return Err(format!("line {}: expected a symbol and a position", index + 3));
        };
        snapshot.symbols.push((*symbol).to_owned());
        snapshot.positions.push([x, y, z]);
    }
    if snapshot.symbols.len() != count {
        return Err(format!("expected {count} atoms, found {}", snapshot.symbols.len()));
    }
    Ok(snapshot)
}

/// The value of `key=value` or `key="value"`.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let start = header.find(&format!("{key}="))? + key.len() + 1;
    let rest = &header[start..];
    rest.strip_prefix('"')
        .map_or_else(|| rest.split_whitespace().next(), |quoted| quoted.split('"').next())
}

/// Column of the symbol and first column of the position.
fn columns(properties: &str) -> Option<(usize, usize)> {
    let parts: Vec<&str> = properties.split(':').collect();
    let (mut column, mut species, mut position) = (0, None, None);
    for triple in parts.chunks_exact(3) {
        match triple[0] {
            "species" => species = Some(column),
            "pos" => position = Some(column),
            _ => {}
        }
        column += triple[2].parse::<usize>().ok()?;
    }
    Some((species?, position?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_come_in_any_order() {
        let text = "1\nProperties=forces:R:3:species:S:1:pos:R:3 Lattice=\"4 0 0 0 5 0 0 0 6\"\n\
                    0 0 0 Li 1.0 2.0 3.0\n";
        let snapshot = parse(text).expect("well formed");
        assert_eq!(snapshot.symbols, ["Li"]);
        assert!((snapshot.positions[0][2] - 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_cut_off_file_is_refused_with_the_counts() {
        let text = "2\nLattice=\"4 0 0 0 5 0 0 0 6\"\nLi 1 2 3\n";
        assert_eq!(parse(text), Err("expected 2 atoms, found 1".to_owned()));
        assert!(parse("x").expect_err("no count").contains("number of atoms"));
    }
}

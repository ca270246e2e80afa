//! Gaussian cube files: numbers on a grid in a cell, with atoms. Lengths are in bohr.

use crate::elements;
use crate::math::{self, Matrix3, Vector3};
use crate::units;
use std::io::Write;

/// Numbers on a grid.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    /// Lattice vectors [Å], rows.
    pub cell: Matrix3,
    pub points: [usize; 3],
    /// The third index runs fastest.
    pub values: &'a [f64],
}

/// Writes a cube file: atoms by symbol and position [Å], values as they are.
///
/// # Errors
/// Those of the writer.
///
/// # Panics
/// If there are more or fewer values than grid points, or a symbol is no element.
pub fn write(
    out: &mut impl Write,
    title: &str,
    atoms: &[(String, Vector3)],
    grid: &Grid<'_>,
) -> std::io::Result<()> {
    let points: usize = grid.points.iter().product();
    assert_eq!(grid.values.len(), points, "one value per grid point");
    let bohr = |r: Vector3| math::scale(r, 1.0 / units::BOHR);
    writeln!(out, "{title}\nwritten by vitrion")?;
    writeln!(out, "{:5} {:12.6} {:12.6} {:12.6}", atoms.len(), 0.0, 0.0, 0.0)?;
    for (points, vector) in grid.points.iter().zip(grid.cell) {
        let [x, y, z] = bohr(math::scale(vector, 1.0 / *points as f64));
        writeln!(out, "{points:5} {x:12.6} {y:12.6} {z:12.6}")?;
    }
    for (symbol, r) in atoms {
        let number = elements::by_symbol(symbol).expect("an element").number;
        let [x, y, z] = bohr(*r);
        writeln!(out, "{number:5} {:12.6} {x:12.6} {y:12.6} {z:12.6}", f64::from(number))?;
    }
    for row in grid.values.chunks(grid.points[2]) {
        for line in row.chunks(6) {
            for value in line {
                write!(out, " {value:12.5E}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_grid_is_written_line_by_line() {
        let cell = [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 8.0]];
        let values: Vec<f64> = (0..16).map(f64::from).collect();
        let grid = Grid { cell, points: [2, 1, 8], values: &values };
        let mut out = Vec::new();
        write(&mut out, "density", &[("S".to_owned(), [1.0, 0.5, 4.0])], &grid).expect("memory");
        let text = String::from_utf8(out).expect("ASCII");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 11, "{text}");
        assert_eq!(
            lines[3].split_whitespace().collect::<Vec<_>>(),
            ["2", "1.889726", "0.000000", "0.000000"]
        );
        assert!(lines[6].trim_start().starts_with("16 "), "{text}");
        assert_eq!(lines[7].split_whitespace().count(), 6);
        assert_eq!(lines[8].split_whitespace().count(), 2);
    }
}

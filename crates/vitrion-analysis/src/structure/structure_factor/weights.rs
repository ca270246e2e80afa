//! How strongly each element scatters: neutron lengths and X-ray form factors.

use crate::error::AnalysisError;
use vitrion_core::SpeciesTable;

/// Made by `scripts/tables/scattering.py`.
const NEUTRON: &str = include_str!("neutron_lengths.csv");
const XRAY: &str = include_str!("xray_form_factors.csv");

fn rows(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(','))
}

/// Coherent scattering length of an element or an isotope such as "7Li" [fm].
fn neutron_length(name: &str) -> Option<f64> {
    let row = rows(NEUTRON).find(|(known, _)| *known == name);
    row.map(|(_, length)| length.parse().expect("a number in our own table"))
}

/// Coherent neutron scattering lengths by species [fm]; isotopes replace natural elements.
pub(super) fn neutron_lengths(
    table: &SpeciesTable,
    isotopes: &[String],
) -> Result<Vec<f64>, AnalysisError> {
    let refuse = |found: String, expected: String| AnalysisError::Parameter {
        name: "isotopes",
        found,
        expected,
    };
    let mut lengths = Vec::with_capacity(table.len());
    for symbol in table.symbols() {
        lengths.push(neutron_length(symbol).ok_or_else(|| {
            let expected =
                format!("an isotope of {symbol}: the natural element has no known length");
            refuse("none".into(), expected)
        }));
    }
    for isotope in isotopes {
        let symbol = isotope.trim_start_matches(|c: char| c.is_ascii_digit());
        let place = table.symbols().iter().position(|known| known == symbol);
        let (Some(place), Some(length)) = (place, neutron_length(isotope)) else {
            let known: Vec<&str> = rows(NEUTRON)
                .map(|(name, _)| name)
                .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
                .filter(|name| {
                    let of = name.trim_start_matches(|c: char| c.is_ascii_digit());
                    table.symbols().iter().any(|symbol| symbol == of)
                })
                .collect();
            return Err(refuse(format!("\"{isotope}\""), format!("some of {}", known.join(", "))));
        };
        lengths[place] = Ok(length);
    }
    lengths.into_iter().collect()
}

/// Form factor of a neutral atom (Waasmaier and Kirfel 1995).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FormFactor {
    a: [f64; 5],
    b: [f64; 5],
    c: f64,
}

impl FormFactor {
    pub(super) fn of(symbol: &str) -> Option<Self> {
        let (_, row) = rows(XRAY).find(|(known, _)| *known == symbol)?;
        let numbers = row.split(',').map(|word| word.parse().expect("a number in our own table"));
        let numbers: Vec<f64> = numbers.collect();
        let five = |from: usize| std::array::from_fn(|k| numbers[from + k]);
        Some(FormFactor { a: five(0), c: numbers[5], b: five(6) })
    }

    /// `f0(Q) = c + Σ a exp(−b (Q/4π)²)` [electrons].
    pub(super) fn at(&self, q: f64) -> f64 {
        let s2 = (q / (4.0 * std::f64::consts::PI)).powi(2);
        self.c + self.a.iter().zip(&self.b).map(|(a, b)| a * (-b * s2).exp()).sum::<f64>()
    }
}

//! Compositions from formulas, as exact ratios of elements.

use crate::elements;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Amounts are counted in millionths, so that decimals are exact.
const MILLION: u64 = 1_000_000;
/// More digits than any amount needs; products stay below 2⁶⁴.
const LARGEST: u64 = 1_000_000;

/// Why a formula cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompositionError {
    /// Something that is no formula.
    #[error(
        "formula \"{formula}\": {found} at character {at}; write for example Li3PS4, Li7(PS4)2Cl or \
         75Li2S-25P2S5"
    )]
    Syntax { formula: String, at: usize, found: String },
    /// A symbol that is not in the periodic table.
    #[error("formula \"{formula}\": {symbol} is not a chemical element{hint}")]
    NotAnElement { formula: String, symbol: String, hint: String },
    /// A number of atoms that the formula cannot have.
    #[error(
        "{atoms} atoms cannot be {formula}: one formula unit has {unit} atoms; the nearest numbers \
         are {}",
        nearest_numbers(*lower, *upper)
    )]
    Indivisible { formula: String, atoms: u64, unit: u64, lower: u64, upper: u64 },
}

fn nearest_numbers(lower: u64, upper: u64) -> String {
    if lower == 0 { upper.to_string() } else { format!("{lower} and {upper}") }
}

/// Elements in their smallest whole ratio: cations by their usual charge, others, anions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composition {
    elements: Vec<(String, u64)>,
}

impl Composition {
    /// Reads a formula: element symbols with amounts, brackets, decimals, and components with their
    /// share in front, joined by hyphens: `75Li2S-25P2S5` is Li3PS4.
    ///
    /// # Errors
    /// [`CompositionError::Syntax`] with the place, or a symbol that is no element.
    pub fn parse(formula: &str) -> Result<Self, CompositionError> {
        let mut reader = Reader { formula, rest: formula.trim(), whole: formula.trim().len() };
        let mut order: Vec<String> = Vec::new();
        let mut amounts: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let share = reader.number()?.unwrap_or(MILLION);
            let component = reader.group(0)?;
            for (symbol, amount) in component {
                if !order.contains(&symbol) {
                    order.push(symbol.clone());
                }
                let product = u128::from(share) * u128::from(amount);
                if product % u128::from(MILLION) != 0 {
                    return Err(reader.complain("an amount with more than six decimals"));
                }
                let product = u64::try_from(product / u128::from(MILLION)).ok();
                let total = amounts.entry(symbol).or_insert(0);
                *total = product
                    .and_then(|product| total.checked_add(product))
                    .ok_or_else(|| reader.complain("an amount that is too large"))?;
            }
            if !reader.take('-') {
                break;
            }
        }
        if !reader.rest.is_empty() {
            return Err(reader.complain("an unexpected character"));
        }
        let divisor = amounts.values().fold(0, |a, b| gcd(a, *b));
        order.sort_by_key(|symbol| match oxidation_number(symbol) {
            Some(q) if q < 0 => (2, q),
            Some(q) => (0, q),
            None => (1, 0),
        });
        let elements = order
            .into_iter()
            .map(|symbol| {
                let amount = amounts[&symbol] / divisor;
                (symbol, amount)
            })
            .collect();
        Ok(Composition { elements })
    }

    /// Symbols and their numbers in one formula unit.
    pub fn elements(&self) -> &[(String, u64)] {
        &self.elements
    }

    /// Atoms of one formula unit.
    pub fn unit(&self) -> u64 {
        self.elements.iter().map(|(_, n)| n).sum()
    }

    /// Atoms of each element among `atoms` in all.
    ///
    /// # Errors
    /// [`CompositionError::Indivisible`] names the nearest numbers that work.
    pub fn counts(&self, atoms: u64) -> Result<Vec<(String, u64)>, CompositionError> {
        let unit = self.unit();
        if atoms == 0 || !atoms.is_multiple_of(unit) {
            let lower = atoms / unit * unit;
            let (formula, upper) = (self.formula(), lower + unit);
            return Err(CompositionError::Indivisible { formula, atoms, unit, lower, upper });
        }
        Ok(self.elements.iter().map(|(s, n)| (s.clone(), n * (atoms / unit))).collect())
    }

    /// Charge of one formula unit by usual oxidation numbers; the symbol of an element that has none
    /// in [`oxidation_number`] as error.
    ///
    /// # Errors
    /// The first such symbol.
    pub fn charge(&self) -> Result<i64, &str> {
        let mut charge = 0;
        for (symbol, count) in &self.elements {
            let number = oxidation_number(symbol).ok_or(symbol.as_str())?;
            charge += i64::from(number) * *count as i64;
        }
        Ok(charge)
    }

    /// For example "Li3PS4".
    pub fn formula(&self) -> String {
        let mut text = String::new();
        for (symbol, count) in &self.elements {
            text.push_str(symbol);
            if *count > 1 {
                write!(text, "{count}").expect("writing to a string cannot fail");
            }
        }
        text
    }
}

/// The usual oxidation number of an element in solid electrolytes and glasses.
pub fn oxidation_number(symbol: &str) -> Option<i32> {
    Some(match symbol {
        "Li" | "Na" | "K" | "Rb" | "Cs" | "Ag" => 1,
        "Mg" | "Ca" | "Sr" | "Ba" | "Zn" => 2,
        "B" | "Al" | "Ga" | "In" | "Sc" | "Y" | "La" => 3,
        "Si" | "Ge" | "Sn" | "Ti" | "Zr" | "Hf" => 4,
        "P" | "As" | "Sb" | "Nb" | "Ta" => 5,
        "O" | "S" | "Se" | "Te" => -2,
        "F" | "Cl" | "Br" | "I" => -1,
        _ => return None,
    })
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

struct Reader<'a> {
    formula: &'a str,
    rest: &'a str,
    whole: usize,
}

impl Reader<'_> {
    fn complain(&self, found: &str) -> CompositionError {
        CompositionError::Syntax {
            formula: self.formula.to_owned(),
            at: self.whole - self.rest.len() + 1,
            found: found.to_owned(),
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A positive number in millionths.
    fn number(&mut self) -> Result<Option<u64>, CompositionError> {
        let length =
            self.rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(self.rest.len());
        if length == 0 {
            return Ok(None);
        }
        let (text, rest) = self.rest.split_at(length);
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let wrong = || self.complain(&format!("a number that cannot be used (\"{text}\")"));
        if decimals.len() > 6 || decimals.contains('.') || whole.is_empty() {
            return Err(wrong());
        }
        let units: u64 = whole.parse().map_err(|_| wrong())?;
        let fraction: u64 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
        if units > LARGEST || units * MILLION + fraction == 0 {
            return Err(wrong());
        }
        self.rest = rest;
        Ok(Some(units * MILLION + fraction))
    }

    /// Symbols and brackets with their amounts.
    fn group(&mut self, depth: usize) -> Result<Vec<(String, u64)>, CompositionError> {
        let mut found: Vec<(String, u64)> = Vec::new();
        loop {
            let inner = if depth < 8 && self.take('(') {
                let inner = self.group(depth + 1)?;
                if !self.take(')') {
                    return Err(self.complain("a bracket that is not closed"));
                }
                inner
            } else if self.rest.starts_with(|c: char| c.is_ascii_uppercase()) {
                vec![(self.symbol()?, MILLION)]
            } else if found.is_empty() {
                return Err(self.complain("no element symbol"));
            } else {
                return Ok(found);
            };
            let amount = self.number()?.unwrap_or(MILLION);
            for (symbol, count) in inner {
                let product = u128::from(count) * u128::from(amount);
                if product % u128::from(MILLION) != 0 {
                    return Err(self.complain("an amount with more than six decimals"));
                }
                let product = u64::try_from(product / u128::from(MILLION)).ok();
                let product = product
                    .filter(|n| *n <= LARGEST * MILLION)
                    .ok_or_else(|| self.complain("an amount that is too large"))?;
                match found.iter_mut().find(|(known, _)| *known == symbol) {
                    Some((_, total)) => *total += product,
                    None => found.push((symbol, product)),
                }
            }
        }
    }

    fn symbol(&mut self) -> Result<String, CompositionError> {
        let length = 1 + usize::from(self.rest[1..].starts_with(|c: char| c.is_ascii_lowercase()));
        let (symbol, rest) = self.rest.split_at(length);
        if elements::by_symbol(symbol).is_none() {
            let hint = elements::nearest(symbol);
            let hint = hint.map_or(String::new(), |known| format!("; did you mean {known}?"));
            let (formula, symbol) = (self.formula.to_owned(), symbol.to_owned());
            return Err(CompositionError::NotAnElement { formula, symbol, hint });
        }
        self.rest = rest;
        Ok(symbol.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_their_smallest_whole_ratio() {
        for (formula, unit) in [
            ("Li3PS4", "Li3PS4"),
            ("75Li2S-25P2S5", "Li3PS4"),
            ("67Li2S-33P2S5", "Li67P33S116"),
            ("66.7Li2S-33.3P2S5", "Li667P333S1166"),
            ("Li7(PS4)2Cl", "Li7P2S8Cl"),
            ("Li6.5La3Zr1.5Ta0.5O12", "Li13La6Zr3TaO24"),
            ("ClS5PLi6", "Li6PS5Cl"),
            ("Li2S", "Li2S"),
            (" S8 ", "S"),
        ] {
            assert_eq!(Composition::parse(formula).expect(formula).formula(), unit, "{formula}");
        }
    }

    #[test]
    fn charges_follow_oxidation_numbers() {
        for (formula, charge) in
            [("Li3PS4", 0), ("Li7P3S11", 0), ("Li6PS5Cl", 0), ("Li4P2S6", 1), ("Li91P35S129", 8)]
        {
            assert_eq!(Composition::parse(formula).expect(formula).charge(), Ok(charge));
        }
        assert_eq!(Composition::parse("Li3FeS4").expect("a formula").charge(), Err("Fe"));
    }

    #[test]
    fn numbers_of_atoms_are_exact_or_refused_with_the_nearest() {
        let composition = Composition::parse("75Li2S-25P2S5").expect("a formula");
        let counts = composition.counts(128).expect("16 units");
        assert_eq!(counts, [("Li".into(), 48), ("P".into(), 16), ("S".into(), 64)]);
        let error = composition.counts(130).expect_err("130 = 16 · 8 + 2").to_string();
        assert!(error.contains("one formula unit has 8 atoms"), "{error}");
        assert!(error.ends_with("the nearest numbers are 128 and 136"), "{error}");
        let error = composition.counts(3).expect_err("less than one unit").to_string();
        assert!(error.ends_with("the nearest numbers are 8"), "{error}");
    }

    #[test]
    fn what_is_no_formula_is_refused_with_the_place() {
        for (formula, message) in [
            ("", "no element symbol at character 1"),
            ("75-25P2S5", "no element symbol at character 3"),
            ("Li3PS4)", "an unexpected character at character 7"),
            ("Li(PS4", "a bracket that is not closed at character 7"),
            ("li3PS4", "no element symbol at character 1"),
            ("Li3Px4", "Px is not a chemical element"),
            ("Li0", "a number that cannot be used (\"0\") at character 3"),
            ("Li1.2.3", "a number that cannot be used"),
            ("Li99999999999", "a number that cannot be used"),
            ("Li2S-", "no element symbol at character 6"),
            ("Li2S 3", "an unexpected character at character 5"),
        ] {
            let error = Composition::parse(formula).expect_err(formula).to_string();
            assert!(error.contains(message), "{formula}: {error}");
        }
    }
}

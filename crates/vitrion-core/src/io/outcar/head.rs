//! What an OUTCAR says before its first ionic step: the atoms and the limit of the electronic loop.

use super::is_iteration;
use crate::elements;
use crate::io::IoError;
use crate::io::ionic_step::Atoms;
use crate::io::lines::Lines;

/// No OUTCAR holds more; a damaged one may say so.
const MOST_ATOMS: usize = 10_000_000;

/// The header of an OUTCAR.
pub(super) struct Head {
    pub(super) atoms: Atoms,
    /// NELM: an electronic loop of that many iterations was cut off.
    pub(super) most_iterations: usize,
}

/// The header as far as it was read.
#[derive(Default)]
struct Found {
    /// One element per POTCAR, in their order, by their titles.
    elements: Vec<&'static str>,
    /// The elements of the lines `POTCAR:`, of which every potential has two.
    listed: Vec<&'static str>,
    /// The element that the potential itself names, in case its title does not.
    configuration: Option<&'static str>,
    counts: Option<Vec<usize>>,
    ions: Option<usize>,
    most_iterations: Option<usize>,
}

impl Head {
    /// Reads up to and including the line of the first electronic iteration.
    pub(super) fn read(lines: &mut Lines) -> Result<Self, IoError> {
        let mut found = Found::default();
        // a line of counts may go on in the next
        let mut counting = false;
        loop {
            if !lines.advance()? {
                return Err(IoError::Truncated {
                    path: lines.path().to_owned(),
                    line: lines.number(),
                    what: "the header, before the first electronic iteration".into(),
                    hint: None,
                });
            }
            let line = lines.line().trim();
            if is_iteration(line) {
                return found.head(lines);
            }
            if counting
                && let Some(counts) = &mut found.counts
                && let Ok(more) = wholes(line, lines)
                && !more.is_empty()
            {
                counts.extend(more);
                continue;
            }
            counting = false;
            if line.starts_with("General timing and accounting") {
                return Err(IoError::invalid(
                    lines.path(),
                    "it holds no ionic step that was computed from first principles",
                    Some("steps of a machine-learned force field are not read"),
                ));
            } else if let Some(text) = line.strip_prefix("VRHFIN") {
                found.configuration = text.split(['=', ':']).nth(1).and_then(element);
            } else if line.starts_with("TITEL") {
                found.title(line, lines)?;
            } else if let Some(text) = line.strip_prefix("POTCAR:") {
                found.listed.extend(potential(text));
            } else if let Some(text) = line.strip_prefix("ions per type =") {
                found.counts = Some(wholes(text, lines)?);
                counting = true;
            } else if let Some((_, text)) = line.split_once("NIONS =") {
                found.ions = wholes(text, lines)?.first().copied();
            } else if line.starts_with("NELM ") && line.contains("NELMIN") {
                let text = line.split(['=', ';']).nth(1).unwrap_or("");
                found.most_iterations = wholes(text, lines)?.first().copied();
            }
        }
    }
}

impl Found {
    /// `TITEL  = PAW_PBE Li_sv 10Sep2004`
    fn title(&mut self, line: &str, lines: &Lines) -> Result<(), IoError> {
        let title = line.split_once('=').map_or("", |(_, text)| text);
        let Some(symbol) = potential(title).or(self.configuration.take()) else {
            return Err(lines.error_with_hint(
                "the title of a POTCAR with an element symbol",
                line,
                Some("such as TITEL = PAW_PBE Li_sv 10Sep2004"),
            ));
        };
        self.elements.push(symbol);
        Ok(())
    }

    fn head(self, lines: &Lines) -> Result<Head, IoError> {
        let path = lines.path();
        let trouble = |message: String, hint: &str| IoError::invalid(path, message, Some(hint));
        let counts = self.counts.unwrap_or_default();
        // titles are often cut out with the rest of the potentials
        let (first, second) = self.listed.split_at(self.listed.len() / 2);
        let listed = if first == second { first } else { &self.listed };
        let elements = if self.elements.is_empty() { listed } else { &self.elements };
        if counts.len() != elements.len() {
            return Err(trouble(
                format!(
                    "{} POTCARs ({}), but {} numbers of ions per type",
                    elements.len(),
                    elements.join(" "),
                    counts.len()
                ),
                "read vasprun.xml instead, which names every atom",
            ));
        }
        let total = counts.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n));
        if total != self.ions || total.is_none_or(|total| total > MOST_ATOMS) {
            return Err(trouble(
                format!(
                    "ions per type add up to {}, but NIONS is {}",
                    total.map_or("too many".into(), |n| n.to_string()),
                    self.ions.map_or("missing".into(), |n| n.to_string())
                ),
                "numbers of ions above 999 may touch: read vasprun.xml instead",
            ));
        }
        let Some(most_iterations) = self.most_iterations else {
            return Err(trouble(
                "the header has no NELM, so nothing tells whether the electrons converged".into(),
                "was a part of the file cut out?",
            ));
        };
        let symbols: Vec<&str> = elements
            .iter()
            .zip(counts)
            .flat_map(|(symbol, count)| std::iter::repeat_n(*symbol, count))
            .collect();
        Ok(Head { atoms: Atoms::new(&symbols, path)?, most_iterations })
    }
}

/// The element of a potential such as `PAW_PBE Li_sv 10Sep2004` or `H 1/r potential`.
fn potential(title: &str) -> Option<&'static str> {
    title.split_whitespace().take(2).filter_map(element).last()
}

/// The element of a potential's name such as `Li_sv` or `H1.25`.
fn element(name: &str) -> Option<&'static str> {
    let name = name.trim();
    let letters = name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(name.len());
    elements::by_symbol(&name[..letters]).map(|element| element.symbol)
}

fn wholes(text: &str, lines: &Lines) -> Result<Vec<usize>, IoError> {
    text.split_whitespace()
        .map(|word| word.parse().map_err(|_| lines.error("whole numbers", word)))
        .collect()
}

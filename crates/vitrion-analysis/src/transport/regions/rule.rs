//! In which region an atom is.

use crate::error::AnalysisError;
use crate::structure::{Amorphization, AmorphizationSettings, amorphization};
use serde::{Deserialize, Serialize};
use vitrion_core::Structure;

/// What tells regions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum RegionRule {
    /// Labels that the frames bring along, column `phase`: of any kind, once for all or frame by frame.
    Labels,
    /// Slabs of the cell; what is in none of them is "rest".
    Slabs { slabs: Vec<Slab> },
    /// Glass, interface and crystal as the amorphisation profile of every frame finds them.
    Amorphization { settings: AmorphizationSettings },
}

/// Part of the cell between two planes of a lattice direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slab {
    pub name: String,
    /// Lattice vector: 0, 1 or 2.
    pub axis: usize,
    /// Fractional coordinates of the planes; from the first up to the second, through the border of the cell if it is smaller.
    pub from: f64,
    pub to: f64,
}

impl Slab {
    fn holds(&self, s: f64) -> bool {
        if self.from < self.to {
            self.from <= s && s < self.to
        } else {
            s >= self.from || s < self.to
        }
    }
}

/// Name of what lies in no slab.
const REST: &str = "rest";

/// The rule at work.
pub(super) struct Labels {
    rule: Rule,
    names: Vec<String>,
}

enum Rule {
    Labels,
    Slabs(Vec<Slab>),
    Amorphization(Box<Amorphization>),
}

impl Labels {
    pub(super) fn new(rule: &RegionRule, first: &Structure) -> Result<Self, AnalysisError> {
        let (rule, names) = match rule {
            RegionRule::Labels => {
                let Some(phases) = &first.phases else {
                    return Err(AnalysisError::Parameter {
                        name: "regions",
                        found: "frames without labels".into(),
                        expected: "a column \"phase\" in the trajectory, slabs, or the amorphisation profile".into(),
                    });
                };
                (Rule::Labels, phases.names().to_vec())
            }
            RegionRule::Slabs { slabs } => {
                check(slabs)?;
                let names = slabs.iter().map(|slab| slab.name.clone());
                let mut names: Vec<String> = names.chain([REST.to_owned()]).collect();
                names.dedup();
                (Rule::Slabs(slabs.clone()), unique(names))
            }
            RegionRule::Amorphization { settings } => {
                let names = amorphization::PHASES.iter().map(|name| (*name).to_owned()).collect();
                let rule = Amorphization::new(settings.clone(), first)?;
                (Rule::Amorphization(Box::new(rule)), names)
            }
        };
        Ok(Labels { rule, names })
    }

    /// Names of regions, those that came up so far.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The region of every atom of a frame, a place in the names.
    pub(super) fn of(
        &mut self,
        frame: usize,
        structure: &Structure,
    ) -> Result<Vec<u8>, AnalysisError> {
        let phases = match &self.rule {
            Rule::Slabs(slabs) => return Ok(slab_of(slabs, &self.names, structure)),
            Rule::Labels => structure.phases.as_deref().cloned(),
            Rule::Amorphization(rule) => Some(rule.phases_of(structure)?),
        };
        let phases = phases.ok_or_else(|| AnalysisError::NoSuchPhase {
            frame,
            phase: self.names.join(" or "),
            present: Vec::new(),
        })?;
        let mut places = Vec::with_capacity(phases.names().len());
        for name in phases.names() {
            let place = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
                self.names.push(name.clone());
                self.names.len() - 1
            });
            places.push(place as u8);
        }
        Ok(phases.ids().iter().map(|id| places[usize::from(*id)]).collect())
    }
}

/// Names in order of first appearance.
fn unique(names: Vec<String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn check(slabs: &[Slab]) -> Result<(), AnalysisError> {
    let refuse = |found: String, expected: &str| {
        Err(AnalysisError::Parameter { name: "slabs", found, expected: expected.into() })
    };
    if slabs.is_empty() {
        return refuse("none".into(), "one slab at least, as \"crystal c 0.25 0.75\"");
    }
    for slab in slabs {
        let inside = |x: f64| (0.0..=1.0).contains(&x);
        let shown = format!("\"{}\" from {} to {}", slab.name, slab.from, slab.to);
        if slab.name.is_empty() || slab.name == REST {
            return refuse(shown, "a name other than \"rest\", which is what lies in no slab");
        }
        if !(inside(slab.from) && inside(slab.to)) || (slab.from - slab.to).abs() < 1e-12 {
            return refuse(shown, "two different fractional coordinates between 0 and 1");
        }
    }
    Ok(())
}

fn slab_of(slabs: &[Slab], names: &[String], structure: &Structure) -> Vec<u8> {
    let place = |name: &str| names.iter().position(|known| known == name).expect("named") as u8;
    let of_slab: Vec<u8> = slabs.iter().map(|slab| place(&slab.name)).collect();
    let rest = place(REST);
    structure
        .positions
        .iter()
        .map(|r| {
            let s = structure.cell.to_fractional(*r).map(|s| s - s.floor());
            let inside = slabs.iter().position(|slab| slab.holds(s[slab.axis]));
            inside.map_or(rest, |slab| of_slab[slab])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::Cell;

    #[test]
    fn slabs_hold_wrapped_places_and_may_cross_the_border() {
        let cell = Cell::from_lengths_angles([10.0; 3], [70.0, 80.0, 100.0]).expect("closes");
        let places: Vec<_> = [0.1, 0.5, 0.95, 7.5, -0.02]
            .iter()
            .map(|s| cell.to_cartesian([0.3, 0.2, *s]))
            .collect();
        let structure = Structure::new(cell, &["Li"; 5], places).expect("elements");
        let slab = |name: &str, from, to| Slab { name: name.into(), axis: 2, from, to };
        let slabs = vec![slab("glass", 0.9, 0.2), slab("crystal", 0.4, 0.6)];
        let mut labels = Labels::new(&RegionRule::Slabs { slabs }, &structure).expect("two slabs");
        assert_eq!(labels.names(), ["glass", "crystal", "rest"]);
        assert_eq!(labels.of(0, &structure).expect("labelled"), [0, 1, 0, 1, 0]);
    }
}

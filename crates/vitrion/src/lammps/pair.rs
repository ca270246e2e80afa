//! The potential as `pair_style` and `pair_coeff`.

use super::data::Types;
use crate::inputs::LoadedPotential;
use crate::plan::{Plan, PotentialPlan};
use crate::run_file::{LennardJonesSpecies, Precision, RunFile};
use vitrion_core::elements;

/// What names of things inside the program start with.
const BUILTIN: &str = "builtin:";

/// A potential that LAMMPS has too.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pair {
    /// `pair_style vitrion`.
    Vitrion { model: String, precision: Precision, threads: u32 },
    /// `pair_style lj/cut`: the same function.
    LennardJones { species: Vec<LennardJonesSpecies>, cutoff: f64, shifted: bool },
    /// `pair_style zbl`: the same function, with 14.399645 eV Å for `e²/(4πε₀)`.
    Zbl { inner: f64, outer: f64 },
}

impl Pair {
    /// The potential of a plan; paths of models are absolute, since LAMMPS works in the folder of a stage.
    pub(super) fn of(run: &RunFile, plan: &Plan, threads: u32) -> Self {
        match &plan.potential {
            PotentialPlan::DeepPotential { model, precision, .. } => {
                let model = if model.starts_with(BUILTIN) {
                    model.clone()
                } else {
                    let path = run.resolve(model);
                    std::path::absolute(&path).unwrap_or(path).display().to_string()
                };
                Pair::Vitrion { model, precision: *precision, threads }
            }
            PotentialPlan::LennardJones { cutoff_a, shifted, species } => Pair::LennardJones {
                species: species.clone(),
                cutoff: *cutoff_a,
                shifted: *shifted,
            },
            PotentialPlan::Zbl { inner_a, outer_a, .. } => {
                Pair::Zbl { inner: *inner_a, outer: *outer_a }
            }
        }
    }

    /// True if LAMMPS does not have it by itself.
    pub(super) fn is_plugin(&self) -> bool {
        matches!(self, Pair::Vitrion { .. })
    }

    /// The lines for these types of atoms.
    pub(super) fn lines(&self, types: &Types) -> Vec<String> {
        let symbols: Vec<&str> = types.list.iter().map(|(symbol, _)| symbol.as_str()).collect();
        let pairs = (0..symbols.len()).flat_map(|i| (i..symbols.len()).map(move |j| (i, j)));
        match self {
            Pair::Vitrion { model, precision, threads } => {
                let precision = vitrion_model::Precision::from(*precision).name();
                vec![
                    format!(
                        "pair_style vitrion \"{model}\" precision {precision} threads {threads}"
                    ),
                    format!("pair_coeff * * {}", symbols.join(" ")),
                ]
            }
            Pair::LennardJones { species, cutoff, shifted } => {
                let of = |symbol: &str| {
                    species
                        .iter()
                        .find(|known| known.symbol == symbol)
                        .expect("checked: known species")
                };
                let shift = if *shifted { "yes" } else { "no" };
                let mut lines = vec![
                    format!("pair_style lj/cut {cutoff:?}"),
                    format!("pair_modify shift {shift}"),
                ];
                lines.extend(pairs.map(|(i, j)| {
                    let (a, b) = (of(symbols[i]), of(symbols[j]));
                    let epsilon = (a.epsilon_ev * b.epsilon_ev).sqrt();
                    let sigma = 0.5 * (a.sigma_a + b.sigma_a);
                    format!("pair_coeff {} {} {epsilon:?} {sigma:?}", i + 1, j + 1)
                }));
                lines
            }
            Pair::Zbl { inner, outer } => {
                let number =
                    |symbol: &str| elements::by_symbol(symbol).expect("checked: an element").number;
                let mut lines = vec![format!("pair_style zbl {inner:?} {outer:?}")];
                lines.extend(pairs.map(|(i, j)| {
                    let (a, b) = (number(symbols[i]), number(symbols[j]));
                    format!("pair_coeff {} {} {a}.0 {b}.0", i + 1, j + 1)
                }));
                lines
            }
        }
    }
}

/// Refuses what `pair_style vitrion` does not have: the key of `[potential]` and why.
pub(super) fn check(potential: &LoadedPotential) -> Result<(), (&'static str, String)> {
    if let LoadedPotential::Deep { exact: true, .. } = potential {
        let message = "pair_style vitrion evaluates tables of the embedding nets only; leave `exact` out, or take engine = \"vitrion\"";
        return Err(("exact", message.to_owned()));
    }
    Ok(())
}

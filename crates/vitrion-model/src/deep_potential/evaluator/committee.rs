//! Several models at once: neighbours and geometry are shared, and the members' disagreement about
//! forces is what active learning looks for.

use super::{AnyEngine, Embedding, Precision, Sight, check_finite};
use crate::deep_potential::DeepPotential;
use crate::deep_potential::repulsion::Repulsion;
use pulp::Arch;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Atoms, Evaluation, NeighborList, PotentialError, SpeciesTable};

/// Models of the same species and cut-off, evaluated together.
#[derive(Debug)]
pub struct Committee {
    species: SpeciesTable,
    cutoff: f64,
    engine: AnyEngine,
    repulsions: Vec<Option<Repulsion>>,
    evaluations: Vec<Evaluation>,
    force_deviation: Vec<f64>,
}

/// Models that do not make a committee.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommitteeError {
    /// No models at all.
    #[error("a committee needs at least one model, found none")]
    Empty,
    /// Member `member` (from 0) differs from the first.
    #[error(
        "member {member} of the committee has another {what} than the first: {found}, expected \
         {expected}; members share their neighbours, so train them with the same descriptor"
    )]
    Different { member: usize, what: &'static str, found: String, expected: String },
}

impl Committee {
    /// Prepares these models for joint evaluation.
    ///
    /// # Errors
    /// No models, or models that differ in species, cut-off, switch or excluded pairs.
    pub fn new(models: &[&DeepPotential], precision: Precision) -> Result<Self, CommitteeError> {
        let Some(first) = models.first() else { return Err(CommitteeError::Empty) };
        let expected = Sight::new(&first.descriptor);
        for (member, model) in models.iter().enumerate() {
            let different = |what, found: String, expected: String| {
                Err(CommitteeError::Different { member, what, found, expected })
            };
            if model.species != first.species {
                let list = |m: &DeepPotential| m.species.symbols().join(" ");
                return different("species", list(model), list(first));
            }
            let sight = Sight::new(&model.descriptor);
            for (what, found, expected) in [
                ("cut-off", sight.cutoff, expected.cutoff),
                ("start of the switch", sight.smooth_cutoff, expected.smooth_cutoff),
                ("protection of distances", sight.protection, expected.protection),
            ] {
                if found.total_cmp(&expected).is_ne() {
                    return different(what, format!("{found} Å"), format!("{expected} Å"));
                }
            }
            if sight.pair_excluded != expected.pair_excluded {
                let list = |s: &Sight| format!("{:?}", s.pair_excluded);
                return different("set of excluded pairs", list(&sight), list(&expected));
            }
        }
        Ok(Committee {
            species: first.species.clone(),
            cutoff: first.descriptor.cutoff,
            engine: AnyEngine::new(Arch::new(), models, precision, Embedding::Tables),
            repulsions: models.iter().map(|model| Repulsion::of(model)).collect(),
            evaluations: vec![Evaluation::default(); models.len()],
            force_deviation: Vec::new(),
        })
    }

    /// Species of all members.
    pub fn species(&self) -> &SpeciesTable {
        &self.species
    }

    /// Interaction range [Å].
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// Asks for per-atom virials of every member, or no longer.
    pub fn want_atom_virials(&mut self, want: bool) {
        self.evaluations.iter_mut().for_each(|evaluation| evaluation.want_atom_virials = want);
    }

    /// Evaluates every member.
    ///
    /// # Errors
    /// A result of any member that is not finite.
    pub fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        list: &NeighborList,
    ) -> Result<(), PotentialError> {
        self.engine.evaluate(atoms, list, &mut self.evaluations);
        for (evaluation, repulsion) in self.evaluations.iter_mut().zip(&mut self.repulsions) {
            if let Some(repulsion) = repulsion {
                repulsion.add(atoms, list, evaluation)?;
            }
            check_finite(&self.species, atoms, list, evaluation)?;
        }
        let (members, atoms) = (self.evaluations.len(), atoms.positions.len());
        let force = |m: usize, i: usize| self.evaluations[m].forces[i];
        force_deviation(members, atoms, force, &mut self.force_deviation);
        Ok(())
    }

    /// Energy, forces and virial of each member at the last evaluation.
    pub fn evaluations(&self) -> &[Evaluation] {
        &self.evaluations
    }

    /// Disagreement about the force on each atom at the last evaluation [eV/Å]:
    /// `√⟨|F_i − ⟨F_i⟩|²⟩` over the members (Zhang et al., Phys. Rev. Mater. 3, 023804 (2019),
    /// eq. 2), whose maximum over atoms is `max_devi_f` of DeePMD-kit.
    pub fn force_deviation(&self) -> &[f64] {
        &self.force_deviation
    }

    /// Disagreement about each component of the virial per atom at the last evaluation [eV]: the
    /// standard deviation of `W/N` over the members, whose largest component is `max_devi_v` of
    /// DeePMD-kit.
    pub fn virial_deviation(&self) -> Matrix3 {
        let atoms = self.evaluations[0].forces.len();
        virial_deviation(self.evaluations.len(), atoms, |m| self.evaluations[m].virial)
    }
}

/// `√⟨|F_i − ⟨F_i⟩|²⟩` [eV/Å] of `atoms` atoms over `members` models, of which `force(m, i)` [eV/Å] is
/// the force of model `m` on atom `i`; see [`Committee::force_deviation`].
pub fn force_deviation(
    members: usize,
    atoms: usize,
    force: impl Fn(usize, usize) -> Vector3,
    out: &mut Vec<f64>,
) {
    let count = members as f64;
    out.clear();
    for i in 0..atoms {
        let sum = (0..members).fold([0.0; 3], |sum, m| math::add(sum, force(m, i)));
        let mean = sum.map(|x| x / count);
        let square: f64 = (0..members).map(|m| math::norm2(math::sub(force(m, i), mean))).sum();
        out.push((square / count).sqrt());
    }
}

/// Standard deviation [eV] of each component of `W/N` over `members` models, of which `virial(m)` [eV] is
/// the virial of all `atoms` atoms; see [`Committee::virial_deviation`].
pub fn virial_deviation(
    members: usize,
    atoms: usize,
    virial: impl Fn(usize) -> Matrix3,
) -> Matrix3 {
    let (count, atoms) = (members as f64, atoms.max(1) as f64);
    let each = |a: usize, b: usize| {
        let component = |m: usize| virial(m)[a][b] / atoms;
        let mean = (0..members).map(component).sum::<f64>() / count;
        let square: f64 = (0..members).map(|m| (component(m) - mean).powi(2)).sum();
        (square / count).sqrt()
    };
    std::array::from_fn(|a| std::array::from_fn(|b| each(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_deepmd_kit() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/deepmd/model_deviation.json");
        let text = std::fs::read_to_string(file).expect("reference numbers");
        let data: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let forces: Vec<Vec<[f64; 3]>> =
            serde_json::from_value(data["forces"].clone()).expect("forces");
        let virials: Vec<Matrix3> =
            serde_json::from_value(data["virials"].clone()).expect("virials");
        let (members, atoms) = (forces.len(), forces[0].len());
        let mut force = Vec::new();
        force_deviation(members, atoms, |m, i| forces[m][i], &mut force);
        let virial = virial_deviation(members, atoms, |m| virials[m]);
        let virial = virial.as_flattened();
        let mean = force.iter().sum::<f64>() / force.len() as f64;
        let root = (virial.iter().map(|v| v * v).sum::<f64>() / 9.0).sqrt();
        for (values, middle, key) in [(&force[..], mean, "devi_f"), (virial, root, "devi_v")] {
            let expected = |name: &str| data[key][name].as_f64().expect("a number");
            let largest = values.iter().copied().fold(0.0, f64::max);
            let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
            assert!((largest - expected("max")).abs() < 1e-12, "{key}");
            assert!((smallest - expected("min")).abs() < 1e-12, "{key}");
            assert!((middle - expected("avg")).abs() < 1e-12, "{key}");
        }
    }
}

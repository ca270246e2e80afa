//! The engine of this crate: one step at a time, on the CPU.

use super::{Engine, EngineMaker, Fault, Record, Spent, Start, View, Wreck, displacement};
use crate::integrate::{Integrator, System, Variables};
use std::time::Instant;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::neighbors::verlet::Reference;
use vitrion_core::{Cell, Evaluation, Interactions, Potential, PotentialError, SpeciesTable};

/// Makes engines that run any potential on the CPU.
pub struct Host<'p> {
    /// The potential.
    pub potential: &'p mut dyn Potential,
}

impl EngineMaker for Host<'_> {
    fn species(&self) -> &SpeciesTable {
        self.potential.species()
    }

    fn cutoff(&self) -> f64 {
        self.potential.cutoff()
    }

    fn make<'a>(&'a mut self, start: Start<'_>) -> Result<Box<dyn Engine + 'a>, Fault> {
        Ok(Box::new(HostEngine::new(&mut *self.potential, start).map_err(Fault::Potential)?))
    }
}

/// The state before a step, kept to be looked at if the step fails.
struct LastGood {
    cell: Cell,
    positions: Vec<Vector3>,
    velocities: Vec<Vector3>,
}

struct HostEngine<'a> {
    potential: &'a mut dyn Potential,
    /// Species of each atom in the table of the potential.
    species: Vec<u8>,
    system: System,
    integrator: Integrator,
    interactions: Interactions,
    last_good: LastGood,
    max_displacement: f64,
    spent: Spent,
}

impl<'a> HostEngine<'a> {
    fn new(potential: &'a mut dyn Potential, start: Start<'_>) -> Result<Self, PotentialError> {
        let Start { structure, velocities, species, settings, variables, done, reference } = start;
        let mut interactions = Interactions::new(potential.cutoff(), settings.skin);
        if let Some(reference) = &reference {
            interactions.restore(reference);
        }
        let system = System::new(structure, velocities, settings);
        let mut engine = HostEngine {
            potential,
            species,
            last_good: LastGood {
                cell: system.cell.clone(),
                positions: system.positions.clone(),
                velocities: system.velocities.clone(),
            },
            system,
            integrator: Integrator::new(settings, variables, done),
            interactions,
            max_displacement: settings.max_displacement,
            spent: Spent::default(),
        };
        engine.first_forces()?;
        Ok(engine)
    }

    /// First forces of a stage or of a resumed one.
    fn first_forces(&mut self) -> Result<(), PotentialError> {
        self.evaluate()?;
        let evaluation = &self.system.evaluation;
        let atom = evaluation.forces.iter().position(|f| !math::norm(*f).is_finite());
        if atom.is_none() && evaluation.energy.is_finite() {
            self.system.leave_out_frozen();
            return Ok(());
        }
        let atom = atom.unwrap_or(0);
        let species = usize::from(self.species[atom]);
        Err(PotentialError::NonFinite {
            atom,
            symbol: self.potential.species().symbols()[species].clone(),
            energy: evaluation.atom_energies.get(atom).copied().unwrap_or(evaluation.energy),
            nearest: self.nearest(atom).unwrap_or(f64::INFINITY),
        })
    }

    fn evaluate(&mut self) -> Result<(), PotentialError> {
        let System { cell, positions, evaluation, .. } = &mut self.system;
        let potential = &mut *self.potential;
        self.interactions.evaluate(potential, cell, positions, &self.species, evaluation)
    }

    /// Forces at the present positions, every value checked.
    fn evaluate_again(&mut self) -> Result<(), Fault> {
        self.evaluate().map_err(Fault::Potential)?;
        let Evaluation { energy, forces, virial, .. } = &self.system.evaluation;
        let finite = energy.is_finite()
            && forces.iter().flatten().all(|f| f.is_finite())
            && virial.iter().flatten().all(|w| w.is_finite());
        if !finite {
            return Err(Fault::NotFinite);
        }
        self.system.leave_out_frozen();
        Ok(())
    }

    /// Stops at the first atom that moved further than allowed, `growth` of the cell taken out.
    fn check_displacements(&self, growth: Matrix3) -> Result<(), Fault> {
        let limit2 = self.max_displacement * self.max_displacement;
        let (before, after) = (&self.last_good.positions, &self.system.positions);
        let too_far = |atom: usize| {
            let moved2 = math::norm2(displacement(before[atom], after[atom], &growth));
            (moved2 > limit2 || moved2.is_nan()) && !self.system.is_frozen(atom)
        };
        if (0..after.len()).any(too_far) {
            return Err(Fault::Displacement { growth });
        }
        Ok(())
    }

    fn step(&mut self, step: u64) -> Result<(), Fault> {
        let begin = Instant::now();
        self.last_good.cell.clone_from(&self.system.cell);
        self.last_good.positions.copy_from_slice(&self.system.positions);
        self.last_good.velocities.copy_from_slice(&self.system.velocities);
        let growth = self.integrator.first_half(&mut self.system, step)?;
        self.check_displacements(growth)?;
        let moved = Instant::now();
        self.evaluate_again()?;
        let evaluated = Instant::now();
        self.integrator.second_half(&mut self.system, step);
        let potential = self.interactions.potential_time();
        self.spent.potential += potential.as_secs_f64();
        self.spent.neighbor += (evaluated - moved).saturating_sub(potential).as_secs_f64();
        self.spent.integrate += ((moved - begin) + evaluated.elapsed()).as_secs_f64();
        Ok(())
    }
}

impl Engine for HostEngine<'_> {
    fn stride(&self) -> u64 {
        1
    }

    fn advance(&mut self, done: u64, steps: u64, records: &mut Vec<Record>) -> Result<(), Fault> {
        for step in done + 1..=done + steps {
            self.step(step)?;
            records.push(self.record()?);
        }
        Ok(())
    }

    fn record(&mut self) -> Result<Record, Fault> {
        let begin = Instant::now();
        let (twice_kinetic, kinetic) = self.system.kinetic();
        let record = Record {
            cell: self.system.cell.clone(),
            potential_energy: self.system.evaluation.energy,
            virial: self.system.evaluation.virial,
            twice_kinetic,
            kinetic,
            baths: self.system.twice_kinetic_of_baths(),
            conserved: self.integrator.conserved(&self.system, twice_kinetic),
        };
        self.spent.integrate += begin.elapsed().as_secs_f64();
        Ok(record)
    }

    fn snapshot(&mut self) -> Result<View<'_>, Fault> {
        let System { cell, positions, velocities, evaluation, .. } = &self.system;
        Ok(View { cell, positions, velocities, forces: &evaluation.forces })
    }

    fn variables(&mut self) -> Result<Variables, Fault> {
        Ok(self.integrator.variables().clone())
    }

    fn list_reference(&mut self) -> Result<Reference, Fault> {
        let list = self.interactions.list();
        Ok(list.reference().expect("the list is built with the engine").clone())
    }

    fn builds(&self) -> u64 {
        self.interactions.list().builds()
    }

    fn spent(&mut self) -> Spent {
        std::mem::take(&mut self.spent)
    }

    fn wreck(&self) -> Wreck<'_> {
        let LastGood { cell, positions: before, velocities } = &self.last_good;
        let System { positions, evaluation, .. } = &self.system;
        let Evaluation { forces, atom_energies, .. } = evaluation;
        Wreck { cell, before, velocities, positions, forces, atom_energies, age: 0 }
    }

    fn nearest(&self, atom: usize) -> Option<f64> {
        self.interactions.nearest(atom)
    }
}

//! Analyses of a plan.

use crate::error::InputError;
use crate::plan::{StagePlan, SystemPlan};
use crate::run_file::{AnalysisSettings, AnalysisTable, KeyLine, Located, MotionTable, RunFile};
use serde::{Deserialize, Serialize};
use vitrion_analysis::structure::StructureSettings;
use vitrion_analysis::{DiffusionSettings, MotionSettings};
use vitrion_core::Structure;

/// Where Arrhenius lines are extrapolated to [K].
const EXTRAPOLATE: f64 = 300.0;
/// Temperatures a line with an error needs.
const FEWEST_TEMPERATURES: usize = 3;

/// Frames that a diffusion coefficient needs.
const FEWEST_FRAMES: u64 = 30;

/// One analysis with everything it needs; `name` is the stem of its result file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AnalysisPlan {
    /// Of single frames.
    Structure { name: String, stage: String, skip_fs: f64, settings: StructureSettings },
    /// Of how atoms move.
    Motion {
        name: String,
        #[serde(flatten)]
        dynamics: Dynamics,
        settings: MotionSettings,
    },
    /// Over the sweep of each system.
    Arrhenius {
        name: String,
        species: String,
        extrapolate_k: f64,
        /// Name of the analysis whose diffusion coefficients are fitted.
        diffusion: String,
    },
}

/// What analyses of motion share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dynamics {
    pub stage: String,
    pub species: String,
    /// Elements whose centre of mass stands still; empty: that of all atoms does.
    pub framework: Vec<String>,
    pub skip_fs: f64,
}

impl AnalysisPlan {
    /// Stem of the result file.
    pub fn name(&self) -> &str {
        match self {
            AnalysisPlan::Structure { name, .. }
            | AnalysisPlan::Motion { name, .. }
            | AnalysisPlan::Arrhenius { name, .. } => name,
        }
    }

    /// Stage whose trajectory it reads; `None` for analyses over the sweep.
    pub fn stage(&self) -> Option<&str> {
        match self {
            AnalysisPlan::Structure { stage, .. } => Some(stage),
            AnalysisPlan::Motion { dynamics, .. } => Some(&dynamics.stage),
            AnalysisPlan::Arrhenius { .. } => None,
        }
    }

    /// How diffusion is fitted; `None` for all other analyses.
    pub fn diffusion(&self) -> Option<&DiffusionSettings> {
        match self {
            AnalysisPlan::Motion { settings: MotionSettings::Diffusion(settings), .. } => {
                Some(settings)
            }
            _ => None,
        }
    }
}

/// What has been resolved before the analyses.
pub(super) struct Context<'a> {
    pub(super) run: &'a RunFile,
    pub(super) systems: &'a [SystemPlan],
    pub(super) structures: &'a [Structure],
    pub(super) stages: &'a [StagePlan],
}

impl Context<'_> {
    pub(super) fn resolve(&self) -> Result<Vec<AnalysisPlan>, InputError> {
        let mut plans: Vec<AnalysisPlan> = Vec::new();
        for (number, table) in self.run.analyses.iter().enumerate() {
            let place = At { run: self.run, number, line: table.line };
            let stem = stem(&table.value);
            let mut name = stem.clone();
            let mut copies = 1;
            while plans.iter().any(|plan| plan.name() == name) {
                copies += 1;
                name = format!("{stem}-{copies}");
            }
            let plan = self.analysis(&place, &table.value, name, &plans)?;
            plans.push(plan);
        }
        Ok(plans)
    }

    fn analysis(
        &self,
        at: &At<'_>,
        table: &AnalysisTable,
        name: String,
        before: &[AnalysisPlan],
    ) -> Result<AnalysisPlan, InputError> {
        Ok(match &table.settings {
            AnalysisSettings::Structure(structural) => {
                let stage = self.stage(at, table)?;
                self.check(at, |structure| structural.check(structure))?;
                AnalysisPlan::Structure {
                    name,
                    skip_fs: skip(at, table, stage)?,
                    stage: stage.name.clone(),
                    settings: structural.settings.clone(),
                }
            }
            AnalysisSettings::Motion(motion) => {
                let dynamics = self.dynamics(at, table, motion)?;
                self.check(at, |structure| motion.check(structure))?;
                AnalysisPlan::Motion { name, dynamics, settings: motion.settings.clone() }
            }
            AnalysisSettings::Arrhenius { species, extrapolate } => {
                self.refuse_absent(at, Some(species.line), "species", &species.value)?;
                AnalysisPlan::Arrhenius {
                    name,
                    diffusion: self.diffusion_to_fit(at, species, before)?,
                    species: species.value.clone(),
                    extrapolate_k: extrapolate.map_or(EXTRAPOLATE, |t| t.value),
                }
            }
        })
    }

    /// Refuses settings that do not suit the atoms of any system.
    fn check(
        &self,
        at: &At<'_>,
        check: impl Fn(&Structure) -> Result<(), (KeyLine, String)>,
    ) -> Result<(), InputError> {
        for (system, structure) in self.systems.iter().zip(self.structures) {
            check(structure).map_err(|((key, line), message)| {
                at.refuse(line, &key, format!("{message} (system \"{}\")", system.name))
            })?;
        }
        Ok(())
    }

    fn dynamics(
        &self,
        at: &At<'_>,
        table: &AnalysisTable,
        motion: &MotionTable,
    ) -> Result<Dynamics, InputError> {
        let stage = self.stage(at, table)?;
        let Located { value: species, line } = &motion.species;
        self.refuse_absent(at, Some(*line), "species", species)?;
        let framework = match &motion.framework {
            Some(framework) => {
                for element in framework {
                    let line = Some(element.line);
                    self.refuse_absent(at, line, "framework", &element.value)?;
                    if element.value == *species {
                        let message = format!("{species} is the mobile species");
                        return Err(at.refuse(line, "framework", message));
                    }
                }
                framework.iter().map(|element| element.value.clone()).collect()
            }
            None => self.others(species),
        };
        let skip_fs = skip(at, table, stage)?;
        let every = stage.trajectory_every.expect("a stage with a trajectory was chosen");
        let skipped = (skip_fs / stage.timestep_fs / every as f64).ceil() as u64;
        let frames = (stage.steps / every + 1).saturating_sub(skipped);
        if frames < FEWEST_FRAMES {
            let message = format!(
                "stage \"{}\" leaves {frames} frames, at least {FEWEST_FRAMES} are needed: write \
                 the trajectory more often or make the stage longer",
                stage.name
            );
            return Err(at.refuse(None, "stage", message));
        }
        Ok(Dynamics { stage: stage.name.clone(), species: species.clone(), framework, skip_fs })
    }

    /// Every element but one, in order of appearance.
    fn others(&self, species: &str) -> Vec<String> {
        let mut others: Vec<String> = Vec::new();
        for symbol in self.structures.iter().flat_map(|s| s.table.symbols()) {
            if symbol != species && !others.contains(symbol) {
                others.push(symbol.clone());
            }
        }
        others
    }

    fn refuse_absent(
        &self,
        at: &At<'_>,
        line: Option<usize>,
        key: &str,
        element: &str,
    ) -> Result<(), InputError> {
        for (system, structure) in self.systems.iter().zip(self.structures) {
            if structure.atoms_of(element).is_empty() {
                let message = format!(
                    "system \"{}\" ({}) contains no {element}",
                    system.name, system.formula
                );
                return Err(at.refuse(line, key, message));
            }
        }
        Ok(())
    }

    /// The stage that is named, or the last one with a trajectory.
    fn stage(&self, at: &At<'_>, table: &AnalysisTable) -> Result<&StagePlan, InputError> {
        let advice = "add trajectory = { every = \"20 fs\" } to it";
        let Some(named) = &table.stage else {
            return self
                .stages
                .iter()
                .rev()
                .find(|stage| stage.trajectory_every.is_some())
                .ok_or_else(|| {
                    at.refuse(None, "stage", format!("no stage writes a trajectory; {advice}"))
                });
        };
        let refuse = |message| at.refuse(Some(named.line), "stage", message);
        let stage =
            self.stages.iter().find(|stage| stage.name == named.value).ok_or_else(|| {
                let known: Vec<&str> =
                    self.stages.iter().map(|stage| stage.name.as_str()).collect();
                refuse(format!(
                    "there is no stage \"{}\"; stages: {}",
                    named.value,
                    known.join(", ")
                ))
            })?;
        if stage.trajectory_every.is_none() {
            let message = format!("stage \"{}\" writes no trajectory; {advice}", stage.name);
            return Err(refuse(message));
        }
        Ok(stage)
    }

    fn diffusion_to_fit(
        &self,
        at: &At<'_>,
        species: &Located<String>,
        before: &[AnalysisPlan],
    ) -> Result<String, InputError> {
        let temperatures = self.run.sweep.as_ref().map_or(0, |sweep| sweep.temperatures.len());
        if temperatures < FEWEST_TEMPERATURES {
            let message = format!(
                "an Arrhenius fit needs a [sweep] of at least {FEWEST_TEMPERATURES} temperatures, \
                 found {temperatures}"
            );
            return Err(at.refuse(None, "kind", message));
        }
        let Located { value: species, line } = species;
        let fitted = before.iter().find_map(|plan| match plan {
            AnalysisPlan::Motion { name, dynamics, settings: MotionSettings::Diffusion(_) } => {
                (dynamics.species == *species).then(|| name.clone())
            }
            _ => None,
        });
        fitted.ok_or_else(|| {
            let message = format!(
                "it needs an [[analysis]] of kind \"diffusion\" with species = \"{species}\" \
                 before it"
            );
            at.refuse(Some(*line), "species", message)
        })
    }
}

fn stem(table: &AnalysisTable) -> String {
    let kind = table.kind.name();
    match &table.settings {
        AnalysisSettings::Structure(_) => kind.to_owned(),
        AnalysisSettings::Motion(MotionTable { species, .. })
        | AnalysisSettings::Arrhenius { species, .. } => format!("{kind}-{}", species.value),
    }
}

fn skip(at: &At<'_>, table: &AnalysisTable, stage: &StagePlan) -> Result<f64, InputError> {
    let Some(skip) = table.skip else { return Ok(0.0) };
    let duration = stage.steps as f64 * stage.timestep_fs;
    if skip.value >= duration {
        let message = format!(
            "{} fs is not shorter than stage \"{}\" ({duration} fs)",
            skip.value, stage.name
        );
        return Err(at.refuse(Some(skip.line), "skip", message));
    }
    Ok(skip.value)
}

/// The table a complaint is about.
struct At<'a> {
    run: &'a RunFile,
    number: usize,
    line: usize,
}

impl At<'_> {
    fn refuse(&self, line: Option<usize>, key: &str, message: impl Into<String>) -> InputError {
        InputError::Value {
            place: self.run.place(line.unwrap_or(self.line)),
            key: key.to_owned(),
            table: format!("in [[analysis]] {}", self.number + 1),
            message: message.into(),
        }
    }
}

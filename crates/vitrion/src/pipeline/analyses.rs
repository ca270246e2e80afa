//! Analyses of finished runs: every trajectory is read once, all its analyses listen.

use super::ledger::Ledger;
use crate::error::Error;
use crate::plan::{AnalysisPlan, Dynamics, Plan, RunPlan, StagePlan};
use crate::results::read_json;
use crate::run_file::StageKind;
use std::path::Path;
use vitrion_analysis::{
    Accumulator, AnalysisError, ArrheniusPoint, ArrheniusSettings, Diffusion, DiffusionSettings,
    DisplacementSettings, Displacements, Observables, RadialDistribution, arrhenius, diffusion,
    mean_squared_displacement,
};
use vitrion_core::Frame;
use vitrion_core::io::{self, ReadOptions};
use vitrion_md::StageSummary;

/// Probability of intervals.
const LEVEL: f64 = 0.95;

/// Diffusion coefficients of one run by the name of their analysis.
pub(super) type Coefficients = Vec<(String, ArrheniusPoint)>;

/// Every analysis of one run, written below its folder.
pub(super) fn of_run(
    plan: &Plan,
    run: &RunPlan,
    index: usize,
    ledger: &Ledger<'_>,
) -> Result<Coefficients, Error> {
    let mut coefficients = Vec::new();
    for (number, stage) in plan.stages.iter().enumerate() {
        let wanted: Vec<&AnalysisPlan> =
            plan.analyses.iter().filter(|analysis| analysis.stage() == Some(&stage.name)).collect();
        if wanted.is_empty() {
            continue;
        }
        let folder = ledger.results.path(&ledger.stage_folder(index, number));
        let temperature = temperature(stage, run, &folder)?;
        let mut listeners: Vec<Listener> = wanted.iter().map(|plan| Listener::new(plan)).collect();
        for frame in
            io::open(&folder.join(stage.trajectory().format.file_name()), &ReadOptions::default())?
        {
            let frame = frame?;
            for (listener, analysis) in listeners.iter_mut().zip(&wanted) {
                listener.add(&frame).map_err(|source| failed(&run.id, analysis, source))?;
            }
        }
        for (listener, analysis) in listeners.into_iter().zip(&wanted) {
            let (observables, found) = listener
                .finish(analysis, temperature)
                .map_err(|source| failed(&run.id, analysis, source))?;
            let file = format!("runs/{}/analysis/{}.json", run.id, analysis.name());
            ledger.results.write_json(&file, &observables)?;
            ledger.run_analysis(index, file)?;
            if let Some(diffusion) = found {
                let point = ArrheniusPoint { temperature, diffusion };
                coefficients.push((analysis.name().to_owned(), point));
            }
        }
    }
    Ok(coefficients)
}

/// Every analysis over the sweep, one file per system.
pub(super) fn of_sweep(
    plan: &Plan,
    coefficients: &[Coefficients],
    ledger: &Ledger<'_>,
) -> Result<(), Error> {
    for analysis in &plan.analyses {
        let AnalysisPlan::Arrhenius { name, species, extrapolate_k, diffusion } = analysis else {
            continue;
        };
        let charge = plan
            .analyses
            .iter()
            .find_map(|other| match other {
                AnalysisPlan::Diffusion { name, charge, .. } if name == diffusion => Some(*charge),
                _ => None,
            })
            .expect("checked: the diffusion analysis is in the plan");
        let settings = ArrheniusSettings {
            species: species.clone(),
            charge: charge as f64,
            extrapolate: *extrapolate_k,
            level: LEVEL,
        };
        for (number, system) in plan.systems.iter().enumerate() {
            let points: Vec<ArrheniusPoint> = plan
                .runs
                .iter()
                .zip(coefficients)
                .filter(|(run, _)| run.system == system.name)
                .flat_map(|(_, found)| found)
                .filter(|(name, _)| name == diffusion)
                .map(|(_, point)| *point)
                .collect();
            let observables = arrhenius(&points, &settings)
                .map_err(|source| failed(&system.name, analysis, source))?;
            let file = format!("analysis/{}/{name}.json", system.name);
            ledger.results.write_json(&file, &observables)?;
            ledger.system_analysis(number, file)?;
        }
    }
    Ok(())
}

fn failed(run: &str, analysis: &AnalysisPlan, source: AnalysisError) -> Error {
    Error::Analysis {
        run: run.to_owned(),
        analysis: analysis.name().to_owned(),
        source: Box::new(source),
    }
}

/// The constant target of the stage, or else the mean temperature that was measured [K].
fn temperature(stage: &StagePlan, run: &RunPlan, folder: &Path) -> Result<f64, Error> {
    let held = stage.kind != StageKind::Nve;
    let target = stage.target_temperature(run.temperature_k).filter(|_| held);
    if let Some(target) = target.filter(|target| (target.start - target.end).abs() < 1e-9) {
        return Ok(target.start);
    }
    let summary: StageSummary = read_json(&folder.join("done.json"))?;
    Ok(summary.temperature.value)
}

/// One analysis that frames are told to.
enum Listener {
    RadialDistribution {
        accumulator: Option<Box<Accumulator<RadialDistribution>>>,
        first_time: Option<f64>,
        skip: f64,
        r_max: f64,
        dr: f64,
    },
    Motion(Box<Displacements>),
}

impl Listener {
    fn new(plan: &AnalysisPlan) -> Self {
        match plan {
            AnalysisPlan::RadialDistribution { skip_fs, r_max_a, dr_a, .. } => {
                Listener::RadialDistribution {
                    accumulator: None,
                    first_time: None,
                    skip: *skip_fs,
                    r_max: *r_max_a,
                    dr: *dr_a,
                }
            }
            AnalysisPlan::MeanSquaredDisplacement { dynamics, .. }
            | AnalysisPlan::Diffusion { dynamics, .. } => {
                Listener::Motion(Box::new(Displacements::new(displacement_settings(dynamics))))
            }
            AnalysisPlan::Arrhenius { .. } => {
                unreachable!("analyses over the sweep read no trajectory")
            }
        }
    }

    fn add(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        match self {
            Listener::Motion(displacements) => displacements.add(frame),
            Listener::RadialDistribution { accumulator, first_time, skip, r_max, dr } => {
                // our own trajectories carry the time of every frame
                let time = frame.time.unwrap_or_default();
                if time - *first_time.get_or_insert(time) + 1e-9 < *skip {
                    return Ok(());
                }
                let accumulator = match accumulator {
                    Some(accumulator) => accumulator,
                    None => {
                        let table = &frame.structure.table;
                        let analysis = RadialDistribution::new(table.clone(), *r_max, *dr)?;
                        accumulator.insert(Box::new(Accumulator::new(table.clone(), analysis)))
                    }
                };
                accumulator.add(frame)
            }
        }
    }

    fn finish(
        self,
        plan: &AnalysisPlan,
        temperature: f64,
    ) -> Result<(Observables, Option<Diffusion>), AnalysisError> {
        match (self, plan) {
            (Listener::Motion(data), AnalysisPlan::Diffusion { charge, .. }) => {
                let settings = DiffusionSettings { charge: *charge as f64, temperature };
                let (observables, found) = diffusion(&data, &settings)?;
                Ok((observables, Some(found)))
            }
            (Listener::Motion(data), _) => Ok((mean_squared_displacement(&data)?, None)),
            (Listener::RadialDistribution { accumulator, .. }, _) => match accumulator {
                Some(accumulator) => Ok((accumulator.finish()?, None)),
                None => Err(AnalysisError::TooFewFrames {
                    what: "the radial distribution function",
                    needed: 1,
                    found: 0,
                }),
            },
        }
    }
}

/// Trajectories of vitrion are unwrapped and carry times.
fn displacement_settings(dynamics: &Dynamics) -> DisplacementSettings {
    DisplacementSettings {
        species: dynamics.species.clone(),
        framework: dynamics.framework.clone(),
        skip: dynamics.skip_fs,
        interval: None,
        unwrap: false,
    }
}

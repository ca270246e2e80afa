//! Analyses of finished runs: every trajectory is read once, all its analyses listen.

use super::ledger::Ledger;
use crate::error::Error;
use crate::movie::{self, Movie};
use crate::plan::{AnalysisPlan, Dynamics, Plan, RunPlan, StagePlan};
use crate::results::{read_json, write_atomically};
use crate::run_file::StageKind;
use crate::structural_pass::{Sink, StructuralPass};
use std::path::Path;
use vitrion_analysis::pass::Measured;
use vitrion_analysis::structure::StructureSettings;
use vitrion_analysis::{
    AnalysisError, ArrheniusPoint, ArrheniusSettings, Attachment, Motion, MotionPass,
    MotionSettings, Observables, RecordingSettings, arrhenius, pooled,
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
        let mut motions = MotionGroup::of(&wanted, temperature);
        let mut structures = StructureGroup::of(&wanted);
        let mut clock = Clock::default();
        let mut movie = Movie::default();
        for frame in
            io::open(&folder.join(stage.trajectory().format.file_name()), &ReadOptions::default())?
        {
            let frame = frame?;
            for motion in &mut motions {
                motion.add(&frame, &run.id)?;
            }
            movie.add(&frame);
            clock.show(frame, &mut structures, &run.id, Some(&mut movie))?;
        }
        for motion in motions {
            for (analysis, found) in motion.finish(&run.id)? {
                write(ledger, index, &run.id, analysis, &found.observables)?;
                let stem = format!("runs/{}/analysis/{}", run.id, analysis.name());
                for Attachment { ending, content } in &found.attachments {
                    let path = ledger.results.path(&format!("{stem}.{ending}"));
                    write_atomically(&path, content)?;
                }
                if let Some(diffusion) = found.diffusion {
                    let point = ArrheniusPoint { temperature, diffusion };
                    coefficients.push((analysis.name().to_owned(), point));
                }
            }
        }
        for group in structures {
            for (analysis, observables) in group.finish(&run.id, Some(&mut movie))? {
                write(ledger, index, &run.id, analysis, &observables)?;
            }
        }
        let file = format!("runs/{}/analysis/{}.movie.extxyz.zst", run.id, stage.name);
        movie::write(&ledger.results.path(&file), &movie.finish())?;
        ledger.run_movie(index, file)?;
    }
    Ok(coefficients)
}

/// Writes what an analysis of a run found.
fn write(
    ledger: &Ledger<'_>,
    index: usize,
    run: &str,
    analysis: &AnalysisPlan,
    observables: &Observables,
) -> Result<(), Error> {
    let stem = format!("runs/{run}/analysis/{}", analysis.name());
    ledger.results.write_observables(&stem, observables)?;
    ledger.run_analysis(index, format!("{stem}.json"))?;
    Ok(())
}

/// Analyses of all replicas of a system together: of every temperature with two seeds
/// or more, with the spread between replicas in the errors. Those of structure see the trajectories once more, those of motion are
/// averaged.
pub(super) fn of_replicas(plan: &Plan, ledger: &Ledger<'_>) -> Result<(), Error> {
    for (number, system) in plan.systems.iter().enumerate() {
        let runs = || plan.runs.iter().enumerate().filter(|(_, run)| run.system == system.name);
        let mut temperatures: Vec<Option<f64>> = Vec::new();
        for (_, run) in runs() {
            if !temperatures.contains(&run.temperature_k) {
                temperatures.push(run.temperature_k);
            }
        }
        for temperature in temperatures {
            let replicas: Vec<usize> = runs()
                .filter(|(_, run)| run.temperature_k == temperature)
                .map(|(index, _)| index)
                .collect();
            if replicas.len() > 1 {
                let name = temperature.map_or(String::new(), |t| format!("-{t}K"));
                of_pool(plan, number, &replicas, &name, ledger)?;
            }
        }
    }
    Ok(())
}

fn of_pool(
    plan: &Plan,
    system: usize,
    replicas: &[usize],
    suffix: &str,
    ledger: &Ledger<'_>,
) -> Result<(), Error> {
    let name = &plan.systems[system].name;
    for analysis in &plan.analyses {
        let AnalysisPlan::Motion { name: stem, .. } = analysis else { continue };
        let read = |index: &usize| {
            let file = format!("runs/{}/analysis/{stem}.json", plan.runs[*index].id);
            read_json(&ledger.results.path(&file))
        };
        let runs: Vec<Observables> = replicas.iter().map(read).collect::<Result<_, _>>()?;
        let stem = format!("analysis/{name}/{stem}{suffix}");
        ledger.results.write_observables(&stem, &pooled(&runs))?;
        ledger.system_analysis(system, format!("{stem}.json"))?;
    }
    for (number, stage) in plan.stages.iter().enumerate() {
        let wanted: Vec<&AnalysisPlan> =
            plan.analyses.iter().filter(|analysis| analysis.stage() == Some(&stage.name)).collect();
        let mut structures = StructureGroup::of(&wanted);
        if structures.is_empty() {
            continue;
        }
        for index in replicas {
            let mut clock = Clock::default();
            let folder = ledger.results.path(&ledger.stage_folder(*index, number));
            let path = folder.join(stage.trajectory().format.file_name());
            for frame in io::open(&path, &ReadOptions::default())? {
                clock.show(frame?, &mut structures, name, None)?;
            }
            for group in &mut structures {
                group.next_trajectory(name)?;
            }
        }
        for group in structures {
            for (analysis, observables) in group.finish(name, None)? {
                let stem = format!("analysis/{name}/{}{suffix}", analysis.name());
                ledger.results.write_observables(&stem, &observables)?;
                ledger.system_analysis(system, format!("{stem}.json"))?;
            }
        }
    }
    Ok(())
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
            .find(|other| other.name() == diffusion)
            .and_then(AnalysisPlan::diffusion)
            .expect("checked: the diffusion analysis is in the plan")
            .charge;
        let settings = ArrheniusSettings {
            species: species.clone(),
            charge,
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
            let stem = format!("analysis/{}/{name}", system.name);
            ledger.results.write_observables(&stem, &observables)?;
            ledger.system_analysis(number, format!("{stem}.json"))?;
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

/// Analyses that follow the same atoms.
struct MotionGroup<'a> {
    plans: Vec<&'a AnalysisPlan>,
    pass: MotionPass,
}

impl<'a> MotionGroup<'a> {
    fn of(wanted: &[&'a AnalysisPlan], temperature: f64) -> Vec<MotionGroup<'a>> {
        let mut groups: Vec<(&Dynamics, Vec<&AnalysisPlan>, Vec<MotionSettings>)> = Vec::new();
        for plan in wanted {
            let AnalysisPlan::Motion { dynamics, settings, .. } = plan else { continue };
            let same = groups.iter().position(|(known, ..)| *known == dynamics);
            let at = same.unwrap_or_else(|| {
                groups.push((dynamics, Vec::new(), Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(plan);
            groups[at].2.push(settings.clone());
        }
        let group = |(dynamics, plans, settings): (&Dynamics, _, _)| MotionGroup {
            plans,
            // trajectories of vitrion are unwrapped and carry times
            pass: MotionPass::new(
                RecordingSettings {
                    species: dynamics.species.clone(),
                    framework: dynamics.framework.clone(),
                    skip: dynamics.skip_fs,
                    interval: None,
                    temperature: Some(temperature),
                    unwrap: false,
                },
                settings,
            ),
        };
        groups.into_iter().map(group).collect()
    }

    fn add(&mut self, frame: &Frame, run: &str) -> Result<(), Error> {
        self.pass.add(frame).map_err(|source| failed(run, self.plans[0], source))
    }

    fn finish(self, run: &str) -> Result<Vec<(&'a AnalysisPlan, Motion)>, Error> {
        let plans = self.plans;
        let found =
            self.pass.finish().map_err(|(number, source)| failed(run, plans[number], source))?;
        Ok(plans.into_iter().zip(found).collect())
    }
}

/// Structural analyses that leave out the same part of a trajectory.
struct StructureGroup<'a> {
    plans: Vec<&'a AnalysisPlan>,
    skip: f64,
    pass: StructuralPass,
    /// Number of the next frame that the pass tells of, once it has seen one.
    next: usize,
    begun: bool,
    /// Place of its first analysis among those of all groups.
    first: usize,
}

impl<'a> StructureGroup<'a> {
    fn of(wanted: &[&'a AnalysisPlan]) -> Vec<StructureGroup<'a>> {
        let mut groups: Vec<(f64, Vec<&AnalysisPlan>, Vec<StructureSettings>)> = Vec::new();
        for plan in wanted {
            let AnalysisPlan::Structure { skip_fs, settings, .. } = plan else { continue };
            let same = groups.iter().position(|(skip, ..)| (skip - skip_fs).abs() < 1e-9);
            let at = same.unwrap_or_else(|| {
                groups.push((*skip_fs, Vec::new(), Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(plan);
            groups[at].2.push(settings.clone());
        }
        let group = |(skip, plans, settings)| StructureGroup {
            plans,
            skip,
            pass: StructuralPass::new(settings),
            next: 0,
            begun: false,
            first: 0,
        };
        let mut all: Vec<StructureGroup<'_>> = groups.into_iter().map(group).collect();
        let mut first = 0;
        for group in &mut all {
            group.first = first;
            first += group.plans.len();
        }
        all
    }

    fn failed(&self, place: &str) -> impl Fn(AnalysisError) -> Error + use<> {
        let names: Vec<&str> = self.plans.iter().map(|plan| plan.name()).collect();
        let (run, analysis) = (place.to_owned(), names.join(", "));
        move |source| Error::Analysis {
            run: run.clone(),
            analysis: analysis.clone(),
            source: Box::new(source),
        }
    }

    fn add(&mut self, frame: Frame, place: &str, movie: Option<&mut Movie>) -> Result<(), Error> {
        let failed = self.failed(place);
        let mut listener = Listener { next: &mut self.next, first: self.first, movie };
        let tell: Sink<'_, AnalysisError> = &mut |_, found| {
            listener.hear(found);
            Ok(())
        };
        self.pass.add(frame, tell).map_err(failed)
    }

    fn next_trajectory(&mut self, place: &str) -> Result<(), Error> {
        self.pass.next_trajectory::<AnalysisError>(&mut |_, _| Ok(())).map_err(self.failed(place))
    }

    fn finish(
        mut self,
        place: &str,
        movie: Option<&mut Movie>,
    ) -> Result<Vec<(&'a AnalysisPlan, Observables)>, Error> {
        let failed = self.failed(place);
        let mut listener = Listener { next: &mut self.next, first: self.first, movie };
        let tell: Sink<'_, AnalysisError> = &mut |_, found| {
            listener.hear(found);
            Ok(())
        };
        let found = self.pass.finish(tell).map_err(failed)?;
        Ok(self.plans.into_iter().zip(found).collect())
    }
}

/// Tells a movie what was found in frames, in their order.
struct Listener<'a> {
    next: &'a mut usize,
    /// Place of the first analysis of the group among all.
    first: usize,
    movie: Option<&'a mut Movie>,
}

impl Listener<'_> {
    fn hear(&mut self, found: &[Measured]) {
        if let Some(movie) = &mut self.movie {
            movie.attach(*self.next, self.first, found);
        }
        *self.next += 1;
    }
}

/// Time since the first frame of a trajectory.
#[derive(Default)]
struct Clock {
    first: Option<f64>,
    frames: usize,
}

impl Clock {
    /// Shows a frame to the groups that do not leave it out.
    fn show(
        &mut self,
        frame: Frame,
        groups: &mut [StructureGroup<'_>],
        place: &str,
        mut movie: Option<&mut Movie>,
    ) -> Result<(), Error> {
        let number = self.frames;
        self.frames += 1;
        // our own trajectories carry the time of every frame
        let time = frame.time.unwrap_or_default();
        let since = time - *self.first.get_or_insert(time) + 1e-9;
        let mut listening: Vec<_> = groups.iter_mut().filter(|g| since >= g.skip).collect();
        for group in &mut listening {
            if !group.begun {
                (group.begun, group.next) = (true, number);
            }
        }
        let Some(last) = listening.pop() else { return Ok(()) };
        for group in listening {
            group.add(frame.clone(), place, movie.as_deref_mut())?;
        }
        last.add(frame, place, movie)
    }
}

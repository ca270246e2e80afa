//! One iteration: train, choose, label, judge.

use super::exploration;
use super::ledger::{Cost, Counts, Summary};
use super::training_text::{Part, compose};
use super::{Initial, Loop, result};
use crate::error::{Error, InputError};
use crate::jobs::{self, Job, TrainDone, TrainWork, Work};
use crate::labeling::{Request, training_systems};
use crate::labels::LabelRecord;
use crate::run_file::ExploreTable;
use std::fmt::Write as _;
use std::path::PathBuf;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::{Evaluation, Frame, Potential as _, interactions};
use vitrion_model::train::evaluation::{Errors, Row};
use vitrion_model::{DeepPotential, Embedding, Precision};

impl Loop<'_, '_> {
    /// Iteration `k` on step `step` of the schedule, on which `spent` iterations were spent before.
    pub(super) fn iteration(
        &mut self,
        k: usize,
        step: usize,
        spent: usize,
        last: Option<&Summary>,
        initial: &Initial,
    ) -> Result<Summary, Error> {
        let folder = self.iteration_folder(k);
        let (models, trained) = self.train(k, initial)?;
        let after = match last {
            Some(last) => self.errors_of(&models[0], last.iteration)?,
            None => None,
        };
        let selected = self.select(k, step, &models, initial)?;
        let frames = match selected.chosen.len() {
            0 => Vec::new(),
            _ => io::read_all(&folder.join("selected.extxyz"), &ReadOptions::default())?,
        };
        let requests: Vec<Request> = frames
            .into_iter()
            .zip(&selected.chosen)
            .map(|(frame, chosen)| Request { frame, origin: chosen.origin.clone() })
            .collect();
        let labelled = match requests.len() {
            0 => crate::labeling::Labelled::default(),
            _ => self.label(&format!("iteration {k}: labels"), &requests)?,
        };
        let before = self.errors_of(&models[0], k)?;
        let label_seconds: f64 = self
            .of_iteration(k)
            .iter()
            .map(|label| label.run.seconds * label.run.cores as f64)
            .sum();
        let mut counts = Counts::default();
        for run in &selected.runs {
            counts.accurate += run.counts.accurate;
            counts.candidate += run.counts.candidate;
            counts.failed += run.counts.failed;
        }
        let repeats = match &self.file.explore[step].value {
            ExploreTable::Dynamics(d) => d.repeats,
            ExploreTable::Pool { repeats, .. } => *repeats,
        };
        let cores = self.file.train.cores as f64;
        let mut summary = Summary {
            iteration: k,
            step,
            schedule: self.schedule(step),
            training_frames: trained[0].summary.training_frames,
            held_out: trained[0].evaluation.validation.as_ref().map(|v| v.total.clone()),
            window: selected.window,
            runs: selected.runs,
            counts,
            accurate: selected.accurate,
            histogram: selected.histogram,
            selected: selected.chosen.len(),
            traced: selected.chosen.iter().filter(|c| c.traced).count(),
            new_labels: labelled.new + labelled.known,
            failed_labels: labelled.failed,
            labels: self.labels_of_level().len(),
            before,
            after,
            cost: Cost {
                training: trained.iter().map(|t| cores * t.summary.seconds).sum(),
                exploration: selected.exploration_seconds,
                labels: label_seconds,
            },
            decision: String::new(),
            leave_step: false,
            end: None,
        };
        self.decide(&mut summary, spent + 1, repeats);
        Ok(summary)
    }

    /// Whether the step is left and the loop ended, with the evidence.
    fn decide(&self, summary: &mut Summary, spent: usize, repeats: usize) {
        let stop = &self.file.stop;
        let share = &summary.accurate;
        let failed = summary.counts.failed;
        let lost = summary
            .runs
            .iter()
            .filter(|run| !matches!(run.ended, None | Some(exploration::Ended::Finished)))
            .count();
        let known = share.value >= stop.accurate && failed == 0 && lost == 0;
        let interval = match share.at_least() {
            Some(low) => format!(
                " (above {:.1} % with 90 % confidence over {} runs)",
                100.0 * low.max(0.0),
                share.runs
            ),
            None => " (a single run: no interval)".to_owned(),
        };
        let mut text = format!(
            "{:.1} % of {} frames are below the lower trust level{interval}, {failed} failed, {lost} of {} runs \
             did not get to their end; wanted: {:.1} % and none",
            100.0 * share.value,
            summary.counts.all(),
            summary.runs.len(),
            100.0 * stop.accurate
        );
        summary.leave_step = known || spent >= repeats;
        text += match (known, summary.leave_step) {
            (true, _) => ": this step is learned",
            (false, true) => ": not reached, but its iterations are spent",
            (false, false) => ": not reached, it is explored again",
        };
        if let (Some(limit), Some(row)) = (stop.force_error, &summary.before)
            && let Some(force) = row.force_mev_per_a
        {
            let met = force.rmse <= 1e3 * limit;
            let _ = write!(
                text,
                "; forces on new labels were predicted within {:.1} meV/Å, wanted {:.1}",
                force.rmse,
                1e3 * limit
            );
            if met {
                summary.end = Some(format!(
                    "new labels were predicted within {:.1} meV/Å before they were trained on",
                    force.rmse
                ));
            }
        }
        summary.decision = text;
    }

    /// Trains the committee of iteration `k`.
    fn train(
        &mut self,
        k: usize,
        initial: &Initial,
    ) -> Result<(Vec<DeepPotential>, Vec<TrainDone>), Error> {
        let folder = self.iteration_folder(k);
        let file = folder.join("train.toml");
        // data of a training that has begun must stay as it is
        let text = if file.exists() {
            std::fs::read_to_string(&file).map_err(InputError::os(&file, "read"))?
        } else {
            let text = self.training_text(k, initial)?;
            crate::results::write_atomically(&file, text.as_bytes())?;
            text
        };
        let before = (self.file.retraining && k > 0).then(|| self.models(k - 1));
        let mut list = Vec::new();
        for member in 0..self.file.committee {
            let place = folder.join(format!("train/member-{member}"));
            let from = before.as_ref().map(|models| models[member].clone());
            let work = Work::Train(TrainWork {
                text: text.clone(),
                path: file.clone(),
                member,
                from,
                accept_errors: false,
            });
            jobs::prepare(&place, &work, None)?;
            let cores = self.file.train.cores;
            list.push(Job { folder: place, name: format!("train-{k}-{member}"), cores, ranks: 1 });
        }
        self.jobs(&format!("iteration {k}: training"), &list)?;
        let paths: Vec<PathBuf> =
            list.iter().map(|job| job.folder.join("model.safetensors")).collect();
        let models = exploration::load_committee(&paths)?;
        let trained = list.iter().map(result).collect::<Result<_, _>>()?;
        Ok((models, trained))
    }

    /// One more training on all labels after the last iteration, if that made any; the models.
    pub(super) fn final_training(
        &mut self,
        summaries: &[Summary],
        initial: &Initial,
    ) -> Result<Vec<String>, Error> {
        let last = summaries.last().map_or(0, |s| s.iteration);
        let k = match summaries.last() {
            Some(s) if s.new_labels > 0 => last + 1,
            _ => last,
        };
        if summaries.is_empty() || k > last {
            self.train(k, initial)?;
        }
        let name =
            |member: usize| format!("iteration-{k:03}/train/member-{member}/model.safetensors");
        Ok((0..self.file.committee).map(name).collect())
    }

    fn training_text(&self, k: usize, initial: &Initial) -> Result<String, Error> {
        let folder = self.iteration_folder(k).join("data");
        let labels = self.labels_of_level();
        let mut weight = 1.0;
        let frames: f64 = initial.systems.iter().map(|s| s.weight * s.frames as f64).sum();
        if let Some(share) = self.file.train.new_share
            && frames > 0.0
            && !labels.is_empty()
        {
            weight = frames * share / (1.0 - share) / labels.len() as f64;
        }
        let systems = match labels.len() {
            0 => Vec::new(),
            _ => training_systems(&labels, &folder)?,
        };
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let labels: Vec<Part> =
            systems.into_iter().map(|path| Part { path: absolute(path), weight }).collect();
        let initial: Vec<Part> = initial
            .systems
            .iter()
            .map(|s| Part { path: s.path.clone(), weight: s.weight })
            .collect();
        Ok(compose(self.file, self.file.retraining && k > 0, &labels, &initial)?)
    }

    /// Labels of an iteration.
    fn of_iteration(&self, k: usize) -> Vec<&LabelRecord> {
        let labels = self.labels_of_level().into_iter();
        labels.filter(|label| label.origin.iteration == Some(k)).collect()
    }

    /// Errors of a model on the labels of an iteration.
    fn errors_of(&self, model: &DeepPotential, k: usize) -> Result<Option<Row>, Error> {
        let records = self.of_iteration(k);
        if records.is_empty() {
            return Ok(None);
        }
        let symbols = model.species.symbols();
        let mut errors = Errors::new(symbols.len());
        let mut evaluator = model.evaluator(Precision::Double, Embedding::Tables);
        for record in records {
            let frame = record.frame().map_err(InputError::Usage)?;
            let structure = &frame.structure;
            let species = structure.species_in(evaluator.species());
            let species = species.map_err(|e| InputError::Usage(e.to_string()))?;
            let mut found = Evaluation::default();
            let evaluated = interactions::evaluate(
                &mut evaluator,
                &structure.cell,
                &structure.positions,
                &species,
                &mut found,
            );
            // a frame at the edge of what is known may be beyond the model
            if evaluated.is_ok() {
                errors.add(&species, &frame.labels, &found);
            }
        }
        Ok(Some(errors.row(format!("labels of iteration {k}"), symbols)))
    }

    /// Frames of the training set, evenly spread, at most `most`.
    pub(super) fn training_frames(
        &self,
        initial: &Initial,
        most: usize,
    ) -> Result<Vec<Frame>, Error> {
        let labels = self.labels_of_level();
        let all = labels.len() + initial.systems.iter().map(|s| s.frames).sum::<usize>();
        let stride = all.div_ceil(most.max(1)).max(1);
        let mut frames = Vec::new();
        for record in labels.iter().step_by(stride) {
            frames.push(record.frame().map_err(InputError::Usage)?);
        }
        for system in &initial.systems {
            for frame in io::open(&system.path, &ReadOptions::default())?.step_by(stride) {
                frames.push(frame?);
            }
        }
        Ok(frames)
    }
}

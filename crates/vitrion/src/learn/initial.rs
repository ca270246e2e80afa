//! Before the first iteration: data from elsewhere is looked at, labels for the start are made.

use super::{Initial, InitialSystem, Loop};
use crate::error::{Error, InputError};
use crate::inputs::structure_name;
use crate::labeling::{self, Labeling, Request};
use crate::labels::{Agreement, LabelRecord, Origin, RunInfo, Tolerance, compare, key};
use crate::results::{now, read_json, write_json};
use crate::run_file::LearnData;
use crate::training;
use std::path::PathBuf;
use vitrion_core::io::{self, ReadOptions};

/// Frames of each `[[data]]` table that are labelled again.
const CHECKED: usize = 2;

impl Loop<'_, '_> {
    /// Done once; the result is read back afterwards.
    pub(super) fn initial(&mut self) -> Result<Initial, Error> {
        let place = self.folder.join("initial/done.json");
        if place.exists() {
            let initial: Initial = read_json(&place)?;
            if initial.level != self.level {
                return Err(Error::Learning(format!(
                    "{} was begun with labels of level {}, the learn file now means {} ({}): was a template or a \
                     script changed? Put it back, or begin a new folder",
                    self.folder.display(),
                    &initial.level[..8],
                    &self.level[..8],
                    self.engine.level().description
                )));
            }
            return Ok(initial);
        }
        let mut systems = Vec::new();
        let mut checks = Vec::new();
        for table in &self.file.data {
            let table = &table.value;
            let paths = self.systems(table)?;
            if !table.trusted {
                checks.push(self.check(&paths)?);
            }
            for path in paths {
                let frames = io::open(&path, &ReadOptions::default())?.count();
                systems.push(InitialSystem { path, weight: table.frames.weight, frames });
            }
        }
        let mut requests = Vec::new();
        for (number, table) in self.file.perturbed.iter().enumerate() {
            let start = self.start(&table.value.structure.value)?;
            requests.extend(labeling::perturbed(
                &table.value,
                &start,
                self.file.seed,
                number as u64,
            ));
        }
        let mut runs = Vec::new();
        for table in &self.file.aimd {
            let start = self.start(&table.value.structure.value)?;
            let start = vitrion_core::build::supercell::repeat(&start, table.value.repeat);
            runs.push((table.value.clone(), start));
        }
        if !runs.is_empty() {
            self.with_labeling("initial AIMD", |labeling, store, watch| {
                labeling.aimd(&runs, store, watch)
            })?;
        }
        if !requests.is_empty() {
            self.label("initial labels", &requests)?;
        }
        let labels = self.labels_of_level().len();
        if labels == 0 && systems.is_empty() {
            let message = "there is nothing to train on: no initial structure could be labelled";
            return Err(Error::Learning(message.to_owned()));
        }
        let initial = Initial { level: self.level.clone(), systems, labels, checks };
        write_json(&place, &initial)?;
        Ok(initial)
    }

    fn start(&self, written: &str) -> Result<vitrion_core::Structure, Error> {
        let name = structure_name(written, |path| self.file.resolve(path));
        let structure = labeling::structure(&name)?;
        super::refuse_unknown_elements(self.file, written, &structure)?;
        Ok(structure)
    }

    /// The systems of a `[[data]]` table.
    fn systems(&self, table: &LearnData) -> Result<Vec<PathBuf>, Error> {
        let written = &table.frames.path;
        let path = self.file.resolve(&written.value);
        let path = std::path::absolute(&path).unwrap_or(path);
        let mut found = training::systems_in(&path).map_err(InputError::os(&path, "read"))?;
        let refuse = |what: String| {
            let (file, line) = (self.file.path.display(), written.line);
            InputError::Usage(format!("{file}:{line}: {} {what}", path.display()))
        };
        if let Some(wanted) = &table.frames.systems {
            found = training::systems_called(found, wanted)
                .map_err(|missing| refuse(format!("holds no system \"{}\"", wanted[missing])))?;
        }
        if found.is_empty() {
            return Err(refuse("holds no labelled frames".to_owned()).into());
        }
        Ok(found)
    }

    /// Labels a few frames of data from elsewhere again: labels of different levels must not mix.
    fn check(&mut self, paths: &[PathBuf]) -> Result<String, Error> {
        // the smallest cells cost least
        let mut frames = Vec::new();
        for path in paths {
            let source = io::open(path, &ReadOptions::default())?;
            let all: Vec<_> = source.collect::<Result<_, _>>()?;
            let stride = (all.len() / CHECKED).max(1);
            frames.extend(all.into_iter().step_by(stride).take(CHECKED).map(|f| (path, f)));
        }
        frames.sort_by_key(|(_, frame)| frame.structure.len());
        frames.truncate(CHECKED);
        let mut requests = Vec::new();
        let mut theirs = Vec::new();
        for (path, frame) in frames {
            let source = path.display().to_string();
            let origin = Origin { how: "check".to_owned(), source, ..Origin::default() };
            theirs.extend(LabelRecord::new("", &frame, RunInfo::default(), origin.clone(), now()));
            requests.push(Request { frame: frame.structure.into(), origin });
        }
        self.label("comparison of levels", &requests)?;
        let mut pairs = Vec::new();
        for (record, request) in theirs.iter().zip(&requests) {
            if let Some(ours) = self.store.label(&key(&self.level, &request.frame.structure)) {
                pairs.push((record, ours));
            }
        }
        let place = paths.first().map_or(String::new(), |p| p.display().to_string());
        if pairs.is_empty() {
            return Err(Error::Learning(format!(
                "no frame of {place} could be labelled again, so that nothing is known about its level; \
                 say level = \"trusted\" in [[data]] if you know that it is the same"
            )));
        }
        let found = compare(&pairs, &Tolerance::default());
        if found.agreement != Agreement::Same {
            return Err(Error::Learning(format!(
                "{place} is not of the engine's level: {}\nchange [engine] until they agree, or label these \
                 frames anew",
                found.verdict
            )));
        }
        Ok(format!("{place}: {}", found.verdict))
    }

    /// Labels requests; any failures are counted by the store.
    pub(super) fn label(
        &mut self,
        what: &str,
        requests: &[Request],
    ) -> Result<labeling::Labelled, Error> {
        self.with_labeling(what, |labeling, store, watch| labeling.label(requests, store, watch))
    }

    fn with_labeling(
        &mut self,
        what: &str,
        work: impl FnOnce(
            &mut Labeling<'_>,
            &mut crate::labels::Store,
            &mut dyn FnMut(crate::jobs::Progress),
        ) -> Result<labeling::Labelled, Error>,
    ) -> Result<labeling::Labelled, Error> {
        let Loop { scheduler, store, options, engine, folder, .. } = self;
        let jobs = folder.join("labels/jobs");
        let mut labeling = Labeling {
            engine,
            scheduler: &mut **scheduler,
            jobs: &jobs,
            patience: options.patience,
            stop: options.stop,
        };
        let watch = &mut options.watch;
        let found = work(&mut labeling, store, &mut |progress| watch(what, Some(progress)))?;
        if found.interrupted {
            return Err(Error::Interrupted { resume: options.resume.clone() });
        }
        if let Some(failed) = found.broken.first() {
            return Err(Error::Learning(format!(
                "{what}: {} jobs broke, the first: {} in {}",
                found.broken.len(),
                failed.message,
                failed.folder.display()
            )));
        }
        Ok(found)
    }

    /// Labels of the engine's level in the store; frames of `[[data]]` that were labelled again are in
    /// that already.
    pub(super) fn labels_of_level(&self) -> Vec<&LabelRecord> {
        let ours = |label: &&LabelRecord| label.level == self.level && label.origin.how != "check";
        self.store.labels().iter().filter(ours).collect()
    }
}

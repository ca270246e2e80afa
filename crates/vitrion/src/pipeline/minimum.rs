//! Stages that minimise: no time passes, velocities are kept for the stage that follows.

use super::{Work, write_frame};
use crate::error::Error;
use std::sync::atomic::Ordering;
use std::time::Instant;
use vitrion_core::frame::Frame;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::{Labels, Potential};
use vitrion_md::{FINAL_FILE, MdError, MinimizeSettings, StageSummary, State, minimize};

impl Work<'_> {
    /// The state at the minimum: found now, or in an earlier session (`done`). A minimisation that was
    /// stopped starts anew.
    pub(super) fn minimum(
        &self,
        state: State,
        potential: &mut dyn Potential,
        settings: &MinimizeSettings,
        number: usize,
        done: bool,
    ) -> Result<State, Error> {
        let folder = self.ledger.stage_folder(self.index, number);
        let path = self.ledger.results.path(&folder).join(FINAL_FILE);
        if done {
            // exact: numbers are written so that they read back to the same bits
            let structure = io::read_first(&path, &ReadOptions::default())?.structure;
            return Ok(State { structure, ..state });
        }
        let stage = &self.plan.stages[number];
        let failed = |source| Error::Stage {
            run: self.run.id.clone(),
            stage: stage.name.clone(),
            source: Box::new(source),
        };
        let begin = Instant::now();
        let go_on = || !self.options.stop.load(Ordering::Relaxed);
        let found = minimize(&state.structure, potential, settings, &mut |_| go_on());
        let found = found.map_err(failed)?;
        if !found.converged && !go_on() {
            return Err(Error::Interrupted { resume: self.options.resume.to_owned() });
        }
        if !found.converged {
            let (steps, force) = (found.last.step, found.last.force);
            let tolerance = settings.force_tolerance;
            return Err(failed(MdError::NotConverged { steps, force, tolerance }));
        }
        let mut frame = Frame::from(found.structure.clone());
        frame.velocities = Some(state.velocities.clone());
        frame.labels = Labels { energy: Some(found.energy), ..Labels::default() };
        write_frame(&path, &frame)?;
        self.finish_stage(number, &StageSummary::of_minimum(&found, begin.elapsed()))?;
        Ok(State { structure: found.structure, ..state })
    }
}

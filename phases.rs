//! Which of the phases that settings name every atom of a frame belongs to.

use crate::error::AnalysisError;
use crate::pass::Scene;

/// Number of the phase of every atom among those that were asked for.
///
/// # Errors
/// A phase that no atom of the frame is labelled with.
pub(super) fn places(
    scene: &Scene<'_>,
    wanted: &[String],
) -> Result<Vec<Option<usize>>, AnalysisError> {
    if wanted.is_empty() {
        return Ok(vec![None; scene.structure.len()]);
    }
    let missing = |phase: &str, present: &[String]| AnalysisError::NoSuchPhase {
        frame: scene.number,
        phase: phase.to_owned(),
        present: present.to_vec(),
    };
    let phases = scene.structure.phases.as_deref();
    let phases = phases.ok_or_else(|| missing(&wanted[0], &[]))?;
    if let Some(phase) = wanted.iter().find(|phase| !phases.names().contains(phase)) {
        return Err(missing(phase, phases.names()));
    }
    let place = |name: &String| wanted.iter().position(|wanted| wanted == name);
    let places: Vec<Option<usize>> = phases.names().iter().map(place).collect();
    Ok(phases.ids().iter().map(|id| places[usize::from(*id)]).collect())
}

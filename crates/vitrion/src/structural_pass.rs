//! Structural analyses of the frames of a trajectory, a batch of frames at a time.
//!
//! The pass needs the species before the first frame and works on several frames at once; this
//! is the piece between it and a reader that hands over one frame after the other.

use vitrion_analysis::pass::Measured;
use vitrion_analysis::structure::{Amorphization, StructureSettings, amorphization};
use vitrion_analysis::{AnalysisError, Observables, Pass};
use vitrion_core::Frame;

/// Frames measured at the same time by each thread: enough that threads rarely wait for each other.
const PER_THREAD: usize = 2;

/// Told what was measured in every frame.
pub type Sink<'a, E> = &'a mut dyn FnMut(&Frame, &[Measured]) -> Result<(), E>;

/// Collects frames and shows them to a pass.
pub struct StructuralPass {
    settings: Vec<StructureSettings>,
    pass: Option<Pass>,
    waiting: Vec<Frame>,
    batch: usize,
}

impl StructuralPass {
    /// For analyses of these settings.
    pub fn new(settings: Vec<StructureSettings>) -> Self {
        let batch = PER_THREAD * rayon::current_num_threads();
        StructuralPass { settings, pass: None, waiting: Vec::new(), batch }
    }

    /// True without analyses.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// The next frame.
    ///
    /// # Errors
    /// Settings that do not suit the species; whatever the pass refuses, up to a batch of frames later; what
    /// the sink returns.
    pub fn add<E: From<AnalysisError>>(
        &mut self,
        frame: Frame,
        sink: Sink<'_, E>,
    ) -> Result<(), E> {
        if self.pass.is_none() {
            self.pass = Some(pass(&self.settings, &frame)?);
        }
        self.waiting.push(frame);
        if self.waiting.len() >= self.batch { self.flush(sink) } else { Ok(()) }
    }

    /// The frames so far are all of one trajectory; the next begins another, independent of it.
    ///
    /// # Errors
    /// As [`StructuralPass::add`].
    pub fn next_trajectory<E: From<AnalysisError>>(&mut self, sink: Sink<'_, E>) -> Result<(), E> {
        self.flush(sink)?;
        if let Some(pass) = &mut self.pass {
            pass.next_trajectory();
        }
        Ok(())
    }

    fn flush<E: From<AnalysisError>>(&mut self, sink: Sink<'_, E>) -> Result<(), E> {
        let Some(pass) = &mut self.pass else { return Ok(()) };
        let measured = pass.add(&self.waiting)?;
        for (frame, measured) in self.waiting.iter().zip(&measured) {
            sink(frame, measured)?;
        }
        self.waiting.clear();
        Ok(())
    }

    /// The results, in the order of the settings.
    ///
    /// # Errors
    /// As [`StructuralPass::add`]; no frame was added.
    pub fn finish<E: From<AnalysisError>>(
        mut self,
        sink: Sink<'_, E>,
    ) -> Result<Vec<Observables>, E> {
        self.flush(sink)?;
        match self.pass {
            Some(pass) => Ok(pass.finish()?),
            None => Err(AnalysisError::TooFewFrames {
                what: "the analysis of a structure",
                needed: 1,
                found: 0,
            }
            .into()),
        }
    }
}

/// The analyses of trajectories that begin with a frame. Phases are those that an amorphisation
/// profile finds in every frame, or else those that the frame brings along; analyses that do not
/// name phases tell all of them apart.
fn pass(settings: &[StructureSettings], frame: &Frame) -> Result<Pass, AnalysisError> {
    let first = &frame.structure;
    let labelling = settings.iter().find_map(|settings| match settings {
        StructureSettings::Amorphization(settings) if settings.label => Some(settings.clone()),
        _ => None,
    });
    let names: Vec<String> = match (&labelling, &first.phases) {
        (Some(_), _) => amorphization::PHASES.iter().map(|name| (*name).to_owned()).collect(),
        (None, Some(phases)) => phases.names().to_vec(),
        (None, None) => Vec::new(),
    };
    let analyses: Result<Vec<_>, _> = settings
        .iter()
        .map(|settings| settings.clone().with_phases(&names).analysis(first))
        .collect();
    let mut pass = Pass::new(first.table.clone(), analyses?);
    if let Some(settings) = labelling {
        let rule = Amorphization::new(settings, first)?;
        pass.label_phases(Box::new(move |structure| rule.phases_of(structure)));
    }
    Ok(pass)
}

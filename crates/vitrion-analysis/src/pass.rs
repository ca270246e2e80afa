//! One pass over the frames of trajectories for any number of structural analyses.
//!
//! Frames are measured independently of each other, several at a time; what they contribute is
//! added in the order of the frames, so that results are the same for any number of threads. What
//! several analyses need of a frame (neighbours, columns of pairs, the Voronoi tessellation) is
//! made once.

use crate::error::{AnalysisError, check_finite};
use crate::pairs::{Columns, NeighborTable, Neighbors};
use crate::samples::Samples;
use crate::tessellation::Tessellation;
use rayon::prelude::*;
use std::sync::Arc;
use vitrion_core::observables::Observables;
use vitrion_core::phases::Phases;
use vitrion_core::{Frame, SpeciesTable, Structure};

pub use vitrion_core::columns::{AtomColumn, AtomValues};

/// An analysis of single frames whose results are functions of means over frames.
pub trait StructuralAnalysis: Send + Sync {
    /// What it asks of every frame.
    fn needs(&self) -> Needs;

    /// The numbers that one frame contributes to the means; as many in every frame.
    ///
    /// # Errors
    /// A frame that cannot be analysed.
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError>;

    /// Sees what was measured in the order of the frames, and adds what relates one frame to the next.
    fn follow(&mut self, _frame: &Frame, _measured: &mut Measured) {}

    /// The next frame has nothing to do with the ones before.
    fn next_trajectory(&mut self) {}

    /// The results.
    fn report(&self, samples: &Samples) -> Observables;
}

/// What analyses ask of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Needs {
    /// Neighbours up to this distance [Å], in a table.
    pub neighbors: f64,
    /// Pairs up to this distance [Å], in columns.
    pub pairs: f64,
    /// The Voronoi tessellation.
    pub voronoi: bool,
    /// What analyses that do not ask for this found for the atoms of the same frame.
    pub others: bool,
}

impl Needs {
    /// What two analyses ask for together.
    #[must_use]
    fn and(self, other: Needs) -> Needs {
        Needs {
            neighbors: self.neighbors.max(other.neighbors),
            pairs: self.pairs.max(other.pairs),
            voronoi: self.voronoi || other.voronoi,
            others: self.others || other.others,
        }
    }
}

/// What one frame gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Averaged over frames.
    pub means: Vec<f64>,
    /// Averaged too, under a name; zero in frames that do not have it.
    pub named: Vec<(String, f64)>,
    /// One value per atom, for files and for later analyses.
    pub columns: Vec<AtomColumn>,
}

impl Measured {
    /// Means without columns.
    pub fn means(means: Vec<f64>) -> Self {
        Measured { means, ..Measured::default() }
    }
}

/// One frame with what analyses need of it.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Number of the frame in its trajectory, from 0.
    pub number: usize,
    /// Cell and positions.
    pub structure: &'a Structure,
    /// Species of every atom, in the numbering of the pass.
    pub species: &'a [usize],
    /// Atoms of every species.
    pub counts: &'a [usize],
    /// Neighbours up to the distance that was asked for.
    pub neighbors: &'a NeighborTable,
    /// Columns that reach as far as was asked for.
    pub columns: &'a Columns,
    /// The Voronoi tessellation, if it was asked for.
    pub voronoi: &'a Tessellation,
    /// What other analyses of the pass found in this frame, if that was asked for.
    pub others: &'a [&'a Measured],
}

/// Names the phase of every atom of a frame, from its structure alone.
pub type PhaseRule = dyn Fn(&Structure) -> Result<Phases, AnalysisError> + Send + Sync;

/// Memory for one frame at a time.
#[derive(Debug, Default)]
struct Workspace {
    species: Vec<usize>,
    counts: Vec<usize>,
    neighbors: Neighbors,
    columns: Columns,
    voronoi: Tessellation,
    /// The structure with the phases that a rule gave it.
    labelled: Option<Structure>,
}

impl Workspace {
    fn load<'a>(
        &'a mut self,
        number: usize,
        frame: &'a Frame,
        table: &SpeciesTable,
        needs: Needs,
        rule: Option<&PhaseRule>,
    ) -> Result<Scene<'a>, AnalysisError> {
        let structure = &frame.structure;
        check_finite(number, &structure.positions)?;
        let map = structure
            .table
            .map_onto(table)
            .map_err(|source| AnalysisError::Species { frame: number, source })?;
        self.species.clear();
        self.species.extend(structure.species.iter().map(|id| usize::from(map[id.index()])));
        self.counts.clear();
        self.counts.resize(table.len(), 0);
        for species in &self.species {
            self.counts[*species] += 1;
        }
        let (cell, positions) = (&structure.cell, &structure.positions);
        if needs.pairs > 0.0 {
            self.columns.sort(cell, positions, needs.pairs);
        }
        if needs.neighbors > 0.0 {
            self.neighbors.find(cell, positions, needs.neighbors);
        }
        if needs.voronoi {
            self.voronoi.make(number, cell, positions, None)?;
        }
        let structure = match rule {
            None => structure,
            Some(rule) => {
                let labelled = self.labelled.insert(structure.clone());
                labelled.phases = Some(Arc::new(rule(structure)?));
                labelled
            }
        };
        Ok(Scene {
            number,
            structure,
            species: &self.species,
            counts: &self.counts,
            neighbors: self.neighbors.table(),
            columns: &self.columns,
            voronoi: &self.voronoi,
            others: &[],
        })
    }
}

/// The atoms that every frame of a trajectory must have, in any order.
#[derive(Debug, Default)]
struct Atoms {
    species: Vec<usize>,
    counts: Vec<usize>,
}

impl Atoms {
    /// Learns from the first frame, compares the others with it.
    fn check(&mut self, frame: usize, seen: &Workspace) -> Result<(), AnalysisError> {
        if self.counts.is_empty() {
            self.species.clone_from(&seen.species);
            self.counts.clone_from(&seen.counts);
            return Ok(());
        }
        let (expected, found) = (self.species.len(), seen.species.len());
        if found != expected {
            return Err(AnalysisError::AtomsChanged { frame, expected, found });
        }
        if self.counts == seen.counts {
            return Ok(());
        }
        let differs = self.species.iter().zip(&seen.species).position(|(a, b)| a != b);
        Err(AnalysisError::SpeciesChanged { frame, atom: differs.expect("other counts") })
    }
}

/// Analyses that see every frame.
pub struct Pass {
    table: Arc<SpeciesTable>,
    analyses: Vec<Box<dyn StructuralAnalysis>>,
    samples: Vec<Samples>,
    needs: Needs,
    phases: Option<Box<PhaseRule>>,
    /// Of the trajectory that is being read.
    atoms: Atoms,
    frames: usize,
    workspaces: Vec<Workspace>,
}

impl Pass {
    /// Analyses of trajectories of these species.
    pub fn new(table: Arc<SpeciesTable>, analyses: Vec<Box<dyn StructuralAnalysis>>) -> Self {
        let needs = analyses.iter().fold(Needs::default(), |all, one| all.and(one.needs()));
        let samples = vec![Samples::default(); analyses.len()];
        Pass {
            table,
            analyses,
            samples,
            needs,
            phases: None,
            atoms: Atoms::default(),
            frames: 0,
            workspaces: Vec::new(),
        }
    }

    /// Labels the atoms of every frame by a rule, in place of the labels that frames bring along.
    pub fn label_phases(&mut self, rule: Box<PhaseRule>) {
        self.phases = Some(rule);
    }

    /// The next frame begins another trajectory, independent of those before.
    pub fn next_trajectory(&mut self) {
        self.frames = 0;
        self.atoms = Atoms::default();
        for samples in &mut self.samples {
            samples.next_trajectory();
        }
        for analysis in &mut self.analyses {
            analysis.next_trajectory();
        }
    }

    /// Measures some consecutive frames at the same time, and returns what every analysis found in
    /// each of them.
    ///
    /// # Errors
    /// A frame with other atoms than the first of its trajectory, with a species outside the table, or with
    /// positions that are not finite; whatever an analysis refuses. Frames before it are counted.
    pub fn add(&mut self, frames: &[Frame]) -> Result<Vec<Vec<Measured>>, AnalysisError> {
        self.workspaces.resize_with(self.workspaces.len().max(frames.len()), Workspace::default);
        let first = self.frames;
        let (table, needs, analyses) = (&self.table, self.needs, &self.analyses);
        let rule = self.phases.as_deref();
        let measure = |(at, (frame, workspace)): (usize, (&Frame, &mut Workspace))| {
            let scene = workspace.load(first + at, frame, table, needs, rule)?;
            measure_all(analyses, &scene)
        };
        let measured: Vec<Result<Vec<Measured>, AnalysisError>> = frames
            .par_iter()
            .zip(&mut self.workspaces)
            .enumerate()
            .with_max_len(1)
            .map(measure)
            .collect();
        let mut found = Vec::with_capacity(frames.len());
        for ((frame, measured), workspace) in frames.iter().zip(measured).zip(&self.workspaces) {
            let mut measured = measured?;
            self.atoms.check(self.frames, workspace)?;
            let with = self.analyses.iter_mut().zip(&mut self.samples);
            for ((analysis, samples), measured) in with.zip(&mut measured) {
                analysis.follow(frame, measured);
                samples.add(measured);
            }
            self.frames += 1;
            found.push(measured);
        }
        Ok(found)
    }

    /// The results, in the order of the analyses.
    ///
    /// # Errors
    /// No frame was added.
    pub fn finish(&self) -> Result<Vec<Observables>, AnalysisError> {
        let with = self.analyses.iter().zip(&self.samples);
        with.map(|(analysis, samples)| report(analysis.as_ref(), samples)).collect()
    }
}

/// One analysis that looks at frames one by one.
pub struct Accumulator<A> {
    table: Arc<SpeciesTable>,
    analysis: A,
    samples: Samples,
    atoms: Atoms,
    workspace: Workspace,
}

impl<A: StructuralAnalysis> Accumulator<A> {
    /// For frames of these species.
    pub fn new(table: Arc<SpeciesTable>, analysis: A) -> Self {
        Accumulator {
            table,
            analysis,
            samples: Samples::default(),
            atoms: Atoms::default(),
            workspace: Workspace::default(),
        }
    }

    /// Measures a frame.
    ///
    /// # Errors
    /// As [`Pass::add`].
    pub fn add(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        let number = self.samples.frames();
        let scene = self.workspace.load(number, frame, &self.table, self.analysis.needs(), None)?;
        let mut measured = self.analysis.measure(&scene)?;
        self.atoms.check(number, &self.workspace)?;
        self.analysis.follow(frame, &mut measured);
        self.samples.add(&measured);
        Ok(())
    }

    /// Means so far, for checkpoints.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Goes on from means of before.
    pub fn restore(&mut self, samples: Samples) {
        self.samples = samples;
    }

    /// The results.
    ///
    /// # Errors
    /// No frame was added.
    pub fn finish(&self) -> Result<Observables, AnalysisError> {
        report(&self.analysis, &self.samples)
    }
}

/// Measures a frame with all analyses: first those that do not build on others.
fn measure_all(
    analyses: &[Box<dyn StructuralAnalysis>],
    scene: &Scene<'_>,
) -> Result<Vec<Measured>, AnalysisError> {
    let mut found = vec![Measured::default(); analyses.len()];
    for (analysis, found) in analyses.iter().zip(&mut found) {
        if !analysis.needs().others {
            *found = analysis.measure(scene)?;
        }
    }
    for at in 0..analyses.len() {
        if analyses[at].needs().others {
            let with = analyses.iter().zip(&found);
            let others: Vec<&Measured> =
                with.filter(|(other, _)| !other.needs().others).map(|(_, found)| found).collect();
            found[at] = analyses[at].measure(&Scene { others: &others, ..*scene })?;
        }
    }
    Ok(found)
}

/// Results with what every analysis says of its frames.
fn report(
    analysis: &dyn StructuralAnalysis,
    samples: &Samples,
) -> Result<Observables, AnalysisError> {
    if samples.frames() == 0 {
        return Err(AnalysisError::TooFewFrames {
            what: "the analysis of a structure",
            needed: 1,
            found: 0,
        });
    }
    let mut result = analysis.report(samples);
    result.parameter("frames", samples.frames());
    result.parameter("blocks", samples.blocks());
    result.parameter("trajectories", samples.trajectories());
    if samples.blocks() < crate::samples::FEW_BLOCKS {
        result.caution(
            "few_blocks",
            format!("only {} blocks of frames: errors are not estimated", samples.blocks()),
            "analyse a longer trajectory",
        );
    }
    Ok(result)
}

//! Paths of single ions (paper, Fig. 3e).
//!
//! Ions are named, or chosen: those of the largest and of the middle net displacement, in each phase if the frames carry labels (at the first frame). Paths are continuous,
//! with the framework at rest, thinned to [`POINTS`] points.

use super::pass::{Attachment, Motion};
use super::recording::{NO_PHASE, Path, Recording, Reference};
use crate::error::AnalysisError;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Axis, Curve, Observables};

/// Points of a path.
const POINTS: usize = 500;

/// Which ions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PathSettings {
    /// Numbers of atoms in the trajectory, from zero; chosen if none are given.
    pub atoms: Vec<usize>,
}

/// A path and where it belongs.
struct Kept {
    atom: usize,
    phase: u8,
    points: Vec<Vector3>,
}

impl Kept {
    fn net(&self) -> f64 {
        let (first, last) = (self.points[0], self.points[self.points.len() - 1]);
        math::norm(math::sub(last, first))
    }
}

/// Paths of single ions of the mobile species.
///
/// # Errors
/// Fewer than 2 frames, atoms that are not mobile.
pub(super) fn paths(data: &Recording, settings: &PathSettings) -> Result<Motion, AnalysisError> {
    data.needs(2, "paths of ions")?;
    let species = &data.settings().species;
    let step = data.frames().div_ceil(POINTS);
    let measure = |atom: usize, path: Path<'_>| Kept {
        atom,
        phase: path.phases.first().copied().unwrap_or(NO_PHASE),
        points: (0..data.frames()).step_by(step).map(|t| path.r.map(|x| x[t])).collect(),
    };
    let mut all = Vec::new();
    data.each_path(species, Reference::Framework, measure, |_, kept| all.push(kept))?;
    let chosen =
        if settings.atoms.is_empty() { choose(&all) } else { named(&all, settings, species)? };
    let mut result = Observables::new(
        "paths",
        &format!("Paths of single {species}"),
        "r_i(t), continuous, drift of the framework removed",
    );
    data.describe(&mut result);
    result.parameter(
        "atoms",
        chosen.iter().map(|kept| kept.atom.to_string()).collect::<Vec<_>>().join(", "),
    );
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    for kept in &chosen {
        let phase = data.phases().get(usize::from(kept.phase));
        let who = phase.map_or_else(
            || format!("{species} {}", kept.atom),
            |phase| format!("{species} {} in {phase}", kept.atom),
        );
        let x: Vec<f64> =
            (0..kept.points.len()).map(|k| (k * step) as f64 * data.interval() * 1e-3).collect();
        let first = kept.points[0];
        let mut push = |name: &str, y_axis: Axis, f: &dyn Fn(Vector3) -> f64| {
            result.curves.push(Curve {
                name: format!("{name}_{}", kept.atom),
                label: who.clone(),
                x_axis: axis("time", "ps"),
                y_axis,
                x: x.clone(),
                y: kept.points.iter().map(|r| f(*r)).collect(),
                y_error: Vec::new(),
            });
        };
        push("distance", axis("|r(t) − r(0)|", "Å"), &|r| math::norm(math::sub(r, first)));
        for (k, name) in ["x", "y", "z"].iter().enumerate() {
            push(name, axis(name, "Å"), &|r| r[k]);
        }
    }
    let content = drawn(&chosen, data).into_bytes();
    let attachments = vec![Attachment { ending: "xyz", content }];
    Ok(Motion { attachments, ..result.into() })
}

/// Of every phase the ion that came farthest and the one in the middle.
fn choose(all: &[Kept]) -> Vec<&Kept> {
    let mut phases: Vec<u8> = all.iter().map(|kept| kept.phase).collect();
    phases.sort_unstable();
    phases.dedup();
    let mut chosen = Vec::new();
    for phase in phases {
        let mut of_phase: Vec<&Kept> = all.iter().filter(|kept| kept.phase == phase).collect();
        of_phase.sort_by(|a, b| b.net().total_cmp(&a.net()));
        chosen.push(of_phase[0]);
        if of_phase.len() > 1 {
            chosen.push(of_phase[of_phase.len() / 2]);
        }
    }
    chosen
}

fn named<'a>(
    all: &'a [Kept],
    settings: &PathSettings,
    species: &str,
) -> Result<Vec<&'a Kept>, AnalysisError> {
    let find = |atom: &usize| {
        all.iter().find(|kept| kept.atom == *atom).ok_or_else(|| AnalysisError::Parameter {
            name: "atoms",
            found: format!("atom {atom}"),
            expected: format!("numbers of {species} in the trajectory, from zero"),
        })
    };
    settings.atoms.iter().map(find).collect()
}

/// All points as atoms of one frame of extended XYZ, with the number of the path and the time.
fn drawn(chosen: &[&Kept], data: &Recording) -> String {
    let count: usize = chosen.iter().map(|kept| kept.points.len()).sum();
    let cell: Vec<String> =
        data.mean_cell().as_flattened().iter().map(|x| format!("{x:.6}")).collect();
    let mut text = format!(
        "{count}\nLattice=\"{}\" Properties=species:S:1:pos:R:3:path:I:1:time_ps:R:1 pbc=\"T T T\"\n",
        cell.join(" ")
    );
    let step = data.frames().div_ceil(POINTS) as f64 * data.interval() * 1e-3;
    for kept in chosen {
        for (k, [x, y, z]) in kept.points.iter().enumerate() {
            writeln!(
                text,
                "{} {x:.5} {y:.5} {z:.5} {} {:.4}",
                data.settings().species,
                kept.atom,
                k as f64 * step
            )
            .expect("writing to a string cannot fail");
        }
    }
    text
}

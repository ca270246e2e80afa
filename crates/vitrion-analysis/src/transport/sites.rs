//! Hops between sites, for crystals.
//!
//! Sites are places in fractional coordinates: those of the mobile atoms in the first frame, or of a structure that is given (with vacancies filled, say). In every frame an ion belongs to the
//! nearest site by distance in the momentary cell (Voronoi cells of the sites), the drift of the framework taken out; cells may change and be skewed. An ion that is
//! elsewhere for less than the commit time has not left: flickers over a boundary are no jumps.
//!
//! * **residence time** of an ion in a site: time over jumps (maximum likelihood for exponential residence)
//! * **network**: jumps between every pair of sites, with the length of the way
//! * **correlation factor** `f = D*/(Γ⟨l²⟩/6)`, as in `hops.rs`

mod assignment;
mod visits;

use super::hops::{Groups, Tally};
use super::lags::dealt;
use super::moments::GROUPS;
use super::msd::unit;
use super::pass::{Motion, MotionAnalysis};
use super::recording::Recording;
use super::recording::store::Store;
use crate::error::AnalysisError;
use assignment::Assignment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use visits::Visits;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::observables::{Axis, Categories, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::{Cell, Frame, Structure};

/// Pairs of the network that are listed.
const LISTED: usize = 40;
/// Part of the time two ions may share a site before that is worth a caution.
const SHARED: f64 = 0.05;

/// Which sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteSettings {
    /// Fractional coordinates; those of the mobile atoms of the first frame if none are given.
    pub sites: Vec<Vector3>,
    /// Shorter stays elsewhere are no jumps [fs].
    pub commit: f64,
    /// Directions of the crystal axes a, b, c, rows; lattice vectors of the mean cell if not given.
    pub axes: Option<Matrix3>,
}

impl Default for SiteSettings {
    fn default() -> Self {
        SiteSettings { sites: Vec::new(), commit: 500.0, axes: None }
    }
}

/// The site of every ion in every frame.
pub(super) struct Sites {
    settings: SiteSettings,
    atoms: Vec<usize>,
    assignment: Assignment,
    of_ions: Store<u32>,
    last: Vec<u32>,
    /// By site: ions summed over frames, and frames with two ions or more.
    ions: Vec<u64>,
    shared: Vec<u64>,
}

impl Sites {
    /// # Errors
    /// A commit time or directions that make no sense, sites in one place, a cell that does not repeat.
    pub(super) fn new(
        settings: SiteSettings,
        first: &Structure,
        species: &str,
    ) -> Result<Self, AnalysisError> {
        if first.cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame: 0 });
        }
        if !(settings.commit.is_finite() && settings.commit >= 0.0) {
            let (name, found) = ("commit", format!("{} fs", settings.commit));
            return Err(AnalysisError::Parameter { name, found, expected: "a time".into() });
        }
        if let Some(axes) = &settings.axes {
            unit(axes)?;
        }
        let atoms = first.atoms_of(species);
        let places: Vec<Vector3> = if settings.sites.is_empty() {
            atoms.iter().map(|atom| first.cell.to_fractional(first.positions[*atom])).collect()
        } else {
            settings.sites.clone()
        };
        let assignment = Assignment::new(&places, &first.cell)?;
        let sites = assignment.len();
        Ok(Sites {
            settings,
            of_ions: Store::new(atoms.len()),
            last: vec![0; atoms.len()],
            atoms,
            assignment,
            ions: vec![0; sites],
            shared: vec![0; sites],
        })
    }
}

impl MotionAnalysis for Sites {
    fn see(&mut self, frame: &Frame, drift: Vector3) -> Result<(), AnalysisError> {
        let structure = &frame.structure;
        let mut here = vec![0_u32; self.assignment.len()];
        for (last, atom) in self.last.iter_mut().zip(&self.atoms) {
            let r = math::sub(structure.positions[*atom], drift);
            *last = self.assignment.nearest(&structure.cell, r, *last);
            here[*last as usize] += 1;
        }
        for (site, count) in here.into_iter().enumerate() {
            self.ions[site] += u64::from(count);
            self.shared[site] += u64::from(count > 1);
        }
        let last = &self.last;
        self.of_ions.push(|row| last[row])
    }

    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        data.needs(30, "hops between sites")?;
        self.observables(data).map(Motion::from)
    }
}

/// Jumps between two sites in either direction, and how far they are.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    forth: f64,
    back: f64,
    length: f64,
}

impl Sites {
    fn observables(&self, data: &Recording) -> Result<Observables, AnalysisError> {
        let species = &data.settings().species;
        let commit = (self.settings.commit / data.interval()).round() as usize;
        let cell = Cell::periodic(data.mean_cell()).map_err(|error| AnalysisError::Parameter {
            name: "cell",
            found: error.to_string(),
            expected: "a cell".into(),
        })?;
        let groups = GROUPS.min(self.atoms.len());
        let group_of = dealt(self.atoms.len(), groups);
        let mut tallies = vec![Tally::default(); groups];
        let mut network: BTreeMap<(u32, u32), Link> = BTreeMap::new();
        let mut left = vec![0.0; self.assignment.len()];
        let mut along = vec![[0.0; 3]; groups];
        let axes = unit(&self.settings.axes.unwrap_or_else(|| data.mean_cell()))?;
        let mut labels = Vec::new();
        for ion in 0..self.atoms.len() {
            self.of_ions.read(ion..ion + 1, &mut labels)?;
            let visits = Visits::of(&labels, commit);
            let jumps: Vec<Vector3> =
                visits.jumps().map(|(from, to)| self.assignment.way(&cell, from, to)).collect();
            let group = group_of[ion];
            tallies[group] = tallies[group].plus(visits.tally(&jumps), 1.0);
            for ((from, to), jump) in visits.jumps().zip(&jumps) {
                left[from as usize] += 1.0;
                let link = network.entry((from.min(to), from.max(to))).or_default();
                link.length = math::norm(*jump);
                *if from < to { &mut link.forth } else { &mut link.back } += 1.0;
                for (sum, axis) in along[group].iter_mut().zip(axes) {
                    *sum += math::dot(*jump, axis).powi(2);
                }
            }
        }
        let mut result = Observables::new(
            "sites",
            &format!("Hops of {species} between sites"),
            "nearest site in the momentary cell; residence time = time/jumps; f = D*/(rate <l^2>/6); stays shorter than the commit time do not count",
        );
        data.describe(&mut result);
        result.parameter("sites", self.assignment.len());
        let from = if self.settings.sites.is_empty() { "the first frame" } else { "as given" };
        result.parameter("sites from", from);
        result.parameter("commit time", format!("{} fs", commit as f64 * data.interval()));
        let groups = Groups(tallies);
        groups.describe(data, &mut result)?;
        directions(&groups, &along, data, &mut result);
        self.of_sites(data, &left, &mut result);
        links(&network, &mut result);
        Ok(result)
    }

    /// Occupancy and residence time of every site.
    fn of_sites(&self, data: &Recording, left: &[f64], result: &mut Observables) {
        let frames = data.frames() as f64;
        let to_ps = data.interval() * 1e-3;
        let occupancy: Vec<f64> = self.ions.iter().map(|ions| *ions as f64 / frames).collect();
        let share =
            self.shared.iter().sum::<u64>() as f64 / self.ions.iter().sum::<u64>().max(1) as f64;
        let empty = self.ions.iter().filter(|ions| **ions == 0).count();
        result.parameter("sites that were never occupied", empty);
        result.estimates.push(Estimate {
            name: "shared".into(),
            label: "part of the time that an ion shares its site".into(),
            value: share,
            uncertainty: Uncertainty::NotEstimated {
                why: "it tells whether sites are missing".into(),
            },
            unit: String::new(),
        });
        if share > SHARED {
            let message = format!("ions share a site {:.0} % of the time", 100.0 * share);
            let advice = "sites are missing: give them all, occupied or not (\"structure\"), or use the analysis \"hops\"";
            result.caution("sites_missing", message, advice);
        }
        let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
        let x: Vec<f64> = (0..occupancy.len()).map(|site| site as f64).collect();
        result.curves.push(Curve {
            name: "occupancy".into(),
            label: "mean number of ions".into(),
            x_axis: axis("site", ""),
            y_axis: axis("occupancy", ""),
            x,
            y: occupancy,
            y_error: Vec::new(),
        });
        let known: Vec<usize> = (0..left.len()).filter(|site| left[*site] > 0.0).collect();
        let time = |site: usize| self.ions[site] as f64 * to_ps / left[site];
        result.curves.push(Curve {
            name: "residence".into(),
            label: "residence time of an ion".into(),
            x_axis: axis("site", ""),
            y_axis: axis("residence time", "ps"),
            x: known.iter().map(|site| *site as f64).collect(),
            y: known.iter().map(|site| time(*site)).collect(),
            // jumps are counted: relative error 1/√n
            y_error: known.iter().map(|site| time(*site) / left[*site].sqrt()).collect(),
        });
    }
}

/// What hops along each axis alone would give: `Σ l_a²/(2 N T)`.
fn directions(groups: &Groups, along: &[Vector3], data: &Recording, result: &mut Observables) {
    let to_cm2 = vitrion_core::units::A2_PER_FS_IN_CM2_PER_S / data.interval();
    for (k, axis) in ["a", "b", "c"].iter().enumerate() {
        // the sum of squares along the axis takes the place of that of all directions
        let of_axis: Vec<Tally> = groups
            .0
            .iter()
            .zip(along)
            .map(|(tally, along)| Tally { length2: along[k], ..*tally })
            .collect();
        result.estimates.extend(Groups(of_axis).estimate(
            &format!("diffusion_of_hops_{axis}_cm2_per_s"),
            format!("diffusion coefficient of uncorrelated hops along {axis}"),
            "cm²/s",
            |tally| tally.length2 / tally.time / 2.0 * to_cm2,
        ));
    }
}

/// The pairs of sites with most jumps, and how many go which way.
fn links(network: &BTreeMap<(u32, u32), Link>, result: &mut Observables) {
    let mut all: Vec<(&(u32, u32), &Link)> = network.iter().collect();
    all.sort_by(|a, b| (b.1.forth + b.1.back).total_cmp(&(a.1.forth + a.1.back)));
    result.parameter("pairs of sites with jumps", all.len());
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    let (mut names, mut values, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for ((from, to), link) in all.iter().take(LISTED) {
        names.push(format!("{from}–{to}, {:.2} Å", link.length));
        values.push(link.forth + link.back);
        errors.push((link.forth + link.back).sqrt());
    }
    if !names.is_empty() {
        let name = "jump_network".to_owned();
        let label = "jumps between pairs of sites, both ways".to_owned();
        let axis = axis("jumps", "");
        result.categories.push(Categories { name, label, axis, names, values, errors });
    }
    // every pair, for scripts: number of the first site, of the second, jumps either way, length
    let column = |f: &dyn Fn((u32, u32), &Link) -> f64| -> Vec<f64> {
        all.iter().map(|(pair, link)| f(**pair, link)).collect()
    };
    for (name, unit, y) in [
        ("link_from", "", column(&|pair, _| f64::from(pair.0))),
        ("link_to", "", column(&|pair, _| f64::from(pair.1))),
        ("link_forth", "", column(&|_, link| link.forth)),
        ("link_back", "", column(&|_, link| link.back)),
        ("link_length", "Å", column(&|_, link| link.length)),
    ] {
        result.curves.push(Curve {
            name: name.into(),
            label: name.replace('_', " "),
            x_axis: axis("link", ""),
            y_axis: axis(&name.replace("link_", ""), unit),
            x: (0..all.len()).map(|k| k as f64).collect(),
            y,
            y_error: Vec::new(),
        });
    }
}

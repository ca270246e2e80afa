//! A model behind the arrays of another program.

use crate::list::{Centers, HostList};
use crate::threads::Threads;
use std::ffi::c_int;
use std::path::Path;
use vitrion_core::math::{Matrix3, Vector3};
use vitrion_core::{Atoms, Evaluation, Potential, PotentialError, SpeciesTable};
use vitrion_model::{
    Committee, CommitteeError, DeepPotential, Embedding, Evaluator, ModelError, Precision, builtin,
};

/// What names of potentials inside the library start with.
const BUILTIN: &str = "builtin:";

/// How models are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostedOptions {
    pub precision: Precision,
    /// At least one; the threads of one process, whatever others there are.
    pub threads: usize,
}

impl Default for HostedOptions {
    /// As a run of vitrion itself: mixed precision; one thread.
    fn default() -> Self {
        HostedOptions { precision: Precision::Mixed, threads: 1 }
    }
}

/// What an evaluation should leave, besides energy, virial and forces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Per-atom virials.
    pub atom_virials: bool,
    /// Every member of the committee, not the first alone.
    pub members: bool,
}

/// Why a model cannot serve a host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    #[error("there is no potential \"{name}\" in this library; known: {}", known.join(", "))]
    UnknownBuiltin { name: String, known: Vec<String> },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    #[error("{0}")]
    Threads(String),
    #[error("the potential has no {symbol}: it knows {}", known.join(" "))]
    UnknownSpecies { symbol: String, known: Vec<String> },
    #[error("atom {atom} has type {found}, but the types that were mapped are {first} to {last}")]
    UnmappedType { atom: usize, found: i64, first: usize, last: usize },
    #[error("centre {atom} of the neighbour list is not one of the {atoms} atoms")]
    Centre { atom: i64, atoms: usize },
    #[error("atom {atom} appears twice among the centres of the neighbour list")]
    CentreTwice { atom: usize },
    #[error(
        "neighbour {neighbor} of atom {atom} is no other one of the {atoms} atoms: is the mask of the \
         neighbour list right?"
    )]
    Neighbor { atom: usize, neighbor: c_int, atoms: usize },
    #[error("{atoms} atoms of one process are more than the {} that a list can number", u32::MAX - 1)]
    TooManyAtoms { atoms: usize },
    #[error("the host cannot tell the neighbours of atom {atom}")]
    NoNeighbors { atom: usize },
    #[error("the neighbour list was not given, or for other atoms or types")]
    StaleList,
    #[error(
        "atom {atom} ({symbol}): the energy is {energy} eV, the nearest neighbour at {nearest:.4} Å"
    )]
    NotFinite { atom: usize, symbol: String, energy: f64, nearest: f64 },
    #[error("atom {atom}: the position is {position:?}")]
    Position { atom: usize, position: Vector3 },
    #[error("{0}")]
    Potential(String),
}

/// One model, or a committee, for atoms of another program.
///
/// The order of calls: [`Hosted::open`], [`Hosted::map_types`], then [`Hosted::set_neighbors`] whenever the
/// host has a new list and [`Hosted::compute`] at every step; results lie in the object until the next one.
#[derive(Debug)]
pub struct Hosted {
    first: Evaluator,
    committee: Option<Committee>,
    /// Symbol, if the potential sees it, of each type of the host.
    types: Vec<Option<u8>>,
    threads: Threads,
    list: HostList,
    positions: Vec<Vector3>,
    species: Vec<u8>,
    evaluation: Evaluation,
    /// Whether the last results are those of the committee.
    joint: bool,
}

impl Hosted {
    /// Loads models: vitrion's own, DeePMD-kit's (`.pb`, `.dp`, `.yaml`, `.json`), or `builtin:NAME`.
    ///
    /// # Errors
    /// A model that cannot be read, or models that make no committee.
    pub fn open(names: &[&str], options: HostedOptions) -> Result<Self, HostError> {
        let models = names.iter().map(|name| load(name)).collect::<Result<Vec<_>, _>>()?;
        Self::new(&models.iter().collect::<Vec<_>>(), options)
    }

    /// From models in memory.
    ///
    /// # Errors
    /// No models, or some that make no committee; threads that cannot be had.
    pub fn new(models: &[&DeepPotential], options: HostedOptions) -> Result<Self, HostError> {
        let HostedOptions { precision, threads } = options;
        let threads = Threads::new(threads.max(1)).map_err(HostError::Threads)?;
        let Some(first) = models.first() else { return Err(CommitteeError::Empty.into()) };
        let (first, committee) = threads.run(|| {
            let committee = (models.len() > 1).then(|| Committee::new(models, precision));
            (first.evaluator(precision, Embedding::Tables), committee)
        });
        let identity = (0..first.species().len()).map(|s| Some(s as u8)).collect();
        Ok(Hosted {
            first,
            committee: committee.transpose()?,
            types: identity,
            threads,
            list: HostList::default(),
            positions: Vec::new(),
            species: Vec::new(),
            evaluation: Evaluation::default(),
            joint: false,
        })
    }

    /// Species of the potential.
    pub fn species(&self) -> &SpeciesTable {
        self.first.species()
    }

    /// Interaction range [Å]; energies depend on atoms no further than this.
    pub fn cutoff(&self) -> f64 {
        self.first.cutoff()
    }

    /// Number of models.
    pub fn members(&self) -> usize {
        self.committee.as_ref().map_or(1, |committee| committee.evaluations().len())
    }

    /// Says what the host's types are: `symbols[t]` for type `t`, `None` for atoms that the potential does
    /// not see. Without this call types are the species of the potential in their order.
    ///
    /// # Errors
    /// A symbol that the potential does not know.
    pub fn map_types(&mut self, symbols: &[Option<&str>]) -> Result<(), HostError> {
        let id = |symbol: &&str| {
            self.species().id(symbol).map(|id| id.0).ok_or_else(|| HostError::UnknownSpecies {
                symbol: (*symbol).to_owned(),
                known: self.species().symbols().to_vec(),
            })
        };
        self.types =
            symbols.iter().map(|s| s.as_ref().map(id).transpose()).collect::<Result<_, _>>()?;
        self.list = HostList::default(); // made for other types
        Ok(())
    }

    /// Takes over a new list for atoms of these types.
    ///
    /// # Errors
    /// A type that is not mapped, an index that is none, too many atoms.
    pub fn set_neighbors(&mut self, types: &[c_int], host: &impl Centers) -> Result<(), HostError> {
        let mapped = &self.types;
        let first = mapped.iter().position(Option::is_some).unwrap_or(0);
        self.list.rebuild(types, host, |atom| {
            let species = usize::try_from(types[atom]).ok().and_then(|t| mapped.get(t));
            species.map(Option::is_some).ok_or_else(|| HostError::UnmappedType {
                atom,
                found: types[atom].into(),
                first,
                last: mapped.len().saturating_sub(1),
            })
        })
    }

    /// Evaluates atoms at these positions [Å], of the types for which the list was given.
    ///
    /// # Errors
    /// No list for these atoms; a result that is not finite.
    pub fn compute(
        &mut self,
        types: &[c_int],
        positions: &[Vector3],
        wanted: Wanted,
    ) -> Result<(), HostError> {
        if !self.list.fits(types) || positions.len() != types.len() {
            return Err(HostError::StaleList);
        }
        let Self { list, positions: near, species, types: mapped, .. } = self;
        near.clear();
        near.extend(list.order.iter().map(|atom| positions[*atom as usize]));
        // such an atom would have no neighbours, which looks like a result
        let finite = |r: &Vector3| r.iter().all(|x| x.is_finite());
        if let Some(lost) = near.iter().position(|r| !finite(r)) {
            let (atom, position) = (list.order[lost] as usize, near[lost]);
            return Err(HostError::Position { atom, position });
        }
        species.clear();
        let of = |atom: &u32| mapped[types[*atom as usize] as usize];
        species.extend(list.order.iter().map(|atom| of(atom).expect("atoms of the list are seen")));
        let atoms = Atoms {
            positions: &self.positions,
            species: &self.species,
            n_local: self.list.n_local,
        };
        let (list, evaluation, first) = (&self.list.list, &mut self.evaluation, &mut self.first);
        evaluation.want_atom_virials = wanted.atom_virials;
        let committee = self.committee.as_mut().filter(|_| wanted.members);
        self.joint = committee.is_some();
        let result = self.threads.run(|| match committee {
            Some(committee) => {
                committee.want_atom_virials(wanted.atom_virials);
                committee.evaluate(atoms, list)
            }
            None => first.evaluate(atoms, list, evaluation),
        });
        result.map_err(|error| match error {
            PotentialError::NonFinite { atom, symbol, energy, nearest } => {
                let atom = self.list.order[atom] as usize;
                HostError::NotFinite { atom, symbol, energy, nearest }
            }
            other => HostError::Potential(other.to_string()),
        })
    }

    /// Results of each model that was evaluated last; the first is the one that moves atoms. Their arrays
    /// belong to [`Hosted::order`].
    pub fn evaluations(&self) -> &[Evaluation] {
        match &self.committee {
            Some(committee) if self.joint => committee.evaluations(),
            _ => std::slice::from_ref(&self.evaluation),
        }
    }

    /// Atom of the host of every force of [`Hosted::evaluations`]; the first of them are centres and have
    /// energies. Atoms that are not in it feel nothing.
    pub fn order(&self) -> &[u32] {
        &self.list.order
    }

    /// Bytes of the list and of arrays by atom.
    pub fn bytes(&self) -> usize {
        let arrays = |e: &Evaluation| {
            e.forces.capacity() * size_of::<Vector3>()
                + e.atom_energies.capacity() * size_of::<f64>()
                + e.atom_virials.capacity() * size_of::<Matrix3>()
        };
        let committee = self.committee.iter().flat_map(Committee::evaluations);
        let results: usize = committee.chain([&self.evaluation]).map(arrays).sum();
        let atoms = self.positions.capacity() * size_of::<Vector3>() + self.species.capacity();
        self.list.bytes() + results + atoms
    }
}

fn load(name: &str) -> Result<DeepPotential, HostError> {
    let Some(short) = name.strip_prefix(BUILTIN) else {
        return Ok(DeepPotential::load(Path::new(name))?);
    };
    builtin::named(short).ok_or_else(|| HostError::UnknownBuiltin {
        name: name.to_owned(),
        known: builtin::POTENTIALS.iter().map(|(known, _)| format!("{BUILTIN}{known}")).collect(),
    })
}

#[cfg(test)]
mod tests;

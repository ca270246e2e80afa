//! `restart.bin`: everything a stage needs to go on as if it had never stopped.
//!
//! Layout: magic, format version (u32), payload length (u64), payload (postcard), FNV-1a checksum
//! of the payload (u64); integers little-endian. Floating-point numbers are stored bit for bit.

use crate::engine::EngineMaker;
use crate::error::MdError;
use crate::integrate::Variables;
use crate::settings::StageSettings;
use crate::state::State;
use crate::summary::Statistics;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use vitrion_core::math::{Matrix3, Vector3};

const MAGIC: &[u8; 12] = b"vitrion-md\r\n";
const VERSION: u32 = 5;
const HEADER: usize = MAGIC.len() + 4 + 8;

/// What makes two runs the same run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    settings: StageSettings,
    formula: String,
    masses: Vec<f64>,
    start_step: u64,
    start_time: f64,
    cell: Matrix3,
    periodic: [bool; 3],
    /// Digests of species, positions and velocities at the start.
    species: u64,
    positions: u64,
    velocities: u64,
    potential_species: Vec<String>,
    potential_cutoff: f64,
}

impl Identity {
    pub(super) fn new(initial: &State, settings: &StageSettings, maker: &dyn EngineMaker) -> Self {
        let structure = &initial.structure;
        let vectors = |vectors: &[Vector3]| {
            digest(vectors.iter().flatten().flat_map(|x| x.to_bits().to_le_bytes()))
        };
        Identity {
            settings: settings.clone(),
            formula: structure.formula(),
            masses: (0..structure.table.len())
                .map(|id| structure.table.mass(vitrion_core::SpeciesId(id as u8)))
                .collect(),
            start_step: initial.step,
            start_time: initial.time,
            cell: *structure.cell.matrix(),
            periodic: structure.cell.periodicity(),
            species: digest(structure.species.iter().map(|id| id.0)),
            positions: vectors(&structure.positions),
            velocities: vectors(&initial.velocities),
            potential_species: maker.species().symbols().to_vec(),
            potential_cutoff: maker.cutoff(),
        }
    }

    /// One line for each field in which the stored identity `self` differs from the present one.
    pub(super) fn differences(&self, present: &Identity) -> Vec<String> {
        let mut lines = Vec::new();
        let (stored_fields, present_fields) = (self.settings.fields(), present.settings.fields());
        for (name, stored) in &stored_fields {
            let now = present_fields.iter().find(|(other, _)| other == name);
            let now = now.map_or("absent", |(_, value)| value.as_str());
            if stored != now {
                lines.push(format!("{name}: stored {stored}, now {now}"));
            }
        }
        for (name, now) in &present_fields {
            if !stored_fields.iter().any(|(other, _)| other == name) {
                lines.push(format!("{name}: stored absent, now {now}"));
            }
        }
        let mut compare = |name: &str, same: bool, stored: String, now: String| {
            if !same {
                lines.push(format!("{name}: stored {stored}, now {now}"));
            }
        };
        let members = |identity: &Identity| {
            let baths = identity.settings.baths.iter().flat_map(|bath| &bath.atoms);
            digest(identity.settings.frozen.iter().chain(baths).flat_map(|atom| atom.to_le_bytes()))
        };
        let (stored, now) = (members(self), members(present));
        compare(
            "atoms frozen or with thermostats of their own",
            stored == now,
            format!("digest {stored:016x}"),
            format!("{now:016x}"),
        );
        compare(
            "composition",
            self.formula == present.formula,
            self.formula.clone(),
            present.formula.clone(),
        );
        compare(
            "masses [amu]",
            self.masses == present.masses,
            format!("{:?}", self.masses),
            format!("{:?}", present.masses),
        );
        compare(
            "start step",
            self.start_step == present.start_step,
            self.start_step.to_string(),
            present.start_step.to_string(),
        );
        compare(
            "start time [fs]",
            self.start_time.to_bits() == present.start_time.to_bits(),
            self.start_time.to_string(),
            present.start_time.to_string(),
        );
        compare(
            "initial cell [Å]",
            self.cell == present.cell && self.periodic == present.periodic,
            format!("{:?} periodic {:?}", self.cell, self.periodic),
            format!("{:?} periodic {:?}", present.cell, present.periodic),
        );
        for (name, stored, now) in [
            ("order of species", self.species, present.species),
            ("initial positions", self.positions, present.positions),
            ("initial velocities", self.velocities, present.velocities),
        ] {
            compare(name, stored == now, format!("digest {stored:016x}"), format!("{now:016x}"));
        }
        compare(
            "species of the potential",
            self.potential_species == present.potential_species,
            self.potential_species.join(" "),
            present.potential_species.join(" "),
        );
        compare(
            "cutoff of the potential [Å]",
            self.potential_cutoff.to_bits() == present.potential_cutoff.to_bits(),
            self.potential_cutoff.to_string(),
            present.potential_cutoff.to_string(),
        );
        lines
    }
}

/// A stage between two steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) identity: Identity,
    /// Steps of the stage that are done.
    pub(super) done: u64,
    pub(super) cell: Matrix3,
    pub(super) positions: Vec<Vector3>,
    pub(super) velocities: Vec<Vector3>,
    pub(super) potential_energy: f64,
    pub(super) variables: Variables,
    /// Cell and positions for which the neighbour list was searched; they fix its order.
    pub(super) list_cell: Matrix3,
    pub(super) list_positions: Vec<Vector3>,
    /// Bytes of the thermo file and the trajectory that belong to the steps done; 0 before the
    /// first row.
    pub(super) thermo_bytes: u64,
    pub(super) trajectory_bytes: u64,
    /// By name.
    pub(super) observers: Vec<(String, Vec<u8>)>,
    pub(super) statistics: Statistics,
}

impl Checkpoint {
    /// Writes the file so that at every instant either the old or the new one is complete on disk.
    pub(super) fn write(&self, path: &Path) -> Result<(), MdError> {
        let payload = postcard::to_stdvec(self).expect("plain data can be serialised");
        let mut bytes = Vec::with_capacity(HEADER + payload.len() + 8);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&payload);
        bytes.extend_from_slice(&digest(payload.iter().copied()).to_le_bytes());
        replace(path, &bytes)
    }

    pub(super) fn read(path: &Path) -> Result<Self, MdError> {
        let bytes = fs::read(path).map_err(MdError::os(path, "read"))?;
        let bad = |found: String| MdError::BadCheckpoint { path: path.to_owned(), found };
        if bytes.len() < HEADER + 8 || &bytes[..MAGIC.len()] != MAGIC {
            return Err(bad("not a checkpoint of vitrion, or cut short".to_owned()));
        }
        let version = u32::from_le_bytes(array(&bytes[MAGIC.len()..]));
        if version != VERSION {
            return Err(bad(format!(
                "checkpoint format {version}, but this program reads format {VERSION}"
            )));
        }
        let length = u64::from_le_bytes(array(&bytes[MAGIC.len() + 4..]));
        if (bytes.len() - HEADER - 8) as u64 != length {
            return Err(bad(format!(
                "{} bytes of content, but the header says {length}",
                bytes.len() - HEADER - 8
            )));
        }
        let (payload, checksum) = bytes[HEADER..].split_at(bytes.len() - HEADER - 8);
        if digest(payload.iter().copied()) != u64::from_le_bytes(array(checksum)) {
            return Err(bad("the checksum is wrong: the file is damaged".to_owned()));
        }
        postcard::from_bytes(payload)
            .map_err(|error| bad(format!("the content cannot be decoded ({error})")))
    }
}

/// Replaces a file through a synced temporary one beside it.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), MdError> {
    let mut name = path.file_name().expect("a file in the stage folder").to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary).map_err(MdError::os(&temporary, "create"))?;
    file.write_all(bytes).map_err(MdError::os(&temporary, "write"))?;
    file.sync_all().map_err(MdError::os(&temporary, "write"))?;
    drop(file);
    fs::rename(&temporary, path).map_err(MdError::os(path, "replace"))?;
    sync_folder(path)
}

/// Makes a rename durable; only Unix lets a folder be opened for this.
fn sync_folder(path: &Path) -> Result<(), MdError> {
    if cfg!(unix) {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(MdError::os(folder, "sync"))?;
    }
    Ok(())
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes[..N].try_into().expect("the length was checked")
}

/// FNV-1a, 64 bits: finds torn and damaged files, not forgeries.
fn digest(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn the_digest_is_fnv_1a() {
        // published vectors: http://www.isthe.com/chongo/tech/comp/fnv/
        assert_eq!(digest(std::iter::empty()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest(b"a".iter().copied()), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(digest(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
    }
}

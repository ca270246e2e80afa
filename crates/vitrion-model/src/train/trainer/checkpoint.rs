//! `checkpoint.bin`: everything a run needs to go on as if it had never stopped.
//!
//! Layout: magic, length of the header (u64), header (JSON), then parameters, their average, first
//! and second moments as numbers of the run's precision, and a BLAKE3 hash of all before; integers
//! and numbers little-endian. Written under another name and renamed.

use super::TrainError;
use crate::deep_potential::real::Real;
use crate::train::engine::{Engine, State};
use crate::train::loss::Squares;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"vitrion training 1\n";
const HASH: usize = 32;

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Of settings and data.
    pub identity: String,
    pub stage: usize,
    pub stage_step: u64,
    /// Over all stages.
    pub step: u64,
    pub optimizer_steps: u64,
    pub seconds: f64,
    pub atoms: f64,
    /// Bytes of the learning curve.
    pub curve_bytes: u64,
    /// Best validation error of the stage, and lines since; none yet is infinity.
    #[serde(with = "bits")]
    pub best: f64,
    /// Errors of the batches since the last line of the curve.
    pub squares: Squares,
    pub waited: u64,
}

/// JSON has no infinity: the bits are kept.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(super) fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(x.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        u64::deserialize(from).map(f64::from_bits)
    }
}

impl Position {
    pub(super) fn new(identity: &str) -> Self {
        Position {
            identity: identity.to_owned(),
            stage: 0,
            stage_step: 0,
            step: 0,
            optimizer_steps: 0,
            seconds: 0.0,
            atoms: 0.0,
            curve_bytes: 0,
            best: f64::INFINITY,
            squares: Squares::default(),
            waited: 0,
        }
    }
}

/// A checkpoint as read.
pub(super) struct Checkpoint {
    pub position: Position,
    numbers: Vec<u8>,
}

impl Checkpoint {
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join("checkpoint.bin")
    }

    /// The checkpoint of a folder, if there is one.
    pub(super) fn read(folder: &Path, identity: &str) -> Result<Option<Checkpoint>, TrainError> {
        let path = Self::path(folder);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(|source| TrainError::Os {
            path: path.clone(),
            doing: "reading",
            source,
        })?;
        let wrong = |message: &str| TrainError::Checkpoint {
            path: path.clone(),
            message: message.to_owned(),
        };
        let damaged = || wrong("the checkpoint is damaged; remove it to start the run over");
        let Some((content, hash)) = bytes.split_last_chunk::<HASH>() else {
            return Err(damaged());
        };
        if blake3::hash(content).as_bytes() != hash {
            return Err(damaged());
        }
        let rest = content.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (json, numbers) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let position: Position = serde_json::from_slice(json).map_err(|_| damaged())?;
        if position.identity != identity {
            return Err(wrong(
                "it belongs to a run with other settings, data or starting model; continue with the \
                 same input, or train in another folder",
            ));
        }
        Ok(Some(Checkpoint { position, numbers: numbers.to_vec() }))
    }

    /// Gives the numbers, of `len` parameters, to an engine.
    pub(super) fn restore<T: Real>(
        self,
        folder: &Path,
        len: usize,
        engine: &mut dyn Engine<T>,
    ) -> Result<Position, TrainError> {
        let mut numbers = vec![T::ZERO; 4 * len];
        let to: &mut [u8] = bytemuck::cast_slice_mut(&mut numbers);
        if self.numbers.len() != to.len() {
            return Err(TrainError::Checkpoint {
                path: Self::path(folder),
                message: format!("{} bytes of numbers, expected {}", self.numbers.len(), to.len()),
            });
        }
        to.copy_from_slice(&self.numbers);
        let part = |k: usize| &numbers[k * len..(k + 1) * len];
        engine.restore(State {
            parameters: part(0),
            average: part(1),
            first: part(2),
            second: part(3),
            steps: self.position.optimizer_steps,
        })?;
        Ok(self.position)
    }

    pub(super) fn write<T: Real>(
        folder: &Path,
        position: &Position,
        state: &State<'_, T>,
    ) -> Result<(), TrainError> {
        let path = Self::path(folder);
        let position = Position { optimizer_steps: state.steps, ..position.clone() };
        let json = serde_json::to_vec(&position).expect("plain data");
        let mut bytes = Vec::with_capacity(size_of_val(state.parameters) * 4 + 4096);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(json.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&json);
        for from in [state.parameters, state.average, state.first, state.second] {
            bytes.extend_from_slice(bytemuck::cast_slice(from));
        }
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        let partial = folder.join("checkpoint.part");
        std::fs::write(&partial, bytes)
            .and_then(|()| std::fs::rename(&partial, &path))
            .map_err(|source| TrainError::Os { path, doing: "writing", source })
    }
}

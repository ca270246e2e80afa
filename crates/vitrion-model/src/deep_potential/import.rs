//! Models written by other programs, and our own.

pub mod native;
pub mod tensorflow;
pub mod tree;

use super::{DeepPotential, vitrion_format};
use crate::error::ModelError;
use std::path::Path;

/// Reads a model; the kind follows from the name's ending.
///
/// # Errors
/// See [`ModelError`].
pub fn load(path: &Path) -> Result<DeepPotential, ModelError> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
    match ending.as_str() {
        "safetensors" => vitrion_format::load(path),
        "dp" | "hlo" => native::load(path, &tree::read_hdf5(path)?),
        "yaml" | "yml" | "json" => native::load(path, &tree::read_yaml(path)?),
        "pb" => tensorflow::load(path),
        "pth" | "pt" | "pt2" => Err(ModelError::Unsupported {
            path: path.to_owned(),
            what: format!("a .{ending} file holds pickled PyTorch objects; reading it"),
            hint: format!(
                "convert it once with DeePMD-kit: dp convert-backend {} model.dp",
                path.display()
            ),
        }),
        _ => Err(ModelError::UnknownFormat { path: path.to_owned() }),
    }
}

/// The file's bytes.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::Os {
        path: path.to_owned(),
        doing: "read the model",
        source,
    })
}

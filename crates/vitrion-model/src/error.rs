//! What can go wrong with a model file.

use std::path::PathBuf;

/// Why a model could not be read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Os {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// The container (HDF5, YAML, JSON, protobuf, safetensors) is damaged or of another kind.
    #[error("{}: not a readable {container} file: {message}", path.display())]
    Container { path: PathBuf, container: &'static str, message: String },
    /// A field of the model is missing or of the wrong kind or shape.
    #[error("{}: {field}: expected {expected}, found {found}", path.display())]
    Field { path: PathBuf, field: String, expected: String, found: String },
    /// A model of a kind vitrion does not evaluate.
    #[error("{}: {what} is not supported; {hint}", path.display())]
    Unsupported { path: PathBuf, what: String, hint: String },
    /// A file name whose ending says nothing.
    #[error(
        "{}: unknown kind of model file; known endings: .safetensors (vitrion), .dp, .yaml, .yml, \
         .json (DeePMD-kit), .pb (frozen TensorFlow graph)",
        path.display()
    )]
    UnknownFormat { path: PathBuf },
    /// A model that cannot be stored in the wanted format.
    #[error("{}: {message}", path.display())]
    Export { path: PathBuf, message: String },
}

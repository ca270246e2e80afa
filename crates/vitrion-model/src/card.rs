//! The model card: what people must know about a potential, kept inside its file.

use serde::{Deserialize, Serialize};

/// Provenance, measured errors and limits of a potential.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Card {
    /// For example "li-p-s".
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Program and version that made the model, and the file it was read from.
    pub software: String,
    /// Where it comes from: data, training, conversions; one statement each.
    pub provenance: Vec<String>,
    /// Measured errors with their data set; one statement each.
    pub errors: Vec<String>,
    /// What it must not be used for; one statement each.
    pub limitations: Vec<String>,
    /// Notes of the reader, for example about fields that were converted.
    pub notes: Vec<String>,
}

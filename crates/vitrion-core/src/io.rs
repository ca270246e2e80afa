//! Files: what is read, what is written, and how trouble is reported.

use std::path::PathBuf;

/// Why a file could not be read or written. The place and what was found are always named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Os {
        path: PathBuf,
        /// "open", "create", "write", "read"
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A line that is not what the format asks for.
    #[error("{}:{line}: expected {expected}, found {found:?}{}", path.display(), hint_text(hint))]
    Parse { path: PathBuf, line: usize, expected: String, found: String, hint: Option<String> },
    /// A file that is well formed line by line but makes no sense, or that cannot be used.
    #[error("{}: {message}{}", path.display(), hint_text(hint))]
    Invalid { path: PathBuf, message: String, hint: Option<String> },
}

fn hint_text(hint: &Option<String>) -> String {
    hint.as_ref().map_or_else(String::new, |hint| format!("; hint: {hint}"))
}

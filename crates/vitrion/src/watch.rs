//! A page about work that goes on, for the browser of the same machine.
//!
//! The flow: [`server`] answers requests for a handful of fixed addresses. Asked for `state.json` it calls
//! [`Watched::state`], which looks at the files that the work writes anyway ([`files`], [`tail`]) and says
//! where it stands ([`state`]); one module for each kind of folder does so: [`run`], [`training`],
//! [`learning`], [`labels`]. Nothing is read while nobody asks, and of growing files only what is new.
//!
//! The folder is read, never written. What its files say is not trusted: names that lead out of it are not
//! followed, and all text reaches the page as text.

mod files;
mod http;
mod labels;
mod learning;
mod run;
mod server;
mod state;
mod tail;
mod thinned;
mod training;

pub use server::Server;
pub use state::{Curve, Line, State, Table, Task};

use files::Look;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// There is no such folder.
    #[error(
        "{}: no such folder; hint: start the work first, or say --wait to wait for it", folder.display()
    )]
    Absent { folder: PathBuf },
    /// A folder with nothing that can be shown.
    #[error(
        "{}: expected a folder of `vitrion run` (plan.toml or manifest.json), `vitrion train` (origin.json or \
         lcurve.out), `vitrion learn` (learn.toml) or `vitrion label` (jobs), found {found}; hint: --wait waits \
         until there is one", folder.display()
    )]
    Unknown { folder: PathBuf, found: String },
    /// The operating system refused.
    #[error("port {port} of this machine: {source}; hint: without --port a free one is chosen")]
    Port {
        port: u16,
        #[source]
        source: std::io::Error,
    },
}

/// A folder and what is known about it.
#[derive(Debug)]
pub struct Watched {
    folder: PathBuf,
    kind: Kind,
}

/// What a folder holds.
#[derive(Debug)]
enum Kind {
    /// Nothing yet.
    Waiting,
    Run(run::Run),
    Training(training::Training),
    Learning(learning::Learning),
    Labels(labels::Labels),
}

impl Watched {
    /// A folder; with `wait` it need not be there yet.
    ///
    /// # Errors
    /// No folder, or one that nothing is known about.
    pub fn new(folder: &Path, wait: bool) -> Result<Self, WatchError> {
        let folder = folder.to_owned();
        let kind = detect(&folder);
        if !wait && matches!(kind, Kind::Waiting) {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                return Err(WatchError::Absent { folder });
            };
            let names: BTreeSet<String> = entries
                .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
                .collect();
            let found = names.first().map_or("nothing".to_owned(), |first| match names.len() {
                1 => format!("{first:?} only"),
                n => format!("{n} other entries, the first {first:?}"),
            });
            return Err(WatchError::Unknown { folder, found });
        }
        Ok(Watched { folder, kind })
    }

    /// What is known now, with the curves of one of its tasks (the busiest, unless chosen).
    pub fn state(&mut self, chosen: Option<usize>) -> State {
        if matches!(self.kind, Kind::Waiting) {
            self.kind = detect(&self.folder);
        }
        let mut look = Look::new(&self.folder);
        let mut state = match &mut self.kind {
            Kind::Waiting => State::waiting(),
            Kind::Run(run) => run.state(&mut look, chosen),
            Kind::Training(training) => training.state(&mut look, chosen),
            Kind::Learning(learning) => learning.state(&mut look, chosen),
            Kind::Labels(labels) => labels.state(&mut look),
        };
        state.report = look.file(REPORT).is_some();
        state.place(&self.folder, look);
        state
    }

    /// The finished report, if there is one.
    fn report(&self) -> Option<Vec<u8>> {
        Look::new(&self.folder).bytes(REPORT)
    }
}

const REPORT: &str = "report.html";

/// Most telling first: a loop also holds labels, a run may stand beside its training file.
fn detect(folder: &Path) -> Kind {
    let holds = |names: &[&str]| names.iter().any(|name| folder.join(name).exists());
    if holds(&["learn.toml", "ledger.json"]) {
        Kind::Learning(learning::Learning::default())
    } else if holds(&["plan.toml", "manifest.json"]) {
        Kind::Run(run::Run::default())
    } else if holds(&["origin.json", "lcurve.out"]) {
        Kind::Training(training::Training::default())
    } else if holds(&["jobs"]) {
        Kind::Labels(labels::Labels::default())
    } else {
        Kind::Waiting
    }
}

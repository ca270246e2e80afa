//! `vitrion report`: the HTML file of a results folder, made again.

use super::output::{print, print_json};
use serde::Serialize;
use std::path::PathBuf;
use vitrion::error::Error;
use vitrion::report::write_report;

/// Write report.html of a results folder again
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The results folder
    #[arg(value_name = "DIR")]
    results: PathBuf,
    /// Its path as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written {
    report: PathBuf,
}

pub(super) fn report(arguments: &Arguments) -> Result<(), Error> {
    let report = write_report(&arguments.results)?;
    if arguments.json {
        print_json(&Written { report });
    } else {
        print(&report.display().to_string());
    }
    Ok(())
}

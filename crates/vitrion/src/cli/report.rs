//! `vitrion report`: the HTML file of a results folder, made again, or one of several folders side by side.

use super::output::{print, print_json};
use super::refuse_existing;
use serde::Serialize;
use std::path::PathBuf;
use vitrion::error::{Error, InputError};
use vitrion::report::{write_comparison, write_report};

/// Write report.html of results folders again, or one page that compares them
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Results folders: of vitrion run, train or learn; with --compare of vitrion run or analyze --out
    #[arg(value_name = "DIR", required = true)]
    results: Vec<PathBuf>,
    /// One page for all folders, their curves in shared axes
    #[arg(long)]
    compare: bool,
    /// Folder of the comparison [default: comparison]
    #[arg(long, value_name = "DIR", requires = "compare")]
    out: Option<PathBuf>,
    /// Replace the comparison that is there
    #[arg(long, requires = "compare")]
    overwrite: bool,
    /// Paths of the pages as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written {
    report: PathBuf,
}

pub(super) fn report(arguments: &Arguments) -> Result<(), Error> {
    let pages = if arguments.compare { vec![compare(arguments)?] } else { each(arguments)? };
    for report in pages {
        if arguments.json {
            print_json(&Written { report });
        } else {
            print(&report.display().to_string());
        }
    }
    Ok(())
}

fn each(arguments: &Arguments) -> Result<Vec<PathBuf>, Error> {
    let pages: Result<_, _> = arguments.results.iter().map(|folder| write_report(folder)).collect();
    Ok(pages?)
}

fn compare(arguments: &Arguments) -> Result<PathBuf, Error> {
    if arguments.results.len() < 2 {
        let message = "--compare needs two folders or more, found 1".to_owned();
        return Err(InputError::Usage(message).into());
    }
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("comparison"));
    if out.join("manifest.json").exists() {
        let message = format!(
            "--out {}: this is a results folder, whose own report would be replaced; name another",
            out.display()
        );
        return Err(InputError::Usage(message).into());
    }
    refuse_existing(&out.join("report.html"), arguments.overwrite)?;
    Ok(write_comparison(&arguments.results, &out)?)
}

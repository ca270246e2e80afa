//! `vitrion report`: the HTML file of a results folder, made again, or one of several folders side by side.

use super::output::{print, print_json};
use super::refuse_existing;
use serde::Serialize;
use std::path::PathBuf;
use vitrion::error::{Error, InputError};
use vitrion::report::{
    FIGURE_WIDTH_MM, Overlay, ReportOptions, write_comparison, write_report_with,
};

/// Write report.html of results folders again, or one page that compares them
#[allow(clippy::struct_excessive_bools)] // flags of the command line
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
    /// Measurements drawn into the figures: CSV files whose first lines name figure and label
    #[arg(long, value_name = "FILE")]
    overlay: Vec<PathBuf>,
    /// Folder of vitrion train: its sections join the page
    #[arg(long, value_name = "DIR")]
    training: Option<PathBuf>,
    /// Folder of vitrion learn: its sections join the page
    #[arg(long, value_name = "DIR")]
    learning: Option<PathBuf>,
    /// Width of figures on paper [mm]; journals set columns of about 85 and pages of about 170
    #[arg(long, value_name = "MM", default_value_t = FIGURE_WIDTH_MM, value_parser = width)]
    figure_width: f64,
    /// The page alone, no files for papers
    #[arg(long)]
    no_figures: bool,
    /// Paths of the pages as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written {
    report: PathBuf,
}

pub(super) fn report(arguments: &Arguments) -> Result<(), Error> {
    let overlays: Result<Vec<Overlay>, _> =
        arguments.overlay.iter().map(|path| Overlay::read(path)).collect();
    let figures_mm = (!arguments.no_figures).then_some(arguments.figure_width);
    let options = ReportOptions {
        overlays: overlays?,
        training: arguments.training.clone(),
        learning: arguments.learning.clone(),
        figures_mm,
    };
    let pages = if arguments.compare {
        vec![compare(arguments, &options)?]
    } else {
        let one = |folder: &PathBuf| write_report_with(folder, &options);
        arguments.results.iter().map(one).collect::<Result<_, _>>()?
    };
    for report in pages {
        if arguments.json {
            print_json(&Written { report });
        } else {
            print(&report.display().to_string());
        }
    }
    Ok(())
}

fn width(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|mm| (40.0..=400.0).contains(mm));
    number.ok_or_else(|| "expected a width from 40 to 400 mm".to_owned())
}

fn compare(arguments: &Arguments, options: &ReportOptions) -> Result<PathBuf, Error> {
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
    let figures = out.join("figures");
    if figures.exists() && !figures.join("index.json").exists() && !arguments.overwrite {
        let message = format!(
            "{}: figures that no report wrote; name another --out, or say --overwrite",
            figures.display()
        );
        return Err(InputError::Usage(message).into());
    }
    Ok(write_comparison(&arguments.results, &out, options)?)
}

//! The report: a results folder becomes one HTML file that needs nothing else.
//!
//! [`write_report`] is a pure function of the folder. Pieces that are missing leave a visible note
//! on the page; only a folder without a usable manifest is refused. The page holds its style, its
//! scripts and all data, works from disk without network, and shows still charts and every table
//! without JavaScript.
//!
//! The flow: [`load`] reads the folder, [`figures`] and [`atoms`] turn it into chart and scene data
//! (drawn once as SVG in Rust, then replaced by `chart.js` and `viewer.js`), [`sections`] writes
//! the HTML around them.

mod analysis;
mod atoms;
mod bars;
mod cautions;
mod chart;
mod figures;
#[cfg(test)]
mod fixture;
mod heat_map;
mod html;
mod learning;
mod literature;
mod load;
mod number;
mod sections;
mod structural;
mod training;
mod verdict;

pub use analysis::{Analysed, Picture, write_analysis_report};
pub use learning::write_learning_report;
pub use number::{Shown, shown, significant};
pub use training::write_training_report;

use html::{escape, script_json};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Why no report could be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Not a results folder.
    #[error("{}: no manifest.json; hint: give the folder that `vitrion run` wrote", folder.display())]
    NoManifest { folder: PathBuf },
    /// A manifest that is not JSON or lacks fields.
    #[error("{}: not a manifest: {source}", path.display())]
    Manifest {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// A folder of another layout version.
    #[error(
        "{}: expected layout format {expected}, found {found}; hint: use the vitrion version \
         named in the manifest", path.display()
    )]
    Format { path: PathBuf, found: u32, expected: u32 },
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Os {
        path: PathBuf,
        /// "read", "write"
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// Data that cannot be expressed as JSON.
    #[error("cannot embed the report data: {0}")]
    Data(#[source] serde_json::Error),
}

/// Writes `report.html` into a results folder, replacing an older one, and returns its path.
///
/// # Errors
/// A folder without a readable manifest of this layout version, or one that cannot be written to.
pub fn write_report(results: &Path) -> Result<PathBuf, ReportError> {
    if results.join("ledger.json").exists() {
        return write_learning_report(results);
    }
    if results.join("evaluation.json").exists() {
        return write_training_report(results);
    }
    let loaded = load::results(results)?;
    let sections::Body { html, figures, scenes } = sections::body(&loaded);
    write_page(results, &document(&loaded.manifest.name, &html, &figures, &scenes)?)
}

/// Writes every chart, an identifier and its SVG, as `figures/ID.svg` below a folder.
fn write_figures(folder: &Path, charts: &[(String, String)]) -> Result<(), ReportError> {
    let stills = folder.join("figures");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReportError::Os { path, doing: "write", source }
    };
    std::fs::create_dir_all(&stills).map_err(failed(&stills))?;
    for (id, text) in charts {
        let path = stills.join(format!("{id}.svg"));
        std::fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}

/// Replaces `report.html` of a folder.
fn write_page(results: &Path, page: &str) -> Result<PathBuf, ReportError> {
    let path = results.join("report.html");
    let draft = results.join("report.html.tmp");
    let os = |source| ReportError::Os { path: path.clone(), doing: "write", source };
    let mut file = std::fs::File::create(&draft).map_err(os)?;
    file.write_all(page.as_bytes()).map_err(os)?;
    std::fs::rename(&draft, &path).map_err(os)?;
    Ok(path)
}

/// Everything the scripts need.
#[derive(serde::Serialize)]
struct Data<'a> {
    name: &'a str,
    figures: &'a [chart::Figure],
    scenes: &'a [atoms::Scene],
}

/// A whole page around the sections.
fn document(
    name: &str,
    html: &str,
    figures: &[chart::Figure],
    scenes: &[atoms::Scene],
) -> Result<String, ReportError> {
    let data = Data { name, figures, scenes };
    let data = serde_json::to_string(&data).map_err(ReportError::Data)?;
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} · vitrion report</title>\n<style>\n{style}</style>\n\
         <noscript><style>.js-only{{display:none !important}}</style></noscript></head>\n\
         <body>{html}\
         <script type=\"application/json\" id=\"report-data\">{data}</script>\n\
         <script>\n{chart}</script>\n<script>\n{viewer}</script>\n<script>\n{page}</script>\n\
         </body></html>\n",
        title = escape(name),
        style = include_str!("report/style.css"),
        data = script_json(&data),
        chart = include_str!("report/chart.js"),
        viewer = include_str!("report/viewer.js"),
        page = include_str!("report/page.js"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_folder_becomes_one_page_with_every_section_and_no_outside_address() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fixture::write(folder.path());
        let path = write_report(folder.path()).expect("a report");
        let page = std::fs::read_to_string(path).expect("readable");
        for id in [
            "verdict",
            "results",
            "structure",
            "transport",
            "thermo",
            "potential",
            "provenance",
            "formulas",
            "data",
        ] {
            assert!(page.contains(&format!("id=\"{id}\"")), "no section {id}");
        }
        assert!(page.contains("cannot tell"), "the comparison is missing");
        assert!(page.contains("&lt;small&gt;"), "the plan is not escaped");
        for outside in ["src=\"http", "href=\"http", "url(http", "@import", "fetch(", "import("] {
            assert!(!page.contains(outside), "the page refers to {outside}");
        }
        assert!(page.len() < 3_000_000, "{} bytes", page.len());
        assert!(!page.contains("NaN"), "a number that is none reached the page");
    }

    #[test]
    fn the_same_folder_gives_the_same_page() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fixture::write(folder.path());
        let read = || std::fs::read(write_report(folder.path()).expect("a report"));
        assert_eq!(read().expect("readable"), read().expect("readable"));
    }

    #[test]
    fn a_folder_without_manifest_is_refused_with_a_hint() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = write_report(folder.path()).expect_err("no manifest");
        assert!(error.to_string().contains("no manifest.json; hint: give the folder"), "{error}");
        std::fs::write(folder.path().join("manifest.json"), "{}").expect("writable");
        let error = write_report(folder.path()).expect_err("an empty manifest");
        assert!(error.to_string().contains("not a manifest"), "{error}");
    }

    #[test]
    fn missing_pieces_leave_a_visible_note() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fixture::write(folder.path());
        std::fs::remove_dir_all(folder.path().join("runs")).expect("removable");
        std::fs::remove_dir_all(folder.path().join("analysis")).expect("removable");
        std::fs::remove_file(folder.path().join("plan.toml")).expect("removable");
        let page = std::fs::read_to_string(write_report(folder.path()).expect("a report"))
            .expect("readable");
        assert!(page.contains("could not be read"), "no note");
        assert!(page.contains("No mean squared displacement was computed"), "no note for the MSD");
    }
}

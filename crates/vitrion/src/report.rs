//! The report: a results folder becomes one HTML file that needs nothing else.
//!
//! [`write_report`] is a pure function of the folder. Pieces that are missing leave a visible note
//! on the page; only a folder without a usable manifest is refused. The page holds its style, its
//! scripts and all data, works from disk without network, and shows still charts and every table
//! without JavaScript.
//!
//! The flow: [`load`] reads the folder, [`gallery`] and [`scene`] turn it into chart and scene data
//! (drawn once as SVG and as ray-traced pictures in Rust, then replaced by `chart.js` and
//! `viewer/*.js`), [`overlay`] adds measurements, [`sections`] writes the HTML around them, [`export`]
//! the same charts for paper.

mod analysis;
mod bars;
mod cautions;
mod chart;
mod export;
mod figures;
#[cfg(test)]
mod fixture;
mod gallery;
mod heat_map;
mod html;
mod learning;
mod literature;
mod load;
mod number;
mod open_parameters;
mod overlay;
mod packed;
mod page;
mod provenance;
mod scene;
mod sections;
mod structural;
mod training;
mod verdict;

pub use analysis::{Analysed, write_analysis_report};
pub use export::{FIGURE_WIDTH_MM, write_picture};
pub use learning::write_learning_report;
pub use number::{Shown, shown, significant};
pub use overlay::Overlay;
pub use scene::Picture;
pub use training::write_training_report;

use export::write_figures;
use html::escape;
pub(crate) use html::script_json;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Why no report could be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Not a results folder.
    #[error("{}: no manifest.json; hint: give the folder that `vitrion run` wrote", folder.display())]
    NoManifest { folder: PathBuf },
    /// A file that a folder of this kind has.
    #[error("{}: no such file; hint: give the folder that {command} wrote", path.display())]
    NotThere {
        path: PathBuf,
        /// "`vitrion train`"
        command: &'static str,
    },
    /// A folder without results that could be compared.
    #[error(
        "{}: neither manifest.json nor the results of any analysis; hint: give folders that \
         `vitrion run` or `vitrion analyze --out` wrote", folder.display()
    )]
    NothingToCompare { folder: PathBuf },
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
        /// "read", "write", "create"
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A chart that could not be made a picture.
    #[error("figure {id}: {message}")]
    Drawing { id: String, message: String },
    /// A line of a file of measurements.
    #[error("{}:{line}: expected {expected}, found {found:?}", path.display())]
    Overlay { path: PathBuf, line: usize, expected: &'static str, found: String },
    /// Measurements that no chart of the page can show.
    #[error("{}: {message}", path.display())]
    Unplaced { path: PathBuf, message: String },
    /// Data that cannot be expressed as JSON.
    #[error("cannot embed the report data: {0}")]
    Data(#[source] serde_json::Error),
}

/// What a report may have besides the page.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// Measurements drawn into the charts of a run; refused for trainings and active learning.
    pub overlays: Vec<Overlay>,
    /// Folders of a training and of a learning loop whose sections the page has too.
    pub training: Option<PathBuf>,
    pub learning: Option<PathBuf>,
    /// Width of the figures of a run on paper [mm]; none writes no figures.
    pub figures_mm: Option<f64>,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            overlays: Vec::new(),
            training: None,
            learning: None,
            figures_mm: Some(FIGURE_WIDTH_MM),
        }
    }
}

/// Writes `report.html` and `figures/` into a results folder, replacing older ones, and returns the path of the page.
///
/// # Errors
/// A folder without a readable manifest of this layout version, or one that cannot be written to.
pub fn write_report(results: &Path) -> Result<PathBuf, ReportError> {
    write_report_with(results, &ReportOptions::default())
}

/// [`write_report`] with a choice of figures and with measurements laid over.
///
/// # Errors
/// As [`write_report`], and measurements that no chart of the page can show.
pub fn write_report_with(results: &Path, options: &ReportOptions) -> Result<PathBuf, ReportError> {
    let learning = results.join("ledger.json").exists();
    if learning || results.join("evaluation.json").exists() {
        if let Some(overlay) = options.overlays.first() {
            return Err(overlay.out_of_place(results));
        }
        if options.training.is_some() || options.learning.is_some() {
            let message =
                "a training or a loop: only the page of a run takes in sections of others";
            return Err(ReportError::Unplaced {
                path: results.to_owned(),
                message: message.into(),
            });
        }
        return if learning {
            learning::write(results, options)
        } else {
            training::write(results, options)
        };
    }
    let loaded = load::results(results)?;
    write_results(results, &loaded, options)
}

/// Writes `report.html` of several folders, of runs or of analyses alone, into a folder that may be new, and returns its path.
///
/// # Errors
/// A folder without results, or one that cannot be written to; measurements that no chart of the page can show.
pub fn write_comparison(
    folders: &[PathBuf],
    out: &Path,
    options: &ReportOptions,
) -> Result<PathBuf, ReportError> {
    let loaded = load::together(folders)?;
    std::fs::create_dir_all(out).map_err(|source| ReportError::Os {
        path: out.to_owned(),
        doing: "create",
        source,
    })?;
    write_results(out, &loaded, options)
}

fn write_results(
    out: &Path,
    results: &load::Results,
    options: &ReportOptions,
) -> Result<PathBuf, ReportError> {
    let mut gallery = gallery::Gallery::of(results);
    overlay::apply(&mut gallery.charts, &options.overlays)?;
    let mut training = options.training.as_deref().map(training::Training::read).transpose()?;
    let mut learning = options.learning.as_deref().map(learning::Learning::read).transpose()?;
    let further = training.iter_mut().flat_map(|one| &mut one.charts);
    let further = further.chain(learning.iter_mut().flat_map(|one| &mut one.charts));
    chart::distinct(gallery.charts.iter_mut().chain(further));
    let further = training.iter().flat_map(|one| &one.charts);
    let further = further.chain(learning.iter().flat_map(|one| &one.charts));
    let charts: Vec<&chart::Chart> = gallery.charts.iter().chain(further).collect();
    let scenes = sections::scenes(results);
    let mut more = Vec::new();
    if let Some(training) = &training {
        more.extend(page::within("Training", training.sections()));
    }
    if let Some(learning) = &learning {
        more.extend(page::within("Active learning", learning.sections(false)));
    }
    let parts = sections::parts(results, &scenes, &gallery, more, &charts);
    let html = page::body("report", &results.title, &sections::lead(results), &parts);
    write_figures_of(out, &charts, options)?;
    if options.figures_mm.is_some() {
        write_stills(out, &scenes)?;
    }
    write_page(out, &document(&results.title, &html, &charts, &scenes)?)
}

/// Writes the ray-traced pictures of atoms beside the charts.
fn write_stills(out: &Path, scenes: &[scene::Scene]) -> Result<(), ReportError> {
    for scene in scenes {
        let (png, size) = &scene.still;
        write_picture(out, &scene.id, &scene.title, png, *size)?;
    }
    Ok(())
}

/// Writes the charts for paper, if they are wanted.
fn write_figures_of(
    folder: &Path,
    charts: &[&chart::Chart],
    options: &ReportOptions,
) -> Result<(), ReportError> {
    match options.figures_mm {
        Some(width_mm) => export::write_figures_wide(folder, charts, width_mm),
        None => Ok(()),
    }
}

/// Reads a file of a folder that a command wrote.
fn read_of(path: &Path, command: &'static str) -> Result<String, ReportError> {
    std::fs::read_to_string(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::NotFound {
            ReportError::NotThere { path, command }
        } else {
            ReportError::Os { path, doing: "read", source }
        }
    })
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
    figures: &'a [&'a chart::Chart],
    scenes: &'a [scene::Scene],
}

/// What pages with atoms need besides.
const VIEWER: &str = concat!(
    "<script>\n",
    include_str!("report/viewer/atoms.js"),
    "</script>\n<script>\n",
    include_str!("report/viewer/draw.js"),
    "</script>\n<script>\n",
    include_str!("report/viewer/view.js"),
    "</script>\n"
);

/// A whole page around the sections.
fn document(
    name: &str,
    html: &str,
    figures: &[&chart::Chart],
    scenes: &[scene::Scene],
) -> Result<String, ReportError> {
    let data = Data { name, figures, scenes };
    // deflated: figures of many curves are megabytes of digits
    let data = packed::text(&serde_json::to_vec(&data).map_err(ReportError::Data)?);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} · vitrion report</title>\n<style>\n{style}</style>\n\
         <noscript><style>.js-only{{display:none !important}}</style></noscript></head>\n\
         <body>{html}\
         <script type=\"application/octet-stream\" id=\"report-data\">{data}</script>\n\
         <script>\n{chart}</script>\n{viewer}<script>\n{page}</script>\n\
         </body></html>\n",
        title = escape(name),
        style = concat!(include_str!("report/style.css"), include_str!("report/chart.css")),
        chart = include_str!("report/chart.js"),
        viewer = if scenes.is_empty() { "" } else { VIEWER },
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
        let drawn = without_pictures(page.split("<script").next().expect("a page"));
        assert!(!drawn.contains("NaN"), "a number that is none reached the page");
    }

    /// Base64 may hold any word.
    fn without_pictures(text: &str) -> String {
        let mut parts = text.split("base64,");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |all, part| all + part.split_once('"').map_or("", |(_, rest)| rest))
    }

    #[test]
    fn measurements_and_figures_come_with_the_page() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fixture::write(folder.path());
        let file = folder.path().join("neutron.csv");
        let text =
            "# figure: radial-distribution\n# facet: Li-S\n# label: Neutron <2019>\n2.4,3.0,0.2\n";
        std::fs::write(&file, text).expect("writable");
        let overlays = vec![Overlay::read(&file).expect("a good file")];
        let options = ReportOptions { overlays, ..ReportOptions::default() };
        let page = write_report_with(folder.path(), &options).expect("a report");
        let page = std::fs::read_to_string(page).expect("readable");
        let drawn = page.split("<script").next().expect("a page");
        assert!(!drawn.contains("Neutron <2019>"), "a label became markup");
        let figures = folder.path().join("figures");
        for name in ["arrhenius", "msd", "msd-600K", "radial-distribution-Li-S", "thermo-energy"] {
            for ending in ["svg", "pdf", "png"] {
                assert!(figures.join(format!("{name}.{ending}")).exists(), "no {name}.{ending}");
            }
        }
        let mut laid_over = 0;
        for file in std::fs::read_dir(&figures).expect("a folder") {
            let path = file.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "svg") {
                let svg = std::fs::read_to_string(&path).expect("readable");
                let mut reader = quick_xml::Reader::from_str(&svg);
                while reader.read_event().expect("XML") != quick_xml::events::Event::Eof {}
                let drawn = without_pictures(&svg);
                assert!(!drawn.contains("var(") && !drawn.contains("NaN"), "{}", path.display());
                laid_over += usize::from(svg.contains("Neutron &lt;2019&gt;"));
            }
        }
        // the pair, and the pair at each of four temperatures
        assert_eq!(laid_over, 5);
    }

    #[test]
    fn a_report_without_figures_writes_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fixture::write(folder.path());
        let options = ReportOptions { figures_mm: None, ..ReportOptions::default() };
        write_report_with(folder.path(), &options).expect("a report");
        assert!(!folder.path().join("figures").exists());
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

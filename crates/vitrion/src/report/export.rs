//! Charts as files for papers, slides and spreadsheets: `figures/ID.svg`, `.pdf`, `.png` and `.csv`.
//!
//! `figures/index.json` lists what was written, with titles and captions. The next report removes files of this list that it
//! does not write again, and no others. Text is set in a font that is part of the program, so that the same results give the
//! same bytes everywhere.

use super::ReportError;
use super::chart::{Chart, FONT, Figure, Paper, Sheet, free_name, safe_name};
use super::html::escape;
use super::packed;
use rayon::prelude::*;
use resvg::{tiny_skia, usvg};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Width of figures on paper where nothing else is asked for [mm]. Journals set columns of about 85 mm and pages of about 170 mm.
pub const FIGURE_WIDTH_MM: f64 = 120.0;
/// Dots per inch of PNG files.
const DPI: f64 = 300.0;
/// More facets than this of a chart are in its CSV file only.
const MOST_FACETS: usize = 12;
/// Facets of a chart that are compared at every temperature.
const COMPARED_FACETS: usize = 6;

/// `figures/index.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    figures: Vec<Entry>,
}

/// A figure and its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: String,
    title: String,
    #[serde(default)]
    caption: String,
    files: Vec<String>,
}

/// A drawing with a file name.
struct Still {
    id: String,
    title: String,
    caption: String,
    svg: String,
    csv: Option<String>,
}

/// Writes every chart below `folder/figures`, removing the files of an older report.
///
/// # Errors
/// A folder that cannot be written to.
pub(super) fn write_figures(folder: &Path, charts: &[&Chart]) -> Result<(), ReportError> {
    write_figures_wide(folder, charts, FIGURE_WIDTH_MM)
}

/// [`write_figures`] of a width [mm].
///
/// # Errors
/// A folder that cannot be written to.
pub(super) fn write_figures_wide(
    folder: &Path,
    charts: &[&Chart],
    width_mm: f64,
) -> Result<(), ReportError> {
    let place = folder.join("figures");
    make_folder(&place)?;
    let sheet = Sheet::paper(width_mm.clamp(40.0, 400.0));
    let mut known = BTreeSet::new();
    let stills: Vec<Still> =
        charts.iter().flat_map(|chart| stills_of(chart, sheet, &mut known)).collect();
    let figures: Result<Vec<Entry>, ReportError> =
        stills.par_iter().map(|still| still.write(&place)).collect();
    let index = Index { figures: figures? };
    let old = read_index(&place);
    let kept: BTreeSet<&String> = index.figures.iter().flat_map(|entry| &entry.files).collect();
    for file in old.figures.iter().flat_map(|entry| &entry.files) {
        // a list that was tampered with reaches nothing outside
        let plain = !file.contains(['/', '\\', ':']) && !file.starts_with('.');
        if plain && !kept.contains(file) {
            let path = place.join(file);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ReportError::Os { path, doing: "remove", source });
                }
                _ => {}
            }
        }
    }
    write_index(&place, &index)
}

/// Writes a picture of atoms, as PNG bytes, as `figures/ID.png`, and on a page of its own as SVG and PDF, 300 dots per inch.
/// Charts come first: [`write_figures`] begins the list of files that this adds to.
///
/// # Errors
/// Bytes that are no picture, or a folder that cannot be written to.
pub fn write_picture(
    folder: &Path,
    id: &str,
    title: &str,
    png: &[u8],
    [width, height]: [u32; 2],
) -> Result<(), ReportError> {
    let place = folder.join("figures");
    make_folder(&place)?;
    let id = safe_name(id);
    let [wide, tall] = [width, height].map(|pixels| f64::from(pixels) / DPI * 25.4);
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
         width=\"{wide:.3}mm\" height=\"{tall:.3}mm\" viewBox=\"0 0 {width} {height}\" role=\"img\">\
         <title>{}</title><image width=\"{width}\" height=\"{height}\" \
         xlink:href=\"data:image/png;base64,{}\"/></svg>\n",
        escape(title),
        packed::base64(png)
    );
    let refused = |message: String| ReportError::Drawing { id: id.clone(), message };
    let pixels = tiny_skia::Pixmap::decode_png(png).map_err(|error| refused(error.to_string()))?;
    let pdf = picture_pdf(&pixels).ok_or_else(|| refused("a picture without pixels".to_owned()))?;
    let file = encode(&pixels, png::FilterType::Paeth)
        .ok_or_else(|| refused("too large a picture".to_owned()))?;
    let files = [("svg", svg.into_bytes()), ("pdf", pdf), ("png", file)];
    let mut entry = Entry {
        id: id.clone(),
        title: title.to_owned(),
        caption: String::new(),
        files: Vec::new(),
    };
    for (ending, bytes) in files {
        entry.files.push(save(&place, &format!("{id}.{ending}"), &bytes)?);
    }
    let mut index = read_index(&place);
    index.figures.retain(|known| known.id != id);
    index.figures.push(entry);
    write_index(&place, &index)
}

/// The drawings of a chart: each facet, and the systems at each temperature that they share.
fn stills_of(chart: &Chart, sheet: Sheet, known: &mut BTreeSet<String>) -> Vec<Still> {
    let caption = plain_text(chart.caption());
    let mut still = |name: &str, chart: &Chart, csv: Option<String>| Still {
        id: free_name(&safe_name(name), known),
        title: chart.title().to_owned(),
        caption: caption.clone(),
        svg: chart.svg(sheet),
        csv,
    };
    let Chart::Lines(figure) = chart else {
        return vec![still(chart.id(), chart, Some(chart.csv()))];
    };
    let mut out = Vec::new();
    let most = if figure.paper == Paper::First { 1 } else { MOST_FACETS };
    for number in 0..figure.facets.len().clamp(1, most) {
        let one = figure.facet(number);
        let facet = figure.facets.get(number).filter(|_| number > 0);
        let id = facet.map_or(figure.id.clone(), |facet| format!("{}-{facet}", figure.id));
        let one = Figure { id: safe_name(&id), ..one };
        if !one.is_empty() {
            let csv = (number == 0).then(|| chart.csv());
            out.push(still(&one.id, &Chart::from(one.clone()), csv));
        }
        if figure.paper != Paper::Compared || number >= COMPARED_FACETS || id.contains(", along ") {
            continue;
        }
        for temperature in one.shared_temperatures() {
            let hot = one.at_temperature(temperature);
            let kelvin = figure.runs.as_ref().map_or(0.0, |runs| runs.temperatures[temperature]);
            let id = format!("{}-{kelvin:.0}K", one.id);
            out.push(still(&id, &Chart::from(Figure { id: id.clone(), ..hot }), None));
        }
    }
    if let (Some(first), true) = (out.first_mut(), figure.facets.len() > most) {
        let rest = figure.facets.len() - most;
        let more = format!("{} {rest} more of this kind are in the CSV file only.", first.caption);
        more.trim().clone_into(&mut first.caption);
    }
    out
}

impl Still {
    fn write(&self, place: &Path) -> Result<Entry, ReportError> {
        let refused = |message: String| ReportError::Drawing { id: self.id.clone(), message };
        let options = usvg::Options {
            fontdb: fonts(),
            font_family: "DejaVu Sans".to_owned(),
            ..usvg::Options::default()
        };
        let tree = usvg::Tree::from_str(&self.svg, &options)
            .map_err(|error| refused(error.to_string()))?;
        // lengths in mm became pixels of CSS, 96 an inch
        let page = svg2pdf::PageOptions { dpi: 96.0 };
        let pdf = svg2pdf::to_pdf(&tree, svg2pdf::ConversionOptions::default(), page)
            .map_err(|error| refused(error.to_string()))?;
        let scale = DPI as f32 / 96.0;
        let size = tree.size();
        let pixels = |length: f32| (length * scale).round() as u32;
        let mut picture = tiny_skia::Pixmap::new(pixels(size.width()), pixels(size.height()))
            .ok_or_else(|| refused("a drawing without size".to_owned()))?;
        resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut picture.as_mut());
        // lines on white need no filters
        let png = encode(&picture, png::FilterType::NoFilter)
            .ok_or_else(|| refused("too large a drawing".to_owned()))?;
        let mut files = Vec::new();
        let all = [
            ("svg", Some(self.svg.as_bytes())),
            ("pdf", Some(pdf.as_slice())),
            ("png", Some(png.as_slice())),
            ("csv", self.csv.as_deref().map(str::as_bytes)),
        ];
        for (ending, bytes) in all {
            if let Some(bytes) = bytes {
                files.push(save(place, &format!("{}.{ending}", self.id), bytes)?);
            }
        }
        let (id, title, caption) = (self.id.clone(), self.title.clone(), self.caption.clone());
        Ok(Entry { id, title, caption, files })
    }
}

/// The one font that there is, whatever the machine has.
fn fonts() -> Arc<usvg::fontdb::Database> {
    static FONTS: OnceLock<Arc<usvg::fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = usvg::fontdb::Database::new();
        fonts.load_font_data(FONT.to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(load))
}

fn make_folder(place: &Path) -> Result<(), ReportError> {
    std::fs::create_dir_all(place).map_err(|source| ReportError::Os {
        path: place.to_owned(),
        doing: "write",
        source,
    })
}

/// Writes a file and returns its name.
fn save(place: &Path, name: &str, bytes: &[u8]) -> Result<String, ReportError> {
    let path = place.join(name);
    std::fs::write(&path, bytes).map_err(|source| ReportError::Os {
        path,
        doing: "write",
        source,
    })?;
    Ok(name.to_owned())
}

/// The list of an older report; one that cannot be read is as good as none.
fn read_index(place: &Path) -> Index {
    let text = std::fs::read_to_string(place.join("index.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn write_index(place: &Path, index: &Index) -> Result<(), ReportError> {
    let text = serde_json::to_string_pretty(index).map_err(ReportError::Data)?;
    save(place, "index.json", format!("{text}\n").as_bytes()).map(|_| ())
}

/// A drawing or a picture as PNG bytes without transparency, with the dots of a metre.
fn encode(drawing: &tiny_skia::Pixmap, filter: png::FilterType) -> Option<Vec<u8>> {
    let rgb: Vec<u8> = drawing.pixels().iter().copied().flat_map(on_white).collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, drawing.width(), drawing.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.set_filter(filter);
    let per_metre = (DPI / 0.0254).round() as u32;
    let unit = png::Unit::Meter;
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit }));
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&rgb).ok()?;
    writer.finish().ok()?;
    Some(out)
}

/// Colours of a pixel on paper: what is transparent on a screen is white.
fn on_white(pixel: tiny_skia::PremultipliedColorU8) -> [u8; 3] {
    [pixel.red(), pixel.green(), pixel.blue()].map(|c| c.saturating_add(255 - pixel.alpha()))
}

fn packed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(7));
    std::io::Write::write_all(&mut out, bytes).ok()?;
    out.finish().ok()
}

/// A page that is a picture.
fn picture_pdf(pixels: &tiny_skia::Pixmap) -> Option<Vec<u8>> {
    use pdf_writer::{Content, Filter, Finish as _, Name, Pdf, Rect, Ref};
    let [catalog, pages, page, image, content] = [1, 2, 3, 4, 5].map(Ref::new);
    let points = |length: u32| (f64::from(length) / DPI * 72.0) as f32;
    let (wide, tall) = (points(pixels.width()), points(pixels.height()));
    if pixels.pixels().is_empty() {
        return None;
    }
    let packed = packed(&pixels.pixels().iter().copied().flat_map(on_white).collect::<Vec<u8>>())?;
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet.media_box(Rect::new(0.0, 0.0, wide, tall)).parent(pages).contents(content);
    sheet.resources().x_objects().pair(Name(b"Image"), image);
    sheet.finish();
    let mut object = pdf.image_xobject(image, &packed);
    object.filter(Filter::FlateDecode);
    object.width(pixels.width().cast_signed()).height(pixels.height().cast_signed());
    object.color_space().device_rgb();
    object.bits_per_component(8);
    object.finish();
    let mut drawing = Content::new();
    drawing.transform([wide, 0.0, 0.0, tall, 0.0, 0.0]).x_object(Name(b"Image"));
    pdf.stream(content, &drawing.finish());
    Some(pdf.finish())
}

/// HTML without its tags.
fn plain_text(html: &str) -> String {
    let mut out = String::new();
    for (number, part) in html.split('<').enumerate() {
        let text =
            if number == 0 { part } else { part.split_once('>').map_or("", |(_, text)| text) };
        if number > 0 && !out.ends_with(' ') && !out.is_empty() {
            out.push(' ');
        }
        out.push_str(text);
    }
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(out, |text, (name, sign)| text.replace(name, sign)).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::chart::{Series, Style};
    use super::*;
    use quick_xml::events::Event;

    fn figure(id: &str, facets: &[&str]) -> Chart {
        let mut figure = Figure::new(id, "D < 2 & σ", "g");
        figure.x.label = "r [Å]".into();
        figure.y.label = "10⁻³ ⟨x⟩".into();
        figure.facets = facets.iter().map(|facet| (*facet).to_owned()).collect();
        for facet in 0..facets.len().max(1) {
            figure.series.push(Series {
                label: format!("line <{facet}>\u{1}"),
                facet: (!facets.is_empty()).then_some(facet),
                style: Style { line: true, marker: 1, ..Style::default() },
                x: (0..20).map(f64::from).collect(),
                y: (0..20).map(|x| f64::from(x * x)).collect(),
                ..Series::default()
            });
        }
        figure.into()
    }

    fn names(place: &Path) -> Vec<String> {
        let files = std::fs::read_dir(place).expect("a folder");
        let name = |file: std::io::Result<std::fs::DirEntry>| {
            file.expect("an entry").file_name().into_string().expect("UTF-8")
        };
        let mut all: Vec<String> = files.map(name).collect();
        all.sort();
        all
    }

    #[test]
    fn every_chart_is_written_in_four_formats_that_other_programs_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_figures(folder.path(), &[&figure("msd", &[])]).expect("written");
        let place = folder.path().join("figures");
        assert_eq!(names(&place), ["index.json", "msd.csv", "msd.pdf", "msd.png", "msd.svg"]);
        let svg = std::fs::read_to_string(place.join("msd.svg")).expect("readable");
        let mut reader = quick_xml::Reader::from_str(&svg);
        let mut elements = 0;
        loop {
            match reader.read_event().expect("XML") {
                Event::Eof => break,
                Event::Start(_) | Event::Empty(_) => elements += 1,
                _ => {}
            }
        }
        assert!(elements > 20, "{elements}");
        for page in ["var(", "class=", "<style", "\u{1}"] {
            assert!(!svg.contains(page), "{page:?} in {svg}");
        }
        let pdf = std::fs::read(place.join("msd.pdf")).expect("readable");
        assert!(pdf.starts_with(b"%PDF-"));
        let has = |text: &[u8]| pdf.windows(text.len()).any(|part| part == text);
        assert!(has(b"DejaVuSans") && has(b"/FontFile"), "no font in the PDF");
        let png = std::fs::read(place.join("msd.png")).expect("readable");
        assert!(png.windows(4).any(|four| four == b"pHYs"));
        let picture = tiny_skia::Pixmap::decode_png(&png).expect("a picture");
        // 120 mm at 300 dots per inch
        assert_eq!(picture.width(), 1417);
        let dark = picture.pixels().iter().filter(|p| p.red() < 100).count();
        assert!(dark > 2000, "{dark} dark pixels");
    }

    #[test]
    fn the_same_chart_gives_the_same_bytes() {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
        for folder in &folders {
            write_figures(folder.path(), &[&figure("a", &["x", "y"])]).expect("written");
        }
        for name in names(&folders[0].path().join("figures")) {
            let read = |folder: &tempfile::TempDir| {
                std::fs::read(folder.path().join("figures").join(&name)).expect("readable")
            };
            assert!(read(&folders[0]) == read(&folders[1]), "{name} differs");
        }
    }

    #[test]
    fn hostile_facets_stay_in_the_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let chart = figure("rdf", &["Li–S", "../x", "<script>", "/etc/passwd", "a\0b", "../x"]);
        write_figures(folder.path(), &[&chart]).expect("written");
        let place = folder.path().join("figures");
        let found = names(&place);
        for name in ["rdf.svg", "rdf-x.svg", "rdf-x-2.svg", "rdf-script.svg", "rdf-etc-passwd.svg"]
        {
            assert!(found.iter().any(|file| file == name), "{name} is not in {found:?}");
        }
        assert_eq!(names(folder.path()), ["figures"]);
    }

    #[test]
    fn files_of_an_older_report_go_and_those_of_others_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_figures(folder.path(), &[&figure("old", &[]), &figure("kept", &[])])
            .expect("written");
        let place = folder.path().join("figures");
        std::fs::write(place.join("mine.svg"), "mine").expect("writable");
        write_figures(folder.path(), &[&figure("kept", &[])]).expect("written");
        let found = names(&place);
        assert!(found.iter().all(|file| !file.starts_with("old")), "{found:?}");
        assert!(found.contains(&"mine.svg".to_owned()) && found.contains(&"kept.pdf".to_owned()));
    }

    #[test]
    fn a_list_that_was_tampered_with_removes_nothing_outside() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().join("figures");
        std::fs::create_dir_all(&place).expect("writable");
        std::fs::write(folder.path().join("precious"), "gold").expect("writable");
        let files = vec!["../precious".to_owned()];
        let entry = Entry { id: "x".into(), title: String::new(), caption: String::new(), files };
        write_index(&place, &Index { figures: vec![entry] }).expect("written");
        write_figures(folder.path(), &[&figure("a", &[])]).expect("written");
        assert!(folder.path().join("precious").exists());
    }

    #[test]
    fn pictures_are_wrapped_for_paper_and_listed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_figures(folder.path(), &[&figure("a", &[])]).expect("written");
        let mut picture = tiny_skia::Pixmap::new(30, 20).expect("a size");
        picture.fill(tiny_skia::Color::from_rgba8(200, 10, 10, 255));
        let png = picture.encode_png().expect("a picture");
        write_picture(folder.path(), "atoms-0", "Atoms <1>", &png, [30, 20]).expect("written");
        let place = folder.path().join("figures");
        let svg = std::fs::read_to_string(place.join("atoms-0.svg")).expect("readable");
        assert!(svg.contains("data:image/png;base64,iVBORw0KGgo"), "{svg}");
        let pdf = std::fs::read(place.join("atoms-0.pdf")).expect("readable");
        assert!(pdf.starts_with(b"%PDF-"));
        let ids: Vec<String> = read_index(&place).figures.into_iter().map(|one| one.id).collect();
        assert_eq!(ids, ["a", "atoms-0"]);
        let error = write_picture(folder.path(), "b", "", b"no picture", [1, 1]);
        assert!(error.expect_err("no picture").to_string().starts_with("figure b: "));
    }
}

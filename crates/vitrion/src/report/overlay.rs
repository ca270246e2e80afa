//! Measurements laid over the charts of a report.
//!
//! A file of comma-separated values with a head:
//!
//! ```text
//! # figure: radial-distribution
//! # facet: Li–S
//! # label: Neutron, Author 2019
//! # doi: 10.1000/example
//! # x: Å
//! r,g
//! 2.0,0.1
//! 2.1,0.8,0.05
//! ```
//!
//! Columns are x, y and, where known, the error of y. `# x` and `# y` name the units and are checked.

use super::ReportError;
use super::chart::{Chart, Figure, Series, Style, Tone};
use std::path::{Path, PathBuf};

/// More points than this are drawn as a line.
const MOST_POINTS: usize = 40;
const KEYS: &str = "figure, facet, label, doi, x or y";

/// Measurements and where they belong.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    path: PathBuf,
    figure: String,
    facet: Option<String>,
    label: String,
    doi: Option<String>,
    units: [Option<String>; 2],
    /// x, y, error.
    rows: Vec<[f64; 3]>,
}

impl Overlay {
    /// Reads a file of measurements.
    ///
    /// # Errors
    /// A file that cannot be read, and the first line that is not understood.
    pub fn read(path: &Path) -> Result<Overlay, ReportError> {
        let text = std::fs::read_to_string(path).map_err(|source| ReportError::Os {
            path: path.to_owned(),
            doing: "read",
            source,
        })?;
        Overlay::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Overlay, ReportError> {
        let refused = |line: usize, expected: &'static str, found: &str| ReportError::Overlay {
            path: path.to_owned(),
            line,
            expected,
            found: found.to_owned(),
        };
        let mut head: Vec<(&str, String)> = Vec::new();
        let mut rows = Vec::new();
        let mut names_seen = false;
        let mut last = 0;
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            last = number;
            if line.is_empty() {
                continue;
            }
            if let Some(comment) = line.strip_prefix('#') {
                // a colon after several words is a remark
                let Some((key, value)) = comment.split_once(':') else { continue };
                let key = key.trim();
                if key.contains(char::is_whitespace) {
                    continue;
                }
                let known = KEYS.split(", ").flat_map(|part| part.split(" or ")).any(|k| k == key);
                if !known {
                    return Err(refused(number, "a key of figure, facet, label, doi, x or y", key));
                }
                head.push((key, value.trim().to_owned()));
                continue;
            }
            let cells: Vec<&str> = line
                .split(|c: char| c == ',' || c == ';' || c.is_whitespace())
                .filter(|cell| !cell.is_empty())
                .collect();
            let numbers: Result<Vec<f64>, _> = cells.iter().map(|cell| cell.parse()).collect();
            match numbers {
                Ok(found)
                    if (2..=3).contains(&found.len()) && found.iter().all(|x| x.is_finite()) =>
                {
                    rows.push([found[0], found[1], found.get(2).copied().unwrap_or(f64::NAN)]);
                }
                // one line of names may stand above the numbers
                Err(_) if rows.is_empty() && !names_seen && cells.iter().all(|c| is_name(c)) => {
                    names_seen = true;
                }
                _ => return Err(refused(number, "x,y or x,y,error as finite numbers", line)),
            }
        }
        let take = |key: &str| {
            let found = head.iter().find(|(known, _)| *known == key);
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        let figure = take("figure");
        let figure = figure.ok_or_else(|| refused(1, "a line `# figure: ID`", "none"))?;
        let label = take("label").ok_or_else(|| refused(1, "a line `# label: TEXT`", "none"))?;
        if rows.is_empty() {
            return Err(refused(last.max(1), "numbers below the head", "none"));
        }
        Ok(Overlay {
            path: path.to_owned(),
            figure,
            facet: take("facet"),
            label,
            doi: take("doi"),
            units: [take("x"), take("y")],
            rows,
        })
    }

    /// Why a report of something else than runs cannot show the measurements.
    pub(super) fn out_of_place(&self, folder: &Path) -> ReportError {
        let message =
            format!("{} holds no runs; measurements are laid over runs only", folder.display());
        self.unplaced(message)
    }

    /// Adds the measurements to their chart.
    fn draw(&self, figure: &mut Figure, number: usize) -> Result<(), ReportError> {
        let facet = match &self.facet {
            None => None,
            Some(name) => {
                let found = figure.facets.iter().position(|known| same(known, name));
                Some(found.ok_or_else(|| {
                    let known = listed(figure.facets.iter().map(String::as_str));
                    self.unplaced(format!("{} has no facet {name:?}; it has {known}", figure.id))
                })?)
            }
        };
        let [across, up] = [(0, &figure.x.label), (1, &figure.y.label)]
            .map(|(which, label)| self.factor(which, label, figure.reciprocal));
        let (across, up) = (across?, up?);
        let lines = self.rows.len() > MOST_POINTS;
        let style = Style {
            tone: Tone::Ink,
            line: lines,
            dash: if lines { number + 1 } else { 0 },
            marker: if lines { 0 } else { (number + 3) % 4 + 1 },
            ..Style::default()
        };
        let errors = self.rows.iter().all(|row| row[2].is_finite());
        let ends = |sign: f64| -> Vec<f64> {
            let end = |row: &[f64; 3]| up.of(row[1] + sign * row[2]);
            if errors { self.rows.iter().map(end).collect() } else { Vec::new() }
        };
        figure.series.push(Series {
            label: self.label.clone(),
            facet,
            style: Style { band: errors && lines, ..style },
            x: self.rows.iter().map(|row| across.of(row[0])).collect(),
            y: self.rows.iter().map(|row| up.of(row[1])).collect(),
            low: ends(-1.0),
            high: ends(1.0),
            note: self.doi.as_ref().map_or_else(String::new, |doi| format!("doi:{doi}")),
            ..Series::default()
        });
        Ok(())
    }

    /// From the unit of the file to that of the axis, which ends in the unit in brackets.
    fn factor(&self, which: usize, axis: &str, reciprocal: bool) -> Result<Into, ReportError> {
        let Some(given) = &self.units[which] else { return Ok(Into::Times(1.0)) };
        let unit = axis.rsplit_once('[').map_or("", |(_, unit)| unit.trim_end_matches(']'));
        if given == unit || given == axis {
            return Ok(Into::Times(1.0));
        }
        match (given.as_str(), unit) {
            ("K", _) if reciprocal && which == 0 => Ok(Into::Inverse(1000.0)),
            ("mS/cm", "S/cm") => Ok(Into::Times(1e-3)),
            ("S/cm", "mS/cm") => Ok(Into::Times(1e3)),
            _ => {
                let name = ["x", "y"][which];
                let message =
                    format!("{name} is in {given:?}, but the axis of {} is {axis:?}", self.figure);
                Err(self.unplaced(message))
            }
        }
    }

    fn unplaced(&self, message: String) -> ReportError {
        ReportError::Unplaced { path: self.path.clone(), message }
    }
}

/// How numbers come to the unit of an axis.
#[derive(Debug, Clone, Copy)]
enum Into {
    Times(f64),
    Inverse(f64),
}

impl Into {
    fn of(self, value: f64) -> f64 {
        match self {
            Into::Times(factor) => value * factor,
            Into::Inverse(factor) => factor / value,
        }
    }
}

/// Adds measurements to the charts of a page.
///
/// # Errors
/// Measurements for a chart or a facet that the page does not have, or in other units.
pub(super) fn apply(charts: &mut [Chart], overlays: &[Overlay]) -> Result<(), ReportError> {
    for (number, overlay) in overlays.iter().enumerate() {
        let at = charts.iter().position(|chart| chart.id() == overlay.figure);
        match at.map(|at| &mut charts[at]) {
            Some(Chart::Lines(figure)) => overlay.draw(figure, number)?,
            found => {
                let why =
                    if found.is_some() { "is no chart of lines" } else { "is not on the page" };
                let ids = charts.iter().filter(|chart| matches!(chart, Chart::Lines(_)));
                let ids = listed(ids.map(Chart::id));
                let message = format!("figure {:?} {why}; there are {ids}", overlay.figure);
                return Err(overlay.unplaced(message));
            }
        }
    }
    Ok(())
}

fn is_name(cell: &str) -> bool {
    cell.parse::<f64>().is_err()
}

/// Names of facets with any kind of dash.
fn same(a: &str, b: &str) -> bool {
    a.replace(['–', '−'], "-") == b.replace(['–', '−'], "-")
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Digitised by hand\n# figure: rdf\n# facet: Li-S\n# label: Neutron, Author 2019\n\
        # doi: 10.1000/x\n# x: Å\nr,g\n2.0,0.1,0.02\n2.1, 0.8, 0.05\n";

    fn parse(text: &str) -> Result<Overlay, ReportError> {
        Overlay::parse(Path::new("neutron.csv"), text)
    }

    fn charts() -> Vec<Chart> {
        let mut rdf = Figure::new("rdf", "g(r)", "pair");
        rdf.x.label = "r [Å]".into();
        rdf.facets = vec!["Li–P".into(), "Li–S".into()];
        let mut arrhenius = Figure::new("arrhenius", "σ", "");
        arrhenius.reciprocal = true;
        arrhenius.x.label = "1000 / T [1/K]".into();
        arrhenius.y.label = "σ [S/cm]".into();
        vec![rdf.into(), arrhenius.into()]
    }

    fn last(chart: &Chart) -> &Series {
        match chart {
            Chart::Lines(figure) => figure.series.last().expect("a series"),
            _ => panic!("not lines"),
        }
    }

    #[test]
    fn measurements_appear_in_their_facet_with_errors_and_source() {
        let mut charts = charts();
        apply(&mut charts, &[parse(GOOD).expect("a good file")]).expect("a place");
        let series = last(&charts[0]);
        assert_eq!((series.facet, series.label.as_str()), (Some(1), "Neutron, Author 2019"));
        assert_eq!((series.note.as_str(), series.style.line), ("doi:10.1000/x", false));
        assert!((series.high[1] - 0.85).abs() < 1e-12 && (series.low[0] - 0.08).abs() < 1e-12);
    }

    #[test]
    fn long_tables_are_lines_and_temperatures_become_inverse() {
        let mut text = String::from("# figure: arrhenius\n# label: m\n# x: K\n# y: mS/cm\n");
        text.extend((500..550).map(|kelvin| format!("{kelvin} 2.0\n")));
        let mut charts = charts();
        apply(&mut charts, &[parse(&text).expect("a good file")]).expect("a place");
        let series = last(&charts[1]);
        assert!(series.style.line && series.style.marker == 0 && series.low.is_empty());
        assert!((series.x[0] - 2.0).abs() < 1e-12 && (series.y[0] - 2e-3).abs() < 1e-15);
    }

    #[test]
    fn a_bad_line_is_named_with_what_was_found() {
        for (text, message) in [
            (
                "# figure: rdf\n# label: a\n1,2\n1,two\n",
                "neutron.csv:4: expected x,y or x,y,error as finite numbers, found \"1,two\"",
            ),
            (
                "# figure: rdf\n# label: a\n1,2,3,4\n",
                "neutron.csv:3: expected x,y or x,y,error as finite numbers, found \"1,2,3,4\"",
            ),
            (
                "# figure: rdf\n# label: a\n1,NaN\n",
                "neutron.csv:3: expected x,y or x,y,error as finite numbers, found \"1,NaN\"",
            ),
            (
                "# figur: rdf\n",
                "neutron.csv:1: expected a key of figure, facet, label, doi, x or y, found \"figur\"",
            ),
            ("# label: a\n1,2\n", "neutron.csv:1: expected a line `# figure: ID`, found \"none\""),
            (
                "# figure: a\n1,2\n",
                "neutron.csv:1: expected a line `# label: TEXT`, found \"none\"",
            ),
            (
                "# figure: a\n# label: b\n",
                "neutron.csv:2: expected numbers below the head, found \"none\"",
            ),
        ] {
            assert_eq!(parse(text).expect_err("a bad file").to_string(), message);
        }
    }

    #[test]
    fn measurements_without_a_place_are_refused_with_what_there_is() {
        let place = |text: &str| {
            let overlay = parse(text).expect("a good file");
            apply(&mut charts(), &[overlay]).expect_err("no place").to_string()
        };
        assert_eq!(
            place(&GOOD.replace("rdf", "sq")),
            "neutron.csv: figure \"sq\" is not on the page; there are rdf, arrhenius"
        );
        assert_eq!(
            place(&GOOD.replace("Li-S", "S-S")),
            "neutron.csv: rdf has no facet \"S-S\"; it has Li–P, Li–S"
        );
        assert_eq!(
            place(&GOOD.replace("x: Å", "x: nm")),
            "neutron.csv: x is in \"nm\", but the axis of rdf is \"r [Å]\""
        );
    }
}

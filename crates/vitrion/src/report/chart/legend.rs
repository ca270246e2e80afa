//! What the lines and points of a chart mean.

use super::sheet::{Sheet, Size};
use super::{Figure, Series, Style, Tone};
use crate::report::html::escape;
use crate::report::number;
use std::fmt::Write as _;

/// Width of a key, and from its start to the text.
const KEY: f64 = 28.0;
const TEXT: f64 = 35.0;
/// From one row to the next.
pub(super) const ROW: f64 = 17.0;
/// Between two entries of a row.
const BETWEEN: f64 = 18.0;
/// More runs than this are told apart by their temperature and, in a second list, by their system.
const MOST_RUNS: usize = 6;

/// A row of the legend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) label: String,
    pub(super) style: Style,
    pub(super) bound: bool,
}

impl Figure {
    /// The legend of the first facet; none where it would have one entry.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut out = self.of_runs_by_kind();
        let split = !out.is_empty();
        for series in self.first_facet() {
            let listed = split && series.run.is_some_and(|run| run.temperature.is_some());
            if !series.label.is_empty() && !series.x.is_empty() && !listed {
                join(&mut out, &series.label, series.style, series.bound);
            }
        }
        if out.len() < 2 { Vec::new() } else { out }
    }

    /// Temperatures and systems of many runs: what the colour means, then what the dash means.
    fn of_runs_by_kind(&self) -> Vec<Entry> {
        let Some(runs) = &self.runs else { return Vec::new() };
        let of_run = |series: &&Series| {
            series.run.is_some_and(|r| r.temperature.is_some()) && !series.x.is_empty()
        };
        let (mut labels, mut colors, mut systems) = (Vec::new(), Vec::new(), Vec::new());
        for series in self.first_facet().filter(of_run) {
            let Some(run) = series.run else { continue };
            if !labels.contains(&&series.label) {
                labels.push(&series.label);
            }
            if let Some(temperature) = run.temperature {
                colors.push((temperature, series.style));
            }
            systems.push((run.system, series.style));
        }
        let by = |found: &mut Vec<(usize, Style)>| {
            found.sort_by_key(|(number, _)| *number);
            found.dedup_by_key(|(number, _)| *number);
        };
        by(&mut colors);
        by(&mut systems);
        if labels.len() <= MOST_RUNS || colors.len() < 2 || systems.len() < 2 {
            return Vec::new();
        }
        let temperatures = colors.into_iter().filter_map(|(number, style)| {
            let label = format!("{} K", number::significant(*runs.temperatures.get(number)?, 3));
            Some(Entry { label, style: Style { dash: 0, marker: 0, ..style }, bound: false })
        });
        let systems = systems.into_iter().filter_map(|(number, style)| {
            let label = runs.systems.get(number)?.clone();
            // solid markers are those of measurements
            let tone = if style.marker > 0 { Tone::Guide } else { Tone::Ink };
            Some(Entry { label, style: Style { tone, band: false, ..style }, bound: false })
        });
        temperatures.chain(systems).collect()
    }

    /// The legend as HTML.
    pub(super) fn legend(&self) -> String {
        list(Sheet::PAGE, &self.entries())
    }
}

/// Adds an entry, or what it has more to the entry of the same name: a band to its line, points to their fit.
fn join(entries: &mut Vec<Entry>, label: &str, style: Style, bound: bool) {
    let Some(known) = entries.iter_mut().find(|entry| entry.label == label) else {
        entries.push(Entry { label: label.to_owned(), style, bound });
        return;
    };
    known.bound = known.bound && bound;
    let all = &mut known.style;
    all.line |= style.line;
    all.band |= style.band;
    all.dash = all.dash.max(style.dash);
    if all.marker == 0 {
        all.marker = style.marker;
    }
}

fn list(sheet: Sheet, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut out = String::from("<ul class=\"legend\">");
    for entry in entries {
        let _ = write!(
            out,
            "<li><svg viewBox=\"0 0 28 12\" aria-hidden=\"true\">{}</svg>{}</li>",
            key(sheet, entry),
            escape(&entry.label)
        );
    }
    out.push_str("</ul>");
    out
}

/// Size of a legend of one column.
pub(super) fn column_size(entries: &[Entry]) -> (f64, f64) {
    let widest = entries.iter().map(|entry| Size::Small.width(&entry.label)).fold(0.0, f64::max);
    (TEXT + widest, ROW * entries.len() as f64)
}

/// A legend of one column.
pub(super) fn column(sheet: Sheet, entries: &[Entry], (x, y): (f64, f64), out: &mut String) {
    for (row, entry) in entries.iter().enumerate() {
        place(sheet, entry, (x, y + ROW * row as f64), f64::INFINITY, out);
    }
}

/// A legend of columns from `left` to `right`; returns its height.
pub(super) fn columns(
    sheet: Sheet,
    entries: &[Entry],
    (left, right): (f64, f64),
    top: f64,
    out: &mut String,
) -> f64 {
    if entries.is_empty() {
        return 0.0;
    }
    let widths = |rows: usize| entries.chunks(rows).map(|column| column_size(column).0);
    let fits = |rows: &usize| {
        let gaps = BETWEEN * entries.len().div_ceil(*rows).saturating_sub(1) as f64;
        widths(*rows).sum::<f64>() + gaps <= right - left
    };
    let rows = (1..=entries.len()).find(fits).unwrap_or(entries.len());
    let mut x = left;
    // columns are read downwards
    for (column, wide) in entries.chunks(rows).zip(widths(rows)) {
        for (row, entry) in column.iter().enumerate() {
            place(sheet, entry, (x, top + ROW * row as f64), right - x - TEXT, out);
        }
        x += wide + BETWEEN;
    }
    ROW * rows as f64
}

fn place(sheet: Sheet, entry: &Entry, (x, y): (f64, f64), room: f64, out: &mut String) {
    let _ = write!(out, "<g transform=\"translate({x:.1} {y:.1})\">{}</g>", key(sheet, entry));
    let label = Size::Small.fitted(&entry.label, room);
    sheet.text(out, (x + TEXT, y + 10.3), "start", Size::Small, &label);
}

/// The sign of an entry, 28 by 12 units.
fn key(sheet: Sheet, entry: &Entry) -> String {
    let style = entry.style;
    let color = sheet.ink(super::draw::ink_of(style));
    let mut out = String::new();
    if style.band {
        let _ =
            write!(out, "<rect width=\"{KEY}\" height=\"12\" fill=\"{color}\" opacity=\"0.2\"/>");
    }
    if style.bar > 0 {
        let _ = write!(
            out,
            "<rect y=\"1\" width=\"{KEY}\" height=\"10\" fill=\"{color}\" opacity=\"{}\"/>",
            super::opacity(style.bar - 1)
        );
    }
    if style.line {
        let _ = write!(
            out,
            "<path d=\"M0 6H{KEY}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.8\"{}/>",
            super::draw::dashes(style.dash)
        );
    }
    if entry.bound {
        let _ = write!(
            out,
            "<path d=\"M-5 -4H5M0 -4V7M-4 3L0 7L4 3\" transform=\"translate(14 5)\" fill=\"none\" \
             stroke=\"{color}\" stroke-width=\"1.6\"/>"
        );
    } else if style.marker > 0 {
        let _ = write!(
            out,
            "<path d=\"{}\" transform=\"translate(14 6)\" fill=\"{}\" stroke=\"{color}\" \
             stroke-width=\"1.6\"/>",
            super::draw::marker(style.marker),
            sheet.ink(super::draw::fill_of(style))
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{RunTag, Runs};
    use super::*;

    fn run(system: usize, temperature: usize) -> Series {
        Series {
            label: format!("run {system} {temperature}"),
            run: Some(RunTag { system, temperature: Some(temperature) }),
            style: Style { color: temperature, dash: system, line: true, ..Style::default() },
            x: vec![1.0],
            y: vec![1.0],
            ..Series::default()
        }
    }

    #[test]
    fn twelve_runs_have_seven_entries() {
        let mut figure = Figure::new("f", "f", "");
        figure.runs = Some(Runs {
            systems: ["beta", "glass", "ceramic"].map(str::to_owned).to_vec(),
            temperatures: vec![700.0, 800.0, 900.0, 1000.0],
        });
        for system in 0..3 {
            figure.series.extend((0..4).map(|temperature| run(system, temperature)));
        }
        let labels: Vec<String> = figure.entries().into_iter().map(|entry| entry.label).collect();
        assert_eq!(labels, ["700 K", "800 K", "900 K", "1000 K", "beta", "glass", "ceramic"]);
        figure.series.truncate(2);
        assert_eq!(figure.entries().len(), 2);
    }

    #[test]
    fn a_band_and_its_line_are_one_entry() {
        let mut figure = Figure::new("f", "f", "");
        let of = |label: &str, style| Series { style, label: label.into(), ..run(0, 0) };
        figure.series = vec![
            of("fit", Style { band: true, ..Style::default() }),
            of("fit", Style { line: true, dash: 1, ..Style::default() }),
            of("points", Style { marker: 2, ..Style::default() }),
        ];
        let entries = figure.entries();
        assert_eq!(entries.len(), 2);
        let fit = entries[0].style;
        assert!(fit.band && fit.line && fit.dash == 1);
    }
}
